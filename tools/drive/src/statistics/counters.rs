//! Counting what happens.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::{Connections, Operation, Statistics};
use crate::protocol::{self, MessageType, StatusCode};

/// One more than the largest number of a message type.
const TYPES: usize = MessageType::ManageApplet as usize + 1;

/// One more than the largest number of a status.
const STATUSES: usize = StatusCode::ExecuteComplete as usize + 1;

/// What has happened since the drive was started. Threads count without locks,
/// so numbers that belong together may be apart by what is happening now.
pub(crate) struct Counters {
    by_type: [Counter; TYPES],
    /// Requests that failed, by status.
    failures: [AtomicU64; STATUSES],
    connections: AtomicU64,
    refused: AtomicU64,
    protocol_errors: AtomicU64,
    stalls: AtomicU64,
    busy: AtomicU64,
    buffers: AtomicUsize,
}

#[derive(Default)]
struct Counter {
    requests: AtomicU64,
    failures: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
    longest_us: AtomicU64,
}

/// A set of message types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen(u64);

const _: () = assert!(TYPES <= u64::BITS as usize);

impl Seen {
    pub fn insert(&mut self, message_type: MessageType) {
        self.0 |= 1 << index(message_type);
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn indices(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let lowest = rest.trailing_zeros();
            rest &= rest.checked_sub(1)?;
            Some(lowest as usize)
        })
    }
}

/// The place of a type; no type has the number 0, so it is that of `Invalid`.
fn index(message_type: MessageType) -> usize {
    usize::try_from(message_type as i32).unwrap_or(0)
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

fn value(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Counters {
    pub fn new() -> Self {
        Self {
            by_type: std::array::from_fn(|_| Counter::default()),
            failures: std::array::from_fn(|_| AtomicU64::new(0)),
            connections: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            protocol_errors: AtomicU64::new(0),
            stalls: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            buffers: AtomicUsize::new(0),
        }
    }

    /// Counts a request with the lengths of its value and of its answer's.
    pub fn count(
        &self,
        message_type: MessageType,
        received: usize,
        sent: usize,
        failure: Option<StatusCode>,
    ) {
        let counter = &self.by_type[index(message_type)];
        add(&counter.requests, 1);
        if received > 0 {
            add(&counter.received, received as u64);
        }
        if sent > 0 {
            add(&counter.sent, sent as u64);
        }
        if let Some(code) = failure {
            add(&counter.failures, 1);
            self.count_failure(code);
        }
    }

    /// Counts bytes of values that a request of this type sent to another drive.
    pub fn moved(&self, message_type: MessageType, bytes: usize) {
        add(&self.by_type[index(message_type)].sent, bytes as u64);
    }

    /// Counts a request as one that failed after all: an answer with `sent`
    /// bytes of value is not sent.
    pub fn take_back(&self, message_type: MessageType, sent: usize, code: StatusCode) {
        let counter = &self.by_type[index(message_type)];
        add(&counter.failures, 1);
        counter.sent.fetch_sub(sent as u64, Ordering::Relaxed);
        self.count_failure(code);
    }

    fn count_failure(&self, code: StatusCode) {
        if let Some(counter) = usize::try_from(code as i32).ok().and_then(|code| self.failures.get(code)) {
            add(counter, 1);
        }
    }

    /// Remembers how long requests of these types took together.
    pub fn took(&self, seen: Seen, time: Duration) {
        let time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        for index in seen.indices() {
            let longest = &self.by_type[index].longest_us;
            // Most times are no new record, and reading costs less.
            if value(longest) < time {
                longest.fetch_max(time, Ordering::Relaxed);
            }
        }
    }

    /// Counts a connection that is served.
    pub fn count_connection(&self) {
        add(&self.connections, 1);
    }

    /// Counts a connection that was one too many.
    pub fn count_refused(&self) {
        add(&self.refused, 1);
    }

    /// Counts a connection that ends because of what the client sent.
    pub fn count_protocol_error(&self) {
        add(&self.protocol_errors, 1);
    }

    /// Counts a connection that ends because the client was too slow.
    pub fn count_stall(&self) {
        add(&self.stalls, 1);
    }

    /// Counts a request or an answer for which there was no memory left.
    pub fn count_busy(&self) {
        add(&self.busy, 1);
    }

    /// Takes over the size of a connection's buffers: it was `counted`, now it
    /// is `size`.
    pub fn count_buffers(&self, counted: &mut usize, size: usize) {
        if *counted != size {
            // Wraps around if it is less, and so does the sum.
            self.buffers.fetch_add(size.wrapping_sub(*counted), Ordering::Relaxed);
            *counted = size;
        }
    }

    /// All of it; `open` connections there are now, and `outstanding` bytes.
    pub fn report(&self, open: usize, outstanding: u64) -> Statistics {
        let seen = self.by_type.iter().enumerate().filter(|(_, counter)| value(&counter.requests) > 0);
        let operations: Vec<_> = seen
            .map(|(index, counter)| Operation {
                message_type: MessageType::try_from(index as i32).unwrap_or(MessageType::Invalid),
                requests: value(&counter.requests),
                failures: value(&counter.failures),
                bytes_received: value(&counter.received),
                bytes_sent: value(&counter.sent),
                max_latency_us: value(&counter.longest_us),
            })
            .collect();
        let failures = self.failures.iter().enumerate().filter(|(_, counter)| value(counter) > 0);
        let failures = failures
            .map(|(code, counter)| {
                let code = StatusCode::try_from(code as i32).unwrap_or(StatusCode::Invalid);
                (format!("{code:?}"), value(counter))
            })
            .collect();
        Statistics {
            connections: Connections { open, total: value(&self.connections), refused: value(&self.refused) },
            protocol_errors: value(&self.protocol_errors),
            stalls: value(&self.stalls),
            busy: value(&self.busy),
            outstanding,
            buffers: self.buffers.load(Ordering::Relaxed),
            operations,
            failures,
        }
    }

    /// What the protocol has of it, except for applets: libkinetic has no names
    /// for their types, so that kctl reads beyond its table.
    pub fn log(&self) -> Vec<protocol::Statistics> {
        let known = MessageType::SetPowerLevel as usize;
        let seen = self.by_type.iter().enumerate().take(known + 1).skip(1);
        let seen = seen.filter(|(_, counter)| value(&counter.requests) > 0);
        seen.map(|(index, counter)| protocol::Statistics {
            message_type: Some(index as i32),
            count: Some(value(&counter.requests)),
            bytes: Some(value(&counter.received) + value(&counter.sent)),
            max_latency: Some(value(&counter.longest_us).div_ceil(1000)),
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_time_of_each_type_counts() {
        let counters = Counters::new();
        let mut seen = Seen::default();
        assert!(seen.is_empty());
        seen.insert(MessageType::Put);
        seen.insert(MessageType::SetPowerLevel);
        seen.insert(MessageType::Invalid);
        counters.took(seen, Duration::from_micros(2001));
        let mut put = Seen::default();
        put.insert(MessageType::Put);
        counters.took(put, Duration::from_micros(7));
        for message_type in [MessageType::Put, MessageType::Get, MessageType::SetPowerLevel] {
            counters.count(message_type, 0, 0, None);
        }
        let times = |message_type| {
            let log = counters.log();
            log.iter().find(|entry| entry.message_type() == message_type).unwrap().max_latency
        };
        assert_eq!(times(MessageType::Put), Some(3));
        assert_eq!(times(MessageType::Get), Some(0));
        assert_eq!(times(MessageType::SetPowerLevel), Some(3));
    }

    #[test]
    fn requests_of_unknown_types_count_but_not_for_the_protocol() {
        let counters = Counters::new();
        counters.count(MessageType::Invalid, 5, 0, Some(StatusCode::InvalidRequest));
        assert!(counters.log().is_empty());
        let statistics = counters.report(0, 0);
        assert_eq!(statistics.operations[0].message_type, MessageType::Invalid);
        assert_eq!(statistics.operations[0].failures, 1);
        assert_eq!(statistics.failures["InvalidRequest"], 1);
    }

    #[test]
    fn buffers_may_grow_and_shrink() {
        let counters = Counters::new();
        let (mut first, mut second) = (0, 0);
        counters.count_buffers(&mut first, 100);
        counters.count_buffers(&mut second, 30);
        counters.count_buffers(&mut first, 10);
        assert_eq!(counters.report(2, 0).buffers, 40);
        counters.count_buffers(&mut second, 0);
        assert_eq!(counters.report(1, 0).buffers, 10);
    }
}
