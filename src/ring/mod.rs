//! The ring layer: a thin safe surface over the io-uring crate.
//!
//! `setup` makes rings and says why the kernel refuses them; [`Ring`] submits, waits and reaps;
//! `transmit` and `receive` are the two engines of a connection, `stepwise`, `chunked` and `zerocopy` other ways
//! to transmit, `wake` has the kernel's thread wake the receiver. Whatever an operation points to is
//! borrowed until its completion has been seen: no function here returns with memory in the kernel's
//! hands, on no path. What may stay in flight between calls are polls, which point to nothing, and the
//! wake-ups of `wake`, which point to a constant.

pub mod chunked;
pub mod receive;
pub mod setup;
pub mod stepwise;
pub mod transmit;
pub mod wake;
pub mod zerocopy;

use std::{
    cell::Cell,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use io_uring::{
    IoUring, cqueue, opcode, squeue,
    types::{self, Fd},
};
use log::error;

use crate::{
    features::{Feature, Features},
    statistics::{Count, Counters, Own},
};

/// Flags of `io_uring_enter(2)`, which the io-uring crate keeps to itself.
const GETEVENTS: u32 = 1;
const SQ_WAKEUP: u32 = 2;
const EXT_ARG: u32 = 8;

/// What a completion belongs to: the low byte of `user_data`. Above it stands a sequence number, so
/// that a late completion is never taken for that of another operation.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A transmission.
    Send = 1,
    /// A receive.
    Receive = 2,
    /// The poll on the eventfd by which the sender wakes the receiver.
    Wake = 3,
    /// The poll for room in a full socket.
    Room = 4,
    /// A cancellation.
    Cancel = 5,
}

/// The files that operations work on, with their places in the table of a ring where they are registered.
#[derive(Clone, Copy)]
enum File {
    Socket = 0,
    Wake = 1,
}

/// Identifies one operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag(u64);

impl Tag {
    /// True if the operation is of that kind.
    pub fn is(self, kind: Kind) -> bool {
        self.0 & 0xff == kind as u64
    }

    /// The tag of the operation that is so many places behind it in its chain.
    fn plus(self, places: usize) -> Tag {
        Tag(self.0 + ((places as u64) << 8))
    }

    /// How many places it is behind `first`; `None` if it is of another kind or older.
    #[expect(clippy::verbose_bit_mask, reason = "the mask of the kind, as in `is`")]
    fn distance(self, first: Tag) -> Option<usize> {
        let behind = self.0.checked_sub(first.0).filter(|behind| behind & 0xff == 0)?;
        usize::try_from(behind >> 8).ok()
    }
}

/// One completion.
#[derive(Clone, Copy)]
pub struct Completion {
    /// Whose it is.
    pub tag: Tag,
    result: i32,
    flags: u32,
}

impl Completion {
    /// A count of bytes, or the error.
    pub fn result(&self) -> io::Result<usize> {
        usize::try_from(self.result).map_err(|_| io::Error::from_raw_os_error(-self.result))
    }

    /// True if the operation stays armed and will complete again.
    pub fn has_more(&self) -> bool {
        cqueue::more(self.flags)
    }

    /// True for the notification that memory sent without a copy is free again.
    fn is_notification(&self) -> bool {
        cqueue::notif(self.flags)
    }

    /// True if such a notification tells that the kernel copied after all (`IORING_NOTIF_USAGE_ZC_COPIED`, bit 31 of
    /// what is no result there).
    fn says_copied(&self) -> bool {
        self.result < 0
    }
}

/// A ring that belongs to one half of a connection, and to the thread that made it.
pub struct Ring {
    uring: IoUring,
    thread: u64,
    sequence: u64,
    /// Of its half.
    counters: Arc<Counters<Own>>,
    /// What the kernel has, and is not switched off.
    features: Features,
    /// The connection's files are in the ring's table.
    registered: bool,
}

/// A number that no other thread of this process has or had: unlike an address or a kernel thread id
/// it is never used again, and reading it costs no system call.
fn this_thread() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static MINE: Cell<u64> = const { Cell::new(0) };
    }
    MINE.with(|mine| {
        if mine.get() == 0 {
            mine.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        mine.get()
    })
}

impl Ring {
    /// A new ring for the calling thread. It must be used by no other: the kernel refuses submissions
    /// to a `SINGLE_ISSUER` ring from elsewhere (EEXIST), and completes deferred work on that thread only.
    pub fn new(
        sqpoll: Option<setup::Sqpoll>,
        entries: u32,
        features: Features,
        counters: Arc<Counters<Own>>,
    ) -> io::Result<Ring> {
        let uring = setup::build(sqpoll, entries, features)?;
        setup::try_entering(&uring)?;
        counters.enters.add(1);
        Ok(Ring { uring, thread: this_thread(), sequence: 0, counters, features, registered: false })
    }

    /// Registers the connection's files, where a kernel thread does the submitting: it need not look them up then,
    /// and what it finds later is what is meant now, whatever happens to the descriptors. (A call that submits finds
    /// them fast enough: that made no difference beyond noise.)
    pub fn register(&mut self, socket: BorrowedFd<'_>, wake: BorrowedFd<'_>) {
        if self.is_sqpoll() && self.has(Feature::RegisterFiles) {
            let files = [socket.as_raw_fd(), wake.as_raw_fd()];
            self.registered = self.uring.submitter().register_files(&files).is_ok();
        }
    }

    /// An entry that works on `file`, whose descriptor is `fd`.
    fn entry(&self, file: File, fd: impl AsFd, make: impl FnOnce(Fd) -> squeue::Entry) -> squeue::Entry {
        if self.registered {
            make(Fd(file as i32)).flags(squeue::Flags::FIXED_FILE)
        } else {
            make(Fd(fd.as_fd().as_raw_fd()))
        }
    }

    /// Can it use that feature?
    pub fn has(&self, feature: Feature) -> bool {
        self.features.has(feature)
    }

    /// Was it made by the calling thread?
    pub fn is_mine(&self) -> bool {
        self.thread == this_thread()
    }

    /// A tag for the next operation.
    fn tag(&mut self, kind: Kind) -> Tag {
        self.sequence += 1;
        Tag(self.sequence << 8 | kind as u64)
    }

    /// Queues an operation. There is a place: a half never has more than five entries queued between two
    /// calls of [`enter`](Self::enter), and the queue has eight. (Chains have their own way in.)
    ///
    /// # Safety
    /// What the entry points to must stay valid, and unused by others where the kernel writes, until
    /// the completion with this tag has been reaped.
    unsafe fn push(&mut self, kind: Kind, entry: squeue::Entry) -> Tag {
        loop {
            // SAFETY: Passed on to the caller.
            if let Some(tag) = unsafe { self.try_push(kind, entry.clone()) } {
                return tag;
            }
            // Only with SQPOLL, when its thread is late.
            let _ = self.enter(0, None);
            self.counters.enters.add(1);
            let _ = self.uring.submitter().squeue_wait();
        }
    }

    /// Queues an operation if there is a place.
    ///
    /// # Safety
    /// As for [`push`](Self::push).
    unsafe fn try_push(&mut self, kind: Kind, entry: squeue::Entry) -> Option<Tag> {
        let tag = self.tag(kind);
        // SAFETY: Passed on to the caller.
        unsafe { self.uring.submission().push(&entry.user_data(tag.0)) }.is_ok().then_some(tag)
    }

    /// Queues operations that the kernel starts one after the other, each when the one before has succeeded; at
    /// most [`places`](Self::places). Returns the tag of the first one; the others' follow on it.
    ///
    /// # Safety
    /// As for [`push`](Self::push), for each of them.
    unsafe fn push_chain(&mut self, kind: Kind, mut entries: Vec<squeue::Entry>) -> Tag {
        let last = entries.len() - 1;
        let mut first = None;
        for (index, entry) in entries.iter_mut().enumerate() {
            let tag = self.tag(kind);
            first.get_or_insert(tag);
            let link = if index < last { squeue::Flags::IO_LINK } else { squeue::Flags::empty() };
            *entry = entry.clone().user_data(tag.0).flags(link);
        }
        // A chain ends where a submission ends, so nothing may stand in front that would push its end into the
        // next one, and it becomes visible to the kernel's thread all at once.
        while self.queued() > 0 {
            let _ = self.enter(0, None);
            self.counters.pauses.add(1);
            std::thread::yield_now();
        }
        // SAFETY: Passed on to the caller.
        let pushed = unsafe { self.uring.submission().push_multiple(&entries) };
        assert!(pushed.is_ok() && entries.len() <= self.places(), "a chain is no longer than the queue");
        first.expect("a chain is not empty")
    }

    /// How many operations one chain can have.
    fn places(&self) -> usize {
        let entries = self.uring.params().sq_entries() as usize;
        // A kernel thread that serves several rings takes eight entries at a time from each, for fairness
        // (IORING_SQPOLL_CAP_ENTRIES_VALUE), and silently cuts a longer chain there: the two halves would run
        // side by side, and their bytes would mix wherever the socket is full.
        if self.is_sqpoll() { entries.min(8) } else { entries }
    }

    /// How many entries are queued that the kernel has not taken?
    fn queued(&mut self) -> usize {
        self.uring.submission().len()
    }

    /// Does a kernel thread do the submitting?
    pub fn is_sqpoll(&self) -> bool {
        self.uring.params().is_setup_sqpoll()
    }

    /// Queues the cancellation of an operation.
    fn push_cancel(&mut self, tag: Tag) {
        // SAFETY: The entry points to no memory.
        unsafe { self.push(Kind::Cancel, opcode::AsyncCancel::new(tag.0).build()) };
    }

    /// Submits what is queued and waits until `want` completions can be reaped, `timeout` has passed
    /// (`None`: no limit) or a signal came. Errors that only mean "look again" are not reported.
    fn enter(&mut self, want: usize, timeout: Option<Duration>) -> io::Result<()> {
        if want == 0 && !self.is_entered_to_submit() {
            return Ok(());
        }
        self.counters.enters.add(1);
        let result = match timeout {
            _ if want == 0 && self.is_sqpoll() => {
                // The crate would look at the flags once more, and might not call the kernel after all: then what
                // is counted would not be what is done.
                // SAFETY: No pointers are involved. The kernel's thread takes what is queued by itself.
                unsafe { self.uring.submitter().enter::<libc::sigset_t>(0, 0, GETEVENTS | SQ_WAKEUP, None) }
            }
            Some(timeout) if want > 0 => {
                let timespec = types::Timespec::from(timeout);
                let args = types::SubmitArgs::new().timespec(&timespec);
                if self.is_sqpoll() && self.uring.submission().is_empty() {
                    // Only to wait. The crate would wake the kernel thread, which then spins for its
                    // idle time: a send that looked every 50 ms kept it busy for half of the time.
                    // SAFETY: The argument is what IORING_ENTER_EXT_ARG says, and lives through the call.
                    unsafe { self.uring.submitter().enter(0, want as u32, GETEVENTS | EXT_ARG, Some(&args)) }
                } else {
                    self.uring.submitter().submit_with_args(want, &args)
                }
            }
            _ => self.uring.submit_and_wait(want),
        };
        match result {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                // EBUSY and EAGAIN: the kernel wants completions reaped, or is short of memory.
                Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
                _ => Err(error),
            },
        }
    }

    /// Is a system call needed for submitting? With SQPOLL only where the kernel's thread sleeps or the kernel
    /// asks for it.
    fn is_entered_to_submit(&mut self) -> bool {
        if !self.is_sqpoll() {
            return true;
        }
        let queue = self.uring.submission();
        queue.need_wakeup() || queue.taskrun() || queue.cq_overflow()
    }

    /// Waits for any completion on a path that must not end before it has come: what the kernel
    /// still holds is somebody's memory.
    fn enter_until_reaped(&mut self) {
        if let Err(error) = self.enter(1, None) {
            // No error is known that could come here; giving up would leave memory in the kernel's
            // hands, so this looks again instead.
            error!("io_uring_enter failed while an operation was in flight: {error}");
            self.counters.pauses.add(1);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The next completion, if one is there.
    fn reap(&mut self) -> Option<Completion> {
        let entry = self.uring.completion().next()?;
        Some(Completion { tag: Tag(entry.user_data()), result: entry.result(), flags: entry.flags() })
    }
}

/// A ring for a test, or `None` where the kernel has none.
#[cfg(test)]
fn for_test(sqpoll: Option<setup::Sqpoll>) -> Option<Ring> {
    let facts = setup::probe(crate::config::DEFAULTS.features_off).ok()?;
    Ring::new(sqpoll, setup::ENTRIES, facts.features, Arc::default()).ok()
}
