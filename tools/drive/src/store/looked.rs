//! A look at some of the keys.

use bytes::Bytes;

/// How many keys are looked at while changes wait: all that a range can be
/// asked for, if none is refused.
pub(super) const STEP: usize = 1024;

/// What a look at some of the keys has found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Looked {
    /// The keys that were accepted, in order.
    pub accepted: Vec<Bytes>,
    /// The last key that was looked at; `None` if there are no more after it.
    pub last: Option<Bytes>,
}

impl Looked {
    /// Looks at the first of some keys, until `max` are accepted. `max` must
    /// not be zero.
    pub(super) fn at<E>(
        keys: impl Iterator<Item = Result<Bytes, E>>,
        max: usize,
        mut accept: impl FnMut(&[u8]) -> bool,
    ) -> Result<Self, E> {
        let mut accepted = Vec::new();
        for (count, key) in (1..).zip(keys) {
            let key = key?;
            if accept(&key) {
                accepted.push(key.clone());
            }
            if count == STEP || accepted.len() == max {
                return Ok(Self { accepted, last: Some(key) });
            }
        }
        Ok(Self { accepted, last: None })
    }
}
