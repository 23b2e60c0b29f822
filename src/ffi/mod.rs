//! The C boundary: the only place that sees C's types, pointers and errno.
//!
//! `driver` has the seven functions and the table, `control` and `statistics` the functions beside them, `features`
//! the bits of an option,
//! `types` the driver's structures, `sized` copies those that may grow, `guard` turns results and panics into
//! C's return values, `traced` takes note of calls, `reserve` keeps a shortage of memory from ending the process, and `last`
//! an end of the process inside malloc from hanging. A function here checks its arguments, makes safe types of them, calls the crate, and nothing else.

pub mod control;
pub mod driver;
pub mod features;
mod guard;
pub(crate) mod last;
pub(crate) mod reserve;
mod sized;
pub mod statistics;
mod traced;
pub mod types;
