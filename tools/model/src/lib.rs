//! Model check of the handoff between sender and receiver, of its end, and of the sweeper's sleep.
//!
//! The driver's own source files are compiled here a second time, with loom's locks and atomics in the
//! place of the standard library's, and run through every interleaving of their threads. loom reports a
//! deadlock when the receiver sleeps and nobody will wake it.

#![cfg(test)]

#[path = "../../../src/error.rs"]
#[allow(dead_code, reason = "the driver's file as it is; the model needs a part of it")]
mod error;
#[path = "../../../src/handoff.rs"]
#[allow(dead_code, reason = "as above")]
mod handoff;
#[path = "../../../src/sync.rs"]
mod sync;
#[path = "../../../src/ticking.rs"]
mod ticking;

mod ends;
mod model;
mod world;
