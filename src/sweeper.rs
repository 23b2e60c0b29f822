//! The sweeper: the thread that sends what nobody else does.
//!
//! What is staged is sent by the receiver, who is expected back in the driver soon: it has an answer to
//! hand out, or it polls again. A caller may disappoint that: it polls once and never again, or its
//! receiver is stuck behind a lock. Then the bytes must go out all the same, and the sender, whose
//! `send` has returned, does not look again. So once something is staged for a receiver that is awake,
//! this thread looks every [`TICK`] whether the same bytes are still waiting, and sends them: nothing
//! stays longer than two ticks. With nothing staged for a while it sleeps for good, until a sender
//! calls.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering, fence},
    },
    thread::{self, Thread},
    time::Duration,
};

use log::warn;

use crate::{connection, fork, handoff::Flushed, socket::calls, sync::lock};

/// How often the sweeper looks.
const TICK: Duration = Duration::from_millis(10);

/// After how many looks at nothing it sleeps for good.
const IDLE_TICKS: u32 = 50;

/// Is the sweeper looking?
static TICKING: AtomicBool = AtomicBool::new(false);

/// The thread, and the process (counted in forks) in which it runs.
static SWEEPER: Mutex<Option<(u32, Thread)>> = Mutex::new(None);
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Sees to it that the sweeper looks. To be called after something was staged. Cheap when it does.
pub fn attend() {
    if TICKING.load(Ordering::Relaxed) && GENERATION.load(Ordering::Relaxed) == fork::generation() {
        return;
    }
    start();
}

#[cold]
fn start() {
    let mut sweeper = lock(&SWEEPER);
    let here = fork::generation();
    TICKING.store(true, Ordering::SeqCst);
    GENERATION.store(here, Ordering::SeqCst);
    if let Some((generation, thread)) = &*sweeper
        && *generation == here
    {
        thread.unpark();
        return;
    }
    let spawned = calls::with_signals_blocked(|| {
        thread::Builder::new().name("ktli-sweeper".into()).stack_size(64 << 10).spawn(run)
    });
    match spawned {
        Ok(handle) => *sweeper = Some((here, handle.thread().clone())),
        Err(error) => {
            TICKING.store(false, Ordering::SeqCst);
            warn!("no thread can be started to send for absent receivers: {error}");
        }
    }
}

fn run() {
    let mut idle = 0;
    loop {
        thread::sleep(TICK);
        let mut pending = false;
        for connection in connection::all() {
            if connection.is_leaving() {
                continue;
            }
            if connection.handoff.is_neglected() && connection.flush_now() == Flushed::Full {
                // A receiver that sleeps takes over the waiting for room.
                connection.wake.wake();
            }
            pending |= connection.handoff.is_pending();
        }
        idle = if pending { 0 } else { idle + 1 };
        if idle < IDLE_TICKS {
            continue;
        }
        // A sender stages first and then looks at TICKING; here it is the other way round. Both take
        // the staging lock in between, so one of the two sees the other.
        TICKING.store(false, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if connection::all().iter().any(|connection| connection.handoff.is_pending()) {
            TICKING.store(true, Ordering::SeqCst);
        }
        while !TICKING.load(Ordering::SeqCst) {
            thread::park();
        }
        idle = 0;
    }
}
