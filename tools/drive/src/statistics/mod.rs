//! What the drive can tell about what it has done.

mod counters;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

use crate::protocol::MessageType;

pub(crate) use counters::{Counters, Seen};

/// What a drive has done since it was started, as
/// [`Drive::statistics`](crate::Drive::statistics) gives it.
///
/// Numbers are collected without stopping anything, so that those that belong
/// together may be apart by what is happening at the moment. Displayed, this
/// is a table for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Statistics {
    /// Connections.
    pub connections: Connections,
    /// Connections that the drive has closed because of what the client sent:
    /// bad frames, and messages that cannot be decoded or not be answered.
    pub protocol_errors: u64,
    /// Connections that the drive has closed because the client took too long
    /// to send a request or to take answers.
    pub stalls: u64,
    /// Large requests and answers for which
    /// [`Config::max_outstanding`](crate::Config::max_outstanding) left no
    /// room.
    pub busy: u64,
    /// Bytes of large requests and answers on their way at the moment.
    pub outstanding: u64,
    /// Bytes of memory of all connections' buffers, without large values.
    pub buffers: usize,
    /// What was done for each type of request seen so far, in the order of the
    /// types' numbers. Requests of unknown types are under
    /// [`MessageType::Invalid`].
    pub operations: Vec<Operation>,
    /// How many requests failed with each status, by its name in
    /// [`StatusCode`](crate::protocol::StatusCode).
    pub failures: BTreeMap<String, u64>,
}

/// How many connections there are and were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Connections {
    /// Open now.
    pub open: usize,
    /// Served so far.
    pub total: u64,
    /// Refused because there were too many.
    pub refused: u64,
}

/// What was done for one type of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// The type.
    #[serde(serialize_with = "name")]
    pub message_type: MessageType,
    /// Requests with a header, whether they worked or not.
    pub requests: u64,
    /// Those of them that did not work.
    pub failures: u64,
    /// Bytes of values that came with requests and were kept.
    pub bytes_received: u64,
    /// Bytes of values that went with answers.
    pub bytes_sent: u64,
    /// The longest time, in microseconds, between the arrival of a request and
    /// the sending of its answer. Requests that arrive together are answered
    /// together and share one time, which is that of all of them; it is
    /// measured for them together, too.
    pub max_latency_us: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn name<S: Serializer>(message_type: &MessageType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{message_type:?}"))
}

impl Statistics {
    /// All of it in one line, for a log: connections and the sums of all
    /// operations.
    #[must_use]
    pub fn line(&self) -> String {
        let sum = |of: fn(&Operation) -> u64| self.operations.iter().map(of).sum::<u64>();
        format!(
            "{} connections ({} so far, {} refused), {} requests, {} failures, {} bytes received, {} sent, \
             {} outstanding, {} of buffers, {} protocol errors, {} stalls, {} busy",
            self.connections.open,
            self.connections.total,
            self.connections.refused,
            sum(|operation| operation.requests),
            sum(|operation| operation.failures),
            sum(|operation| operation.bytes_received),
            sum(|operation| operation.bytes_sent),
            self.outstanding,
            self.buffers,
            self.protocol_errors,
            self.stalls,
            self.busy,
        )
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.line())?;
        writeln!(
            f,
            "{:20} {:>12} {:>12} {:>16} {:>16} {:>14}",
            "type", "requests", "failures", "bytes received", "bytes sent", "longest in us"
        )?;
        for operation in &self.operations {
            writeln!(
                f,
                "{:20} {:>12} {:>12} {:>16} {:>16} {:>14}",
                format!("{:?}", operation.message_type),
                operation.requests,
                operation.failures,
                operation.bytes_received,
                operation.bytes_sent,
                operation.max_latency_us,
            )?;
        }
        for (status, count) in &self.failures {
            writeln!(f, "{status:20} {count:>12}")?;
        }
        Ok(())
    }
}
