//! libkinetic's transport on io_uring.
//!
//! Kinetic drives are disks that speak keys and values over TCP; libkinetic, their C client, talks to
//! them through a driver of seven functions, KTLI. This library is such a driver. It is meant to be used
//! from C, through `include/ktli_uring.h`; what is public here is for the project's own tools and tests.
//!
//! # The way of the data
//!
//! ```text
//!   send                                   poll, receive
//!    |          ffi      the C boundary         |
//!    |         table     handle -> session      |
//!    |        session    states, two halves     |
//!    v                                          v
//!  transmit ----------> handoff <---------- receive ---- framing, readahead, low_water
//!    |     stages    who sends what    flushes  |
//!    |- - - - -  outstanding, window  - - - - - |          what is on its way, and how much may be
//!    |- - - - - - - - -  hold - - - - - - - - - -|          when an answer may be seen
//!    |                                       waiting
//!    v                                          v
//!   ring::transmit                        ring::receive       or socket::transmit, socket::receive
//!    |                                          |
//!    +----------------> kernel <----------------+
//! ```
//!
//! # Threads
//!
//! * The program's *sender* thread runs `transmit`: it copies small messages into the staging area and
//!   sends large ones itself.
//! * The program's *receiver* thread runs `receive` and `waiting`: it reads ahead, and it sends what is
//!   staged before it sleeps and whenever it is woken. A ring is made by the thread that uses it, one for each half.
//! * Any thread connects, disconnects and closes (`session`).
//! * The *sweeper*, the library's only lasting thread of its own, sends what a receiver that stays away
//!   leaves behind. It sleeps unless something is staged for a receiver that is awake. (With `KTLI_URING_TRACE`
//!   there is another, which writes what calls have been made: `trace`.)
//! * Once in a process, a short-lived thread asks the kernel for io_uring (`ring::setup`).
//!
//! # Memory
//!
//! The caller's memory is used only until the call returns: an operation that points to it is complete,
//! or cancelled and seen to be, on every path. What stays in the kernel between calls are polls, which
//! point to nothing, and with SQPOLL a wake-up, which points to a constant. Staging area and read-ahead
//! buffer belong to the connection, which lives until its last user (a half, the session, the sweeper for
//! a moment) lets it go.
//!
//! Where the process has no memory left, calls fail with ENOMEM or do without; nothing ends it (`ffi::reserve`).
//!
//! # Unsafe code
//!
//! Lives in `ffi`, `ring` and `socket`; every other module forbids it.

#![deny(unsafe_code)]

#[forbid(unsafe_code)]
mod config;
#[forbid(unsafe_code)]
mod connect;
#[forbid(unsafe_code)]
mod connection;
#[forbid(unsafe_code)]
mod deadline;
#[forbid(unsafe_code)]
mod drain;
#[forbid(unsafe_code)]
mod engine;
#[forbid(unsafe_code)]
mod error;
#[forbid(unsafe_code)]
mod exit;
#[forbid(unsafe_code)]
mod features;
#[allow(unsafe_code, reason = "the C boundary")]
pub mod ffi;
#[forbid(unsafe_code)]
mod fork;
#[forbid(unsafe_code)]
mod framing;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
#[forbid(unsafe_code)]
pub mod fuzzing;
#[forbid(unsafe_code)]
mod handoff;
#[forbid(unsafe_code)]
mod hold;
#[forbid(unsafe_code)]
mod in_vain;
#[forbid(unsafe_code)]
mod iovec;
#[forbid(unsafe_code)]
mod logger;
#[forbid(unsafe_code)]
mod low_water;
#[forbid(unsafe_code)]
mod outstanding;
#[forbid(unsafe_code)]
mod readahead;
#[forbid(unsafe_code)]
mod receive;
#[forbid(unsafe_code)]
mod report;
#[allow(unsafe_code, reason = "the ring layer")]
mod ring;
#[forbid(unsafe_code)]
mod session;
#[allow(unsafe_code, reason = "the socket layer")]
mod socket;
#[forbid(unsafe_code)]
mod spin;
#[forbid(unsafe_code)]
mod statistics;
#[forbid(unsafe_code)]
mod sweeper;
#[forbid(unsafe_code)]
mod sync;
#[forbid(unsafe_code)]
mod table;
#[forbid(unsafe_code)]
mod ticking;
#[forbid(unsafe_code)]
mod tls;
#[forbid(unsafe_code)]
pub mod trace;
#[forbid(unsafe_code)]
mod transmit;
#[forbid(unsafe_code)]
mod waiting;
#[forbid(unsafe_code)]
mod window;
#[forbid(unsafe_code)]
mod zerocopy;

/// A line that tells what new connections will use.
#[must_use]
pub fn describe() -> String {
    let options = config::current();
    if options.backend == config::Backend::Socket {
        return "plain system calls, as KTLI_URING_BACKEND says".into();
    }
    match ring::setup::probe(options.features_off) {
        Ok(facts) => {
            let mut text = format!("io_uring: {}", facts.describe(options.sqpoll));
            if options.features_off != features::Features::NONE {
                text += "; switched off: ";
                text += &options.features_off.names();
            }
            text
        }
        Err(refusal) => format!("plain system calls: {}", refusal.advice),
    }
}

/// A feature of the kernel's io_uring that the driver uses. `docs/kernel-features.md` says for what.
pub struct KernelFeature {
    /// Its name, as in `KTLI_URING_FEATURES`.
    pub name: &'static str,
    /// The first Linux that has it.
    pub since: &'static str,
    /// It is there, and not switched off.
    pub usable: bool,
}

/// Does the kernel take over TLS? Connects this process to itself to see, the first time. From any thread.
///
/// # Errors
///
/// The reason why it does not, for people.
pub fn kernel_tls() -> Result<(), String> {
    if config::current().features_off.has(features::Feature::Ktls) {
        return Err("KTLI_URING_FEATURES switches it off".into());
    }
    if config::current().sqpoll {
        return Err("with SQPOLL TLS stays in the driver".into());
    }
    tls::check()
}

/// The features that the driver uses; nothing where there are no rings.
#[must_use]
pub fn kernel_features() -> Vec<KernelFeature> {
    let Ok(facts) = ring::setup::probe(config::current().features_off) else { return Vec::new() };
    let all = facts.features.each().filter(|(feature, _)| *feature != features::Feature::Ktls);
    all.map(|(feature, usable)| KernelFeature { name: feature.name(), since: feature.since(), usable })
        .collect()
}
