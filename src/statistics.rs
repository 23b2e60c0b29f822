//! What a connection has done, in counters that are cheap enough to be always on.
//!
//! Each half counts in a block of its own, on cache lines that nobody else writes. A half is behind a lock,
//! so only one thread at a time counts there, and a count is a load and a store, without the bus lock that
//! an atomic addition takes. All others (the sweeper, `disconnect`, exit) share a third block; they are rare.
//! Reading takes no lock: the counters of a connection in use may be a message apart from each other.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

/// A number that only grows.
pub trait Count {
    /// Adds to it.
    fn add(&self, count: usize);
    /// What it has come to.
    fn get(&self) -> u64;
}

/// A counter to which one thread at a time adds.
#[derive(Default)]
pub struct Own(AtomicU64);

/// A counter to which any thread adds.
#[derive(Default)]
pub struct Shared(AtomicU64);

impl Count for Own {
    fn add(&self, count: usize) {
        self.0.store(self.get().wrapping_add(count as u64), Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Count for Shared {
    fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One block of counters. The same for all, though no block uses every one. 128 bytes, since the processor
/// fetches cache lines in pairs.
#[derive(Default)]
#[repr(align(128))]
pub struct Counters<C> {
    /// Messages sent, or received as a whole.
    pub messages: C,
    /// Their bytes.
    pub bytes: C,

    /// Calls of `io_uring_enter(2)`.
    pub enters: C,
    /// Calls of sendmsg(2).
    pub sendmsgs: C,
    /// Calls of recvmsg(2).
    pub recvmsgs: C,
    /// Calls of ppoll(2).
    pub polls: C,
    /// Writes to the eventfd.
    pub wake_writes: C,
    /// Reads from the eventfd.
    pub wake_reads: C,
    /// Calls of setsockopt(2): low-water marks, and time-outs of a receive that waits.
    pub setsockopts: C,
    /// Yields and naps.
    pub pauses: C,
    /// All others, none of which comes with every message: madvise(2), shutdown(2), connect(2), setsockopt(2) at
    /// the end of a connection.
    pub rare_calls: C,

    /// Transmissions of what was staged.
    pub flushes: C,
    /// Messages whose end left in them.
    pub flushed_messages: C,
    /// Bytes that left in them.
    pub flushed_bytes: C,
    /// Transmissions of which the kernel took less than was offered, or nothing.
    pub short: C,
    /// Waits for room in the socket.
    pub full_waits: C,

    /// Transmissions straight from the caller's memory, or receives straight into it.
    pub direct: C,
    /// Their bytes.
    pub direct_bytes: C,
    /// Transmissions that were to copy nothing.
    pub zero_copy: C,
    /// Those for which the kernel copied all the same.
    pub zero_copy_copied: C,

    /// How often the sender woke the receiver.
    pub wake_ups: C,
    /// How often the receiver went to sleep.
    pub sleeps: C,
    /// Spins that saved a sleep.
    pub spins_paid: C,
    /// Spins that did not.
    pub spins_lost: C,

    /// Receives into the read-ahead buffer, also behind the end of a large value.
    pub read_aheads: C,
    /// Polls that found a message there at once.
    pub poll_hits: C,
    /// Receives that were served wholly from there.
    pub receive_hits: C,
}

impl<C: Count> Counters<C> {
    /// Takes note of an attempt to send `offered` staged bytes, in which `messages` messages end, and passes its
    /// result on.
    pub fn flush(&self, offered: usize, messages: usize, result: io::Result<usize>) -> io::Result<usize> {
        match &result {
            Ok(count) => {
                self.flushed(offered, messages, *count);
                if *count < offered {
                    self.short.add(1);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.short.add(1),
            Err(_) => {}
        }
        result
    }

    /// Takes note that `count` of `offered` staged bytes have left, in all of which `messages` messages end.
    pub fn flushed(&self, offered: usize, messages: usize, count: usize) {
        if count == 0 {
            return;
        }
        self.flushes.add(1);
        self.flushed_bytes.add(count);
        if count == offered {
            self.flushed_messages.add(messages);
        }
    }

    /// All system calls. What is left out says [`ktli_uring_statistics`](crate::ffi::statistics::ktli_uring_statistics).
    pub fn system_calls(&self) -> u64 {
        [
            &self.enters,
            &self.sendmsgs,
            &self.recvmsgs,
            &self.polls,
            &self.wake_writes,
            &self.wake_reads,
            &self.setsockopts,
            &self.pauses,
            &self.rare_calls,
        ]
        .into_iter()
        .map(Count::get)
        .sum()
    }
}

/// The statistics of one connection, which outlive it.
pub struct Statistics {
    /// Of the half that sends.
    pub sender: Arc<Counters<Own>>,
    /// Of the half that receives.
    pub receiver: Arc<Counters<Own>>,
    /// Of everybody else.
    pub others: Counters<Shared>,
    /// Where the connection goes to.
    pub peer: Option<SocketAddr>,
    /// They have been printed. Held while they are, so that the process does not end in the middle of it.
    pub reported: Mutex<bool>,
}

impl Statistics {
    /// Of a new connection to `peer`.
    pub fn new(peer: Option<SocketAddr>) -> Arc<Self> {
        Arc::new(Statistics {
            sender: Arc::default(),
            receiver: Arc::default(),
            others: Counters::default(),
            peer,
            reported: Mutex::new(false),
        })
    }

    /// All system calls, anyone's.
    pub fn system_calls(&self) -> u64 {
        self.sender.system_calls() + self.receiver.system_calls() + self.others.system_calls()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_cache_lines_of_their_own() {
        assert_eq!(align_of::<Counters<Own>>(), 128);
        assert_eq!(size_of::<Counters<Own>>() % 128, 0);
    }

    #[test]
    fn counters_add_up() {
        fn check<C: Count + Default>() {
            let counter = C::default();
            counter.add(3);
            counter.add(4);
            assert_eq!(counter.get(), 7);
        }
        check::<Own>();
        check::<Shared>();
    }

    #[test]
    fn a_flush_counts_its_messages_when_the_last_byte_leaves() {
        let counters = Counters::<Own>::default();
        let flush = |offered, result| drop(counters.flush(offered, 3, result));
        let counted = || {
            let c = &counters;
            [&c.flushes, &c.flushed_messages, &c.flushed_bytes, &c.short].map(Count::get)
        };
        flush(100, Err(io::ErrorKind::WouldBlock.into()));
        assert_eq!(counted(), [0, 0, 0, 1]);
        flush(100, Err(io::ErrorKind::Interrupted.into()));
        assert_eq!(counted(), [0, 0, 0, 1]);
        flush(100, Ok(40));
        assert_eq!(counted(), [1, 0, 40, 2]);
        flush(60, Ok(60));
        assert_eq!(counted(), [2, 3, 100, 2]);
    }

    #[test]
    fn system_calls_of_all_kinds_are_summed() {
        let counters = Counters::<Shared>::default();
        counters.enters.add(1);
        counters.sendmsgs.add(2);
        counters.recvmsgs.add(4);
        counters.polls.add(8);
        counters.wake_writes.add(16);
        counters.wake_reads.add(32);
        counters.setsockopts.add(64);
        counters.pauses.add(128);
        counters.rare_calls.add(256);
        counters.messages.add(10000);
        assert_eq!(counters.system_calls(), 511);
    }
}
