//! The entries, ordered by key.

use std::collections::BTreeMap;
use std::io;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;

/// What an entry costs on top of its bytes, roughly, so that many tiny entries
/// cannot use much more memory than the capacity.
const ENTRY_OVERHEAD: u64 = 256;

/// What is stored under a key. Cloning copies no bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub value: Bytes,
    pub version: Option<Bytes>,
    pub tag: Option<Bytes>,
    pub algorithm: Option<i32>,
}

impl Entry {
    fn size(&self, key: &[u8]) -> u64 {
        let optional = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let bytes = key.len() + self.value.len() + optional(&self.version) + optional(&self.tag);
        bytes as u64 + ENTRY_OVERHEAD
    }
}

/// Which version of an entry a change may replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected<'a> {
    /// Any, or none at all.
    Any,
    /// This one. An entry without a version, and no entry, have the empty one.
    Version(&'a [u8]),
}

impl Expected<'_> {
    fn accepts(self, entry: Option<&Entry>) -> bool {
        let stored = entry.and_then(|e| e.version.as_deref()).unwrap_or(b"");
        match self {
            Self::Any => true,
            Self::Version(version) => version == stored,
        }
    }
}

/// Why a change was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotFound,
    VersionMismatch,
    NoSpace,
}

/// The entries.
pub(crate) struct Store {
    capacity: u64,
    content: RwLock<Content>,
}

struct Content {
    entries: BTreeMap<Bytes, Entry>,
    used: u64,
}

impl Store {
    /// An empty store for at most `capacity` bytes.
    pub fn new(capacity: u64) -> Self {
        Self { capacity, content: RwLock::new(Content { entries: BTreeMap::new(), used: 0 }) }
    }

    pub fn get(&self, key: &[u8]) -> Option<Entry> {
        self.read().entries.get(key).cloned()
    }

    pub fn put(&self, key: Bytes, entry: Entry, expected: Expected<'_>) -> Result<(), Refusal> {
        let size = entry.size(&key);
        let replaced = {
            let mut content = self.write();
            let old = content.entries.get(&key);
            if !expected.accepts(old) {
                return Err(Refusal::VersionMismatch);
            }
            let freed = old.map_or(0, |old| old.size(&key));
            let used = content.used - freed + size;
            if used > self.capacity {
                return Err(Refusal::NoSpace);
            }
            content.used = used;
            content.entries.insert(key, entry)
        };
        // Freed only now, so that the lock is not held meanwhile.
        drop(replaced);
        Ok(())
    }

    pub fn delete(&self, key: &[u8], expected: Expected<'_>) -> Result<(), Refusal> {
        let removed = {
            let mut content = self.write();
            match content.entries.get(key) {
                None if expected == Expected::Any => return Ok(()),
                None => return Err(Refusal::NotFound),
                old if !expected.accepts(old) => return Err(Refusal::VersionMismatch),
                Some(old) => content.used -= old.size(key),
            }
            content.entries.remove(key)
        };
        drop(removed);
        Ok(())
    }

    /// Makes all changes so far durable; in memory, nothing can be.
    pub fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    /// The capacity and how much of it is used, in bytes.
    pub fn usage(&self) -> (u64, u64) {
        (self.capacity, self.read().used)
    }

    // A panic while the lock is held leaves the map as it was or changed, but
    // whole; so a poisoned lock is no reason to stop serving.

    fn read(&self) -> RwLockReadGuard<'_, Content> {
        self.content.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Content> {
        self.content.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: &'static [u8], version: Option<&'static [u8]>) -> Entry {
        Entry {
            value: Bytes::from_static(value),
            version: version.map(Bytes::from_static),
            tag: None,
            algorithm: None,
        }
    }

    const KEY: Bytes = Bytes::from_static(b"key");

    #[test]
    fn versions_guard_changes() {
        let store = Store::new(1 << 20);
        let first = entry(b"1", Some(b"v1"));
        let mismatch = Err(Refusal::VersionMismatch);
        assert_eq!(store.put(KEY, first.clone(), Expected::Version(b"v0")), mismatch);
        assert_eq!(store.put(KEY, first.clone(), Expected::Version(b"")), Ok(()));
        let second = entry(b"2", None);
        assert_eq!(store.put(KEY, second.clone(), Expected::Version(b"")), mismatch);
        assert_eq!(store.get(b"key"), Some(first));
        assert_eq!(store.put(KEY, second.clone(), Expected::Version(b"v1")), Ok(()));
        assert_eq!(store.get(b"key"), Some(second));
        assert_eq!(store.delete(b"key", Expected::Version(b"v1")), mismatch);
        assert_eq!(store.delete(b"key", Expected::Version(b"")), Ok(()));
        assert_eq!(store.delete(b"key", Expected::Version(b"")), Err(Refusal::NotFound));
        assert_eq!(store.delete(b"key", Expected::Any), Ok(()));
    }

    #[test]
    fn capacity_counts_what_is_stored_now() {
        let room_for_one = ENTRY_OVERHEAD + 3 + 4;
        let store = Store::new(room_for_one);
        let no_space = Err(Refusal::NoSpace);
        assert_eq!(store.put(KEY, entry(b"12345", None), Expected::Any), no_space);
        assert_eq!(store.usage(), (room_for_one, 0));
        for _ in 0..3 {
            assert_eq!(store.put(KEY, entry(b"1234", None), Expected::Any), Ok(()));
            assert_eq!(store.usage(), (room_for_one, room_for_one));
        }
        let other = Bytes::from_static(b"yek");
        assert_eq!(store.put(other.clone(), entry(b"", None), Expected::Any), no_space);
        assert_eq!(store.delete(b"key", Expected::Any), Ok(()));
        assert_eq!(store.usage(), (room_for_one, 0));
        assert_eq!(store.put(other, entry(b"", None), Expected::Any), Ok(()));
    }
}
