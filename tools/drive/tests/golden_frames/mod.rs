//! Frames as hexadecimal bytes, field by field. Each is put together by hand
//! after the protocol's definition. All are of connection 1.

pub mod batch;
pub mod entry;
pub mod neighbour;
pub mod noop;
pub mod range;
