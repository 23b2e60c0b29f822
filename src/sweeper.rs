//! The sweeper: the thread that sends what nobody else does.
//!
//! What is staged is sent by the receiver, who is expected back in the driver soon: it has an answer to
//! hand out, or it polls again. A caller may disappoint that: it polls once and never again, or its
//! receiver is stuck behind a lock, or was about to return when it was woken. Then the bytes must go out all
//! the same, and the sender, whose `send` has returned, does not look again. So once something is staged,
//! this thread looks every [`TICK`] whether the same bytes are still waiting, and sends them: nothing
//! stays longer than two ticks. With nothing staged for a while it sleeps for good, until a sender
//! calls.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};

use log::info;

use crate::{
    connection,
    fork::{self, PerProcess},
    socket::calls,
    sync::AtomicBool,
    ticking,
};

/// How often the sweeper looks.
const TICK: Duration = Duration::from_millis(10);

/// After how many looks at nothing it sleeps for good.
const IDLE_TICKS: u32 = 50;

/// Is the sweeper looking?
static TICKING: AtomicBool = AtomicBool::new(false);

/// The thread.
static SWEEPER: PerProcess<Option<Thread>> = PerProcess([const { Mutex::new(None) }; fork::DEPTH]);
/// The process (counted in forks) for which TICKING speaks: a child inherits it, but not the thread.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Sees to it that the sweeper looks. To be called by a sender that stages something, while it holds the
/// staging lock. Cheap when the sweeper does look. False if it cannot be started: then whoever has staged
/// something has to send it.
pub fn attend() -> bool {
    if ticking::is_on(&TICKING) && GENERATION.load(Ordering::Relaxed) == fork::generation() {
        return true;
    }
    start()
}

#[cold]
fn start() -> bool {
    let mut sweeper = SWEEPER.lock();
    let here = fork::generation();
    if let Some(thread) = &*sweeper {
        ticking::start(&TICKING, || thread.unpark());
        return true;
    }
    // The stack also carries the program's log callback.
    let spawned = calls::with_signals_blocked(|| {
        thread::Builder::new().name("ktli-sweeper".into()).stack_size(256 << 10).spawn(run)
    });
    match spawned {
        Ok(handle) => {
            ticking::start(&TICKING, || {});
            GENERATION.store(here, Ordering::SeqCst);
            *sweeper = Some(handle.thread().clone());
            true
        }
        Err(error) => {
            info!("no thread can be started to send for absent receivers ({error}): senders do it");
            false
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
            if connection.handoff.is_neglected() {
                // What a full socket does not take is tried again at the next look.
                connection.flush_now(&connection.statistics.others);
            }
            pending |= connection.handoff.is_pending();
        }
        idle = if pending { 0 } else { idle + 1 };
        if idle < IDLE_TICKS {
            continue;
        }
        let pending = || connection::all().iter().any(|connection| connection.handoff.is_pending());
        ticking::rest(&TICKING, pending, thread::park);
        idle = 0;
    }
}
