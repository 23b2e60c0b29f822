//! Sending entries from one drive to another.

use bytes::Bytes;

use super::Status;

/// In a request: where to send which entries. In an answer: how that went.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PeerOperation {
    /// The other drive.
    #[prost(message, optional, tag = "1")]
    pub peer: Option<Peer>,
    /// The entries.
    #[prost(message, repeated, tag = "2")]
    pub pushes: Vec<Push>,
    /// In an answer: whether all of them, and all that was to follow them,
    /// went well.
    #[prost(bool, optional, tag = "3")]
    pub all_succeeded: Option<bool>,
}

/// Where the other drive listens.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Peer {
    /// Its name or address.
    #[prost(string, optional, tag = "1")]
    pub hostname: Option<String>,
    /// Its TCP port.
    #[prost(uint32, optional, tag = "2")]
    pub port: Option<u32>,
    /// Whether to use TLS.
    #[prost(bool, optional, tag = "3")]
    pub tls: Option<bool>,
}

/// An entry to send.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Push {
    /// Its key on this drive.
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub key: Option<Bytes>,
    /// The version it is expected to replace on the other drive.
    #[prost(bytes = "bytes", optional, tag = "4")]
    pub version: Option<Bytes>,
    /// Its key on the other drive, if that is another one.
    #[prost(bytes = "bytes", optional, tag = "5")]
    pub new_key: Option<Bytes>,
    /// Whether to replace any version.
    #[prost(bool, optional, tag = "6")]
    pub force: Option<bool>,
    /// In an answer: how it went.
    #[prost(message, optional, tag = "7")]
    pub status: Option<Status>,
    /// What the other drive is to send on afterwards.
    #[prost(message, optional, tag = "8")]
    pub next: Option<PeerOperation>,
}
