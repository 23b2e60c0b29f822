//! The sender's engine on a ring.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
    time::Duration,
};

use io_uring::{opcode, types::Fd};

use super::{Kind, Ring, Tag};
use crate::socket::segment::{Batch, Out};

/// A transmission in flight. Dropping it, in whatever way, waits for its completion.
struct Transmission<'r> {
    ring: &'r mut Ring,
    tag: Tag,
    result: Option<io::Result<usize>>,
}

impl Transmission<'_> {
    fn reap(&mut self) {
        while let Some(completion) = self.ring.reap() {
            if completion.tag == self.tag {
                self.result = Some(completion.result());
            }
        }
    }

    fn cancel(&mut self) {
        self.ring.push_cancel(self.tag);
        self.settle();
    }

    fn settle(&mut self) {
        while self.result.is_none() {
            self.ring.enter_until_reaped();
            self.reap();
        }
    }
}

impl Drop for Transmission<'_> {
    fn drop(&mut self) {
        if self.result.is_none() {
            self.cancel();
        }
    }
}

/// Sends all of `batch` in one operation: the kernel continues by itself where the socket is full
/// (MSG_WAITALL). `wait` tells how long the next wait may be, or `None` to give up; then, and when the
/// kernel completes early, what is returned is less than the batch holds.
pub fn send_all(
    ring: &mut Ring,
    fd: BorrowedFd<'_>,
    batch: &Batch<'_, Out>,
    wait: &mut dyn FnMut() -> Option<Duration>,
) -> io::Result<usize> {
    let header = batch.header();
    let entry = opcode::SendMsg::new(Fd(fd.as_raw_fd()), &header)
        .flags((libc::MSG_WAITALL | libc::MSG_NOSIGNAL) as u32)
        .build();
    // SAFETY: The header and the pieces it names outlive `transmission`, which does not end, not even
    // by a panic, before the completion has been reaped.
    let tag = unsafe { ring.push(Kind::Send, entry) };
    let mut transmission = Transmission { ring, tag, result: None };
    loop {
        match wait() {
            Some(timeout) => transmission.ring.enter(1, Some(timeout))?,
            None => transmission.cancel(),
        }
        transmission.reap();
        if let Some(result) = transmission.result.take() {
            // Keeps the drop from cancelling what is complete.
            transmission.result = Some(Ok(0));
            return match result {
                Err(error) if error.raw_os_error() == Some(libc::ECANCELED) => Ok(0),
                result => result,
            };
        }
    }
}

/// Can the kernel tell how much of a cancelled transmission had left? From Linux 6.0 on; seen by an
/// operation of that age.
pub fn cancel_counts() -> bool {
    super::setup::probe().as_ref().is_ok_and(|facts| facts.features.contains(&"SENDMSG_ZC"))
}
