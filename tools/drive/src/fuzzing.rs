//! A connection without its socket, for the fuzz targets.
//!
//! Only there with the feature `fuzzing`; nothing here is stable.

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prost::Message as _;

use crate::config::Config;
use crate::device::Device;
use crate::protocol::Message;
use crate::session::Session;

/// A connection to a drive of its own, both new.
pub struct Connection {
    session: Session,
}

/// What the drive said.
pub struct Said {
    /// The message.
    pub message: Message,
    /// How many bytes of value follow it.
    pub value_len: usize,
    /// Whether the drive closes the connection.
    pub close: bool,
}

impl Connection {
    /// The number the drive gives to the connection.
    pub const ID: i64 = 1;

    /// Starts a drive and connects to it.
    #[expect(clippy::new_without_default, reason = "a drive is nothing to have by default")]
    pub fn new() -> Self {
        let config = Config { trust_plain: true, capacity: 64 << 10, ..Config::default() };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let device = Device::new(&config, address).expect("memory needs nothing that could fail");
        // Requests must not connect to anybody: without time they do not.
        device.stopping.store(true, Ordering::Relaxed);
        Self { session: Session::new(Arc::new(device), Self::ID) }
    }

    /// Sends a message and a value, and takes the answer.
    ///
    /// # Panics
    ///
    /// If the answer could not be sent as it is.
    pub fn send(&mut self, message: &[u8], value: &[u8]) -> Option<Said> {
        let reply = self.session.handle(message, Ok(Cow::Borrowed(value)))?;
        assert!(reply.message.encoded_len() <= 1 << 20, "an answer is longer than a message may be");
        Some(Said { message: reply.message, value_len: reply.value.len(), close: reply.close })
    }
}
