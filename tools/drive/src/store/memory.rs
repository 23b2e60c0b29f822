//! Entries in memory, gone with the process.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;

use super::change::Replaced;
use super::{Action, Change, Entry, Looked, Refusal};

/// Entries in memory. One lock guards all of them: it is held only for a
/// search in the map, and never while bytes are copied or freed.
pub(super) struct Memory {
    capacity: u64,
    content: RwLock<Content>,
}

#[derive(Default)]
struct Content {
    entries: BTreeMap<Bytes, Entry>,
    used: u64,
    settings: Option<Vec<u8>>,
}

/// What a change replaced, with which it can be undone.
struct Undo {
    key: Bytes,
    entry: Option<Entry>,
    used: u64,
}

impl Memory {
    pub fn new(capacity: u64) -> Self {
        Self { capacity, content: RwLock::default() }
    }

    pub fn get(&self, key: &[u8]) -> Option<Entry> {
        self.read().entries.get(key).cloned()
    }

    pub fn after(&self, key: &[u8]) -> Option<(Bytes, Entry)> {
        let content = self.read();
        let (key, entry) =
            content.entries.range::<[u8], _>((Bound::Excluded(key), Bound::Unbounded)).next()?;
        Some((key.clone(), entry.clone()))
    }

    pub fn before(&self, key: &[u8]) -> Option<(Bytes, Entry)> {
        let content = self.read();
        let (key, entry) =
            content.entries.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(key))).next_back()?;
        Some((key.clone(), entry.clone()))
    }

    /// The range must not be empty.
    pub fn look(
        &self,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
        reverse: bool,
        max: usize,
        accept: impl FnMut(&[u8]) -> bool,
    ) -> Result<Looked, Refusal> {
        let content = self.read();
        let keys = content.entries.range::<[u8], _>((start, end)).map(|(key, _)| Ok(key.clone()));
        if reverse { Looked::at(keys.rev(), max, accept) } else { Looked::at(keys, max, accept) }
    }

    pub fn change(&self, change: Change) -> Result<(), Refusal> {
        let replaced = self.write().apply(change, self.capacity)?;
        // Freed only now, so that the lock is not held meanwhile.
        drop(replaced);
        Ok(())
    }

    pub fn change_all(&self, changes: Vec<Change>) -> Result<(), (usize, Refusal)> {
        let mut replaced = Vec::with_capacity(changes.len());
        let mut content = self.write();
        for (index, change) in changes.into_iter().enumerate() {
            let (key, used) = (change.key.clone(), content.used);
            match content.apply(change, self.capacity) {
                Ok(entry) => replaced.push(Undo { key, entry, used }),
                Err(refusal) => {
                    for undo in replaced.into_iter().rev() {
                        content.undo(undo);
                    }
                    return Err((index, refusal));
                }
            }
        }
        drop(content);
        drop(replaced);
        Ok(())
    }

    pub fn erase(&self) {
        let erased = std::mem::take(&mut *self.write());
        drop(erased);
    }

    pub fn usage(&self) -> (u64, u64) {
        (self.capacity, self.read().used)
    }

    pub fn settings(&self) -> Option<Vec<u8>> {
        self.read().settings.clone()
    }

    pub fn set_settings(&self, settings: &[u8]) {
        self.write().settings = Some(settings.to_vec());
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

impl Content {
    /// Makes a change, or leaves everything as it was. Returns the entry that
    /// is no longer there.
    fn apply(&mut self, change: Change, capacity: u64) -> Result<Option<Entry>, Refusal> {
        let old = self.entries.get(&change.key).map(|entry| Replaced {
            version: entry.version.as_deref().unwrap_or_default(),
            size: entry.size(change.key.len()),
        });
        self.used = change.check(old, self.used, capacity)?;
        Ok(match change.action {
            Action::Put(entry) => self.entries.insert(change.key, entry),
            Action::Delete => self.entries.remove(&change.key),
        })
    }

    fn undo(&mut self, undo: Undo) {
        self.used = undo.used;
        match undo.entry {
            Some(entry) => self.entries.insert(undo.key, entry),
            None => self.entries.remove(&undo.key),
        };
    }
}
