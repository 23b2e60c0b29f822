//! Changes, and which of them are allowed.

use bytes::Bytes;

use super::{Entry, Refusal};

/// A change of what is stored under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub key: Bytes,
    pub expected: Expected,
    pub action: Action,
}

/// What to do with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Store this entry in place of the old one, if there is one.
    Put(Entry),
    /// Remove the entry.
    Delete,
}

/// Which version of an entry a change may replace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Any, or none at all.
    Any,
    /// This one. An entry without a version, and no entry, have the empty one.
    Version(Bytes),
}

/// What a change has to know of the entry it replaces.
#[derive(Clone, Copy)]
pub(super) struct Replaced<'a> {
    pub version: &'a [u8],
    /// How many bytes of the capacity it takes.
    pub size: u64,
}

impl Change {
    /// Decides on the change, with `replaced` under its key now and `used` of
    /// `capacity` bytes used. Returns how many bytes are used after it.
    pub(super) fn check(
        &self,
        replaced: Option<Replaced<'_>>,
        used: u64,
        capacity: u64,
    ) -> Result<u64, Refusal> {
        let kept = used - replaced.map_or(0, |entry| entry.size);
        match &self.action {
            Action::Put(entry) => {
                if !self.expected.accepts(replaced) {
                    return Err(Refusal::VersionMismatch);
                }
                let used = kept + entry.size(self.key.len());
                if used > capacity {
                    return Err(Refusal::NoSpace);
                }
                Ok(used)
            }
            Action::Delete if replaced.is_none() && self.expected != Expected::Any => Err(Refusal::NotFound),
            Action::Delete if !self.expected.accepts(replaced) => Err(Refusal::VersionMismatch),
            Action::Delete => Ok(kept),
        }
    }
}

impl Expected {
    fn accepts(&self, replaced: Option<Replaced<'_>>) -> bool {
        match self {
            Self::Any => true,
            Self::Version(version) => version == replaced.map_or(&b""[..], |entry| entry.version),
        }
    }
}
