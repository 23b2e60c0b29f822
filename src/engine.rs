//! Ring or plain socket: the choice that each half makes when it first has work.
//!
//! It is made on the half's own thread, because a ring belongs to the thread that makes it, and so it
//! can differ between connections: a kernel that refused one ring (no memory, a filter installed
//! meanwhile) may grant the next.

use std::{
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
};

use log::{error, warn};

use crate::{
    config::{Backend, Options},
    connection::Connection,
    error::Errno,
    ring::{
        Ring,
        setup::{self, Refusal},
    },
    statistics::{Counters, Own},
};

/// A ring of so many entries for the calling thread and the connection, or `None` where plain system calls are to be
/// used. Its system calls are counted in `counters`.
pub fn ring(
    connection: &Connection,
    entries: u32,
    counters: &Arc<Counters<Own>>,
) -> Result<Option<Ring>, Errno> {
    let options = &connection.options;
    if options.backend == Backend::Socket {
        return Ok(None);
    }
    let refusal = match setup::probe(options.features_off) {
        Err(refusal) => refusal,
        Ok(facts) => match Ring::new(options.sqpoll(), entries, facts.features, Arc::clone(counters)) {
            Ok(mut ring) => {
                ring.register(connection.fd(), connection.wake.as_fd());
                return Ok(Some(ring));
            }
            Err(error) => Refusal::new(&error),
        },
    };
    refused(options, &refusal).map(|()| None)
}

/// Can a session be opened with these options? Says why not.
pub fn check(options: &Options) -> Result<(), Errno> {
    match setup::probe(options.features_off) {
        Err(refusal) if options.backend != Backend::Socket => refused(options, &refusal),
        _ => Ok(()),
    }
}

/// Takes a refusal: falls back, with one line in the log, or fails.
fn refused(options: &Options, refusal: &Refusal) -> Result<(), Errno> {
    // Once for each kind of refusal: a program with a thousand connections gets one line.
    static SAID: AtomicI32 = AtomicI32::new(0);
    if options.backend == Backend::Uring {
        error!(
            "io_uring is not available and KTLI_URING_BACKEND=uring forbids the socket path: {}",
            refusal.advice
        );
        return Err(Errno(refusal.errno));
    }
    if SAID.swap(refusal.errno, Ordering::Relaxed) != refusal.errno {
        warn!("io_uring is not available, using plain system calls: {}", refusal.advice);
    }
    Ok(())
}
