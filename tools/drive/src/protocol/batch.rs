//! Ends of batches.

/// What is said about a batch at its end.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Batch {
    /// In a request: how many operations the batch has.
    #[prost(uint32, optional, tag = "1")]
    pub count: Option<u32>,
    /// In the answer to a batch that was committed: the sequences of all its
    /// operations.
    #[prost(uint64, repeated, tag = "2")]
    pub sequences: Vec<u64>,
    /// In the answer to a batch that failed: the sequence of the first
    /// operation that did.
    #[prost(uint64, optional, tag = "3")]
    pub failed_sequence: Option<u64>,
}
