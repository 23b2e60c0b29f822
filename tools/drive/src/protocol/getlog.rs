//! The logs a drive reports about itself.

use super::{LogType, MessageType, PowerLevel};

/// In a request: the logs wanted. In an answer: the logs.
#[derive(Clone, PartialEq, prost::Message)]
pub struct GetLog {
    /// The logs wanted or given.
    #[prost(enumeration = "LogType", repeated, packed = "false", tag = "1")]
    pub types: Vec<i32>,
    /// How busy the parts of the drive are.
    #[prost(message, repeated, tag = "2")]
    pub utilizations: Vec<Utilization>,
    /// How hot the parts of the drive are.
    #[prost(message, repeated, tag = "3")]
    pub temperatures: Vec<Temperature>,
    /// How large and how full the drive is.
    #[prost(message, optional, tag = "4")]
    pub capacity: Option<Capacity>,
    /// What the drive is and where it listens.
    #[prost(message, optional, tag = "5")]
    pub configuration: Option<Configuration>,
    /// What the drive has done so far, one entry for each message type.
    #[prost(message, repeated, tag = "6")]
    pub statistics: Vec<Statistics>,
    /// What the drive has to tell, as text.
    #[prost(bytes = "vec", optional, tag = "7")]
    pub messages: Option<Vec<u8>>,
    /// The sizes and counts the drive allows.
    #[prost(message, optional, tag = "8")]
    pub limits: Option<Limits>,
    /// Which of the vendor's own logs is wanted.
    #[prost(message, optional, tag = "9")]
    pub device: Option<Device>,
}

/// How busy a part of the drive is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Utilization {
    /// The name of the part.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// From 0 (idle) to 1 (busy).
    #[prost(float, optional, tag = "2")]
    pub value: Option<f32>,
}

/// How hot a part of the drive is, in degrees Celsius.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Temperature {
    /// The name of the part.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// Now.
    #[prost(float, optional, tag = "2")]
    pub current: Option<f32>,
    /// The lowest allowed.
    #[prost(float, optional, tag = "3")]
    pub minimum: Option<f32>,
    /// The highest allowed.
    #[prost(float, optional, tag = "4")]
    pub maximum: Option<f32>,
    /// The best one.
    #[prost(float, optional, tag = "5")]
    pub target: Option<f32>,
}

/// How large and how full the drive is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Capacity {
    /// The size of the drive in bytes.
    #[prost(uint64, optional, tag = "4")]
    pub nominal_capacity: Option<u64>,
    /// From 0 (empty) to 1 (full).
    #[prost(float, optional, tag = "5")]
    pub portion_full: Option<f32>,
}

/// What the drive is and where it listens.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Configuration {
    /// Who made it.
    #[prost(string, optional, tag = "5")]
    pub vendor: Option<String>,
    /// What it is called.
    #[prost(string, optional, tag = "6")]
    pub model: Option<String>,
    /// Its serial number.
    #[prost(bytes = "vec", optional, tag = "7")]
    pub serial_number: Option<Vec<u8>>,
    /// The version of its software.
    #[prost(string, optional, tag = "8")]
    pub version: Option<String>,
    /// Its network interfaces.
    #[prost(message, repeated, tag = "9")]
    pub interfaces: Vec<Interface>,
    /// The TCP port it listens on.
    #[prost(uint32, optional, tag = "10")]
    pub port: Option<u32>,
    /// The TCP port it listens on for TLS.
    #[prost(uint32, optional, tag = "11")]
    pub tls_port: Option<u32>,
    /// When its software was built.
    #[prost(string, optional, tag = "12")]
    pub compilation_date: Option<String>,
    /// Which source its software was built from.
    #[prost(string, optional, tag = "13")]
    pub source_hash: Option<String>,
    /// Its world wide name.
    #[prost(bytes = "vec", optional, tag = "14")]
    pub world_wide_name: Option<Vec<u8>>,
    /// The protocol version it speaks.
    #[prost(string, optional, tag = "15")]
    pub protocol_version: Option<String>,
    /// When its protocol definition was built.
    #[prost(string, optional, tag = "16")]
    pub protocol_compilation_date: Option<String>,
    /// Which source its protocol definition was built from.
    #[prost(string, optional, tag = "17")]
    pub protocol_source_hash: Option<String>,
    /// How awake it is.
    #[prost(enumeration = "PowerLevel", optional, tag = "18")]
    pub power_level: Option<i32>,
}

/// A network interface.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Interface {
    /// Its name.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// Its hardware address.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub mac: Option<Vec<u8>>,
    /// Its IPv4 address as text.
    #[prost(bytes = "vec", optional, tag = "3")]
    pub ipv4_address: Option<Vec<u8>>,
    /// Its IPv6 address as text.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub ipv6_address: Option<Vec<u8>>,
}

/// How often one type of message was seen since the drive started.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Statistics {
    /// The type.
    #[prost(enumeration = "MessageType", optional, tag = "1")]
    pub message_type: Option<i32>,
    /// How many there were.
    #[prost(uint64, optional, tag = "4")]
    pub count: Option<u64>,
    /// How many bytes their values had.
    #[prost(uint64, optional, tag = "5")]
    pub bytes: Option<u64>,
    /// The longest one of them took, in milliseconds.
    #[prost(uint64, optional, tag = "6")]
    pub max_latency: Option<u64>,
}

/// The sizes (in bytes) and counts a drive allows.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Limits {
    /// The longest key.
    #[prost(uint32, optional, tag = "1")]
    pub max_key_size: Option<u32>,
    /// The longest value.
    #[prost(uint32, optional, tag = "2")]
    pub max_value_size: Option<u32>,
    /// The longest version.
    #[prost(uint32, optional, tag = "3")]
    pub max_version_size: Option<u32>,
    /// The longest tag.
    #[prost(uint32, optional, tag = "4")]
    pub max_tag_size: Option<u32>,
    /// The most connections at a time.
    #[prost(uint32, optional, tag = "5")]
    pub max_connections: Option<u32>,
    /// The most unanswered reads on a connection.
    #[prost(uint32, optional, tag = "6")]
    pub max_outstanding_read_requests: Option<u32>,
    /// The most unanswered writes on a connection.
    #[prost(uint32, optional, tag = "7")]
    pub max_outstanding_write_requests: Option<u32>,
    /// The longest message.
    #[prost(uint32, optional, tag = "8")]
    pub max_message_size: Option<u32>,
    /// The most keys in the answer to a range request.
    #[prost(uint32, optional, tag = "9")]
    pub max_key_range_count: Option<u32>,
    /// The most identities.
    #[prost(uint32, optional, tag = "10")]
    pub max_identity_count: Option<u32>,
    /// The longest PIN.
    #[prost(uint32, optional, tag = "11")]
    pub max_pin_size: Option<u32>,
    /// The most operations in a batch.
    #[prost(uint32, optional, tag = "12")]
    pub max_operation_count_per_batch: Option<u32>,
    /// The most open batches.
    #[prost(uint32, optional, tag = "13")]
    pub max_batch_count_per_device: Option<u32>,
    /// The most bytes in a batch.
    #[prost(uint32, optional, tag = "14")]
    pub max_batch_size: Option<u32>,
    /// The most deletes in a batch.
    #[prost(uint32, optional, tag = "15")]
    pub max_deletes_per_batch: Option<u32>,
}

/// A log of the vendor's own.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Device {
    /// Its name.
    #[prost(bytes = "vec", optional, tag = "1")]
    pub name: Option<Vec<u8>>,
}
