//! The command: what a request asks for, and what an answer says.

use bytes::Bytes;

use super::{
    Algorithm, Batch, GetLog, MessageType, PeerOperation, PinOperation, PowerManagement, Priority, Range,
    Security, Setup, StatusCode, Synchronization,
};

/// A request or an answer, without its authentication.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Command {
    /// Which command this is and which connection and request it belongs to.
    #[prost(message, optional, tag = "1")]
    pub header: Option<Header>,
    /// The arguments of a request or the results of an answer.
    #[prost(message, optional, tag = "2")]
    pub body: Option<Body>,
    /// How the request went; only in answers.
    #[prost(message, optional, tag = "3")]
    pub status: Option<Status>,
}

/// What all commands have in common.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Header {
    /// The version of the cluster the client believes the drive to be in.
    #[prost(int64, optional, tag = "1")]
    pub cluster_version: Option<i64>,
    /// The number the drive gave to this connection.
    #[prost(int64, optional, tag = "3")]
    pub connection_id: Option<i64>,
    /// The number of this request on its connection.
    #[prost(uint64, optional, tag = "4")]
    pub sequence: Option<u64>,
    /// In an answer: the sequence of the request it answers.
    #[prost(uint64, optional, tag = "6")]
    pub ack_sequence: Option<u64>,
    /// What is asked for or answered.
    #[prost(enumeration = "MessageType", optional, tag = "7")]
    pub message_type: Option<i32>,
    /// How long the request may take, in milliseconds.
    #[prost(uint64, optional, tag = "9")]
    pub timeout: Option<u64>,
    /// Whether the drive should give up early instead of trying to recover
    /// data.
    #[prost(bool, optional, tag = "10")]
    pub early_exit: Option<bool>,
    /// The priority of the request; a higher number goes first.
    #[prost(enumeration = "Priority", optional, tag = "12")]
    pub priority: Option<i32>,
    /// How long the request may run before others get a turn, in milliseconds.
    #[prost(uint64, optional, tag = "13")]
    pub time_quanta: Option<u64>,
    /// The batch this request is a part of.
    #[prost(uint32, optional, tag = "14")]
    pub batch_id: Option<u32>,
}

/// The arguments or results of a command; which field is set depends on the
/// message type.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Body {
    /// For commands on one key.
    #[prost(message, optional, tag = "1")]
    pub key_value: Option<KeyValue>,
    // What is large or rare is boxed: a body is moved with every request.
    /// For lists of keys.
    #[prost(message, optional, boxed, tag = "2")]
    pub range: Option<Box<Range>>,
    /// For the cluster version and the firmware.
    #[prost(message, optional, boxed, tag = "3")]
    pub setup: Option<Box<Setup>>,
    /// For sending entries to another drive.
    #[prost(message, optional, boxed, tag = "4")]
    pub peer_operation: Option<Box<PeerOperation>>,
    /// For reading logs.
    #[prost(message, optional, boxed, tag = "6")]
    pub get_log: Option<Box<GetLog>>,
    /// For access control lists and PINs.
    #[prost(message, optional, boxed, tag = "7")]
    pub security: Option<Box<Security>>,
    /// For locking, unlocking and erasing.
    #[prost(message, optional, boxed, tag = "8")]
    pub pin_operation: Option<Box<PinOperation>>,
    /// For the end of a batch.
    #[prost(message, optional, boxed, tag = "9")]
    pub batch: Option<Box<Batch>>,
    /// For the power level.
    #[prost(message, optional, boxed, tag = "10")]
    pub power: Option<Box<PowerManagement>>,
}

/// A key and what belongs to it, except for the value itself, which follows
/// the message in the frame.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct KeyValue {
    /// The version the entry shall have after a PUT.
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub new_version: Option<Bytes>,
    /// The key.
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub key: Option<Bytes>,
    /// The version of the stored entry: what it is, in an answer; what the
    /// client believes it to be, in a request.
    #[prost(bytes = "bytes", optional, tag = "4")]
    pub db_version: Option<Bytes>,
    /// A checksum of the value, which only clients interpret.
    #[prost(bytes = "bytes", optional, tag = "5")]
    pub tag: Option<Bytes>,
    /// How the tag was computed. Numbers from 100 on are private to clients,
    /// so a drive keeps whatever number it is given.
    #[prost(enumeration = "Algorithm", optional, tag = "6")]
    pub algorithm: Option<i32>,
    /// Whether a GET shall leave out the value.
    #[prost(bool, optional, tag = "7")]
    pub metadata_only: Option<bool>,
    /// Whether to ignore the stored version (and, in a DELETE, a missing key).
    #[prost(bool, optional, tag = "8")]
    pub force: Option<bool>,
    /// When the change has to be persistent.
    #[prost(enumeration = "Synchronization", optional, tag = "9")]
    pub synchronization: Option<i32>,
}

/// How a request went.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Status {
    /// The outcome.
    #[prost(enumeration = "StatusCode", optional, tag = "1")]
    pub code: Option<i32>,
    /// Details for people.
    #[prost(string, optional, tag = "2")]
    pub status_message: Option<String>,
    /// Details for programs.
    #[prost(bytes = "vec", optional, tag = "3")]
    pub detailed_message: Option<Vec<u8>>,
}
