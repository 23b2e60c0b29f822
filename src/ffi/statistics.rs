//! The counters of a connection, for C.

use std::ffi::{c_int, c_void};

use super::{
    driver::session,
    guard::guard,
    sized::{self, SizeFirst},
};
use crate::statistics::{Count, Statistics};

/// What one connection has done since it was made. Set `size` to `sizeof(struct ktli_uring_statistics)` and
/// call `ktli_uring_stats`. A later version may append members; programs built against this one go on
/// working, since `size` tells how many they know.
///
/// The *sender* is the thread that calls send, the *receiver* the one that calls poll and receive, and the
/// *others* are the library's own thread, disconnect and exit. All system calls that are made for the
/// connection are counted, but for these: those that make, connect and close sockets and rings, those by which the
/// C library gets memory, those that wait for a lock or for what another thread does with the session (and those that
/// end such a wait), those that start the library's own thread and by which it waits, and those that write log lines
/// and tables. Where the kernel cannot tell the time without a system call (see vdso(7)), reading a clock is one more
/// that is not counted.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_camel_case_types, reason = "a C name")]
pub struct ktli_uring_statistics {
    /// Size of this structure in bytes, as the program knows it.
    pub size: usize,

    /// Messages that send accepted.
    pub messages_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Messages of which receive handed out the last byte; with `KTLI_URING_FRAMING=none` calls of receive.
    pub messages_received: u64,
    /// Bytes that receive handed out.
    pub bytes_received: u64,

    /// The sender's calls of `io_uring_enter(2)`.
    pub sender_enters: u64,
    /// The sender's calls of sendmsg(2).
    pub sender_sendmsgs: u64,
    /// The sender's calls of ppoll(2).
    pub sender_polls: u64,
    /// The sender's writes to the eventfd that wakes the receiver.
    pub sender_wake_writes: u64,
    /// The receiver's calls of `io_uring_enter(2)`.
    pub receiver_enters: u64,
    /// The receiver's calls of sendmsg(2).
    pub receiver_sendmsgs: u64,
    /// The receiver's calls of recvmsg(2).
    pub receiver_recvmsgs: u64,
    /// The receiver's calls of ppoll(2).
    pub receiver_polls: u64,
    /// The receiver's reads from the eventfd.
    pub receiver_wake_reads: u64,
    /// The receiver's yields and short sleeps: while the sender was staging a message, or had not let go of the request
    /// whose answer is there; between two looks with `KTLI_URING_SPIN`.
    pub receiver_pauses: u64,
    /// The others' calls of sendmsg(2).
    pub other_sendmsgs: u64,
    /// The others' calls of recvmsg(2).
    pub other_recvmsgs: u64,
    /// The others' calls of ppoll(2).
    pub other_polls: u64,
    /// The others' writes to the eventfd.
    pub other_wake_writes: u64,

    /// Flushes by the sender: transmissions of staged messages, one or many at a time.
    pub sender_flushes: u64,
    /// Messages whose last byte left in a flush by the sender.
    pub sender_flushed_messages: u64,
    /// Bytes that left in flushes by the sender.
    pub sender_flushed_bytes: u64,
    /// Flushes by the receiver.
    pub receiver_flushes: u64,
    /// Messages whose last byte left in a flush by the receiver.
    pub receiver_flushed_messages: u64,
    /// Bytes that left in flushes by the receiver.
    pub receiver_flushed_bytes: u64,
    /// Flushes by the others.
    pub other_flushes: u64,
    /// Messages whose last byte left in a flush by the others.
    pub other_flushed_messages: u64,
    /// Bytes that left in flushes by the others.
    pub other_flushed_bytes: u64,

    /// Transmissions, anyone's, of which the kernel took less than was offered, or nothing.
    pub short_sends: u64,
    /// Waits, of either half, for room in a full socket. Where one operation on a ring waits by itself until all has
    /// left, those of the sender that took 40 ms.
    pub socket_full_waits: u64,

    /// Transmissions straight from the caller's memory: of large messages, and of others that were better sent at once.
    pub large_sends: u64,
    /// Bytes that left in them.
    pub large_sent_bytes: u64,
    /// Transmissions that asked the kernel to copy nothing.
    pub zero_copy_sends: u64,
    /// Those for which it copied all the same.
    pub zero_copy_copied: u64,

    /// How often the sender woke the receiver.
    pub wake_ups: u64,
    /// How often the receiver went to sleep.
    pub receiver_sleeps: u64,
    /// Spins that found something and saved a sleep.
    pub spins_paid: u64,
    /// Spins that found nothing.
    pub spins_lost: u64,

    /// Receives into the read-ahead buffer, those included that went on there behind the end of a large value.
    pub read_aheads: u64,
    /// Calls of poll that found a message in memory, without a system call.
    pub poll_hits: u64,
    /// Calls of receive that were served wholly from memory, without a system call.
    pub receive_hits: u64,
    /// Receives straight into the caller's memory.
    pub direct_receives: u64,
    /// Bytes that came in them.
    pub direct_received_bytes: u64,

    /// The sender's yields and short sleeps. None but while a large message waits for answers from a drive on the same
    /// machine, with `KTLI_URING_SEND=chunked`, or where something has failed.
    pub sender_pauses: u64,
    /// The receiver's calls of setsockopt(2): low-water marks, when a large value is announced or waited for and when
    /// something else is, and time-outs of a receive that itself waits.
    pub receiver_setsockopts: u64,
    /// The receiver's calls of madvise(2), where a session is idle.
    pub receiver_rare_calls: u64,
    /// The others' short sleeps. Those for several connections at a time are counted for one of them.
    pub other_pauses: u64,
    /// Calls of shutdown(2), connect(2) and setsockopt(2) that end a connection, whoever makes them.
    pub other_rare_calls: u64,
    /// All system calls together: the sum of all those above.
    pub system_calls: u64,
}

// SAFETY: `repr(C)`, `size` comes first, and all members are numbers.
unsafe impl SizeFirst for ktli_uring_statistics {
    fn set_size(&mut self, size: usize) {
        self.size = size;
    }
}

impl ktli_uring_statistics {
    fn new(statistics: &Statistics) -> Self {
        let (sender, receiver, others) = (&statistics.sender, &statistics.receiver, &statistics.others);
        ktli_uring_statistics {
            size: size_of::<Self>(),
            messages_sent: sender.messages.get(),
            bytes_sent: sender.bytes.get(),
            messages_received: receiver.messages.get(),
            bytes_received: receiver.bytes.get(),
            sender_enters: sender.enters.get(),
            sender_sendmsgs: sender.sendmsgs.get(),
            sender_polls: sender.polls.get(),
            sender_wake_writes: sender.wake_writes.get(),
            receiver_enters: receiver.enters.get(),
            receiver_sendmsgs: receiver.sendmsgs.get(),
            receiver_recvmsgs: receiver.recvmsgs.get(),
            receiver_polls: receiver.polls.get(),
            receiver_wake_reads: receiver.wake_reads.get(),
            receiver_pauses: receiver.pauses.get(),
            other_sendmsgs: others.sendmsgs.get(),
            other_recvmsgs: others.recvmsgs.get(),
            other_polls: others.polls.get(),
            other_wake_writes: others.wake_writes.get(),
            sender_flushes: sender.flushes.get(),
            sender_flushed_messages: sender.flushed_messages.get(),
            sender_flushed_bytes: sender.flushed_bytes.get(),
            receiver_flushes: receiver.flushes.get(),
            receiver_flushed_messages: receiver.flushed_messages.get(),
            receiver_flushed_bytes: receiver.flushed_bytes.get(),
            other_flushes: others.flushes.get(),
            other_flushed_messages: others.flushed_messages.get(),
            other_flushed_bytes: others.flushed_bytes.get(),
            short_sends: sender.short.get() + receiver.short.get() + others.short.get(),
            socket_full_waits: sender.full_waits.get() + receiver.full_waits.get(),
            large_sends: sender.direct.get(),
            large_sent_bytes: sender.direct_bytes.get(),
            zero_copy_sends: sender.zero_copy.get(),
            zero_copy_copied: sender.zero_copy_copied.get(),
            wake_ups: sender.wake_ups.get(),
            receiver_sleeps: receiver.sleeps.get(),
            spins_paid: receiver.spins_paid.get(),
            spins_lost: receiver.spins_lost.get(),
            read_aheads: receiver.read_aheads.get(),
            poll_hits: receiver.poll_hits.get(),
            receive_hits: receiver.receive_hits.get(),
            direct_receives: receiver.direct.get(),
            direct_received_bytes: receiver.direct_bytes.get(),
            sender_pauses: sender.pauses.get(),
            receiver_setsockopts: receiver.setsockopts.get(),
            receiver_rare_calls: receiver.rare_calls.get(),
            other_pauses: others.pauses.get(),
            other_rare_calls: others.rare_calls.get(),
            system_calls: statistics.system_calls(),
        }
    }
}

/// Fills in the counters of the connection that a session has, or had last. `statistics->size` must be set;
/// it becomes the number of bytes that were filled in. Takes the counters as they are: while others send and
/// receive they may be a message apart from each other.
///
/// Returns 0, or -1 with errno: EINVAL for NULL or an impossible size, EBADF for a handle that is not open,
/// ENOTCONN when it was never connected. Any thread.
///
/// # Safety
/// `statistics` must be NULL or point to `statistics->size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ktli_uring_stats(dh: *mut c_void, statistics: *mut ktli_uring_statistics) -> c_int {
    guard(-1, || {
        let (session, generation) = session(dh)?;
        let counted = session.statistics(generation)?;
        // SAFETY: By this function's contract.
        unsafe { sized::give(ktli_uring_statistics::new(&counted), statistics)? };
        Ok(0)
    })
}
