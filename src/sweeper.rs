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
        Condvar, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use log::info;

use crate::{
    connection,
    fork::{self, PerProcess},
    socket::threads,
    sync::AtomicBool,
    ticking,
};

/// How often the sweeper looks.
const TICK: Duration = Duration::from_millis(10);

/// After how many looks at nothing it sleeps for good.
const IDLE_TICKS: u32 = 50;

/// Is the sweeper looking?
static TICKING: AtomicBool = AtomicBool::new(false);

/// Has the thread been started?
static STARTED: PerProcess<bool> = PerProcess([const { Mutex::new(false) }; fork::DEPTH]);
/// Tells it to look.
static CALLED: [Condvar; fork::DEPTH] = [const { Condvar::new() }; fork::DEPTH];
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
    let mut started = STARTED.lock();
    let here = fork::generation();
    if *started {
        ticking::start(&TICKING, || CALLED[here as usize % fork::DEPTH].notify_one());
        return true;
    }
    match threads::start(c"ktli-sweeper", run) {
        Ok(()) => {
            ticking::start(&TICKING, || {});
            GENERATION.store(here, Ordering::SeqCst);
            *started = true;
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
        ticking::rest(&TICKING, pending, park);
        idle = 0;
    }
}

/// Waits until the sweeper is called; it may have been already.
fn park() {
    let called = &CALLED[fork::generation() as usize % fork::DEPTH];
    let started = STARTED.lock();
    drop(called.wait_while(started, |_| !ticking::is_on(&TICKING)));
}
