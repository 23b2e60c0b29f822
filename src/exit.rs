//! The end of the process: what was accepted is brought to the drives first.
//!
//! Most programs never disconnect (libkinetic's `ki_close` is empty), so this is the usual way in which
//! a session ends. It runs when the program calls exit(3) or returns from main, after the program's own
//! exit handlers, from the destructors of this library; not after `_exit`, abort(3) or a signal.
//! Other threads may still be inside the driver, perhaps the very thread that calls exit(3) from a
//! signal handler, so nothing here waits for a lock, malloc's included.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{connection, drain::drain, ffi::last, fork, report};

/// The longest that all of it may take.
const LIMIT: Duration = Duration::from_secs(2);

/// The process (counted in forks) that opened sessions; 0 while none did.
static OPENED_IN: AtomicU32 = AtomicU32::new(0);

/// Takes note that this process opens sessions.
pub fn expect() {
    OPENED_IN.store(fork::generation(), Ordering::Relaxed);
}

/// Brings what was accepted to the peers, once. In a forked child that opened nothing it does nothing.
pub fn run() {
    if OPENED_IN.swap(0, Ordering::Relaxed) != fork::generation() {
        return;
    }
    last::begin();
    let now = Instant::now();
    let connections = connection::all();
    // Calls in progress return, later ones fail: from here on nothing more is accepted.
    for connection in &connections {
        connection.leave();
    }
    let mut list = Vec::new();
    if list.try_reserve_exact(connections.len()).is_ok() {
        list.extend(
            connections
                .iter()
                .map(|connection| (Arc::clone(connection), now + connection.linger().min(LIMIT))),
        );
        drain(list);
    }
    for connection in &connections {
        report::print(connection);
    }
}
