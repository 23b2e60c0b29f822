//! Entries on disk, in a [redb] database.
//!
//! # Why redb
//!
//! It promises that a transaction is on the disk as a whole when its commit
//! returns. It has one dependency (libc), no threads of its own, and no
//! `unsafe` in its interface. Version 2.6 is the last one for Rust 1.88; it is
//! still kept up, and 3 and 4 read its files.
//!
//! Looked at as well: fjall 2, a log-structured tree. It makes a single change
//! durable faster, because it only appends to a journal, but it writes every
//! value at least twice, took ten times as long for values of 1 MiB in our
//! trial, and leaves the space of replaced ones to be collected by hand. It has
//! about fifty dependencies, and fjall 3 (for newer Rust) has another format.
//! LMDB (heed) cannot be opened without `unsafe`; sled's last stable release
//! is from 2021; SQLite would do, but is much C to compile for the little that
//! is used of it.
//!
//! # What is done around it
//!
//! A redb transaction for each change would be slow (one writer at a time, two
//! writes of each page on the way to the root), and without waiting for the
//! disk the file would grow without end, because pages are freed by durable
//! commits only. So changes are collected in memory and written together:
//!
//! * `recent` has the changes since the last commit began,
//! * `writing` has those of a commit that is under way,
//! * and below them is the database.
//!
//! Whoever reads looks through them in this order. A commit happens when
//! someone asks for it ([`Disk::sync`]), when half a second has passed, or when
//! there is much to write. All who ask while a commit is under way share the
//! next one. All changes of a call are in the same commit, so that a crash
//! keeps all of them or none.

mod database;
mod directory;
mod error;
mod merge;
mod record;
mod shared;
mod state;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;

use self::database::Changes;
use self::error::Error;
use self::shared::Shared;
use self::state::size;
use super::change::Replaced;
use super::{Action, Change, Entry, Looked, Refusal};

/// How long changes may wait for a commit that nobody asks for. The commit has
/// as long again until a second is over.
const INTERVAL: Duration = Duration::from_millis(500);

/// At how many bytes of changes a commit begins in the background.
const MUCH: u64 = 8 << 20;

/// At how many bytes of changes the next one waits for a commit.
const TOO_MUCH: u64 = 2 * MUCH;

/// Entries on disk. Dropping it makes all changes durable.
pub(super) struct Disk {
    shared: Arc<Shared>,
    /// Wakes the thread that commits in the background; dropped to end it.
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Disk {
    pub fn open(path: &Path, capacity: u64) -> io::Result<Self> {
        Self::open_with_interval(path, capacity, INTERVAL)
    }

    pub fn open_with_interval(path: &Path, capacity: u64, interval: Duration) -> io::Result<Self> {
        let shared = Arc::new(Shared::open(path, capacity)?);
        let (wake, woken) = sync_channel(1);
        let thread = thread::Builder::new().name("store".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || {
                while woken.recv_timeout(interval) != Err(RecvTimeoutError::Disconnected) {
                    // It is logged, and those who need to know are told.
                    let _ = shared.sync();
                }
            }
        })?;
        Ok(Self { shared, wake: Some(wake), thread: Some(thread) })
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Entry>, Refusal> {
        let snapshot = {
            let state = self.shared.read();
            if let Some(entry) = state.changed(key) {
                return Ok(entry.clone());
            }
            // Taken before a commit can empty `writing`.
            self.shared.database.snapshot()
        };
        snapshot.and_then(|snapshot| snapshot.get(key)).map_err(Error::refuse)
    }

    pub fn after(&self, key: &[u8]) -> Result<Option<(Bytes, Entry)>, Refusal> {
        self.neighbour(Bound::Excluded(key), Bound::Unbounded, false)
    }

    pub fn before(&self, key: &[u8]) -> Result<Option<(Bytes, Entry)>, Refusal> {
        self.neighbour(Bound::Unbounded, Bound::Excluded(key), true)
    }

    fn neighbour(
        &self,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
        reverse: bool,
    ) -> Result<Option<(Bytes, Entry)>, Refusal> {
        let (snapshot, key) = {
            let state = self.shared.read();
            let snapshot = self.shared.database.snapshot().map_err(Error::refuse)?;
            let key = state.keys(&snapshot, start, end, reverse).and_then(|mut keys| keys.next().transpose());
            let Some(key) = key.map_err(Error::refuse)? else {
                return Ok(None);
            };
            if let Some(Some(entry)) = state.changed(&key) {
                return Ok(Some((key, entry.clone())));
            }
            (snapshot, key)
        };
        let entry = snapshot.get(&key).map_err(Error::refuse)?;
        Ok(entry.map(|entry| (key, entry)))
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
        let look = || {
            let state = self.shared.read();
            let snapshot = self.shared.database.snapshot()?;
            let keys = state.keys(&snapshot, start, end, reverse)?;
            Looked::at(keys, max, accept)
        };
        look().map_err(Error::refuse)
    }

    pub fn change(&self, change: Change) -> Result<(), Refusal> {
        self.change_all(vec![change]).map_err(|(_, refusal)| refusal)
    }

    pub fn change_all(&self, changes: Vec<Change>) -> Result<(), (usize, Refusal)> {
        self.make_room().map_err(|refusal| (0, refusal))?;
        let _changing = self.shared.changing();
        let mut used = self.shared.read().used;
        let mut made = Changes::new();
        for (index, change) in changes.into_iter().enumerate() {
            used = self.check(&change, &made, used).map_err(|refusal| (index, refusal))?;
            let entry = match change.action {
                Action::Put(entry) => Some(entry),
                Action::Delete => None,
            };
            made.insert(change.key, entry);
        }
        let mut state = self.shared.write();
        let before = state.size;
        for (key, entry) in made {
            let len = key.len();
            state.size += size(len, entry.as_ref());
            if let Some(old) = state.recent.insert(key, entry) {
                state.size -= size(len, old.as_ref());
            }
        }
        state.used = used;
        self.shared.made.fetch_add(1, Ordering::Release);
        if before < MUCH && state.size >= MUCH {
            // If there is a wake-up waiting, that will do.
            let _ = self.wake.as_ref().map(|wake| wake.try_send(()));
        }
        Ok(())
    }

    /// Decides on a change after those that are `made` already. Returns how
    /// many bytes are used after it.
    fn check(&self, change: &Change, made: &Changes, used: u64) -> Result<u64, Refusal> {
        let capacity = self.shared.capacity;
        let key = &change.key[..];
        let of_entry = |entry: &Option<Entry>| {
            let replaced = entry.as_ref().map(|entry| Replaced {
                version: entry.version.as_deref().unwrap_or_default(),
                size: entry.size(key.len()),
            });
            change.check(replaced, used, capacity)
        };
        if let Some(entry) = made.get(key) {
            return of_entry(entry);
        }
        let snapshot = {
            let state = self.shared.read();
            if let Some(entry) = state.changed(key) {
                return of_entry(entry);
            }
            self.shared.database.snapshot()
        };
        let record = snapshot.and_then(|snapshot| snapshot.record(key)).map_err(Error::refuse)?;
        let replaced = record.as_ref().map(|record| Replaced {
            version: record.version.as_deref().unwrap_or_default(),
            size: record.size(key.len()),
        });
        change.check(replaced, used, capacity)
    }

    /// Waits for a commit if too much is waiting for one.
    fn make_room(&self) -> Result<(), Refusal> {
        let shared = &self.shared;
        let too_much = || shared.read().size >= TOO_MUCH;
        if shared.failed.load(Ordering::Acquire) {
            return Err(Refusal::Failed);
        }
        if too_much() {
            let committing = shared.committing();
            // Another thread may have been faster.
            if too_much() {
                shared.commit(&committing).map_err(|_| Refusal::Failed)?;
            }
        }
        Ok(())
    }

    pub fn sync(&self) -> io::Result<()> {
        self.shared.sync()
    }

    pub fn erase(&self) -> io::Result<()> {
        let shared = &self.shared;
        let _committing = shared.committing();
        let _changing = shared.changing();
        let mut state = shared.write();
        shared.check_failed()?;
        shared.database.erase().map_err(|error| shared.fail(error))?;
        let erased = std::mem::take(&mut *state);
        shared.durable.store(shared.made.load(Ordering::Acquire), Ordering::Release);
        drop(state);
        drop(erased);
        Ok(())
    }

    pub fn usage(&self) -> (u64, u64) {
        (self.shared.capacity, self.shared.read().used)
    }

    pub fn settings(&self) -> Result<Option<Vec<u8>>, Refusal> {
        self.shared.database.settings().map_err(Error::refuse)
    }

    pub fn set_settings(&self, settings: &[u8]) -> io::Result<()> {
        let shared = &self.shared;
        let _committing = shared.committing();
        shared.check_failed()?;
        shared.database.set_settings(settings).map_err(|error| shared.fail(error))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been reported by itself already.
            let _ = thread.join();
        }
        // If it fails, that is logged, and there is nobody left to tell.
        let _ = self.shared.sync();
    }
}
