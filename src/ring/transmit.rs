//! The sender's engine on a ring: one operation for all there is to send.

use std::{io, os::fd::BorrowedFd, time::Duration};

use io_uring::{opcode, squeue};

use super::{File, Kind, Ring, Tag};
use crate::{
    socket::segment::{Batch, Out},
    statistics::Count,
};

/// An operation in flight. Dropping it, in whatever way, waits for its completion.
struct Operation<'r> {
    ring: &'r mut Ring,
    tag: Tag,
    result: Option<io::Result<usize>>,
}

impl Operation<'_> {
    fn reap(&mut self) {
        while let Some(completion) = self.ring.reap() {
            if completion.tag == self.tag {
                self.result = Some(completion.result());
            }
        }
    }

    /// Ends it: cancels it if it has not ended.
    fn settle(&mut self) {
        if self.result.is_none() {
            self.ring.push_cancel(self.tag);
        }
        while self.result.is_none() {
            self.ring.enter_until_reaped();
            self.reap();
        }
    }
}

impl Drop for Operation<'_> {
    fn drop(&mut self) {
        self.settle();
    }
}

/// Submits one operation and waits for it. `wait` tells how long the next wait may be, or `None` to give up: then it
/// is cancelled, and the result is what it had done by then, perhaps 0.
///
/// # Safety
/// What the entry points to must be valid, and only be read by the kernel, until this returns.
pub(super) unsafe fn operate(
    ring: &mut Ring,
    kind: Kind,
    entry: squeue::Entry,
    wait: &mut dyn FnMut() -> Option<Duration>,
) -> io::Result<usize> {
    // SAFETY: `operation` does not end, not even by a panic, before the completion has been reaped, and this
    // function does not return before that; so the caller's promise covers the time.
    let tag = unsafe { ring.push(kind, entry) };
    let mut operation = Operation { ring, tag, result: None };
    let mut failure = None;
    let mut waited = false;
    loop {
        // A wait that was in vain was one for room.
        operation.ring.counters.full_waits.add(std::mem::replace(&mut waited, true).into());
        match wait() {
            Some(timeout) => failure = operation.ring.enter(1, Some(timeout)).err(),
            None => operation.settle(),
        }
        operation.reap();
        if failure.is_some() {
            // No error is known that could come here; what has left still counts.
            operation.settle();
        }
        if let Some(result) = operation.result.take() {
            // Keeps the drop from cancelling what is complete.
            operation.result = Some(Ok(0));
            return match (result, failure) {
                (Ok(0), Some(failure)) => Err(failure),
                (Err(error), _) if error.raw_os_error() == Some(libc::ECANCELED) => Ok(0),
                (result, _) => result,
            };
        }
    }
}

/// Sends all of `batch` in one operation: the kernel continues by itself where the socket is full
/// (`MSG_WAITALL`). Without `whole` it does not, and completes with what the socket has taken. `wait` tells how long the
/// next wait may be, or `None` to give up; then, and when the kernel completes early, what is returned is less than the
/// batch holds.
pub fn send_all(
    ring: &mut Ring,
    fd: BorrowedFd<'_>,
    batch: &Batch<'_, Out>,
    whole: bool,
    wait: &mut dyn FnMut() -> Option<Duration>,
) -> io::Result<usize> {
    let flags = libc::MSG_NOSIGNAL | if whole { libc::MSG_WAITALL } else { 0 };
    let header = batch.header();
    let entry = ring.entry(File::Socket, fd, |fd| {
        opcode::SendMsg::new(fd, &raw const header).flags(flags as u32).build()
    });
    // SAFETY: The header and the pieces it names (`batch` is borrowed) outlive the call; a transmission only reads.
    unsafe { operate(ring, Kind::Send, entry, wait) }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{ErrorKind, Read},
        os::{fd::AsFd, unix::net::UnixStream},
    };

    use super::*;
    use crate::{features::Feature, socket::segment::Outgoing};

    #[test]
    fn nothing_leaves_after_a_send_that_was_given_up_has_returned() {
        let Some(mut ring) = crate::ring::for_test(None) else { return };
        let (sender, mut drive) = UnixStream::pair().unwrap();
        let bytes = vec![1_u8; 8 << 20];
        let mut batch = Batch::new();
        batch.push(Outgoing::new(&bytes));
        let mut waits = [Some(Duration::from_millis(50)), None].into_iter();
        let result = send_all(&mut ring, sender.as_fd(), &batch, true, &mut || waits.next().flatten());
        let mut got = vec![0; bytes.len()];
        drive.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut count = 0;
        // The ring is still there; only the operation has ended. Reading makes room for it.
        let end = loop {
            match drive.read(&mut got[count..]) {
                Ok(more) if more > 0 => count += more,
                end => break end,
            }
        };
        assert_eq!(end.unwrap_err().kind(), ErrorKind::WouldBlock);
        if ring.has(Feature::CancelResult) {
            assert_eq!(result.unwrap(), count);
        }
        assert!((1..bytes.len()).contains(&count));
    }
}
