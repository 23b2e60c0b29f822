//! Changes that are newer than the database, on top of it.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::database::{Changes, Snapshot};
use super::error::Error;
use super::merge::{Layer, merge};
use crate::store::Entry;
use crate::store::entry::OVERHEAD;

/// What is newer than the database, or about to be written to it.
#[derive(Default)]
pub(super) struct State {
    pub recent: Changes,
    pub writing: Arc<Changes>,
    /// How many bytes `recent` has.
    pub size: u64,
    /// How many bytes of the capacity are used.
    pub used: u64,
}

impl State {
    /// What became of `key`, if the database does not know it yet.
    pub fn changed(&self, key: &[u8]) -> Option<&Option<Entry>> {
        self.recent.get(key).or_else(|| self.writing.get(key))
    }

    /// All keys from `start` to `end`, which must not be after it.
    pub fn keys<'a>(
        &'a self,
        snapshot: &Snapshot,
        start: Bound<&'a [u8]>,
        end: Bound<&'a [u8]>,
        reverse: bool,
    ) -> Result<impl Iterator<Item = Result<Bytes, Error>> + use<'a>, Error> {
        let stored = snapshot.keys(start, end)?.map(|key| Ok((key?, true)));
        let changed = |changes: &'a Changes| {
            let range = changes.range::<[u8], _>((start, end));
            ordered(range.map(|(key, entry)| Ok((key.clone(), entry.is_some()))), reverse)
        };
        let layers = vec![changed(&self.recent), changed(&self.writing), ordered(stored, reverse)];
        Ok(merge(layers, reverse))
    }
}

fn ordered<'a>(
    items: impl DoubleEndedIterator<Item = Result<(Bytes, bool), Error>> + 'a,
    reverse: bool,
) -> Layer<'a, Error> {
    if reverse { Box::new(items.rev()) } else { Box::new(items) }
}

/// How many bytes a change under a key of `key_len` bytes has, roughly.
pub(super) fn size(key_len: usize, entry: Option<&Entry>) -> u64 {
    entry.map_or(key_len as u64 + OVERHEAD, |entry| entry.size(key_len))
}
