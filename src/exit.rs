//! The end of the process: what was accepted is brought to the drives first.
//!
//! Most programs never disconnect (libkinetic's `ki_close` is empty), so this is the usual way in which
//! a session ends. It runs when the program calls exit(3) or returns from main, after the program's own
//! exit handlers, from the destructors of this library; not after `_exit`, abort(3) or a signal.
//! Other threads may still be inside the driver, perhaps the very thread that calls exit(3) from a
//! signal handler, so nothing here waits for a lock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    connection::{self, Connection},
    fork, transmit,
};

/// The longest that all of it may take.
const LIMIT: Duration = Duration::from_secs(2);

/// How long to try for what another thread holds.
const PATIENCE: Duration = Duration::from_millis(200);

/// The process ends: senders send for themselves.
pub static EXITING: AtomicBool = AtomicBool::new(false);

/// The process (counted in forks) that opened sessions; 0 while none did.
static OPENED_IN: AtomicU32 = AtomicU32::new(0);

/// Takes note that this process opens sessions.
pub fn expect() {
    OPENED_IN.store(fork::generation(), Ordering::Relaxed);
}

/// Brings what was accepted to the peers. In a forked child that opened nothing it does nothing.
pub fn run() {
    if OPENED_IN.load(Ordering::Relaxed) != fork::generation() || EXITING.swap(true, Ordering::SeqCst) {
        return;
    }
    let start = Instant::now();
    let mut connections = connection::all();
    connections.retain(|connection| connection.send_error().is_none() && !connection.is_leaving());
    let stuck = send_rest(&connections, start);
    // From here on calls in progress return, and later ones fail.
    connections.iter().for_each(|connection| connection.leave());
    if stuck {
        // A sender that is blocked with a large message gives the wire back; what was accepted before
        // that message has another chance.
        thread::sleep(transmit::LOOK + Duration::from_millis(10));
        for connection in &connections {
            connection.flush_now();
        }
    }
    connections.iter().for_each(|connection| connection.close_sending());
    await_peers(connections, start);
}

/// Sends what is staged, on all connections side by side. True if some of it could not be sent.
fn send_rest(connections: &[Arc<Connection>], start: Instant) -> bool {
    let mut stuck = false;
    let mut rest: Vec<_> = connections.iter().collect();
    loop {
        rest.retain(|connection| {
            connection.flush_now();
            let waited = start.elapsed();
            let patience =
                if connection.handoff.is_locked() { PATIENCE } else { connection.linger().min(LIMIT) };
            let pending = connection.handoff.is_pending();
            stuck |= pending && waited >= patience;
            pending && waited < patience
        });
        if rest.is_empty() {
            return stuck;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Reads and discards until each peer has closed, which shows that it has read everything.
fn await_peers(mut connections: Vec<Arc<Connection>>, start: Instant) {
    let mut scratch = vec![0; 64 << 10];
    loop {
        let waited = start.elapsed();
        connections.retain(|connection| {
            waited < connection.linger().min(LIMIT) && connection.discard_some(&mut scratch)
        });
        if connections.is_empty() {
            return;
        }
        thread::sleep(Duration::from_micros(200));
    }
}
