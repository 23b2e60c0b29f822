//! Lists of keys.

use bytes::Bytes;

/// In a request: which keys are wanted. In an answer: the keys.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Range {
    /// Where the range starts; without it, at the first key.
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub start_key: Option<Bytes>,
    /// Where the range ends; without it, at the last key.
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub end_key: Option<Bytes>,
    /// Whether the start key itself belongs to the range.
    #[prost(bool, optional, tag = "3")]
    pub start_key_inclusive: Option<bool>,
    /// Whether the end key itself belongs to the range.
    #[prost(bool, optional, tag = "4")]
    pub end_key_inclusive: Option<bool>,
    /// The most keys to return.
    #[prost(uint32, optional, tag = "5")]
    pub max_returned: Option<u32>,
    /// Whether to start at the end of the range and to go backwards.
    #[prost(bool, optional, tag = "6")]
    pub reverse: Option<bool>,
    /// The keys found, in the order asked for.
    #[prost(bytes = "bytes", repeated, tag = "8")]
    pub keys: Vec<Bytes>,
}
