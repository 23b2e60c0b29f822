//! Frames as hexadecimal bytes, field by field. Each is put together by hand
//! after the protocol's definition. All are of connection 1.

pub mod batch;
pub mod entry;
pub mod log;
pub mod neighbour;
pub mod noop;
pub mod peer;
pub mod pin;
pub mod range;
pub mod security;
pub mod setup;
