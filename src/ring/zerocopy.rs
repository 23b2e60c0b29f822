//! Sending without a copy: `KTLI_URING_ZC`.
//!
//! A transmission of this kind (`SENDMSG_ZC`, Linux 6.1, here from 6.2 on) completes twice: first with its result, when the socket has
//! taken the bytes, and then with a *notification*, when the kernel needs the caller's memory no more, which is after
//! the peer has acknowledged all of it. Whether a notification follows says `F_MORE` of the first completion, also when
//! that is an error or a cancellation; nothing else is to be relied on.
//!
//! Nobody returns from here while a notification is outstanding. A peer that stops reading keeps it back for ever,
//! and shutdown(2) does not help: it closes the sending direction behind what the socket holds, and the kernel goes
//! on offering that to the peer. Only a reset makes it let go; `cut` has to see to that.

use std::{io, os::fd::BorrowedFd, time::Duration};

use io_uring::opcode;
use log::error;

use super::{Completion, File, Kind, Ring, Tag};
use crate::{
    socket::segment::{Batch, Out},
    statistics::Count,
};

/// Makes the notification tell whether the kernel copied after all. Linux 6.1 does not know it and answers EINVAL,
/// which its callers take for "not to be had". The io-uring crate does not have it.
const IORING_SEND_ZC_REPORT_USAGE: u16 = 1 << 3;

/// How often a wait for the notification cuts the connection again, once it is to be cut.
const AGAIN: Duration = Duration::from_millis(100);

/// What became of a transmission.
pub struct Sent {
    /// How many bytes have left.
    pub result: io::Result<usize>,
    /// The kernel copied them: going without a copy was in vain.
    pub copied: bool,
}

/// A transmission in flight. Dropping it, in whatever way, waits until the kernel has let the memory go.
struct Transmission<'r> {
    ring: &'r mut Ring,
    tag: Tag,
    result: Option<io::Result<usize>>,
    /// The notification is to come.
    awaited: bool,
    notified: bool,
    copied: bool,
    cut: &'r dyn Fn(),
}

impl Transmission<'_> {
    fn reap(&mut self) {
        while let Some(completion) = self.ring.reap() {
            if completion.tag == self.tag {
                self.note(completion);
            }
        }
    }

    fn note(&mut self, completion: Completion) {
        if completion.is_notification() {
            self.notified = true;
            self.copied = completion.says_copied();
        } else {
            self.awaited = completion.has_more();
            self.result = Some(completion.result());
        }
    }

    fn is_released(&self) -> bool {
        self.result.is_some() && (self.notified || !self.awaited)
    }

    /// Gets the result: cancels the transmission if it has not ended.
    fn settle(&mut self) {
        if self.result.is_none() {
            self.ring.push_cancel(self.tag);
        }
        while self.result.is_none() {
            self.ring.enter_until_reaped();
            self.reap();
        }
    }

    /// Waits for the notification. `patience` tells how long the next wait may be, or `None` to wait no more.
    fn release(&mut self, patience: &mut dyn FnMut() -> Option<Duration>) {
        while !self.is_released() {
            let timeout = patience().unwrap_or_else(|| {
                (self.cut)();
                AGAIN
            });
            if let Err(error) = self.ring.enter(1, Some(timeout)) {
                // No error is known that could come here; giving up would leave memory in the kernel's hands.
                error!("io_uring_enter failed while a notification was awaited: {error}");
                self.ring.counters.pauses.add(1);
                std::thread::sleep(Duration::from_millis(1));
            }
            self.reap();
        }
    }
}

impl Drop for Transmission<'_> {
    fn drop(&mut self) {
        self.settle();
        self.release(&mut || None);
    }
}

/// Sends all of `batch` in one operation, as [`transmit::send_all`](super::transmit::send_all) does, and returns
/// when the kernel has let the memory go. `patience` tells how long the next wait for that may be, or `None` when the
/// connection is to be ended over it: then `cut` is called, which must reset it.
pub fn send_all(
    ring: &mut Ring,
    fd: BorrowedFd<'_>,
    batch: &Batch<'_, Out>,
    wait: &mut dyn FnMut() -> Option<Duration>,
    patience: &mut dyn FnMut() -> Option<Duration>,
    cut: &dyn Fn(),
) -> Sent {
    let header = batch.header();
    let entry = ring.entry(File::Socket, fd, |fd| {
        opcode::SendMsgZc::new(fd, &raw const header)
            .ioprio(IORING_SEND_ZC_REPORT_USAGE)
            .flags((libc::MSG_WAITALL | libc::MSG_NOSIGNAL) as u32)
            .build()
    });
    // SAFETY: The header and the pieces it names (`batch` is borrowed) outlive `transmission`, which does not end,
    // not even by a panic, before the result has been reaped, and the notification where one follows. The kernel
    // only reads, and after the notification not even that.
    let tag = unsafe { ring.push(Kind::Send, entry) };
    let mut transmission =
        Transmission { ring, tag, result: None, awaited: false, notified: false, copied: false, cut };
    let mut failure = None;
    let mut waited = false;
    while transmission.result.is_none() {
        // A wait that was in vain was one for room.
        transmission.ring.counters.full_waits.add(std::mem::replace(&mut waited, true).into());
        match wait() {
            Some(timeout) => failure = transmission.ring.enter(1, Some(timeout)).err(),
            None => transmission.settle(),
        }
        transmission.reap();
        if failure.is_some() {
            // No error is known that could come here; what has left still counts.
            transmission.settle();
        }
    }
    transmission.release(patience);
    let result = match (transmission.result.replace(Ok(0)), failure) {
        (Some(Ok(0)), Some(failure)) => Err(failure),
        (Some(Err(error)), _) if error.raw_os_error() == Some(libc::ECANCELED) => Ok(0),
        (result, _) => result.unwrap_or(Ok(0)),
    };
    Sent { result, copied: transmission.copied }
}
