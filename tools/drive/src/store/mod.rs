//! The entries, ordered by key.
//!
//! All connections share one [`Store`]. Each change takes effect at once and as
//! a whole: nobody ever sees a part of it.

mod change;
mod disk;
mod entry;
mod looked;
mod memory;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::Bound;
use std::path::Path;

use bytes::Bytes;

use disk::Disk;
use memory::Memory;

pub(crate) use change::{Action, Change, Expected};
pub(crate) use entry::Entry;
pub(crate) use looked::Looked;

/// Why a request to the store was not fulfilled. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no entry to remove.
    NotFound,
    /// The entry's version is not the expected one.
    VersionMismatch,
    /// The capacity does not suffice.
    NoSpace,
    /// What is stored makes no sense; details are logged.
    Corrupt,
    /// Reading or writing failed; details are logged.
    Failed,
}

/// The entries, and the device's settings beside them.
pub(crate) struct Store(Kind);

enum Kind {
    Memory(Memory),
    Disk(Disk),
}

impl Store {
    /// An empty store in memory for at most `capacity` bytes.
    pub fn memory(capacity: u64) -> Self {
        Self(Kind::Memory(Memory::new(capacity)))
    }

    /// The store in the directory `dir`, which is created if need be (but not
    /// its parents), for at most `capacity` bytes. If there is more in it
    /// already, that stays. Changes become durable after a second at the
    /// latest, or when the store is dropped.
    ///
    /// # Errors
    ///
    /// If the directory is in use, has other content than a store, or cannot
    /// be read and written.
    pub fn open(dir: &Path, capacity: u64) -> io::Result<Self> {
        match Disk::open(dir, capacity) {
            Ok(disk) => Ok(Self(Kind::Disk(disk))),
            Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", dir.display()))),
        }
    }

    /// The entry under `key`.
    pub fn get(&self, key: &[u8]) -> Result<Option<Entry>, Refusal> {
        match &self.0 {
            Kind::Memory(memory) => Ok(memory.get(key)),
            Kind::Disk(disk) => disk.get(key),
        }
    }

    /// The first entry after `key`, whether or not there is one under `key`.
    pub fn after(&self, key: &[u8]) -> Result<Option<(Bytes, Entry)>, Refusal> {
        match &self.0 {
            Kind::Memory(memory) => Ok(memory.after(key)),
            Kind::Disk(disk) => disk.after(key),
        }
    }

    /// The last entry before `key`, whether or not there is one under `key`.
    pub fn before(&self, key: &[u8]) -> Result<Option<(Bytes, Entry)>, Refusal> {
        match &self.0 {
            Kind::Memory(memory) => Ok(memory.before(key)),
            Kind::Disk(disk) => disk.before(key),
        }
    }

    /// The first `max` keys from `start` to `end` that `accept` says yes to;
    /// with `reverse` the last ones, the last of all first. There are none if
    /// `start` is after `end`. If many are refused, there may be changes while
    /// this looks at the next ones.
    ///
    /// `accept` is as for [`look`](Self::look).
    pub fn keys(
        &self,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
        reverse: bool,
        max: usize,
        mut accept: impl FnMut(&[u8]) -> bool,
    ) -> Result<Vec<Bytes>, Refusal> {
        let mut looked = self.look(start, end, reverse, max, &mut accept)?;
        let mut keys = looked.accepted;
        while let Some(last) = looked.last.filter(|_| keys.len() < max) {
            let (start, end) =
                if reverse { (start, Bound::Excluded(&last[..])) } else { (Bound::Excluded(&last[..]), end) };
            looked = self.look(start, end, reverse, max - keys.len(), &mut accept)?;
            keys.append(&mut looked.accepted);
        }
        Ok(keys)
    }

    /// The same among the first keys only: those that can be looked at without
    /// keeping others waiting for long.
    ///
    /// Changes wait meanwhile, so `accept` shall be quick, and not use the
    /// store.
    pub fn look(
        &self,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
        reverse: bool,
        max: usize,
        accept: impl FnMut(&[u8]) -> bool,
    ) -> Result<Looked, Refusal> {
        // The maps would panic.
        if is_empty(start, end) || max == 0 {
            return Ok(Looked::default());
        }
        match &self.0 {
            Kind::Memory(memory) => memory.look(start, end, reverse, max, accept),
            Kind::Disk(disk) => disk.look(start, end, reverse, max, accept),
        }
    }

    /// Makes a change. It is durable only after [`sync`](Self::sync).
    pub fn change(&self, change: Change) -> Result<(), Refusal> {
        match &self.0 {
            Kind::Memory(memory) => memory.change(change),
            Kind::Disk(disk) => disk.change(change),
        }
    }

    /// Makes all changes in order, or none of them if one is refused, which is
    /// returned by its index. They are durable, all of them, only after
    /// [`sync`](Self::sync).
    pub fn change_all(&self, changes: Vec<Change>) -> Result<(), (usize, Refusal)> {
        match &self.0 {
            Kind::Memory(memory) => memory.change_all(changes),
            Kind::Disk(disk) => disk.change_all(changes),
        }
    }

    /// Makes every change durable that was made before this call. Costs
    /// nothing if there is none.
    pub fn sync(&self) -> io::Result<()> {
        match &self.0 {
            // There is nothing more durable than it is already.
            Kind::Memory(_) => Ok(()),
            Kind::Disk(disk) => disk.sync(),
        }
    }

    /// Removes everything, also the settings, durably.
    pub fn erase(&self) -> io::Result<()> {
        match &self.0 {
            Kind::Memory(memory) => {
                memory.erase();
                Ok(())
            }
            Kind::Disk(disk) => disk.erase(),
        }
    }

    /// The capacity and how much of it is used, in bytes.
    pub fn usage(&self) -> (u64, u64) {
        match &self.0 {
            Kind::Memory(memory) => memory.usage(),
            Kind::Disk(disk) => disk.usage(),
        }
    }

    /// What was given to [`set_settings`](Self::set_settings) last; `None` if
    /// there was nothing since the last [`erase`](Self::erase).
    pub fn settings(&self) -> Result<Option<Vec<u8>>, Refusal> {
        match &self.0 {
            Kind::Memory(memory) => Ok(memory.settings()),
            Kind::Disk(disk) => disk.settings(),
        }
    }

    /// Keeps the device's own state, durably. The bytes mean nothing to the
    /// store, and are not counted.
    pub fn set_settings(&self, settings: &[u8]) -> io::Result<()> {
        match &self.0 {
            Kind::Memory(memory) => {
                memory.set_settings(settings);
                Ok(())
            }
            Kind::Disk(disk) => disk.set_settings(settings),
        }
    }
}

/// Whether there cannot be a key from `start` to `end`.
fn is_empty(start: Bound<&[u8]>, end: Bound<&[u8]>) -> bool {
    match (start, end) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(start), Bound::Included(end)) => start > end,
        (Bound::Included(start) | Bound::Excluded(start), Bound::Included(end) | Bound::Excluded(end)) => {
            start >= end
        }
    }
}
