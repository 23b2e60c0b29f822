//! Who may do what when, and making changes durable.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::database::Database;
use super::directory::Directory;
use super::error::Error;
use super::state::State;

/// What the connections and the thread in the background share.
pub(super) struct Shared {
    pub capacity: u64,
    pub database: Database,
    /// Held during a commit. To be locked before the others.
    pub committing: Mutex<()>,
    /// Held while a change is decided on and made, so that nothing changes in
    /// between. To be locked before `state`, which is so free for readers
    /// while the database is searched.
    pub changing: Mutex<()>,
    pub state: RwLock<State>,
    /// How many changes there were, and how many of them are durable.
    pub made: AtomicU64,
    pub durable: AtomicU64,
    /// How many commits there were.
    pub written: AtomicU64,
    /// Whether a commit failed. Nobody knows what is on the disk then, and
    /// trying again might succeed without what was lost.
    pub failed: AtomicBool,
    /// Freed last, after the database is closed.
    _directory: Directory,
}

impl Shared {
    /// Opens the store in a directory.
    pub fn open(path: &Path, capacity: u64) -> io::Result<Self> {
        let directory = Directory::take(path)?;
        let database = Database::open(&directory.database(Database::create)?)?;
        let used = database.used().map_err(Error::into_io)?;
        Ok(Self {
            capacity,
            database,
            committing: Mutex::default(),
            changing: Mutex::default(),
            state: RwLock::new(State { used, ..State::default() }),
            made: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            written: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            _directory: directory,
        })
    }

    pub fn sync(&self) -> io::Result<()> {
        self.check_failed()?;
        let target = self.made.load(Ordering::Acquire);
        if self.durable.load(Ordering::Acquire) >= target {
            return Ok(());
        }
        let committing = self.committing();
        // A commit may have begun after this call, and have ended by now.
        if self.durable.load(Ordering::Acquire) >= target { Ok(()) } else { self.commit(&committing) }
    }

    /// Makes all changes durable that there are now.
    pub fn commit(&self, _committing: &MutexGuard<'_, ()>) -> io::Result<()> {
        self.check_failed()?;
        let (changes, used, made) = {
            let mut state = self.write();
            if !state.writing.is_empty() {
                // They would be lost if others took their place.
                self.failed.store(true, Ordering::Release);
                return Err(io::Error::other("the last commit ended with a panic"));
            }
            state.size = 0;
            state.writing = Arc::new(std::mem::take(&mut state.recent));
            (Arc::clone(&state.writing), state.used, self.made.load(Ordering::Acquire))
        };
        self.database.write(&changes, used).map_err(|error| self.fail(error))?;
        self.write().writing = Arc::default();
        self.durable.store(made, Ordering::Release);
        self.written.fetch_add(1, Ordering::Relaxed);
        // The memory is freed here, without a lock that others wait for.
        drop(changes);
        Ok(())
    }

    pub fn check_failed(&self) -> io::Result<()> {
        if self.failed.load(Ordering::Acquire) {
            return Err(io::Error::other("the store failed before"));
        }
        Ok(())
    }

    /// Takes note that the database could not be written.
    pub fn fail(&self, error: Error) -> io::Error {
        log::error!("cannot write to the store, so nothing can be changed any more: {error}");
        self.failed.store(true, Ordering::Release);
        error.into_io()
    }

    // A panic under one of these locks leaves whole changes, so that poison does
    // not matter; but see `commit`.

    pub fn committing(&self) -> MutexGuard<'_, ()> {
        self.committing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}
