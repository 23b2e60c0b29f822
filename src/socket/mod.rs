//! The socket layer: system calls on plain descriptors, and the engines that use nothing else.
//!
//! Everything here works without io_uring. `segment` describes memory for the kernel, `calls` wraps
//! single system calls, `ktls` those of the kernel's TLS, `resolve` turns names into addresses, `transmit` and `receive` are the two
//! engines that stand in for the rings where the kernel refuses them, `threads` starts the library's own threads.

pub mod calls;
#[cfg(feature = "tls")]
pub mod ktls;
pub mod receive;
pub mod resolve;
pub mod segment;
pub mod threads;
pub mod transmit;
