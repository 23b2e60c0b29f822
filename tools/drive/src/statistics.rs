//! Counting requests, for the statistics log.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::protocol::{MessageType, Statistics};

/// One more than the largest number of a message type.
const TYPES: usize = MessageType::ManageApplet as usize + 1;

/// How many requests of each type there were, and how many bytes their values
/// had.
pub(crate) struct Counters {
    by_type: [Counter; TYPES],
}

struct Counter {
    count: AtomicU64,
    bytes: AtomicU64,
}

impl Counters {
    pub fn new() -> Self {
        Self {
            by_type: std::array::from_fn(|_| Counter { count: AtomicU64::new(0), bytes: AtomicU64::new(0) }),
        }
    }

    /// Counts a request with `bytes` of value, sent or received.
    pub fn count(&self, message_type: MessageType, bytes: usize) {
        // `Invalid` is negative and not counted.
        let index = usize::try_from(message_type as i32).ok();
        if let Some(counter) = index.and_then(|index| self.by_type.get(index)) {
            counter.count.fetch_add(1, Ordering::Relaxed);
            counter.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// The counters of every type seen so far.
    pub fn report(&self) -> Vec<Statistics> {
        let seen = self.by_type.iter().enumerate().filter_map(|(index, c)| {
            let count = c.count.load(Ordering::Relaxed);
            (count > 0).then(|| Statistics {
                message_type: Some(index as i32),
                count: Some(count),
                bytes: Some(c.bytes.load(Ordering::Relaxed)),
                max_latency: None,
            })
        });
        seen.collect()
    }
}
