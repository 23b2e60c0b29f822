//! The synchronisation primitives of [`handoff`](crate::handoff) and [`ticking`](crate::ticking): the standard library's, or loom's
//! when the model check explores every interleaving of the very same code.

use std::sync::PoisonError;

#[cfg(not(loom))]
pub use std::sync::{
    Mutex, MutexGuard, TryLockError,
    atomic::{AtomicBool, AtomicU8, Ordering, fence},
};

#[cfg(loom)]
pub use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU8, Ordering, fence},
};
#[cfg(loom)]
pub use std::sync::TryLockError;

/// Locks `mutex`, also after a panic while it was held.
///
/// A panic inside the driver is turned into EIO at the C boundary; what it leaves behind is at worst
/// a message that is not staged, never a broken structure, so the poison flag carries nothing.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks a mutex that is never held for long, in a process that may be a forked child: there it may be held
/// for ever, by a thread that the child does not have. Then `None`, after a tenth of a second.
#[cfg(not(loom))]
pub fn lock_soon<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    let patience = std::time::Instant::now() + std::time::Duration::from_millis(100);
    loop {
        if let Some(guard) = try_lock(mutex) {
            return Some(guard);
        }
        if std::time::Instant::now() > patience {
            return None;
        }
        std::thread::yield_now();
    }
}

/// Locks `mutex` if nobody holds it.
pub fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
