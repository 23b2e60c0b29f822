//! Forked children: rings, sockets and sessions are not theirs.
//!
//! A child shares the parent's sockets and would send into the middle of its messages. So every handle
//! belongs to the process that opened it; in a child it is stale. A child may open sessions of its own.

use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU32, Ordering},
};

use crate::{
    error::Errno,
    socket::calls,
    sync::{lock, lock_soon},
};

static GENERATION: AtomicU32 = AtomicU32::new(1);

/// Counts the forks between the process that first used the library and this one.
pub fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Depth of forks that is told apart: children of children.
pub const DEPTH: usize = 16;

/// A value that each process has for itself. A child does not see the parent's, nor does it wait for a lock that
/// a thread of the parent held at the fork: it finds a new value behind a new lock.
pub struct PerProcess<T>(pub [Mutex<T>; DEPTH]);

impl<T> PerProcess<T> {
    /// Locks this process's value.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        lock(self.mine())
    }

    /// Locks this process's value, if that can be done soon: for the exit handler, which may interrupt the very
    /// thread that holds the lock.
    pub fn lock_soon(&self) -> Option<MutexGuard<'_, T>> {
        lock_soon(self.mine())
    }

    fn mine(&self) -> &Mutex<T> {
        &self.0[generation() as usize % DEPTH]
    }
}

/// Starts counting. To be called before a session is opened. Fails where memory is short.
pub fn watch() -> Result<(), Errno> {
    static WATCHED: Mutex<bool> = Mutex::new(false);
    extern "C" fn in_child() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }
    // A child that was forked in the middle of it finds it locked for ever.
    let mut watched = lock_soon(&WATCHED).ok_or(Errno::NOMEM)?;
    if !*watched {
        calls::after_fork_in_child(in_child)?;
        *watched = true;
    }
    Ok(())
}
