//! Plays libkinetic's upper half over any KTLI driver.
//!
//! [`session`] has the two threads that libkinetic gives a session, with the same calls in the same
//! order; [`driver`] makes a driver's C table safe to call; [`stock`] is a plain reimplementation of
//! libkinetic's socket driver's flow, to compare with; [`peer`] starts a drive; [`options`] sets this
//! driver's options; [`signals`] disturbs the threads.

pub mod driver;
pub mod options;
pub mod peer;
pub mod secure;
pub mod session;
pub mod signals;
pub mod stock;
