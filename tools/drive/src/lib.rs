//! A Kinetic drive, and the Kinetic protocol it speaks.
//!
//! [`Drive`] is the server: it listens on a TCP address, keeps keys and values
//! in memory or in a directory, and answers requests of Kinetic protocol 4. The
//! `kinetic-drive` program is a command line around it.
//!
//! [`protocol`] is the wire format without any I/O: frames, messages,
//! authentication, and what a client needs to build requests and to read
//! answers.
//!
//! ```
//! use kinetic_drive::{Config, Drive};
//!
//! let drive = Drive::start(Config::default())?;
//! println!("listening on {}", drive.local_addr());
//! # Ok::<(), std::io::Error>(())
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod access;
mod batches;
mod budget;
mod config;
mod connection;
mod control;
mod desk;
mod device;
mod drive;
mod faults;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod input;
mod messages;
mod operations;
mod output;
mod patience;
mod peer;
mod processor;
pub mod protocol;
mod running;
mod secret;
mod session;
mod settings;
mod socket;
mod statistics;
mod store;
mod text;
mod wire;

pub use config::{Config, Identity, MAX_VALUE_SIZE_CEILING, Tls, TlsFiles};
pub use drive::{ConnectionInfo, Delivered, Drive};
pub use faults::Faults;
pub use messages::Messages;
pub use peer::client_config;
pub use statistics::{Connections, Operation, Statistics};
