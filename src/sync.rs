//! The synchronisation primitives of [`handoff`](crate::handoff): the standard library's, or loom's
//! when the model check explores every interleaving of the very same code.

#[cfg(not(loom))]
pub use std::sync::{
    Mutex, MutexGuard, TryLockError,
    atomic::{AtomicU8, Ordering},
};

#[cfg(loom)]
pub use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU8, Ordering},
};
#[cfg(loom)]
pub use std::sync::TryLockError;

/// Locks `mutex`, also after a panic while it was held.
///
/// A panic inside the driver is turned into EIO at the C boundary; what it leaves behind is at worst
/// a message that is not staged, never a broken structure, so the poison flag carries nothing.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Locks `mutex` if nobody holds it.
pub fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
