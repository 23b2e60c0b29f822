//! The outer message: who sends a command, and the command's bytes.

use std::fmt;

use super::AuthType;
use super::secret::{hidden, size};

/// What a frame carries: an encoded [`Command`](super::Command) and how it is
/// authenticated. Its debug output does not have the command's bytes, which may
/// contain keys and PINs.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct Message {
    /// Which kind of authentication the message uses.
    #[prost(enumeration = "AuthType", optional, tag = "4")]
    pub auth_type: Option<i32>,
    /// The identity and HMAC of ordinary requests and answers.
    #[prost(message, optional, tag = "5")]
    pub hmac_auth: Option<HmacAuth>,
    /// The PIN of lock, unlock and erase requests.
    #[prost(message, optional, tag = "6")]
    pub pin_auth: Option<PinAuth>,
    /// The command, encoded. The HMAC covers exactly these bytes, so they are
    /// kept encoded until it is checked.
    #[prost(bytes = "vec", optional, tag = "7")]
    pub command_bytes: Option<Vec<u8>>,
}

/// Authentication by a key the drive and the client share.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HmacAuth {
    /// Whose key was used.
    #[prost(int64, optional, tag = "1")]
    pub identity: Option<i64>,
    /// The HMAC of the command bytes.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub hmac: Option<Vec<u8>>,
}

/// Authentication by a PIN, which debug output does not have.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct PinAuth {
    /// The PIN.
    #[prost(bytes = "vec", optional, tag = "1")]
    pub pin: Option<Vec<u8>>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("auth_type", &self.auth_type)
            .field("hmac_auth", &self.hmac_auth)
            .field("pin_auth", &self.pin_auth)
            .field("command_bytes", &size(self.command_bytes.as_deref()))
            .finish()
    }
}

impl fmt::Debug for PinAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinAuth").field("pin", &hidden(&self.pin)).finish()
    }
}
