//! Forked children: rings, sockets and sessions are not theirs.
//!
//! A child shares the parent's sockets and would send into the middle of its messages. So every handle
//! belongs to the process that opened it; in a child it is stale. A child may open sessions of its own.

use std::sync::{
    Once,
    atomic::{AtomicU32, Ordering},
};

use crate::socket::calls;

static GENERATION: AtomicU32 = AtomicU32::new(1);

/// Counts the forks between the process that first used the library and this one.
pub fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Starts counting. To be called before the first session is opened.
pub fn watch() {
    static WATCHED: Once = Once::new();
    extern "C" fn in_child() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }
    WATCHED.call_once(|| calls::after_fork_in_child(in_child));
}
