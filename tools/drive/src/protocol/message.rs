//! The outer message: who sends a command, and the command's bytes.

use super::AuthType;

/// What a frame carries: an encoded [`Command`](super::Command) and how it is
/// authenticated.
#[derive(Clone, PartialEq, prost::Message)]
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

/// Authentication by a PIN.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PinAuth {
    /// The PIN.
    #[prost(bytes = "vec", optional, tag = "1")]
    pub pin: Option<Vec<u8>>,
}
