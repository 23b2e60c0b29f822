//! What is stored under a key.

use bytes::Bytes;

/// What an entry costs on top of its bytes, roughly, so that many tiny entries
/// cannot use much more than the capacity.
pub(super) const OVERHEAD: u64 = 256;

/// What is stored under a key. Cloning copies no bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub value: Bytes,
    pub version: Option<Bytes>,
    pub tag: Option<Bytes>,
    pub algorithm: Option<i32>,
}

impl Entry {
    /// How many bytes of the capacity this takes under a key of `key_len`
    /// bytes.
    pub(super) fn size(&self, key_len: usize) -> u64 {
        size(key_len, self.value.len() as u64, &self.version, &self.tag)
    }
}

/// How many bytes of the capacity an entry takes.
pub(super) fn size(key_len: usize, value_len: u64, version: &Option<Bytes>, tag: &Option<Bytes>) -> u64 {
    let optional = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
    value_len + (key_len + optional(version) + optional(tag)) as u64 + OVERHEAD
}
