//! When the sweeper looks and when it sleeps for good: the part that has to be right in every interleaving with the
//! senders. A file of its own so that `make model` can run it under loom.
//!
//! A sender looks whether the sweeper is at work while it holds the staging lock and has put something in, and calls it
//! if not. The sweeper first takes back that it is at work, and looks at each staging area then. So one of the two comes
//! first at each lock: either what was staged is seen, or the sender sees that nobody looks.

use crate::sync::{AtomicBool, Ordering, fence};

/// Is the sweeper at work? For a sender that holds the staging lock and has put something in.
pub fn is_on(ticking: &AtomicBool) -> bool {
    ticking.load(Ordering::Relaxed)
}

/// Calls the sweeper; `unpark` wakes its thread.
pub fn start(ticking: &AtomicBool, unpark: impl FnOnce()) {
    ticking.store(true, Ordering::SeqCst);
    unpark();
}

/// Sleeps until a sender calls, unless something is `pending`, which is true in doubt, when a lock is held. `park` may
/// return early. The sweeper's thread.
pub fn rest(ticking: &AtomicBool, pending: impl FnOnce() -> bool, park: impl Fn()) {
    ticking.store(false, Ordering::SeqCst);
    fence(Ordering::SeqCst);
    if pending() {
        ticking.store(true, Ordering::SeqCst);
    }
    while !ticking.load(Ordering::SeqCst) {
        park();
    }
}
