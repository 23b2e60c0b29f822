//! The receiver's engine on a ring.
//!
//! One receive is in flight while the receiver sleeps, beside a multishot poll on the eventfd by which
//! the sender wakes it and, when the socket is full, a poll for room. A flush is submitted together
//! with the receive: one system call for both.

use std::{io, os::fd::BorrowedFd, time::Duration};

use io_uring::opcode;

use super::{Completion, File, Kind, Ring, Tag};
use crate::{
    socket::{calls::Wake, segment::Incoming},
    waiting::Receiving,
};

/// A ring with the polls that stay armed on it between receives.
pub struct ReceiveRing {
    ring: Ring,
    wake_armed: bool,
    room_armed: bool,
}

impl ReceiveRing {
    /// On a ring of the calling thread.
    pub fn new(ring: Ring) -> Self {
        ReceiveRing { ring, wake_armed: false, room_armed: false }
    }

    /// Was it made by the calling thread?
    pub fn is_mine(&self) -> bool {
        self.ring.is_mine()
    }

    /// Receives into `into` what comes first. `drive` is given the receive in progress and does the waiting;
    /// when it returns, the receive has ended or is cancelled. The result is `None` if nothing was received.
    pub fn receive<R>(
        &mut self,
        socket: BorrowedFd<'_>,
        wake: &Wake,
        into: Incoming<'_>,
        drive: impl FnOnce(&mut dyn Receiving) -> R,
    ) -> (R, Option<io::Result<usize>>) {
        let len = u32::try_from(into.len()).unwrap_or(u32::MAX);
        let entry =
            self.ring.entry(File::Socket, socket, |fd| opcode::Recv::new(fd, into.base(), len).build());
        self.run(socket, wake, entry, drive)
    }

    /// Waits until the socket can be read. `drive` is given the wait in progress, and does the waiting; when it
    /// returns, the wait has ended or is cancelled.
    pub fn readable<R>(
        &mut self,
        socket: BorrowedFd<'_>,
        wake: &Wake,
        drive: impl FnOnce(&mut dyn Receiving) -> R,
    ) -> R {
        let entry =
            self.ring.entry(File::Socket, socket, |fd| opcode::PollAdd::new(fd, libc::POLLIN as u32).build());
        self.run(socket, wake, entry, drive).0
    }

    fn run<R>(
        &mut self,
        socket: BorrowedFd<'_>,
        wake: &Wake,
        entry: io_uring::squeue::Entry,
        drive: impl FnOnce(&mut dyn Receiving) -> R,
    ) -> (R, Option<io::Result<usize>>) {
        let mut receiving = RingReceiving {
            half: self,
            socket,
            wake,
            entry: Some(entry),
            tag: None,
            result: None,
            send: None,
            room: false,
        };
        let outcome = drive(&mut receiving);
        receiving.settle();
        let result = receiving.result.take();
        drop(receiving);
        let result = result
            .filter(|result| !matches!(result, Err(error) if error.raw_os_error() == Some(libc::ECANCELED)));
        (outcome, result)
    }
}

/// A receive in progress. Dropping it, in whatever way, waits for its completion.
struct RingReceiving<'o> {
    half: &'o mut ReceiveRing,
    socket: BorrowedFd<'o>,
    wake: &'o Wake,
    /// The receive, until it is queued.
    entry: Option<io_uring::squeue::Entry>,
    /// The receive in flight.
    tag: Option<Tag>,
    result: Option<io::Result<usize>>,
    /// The transmission in flight, and how it ended.
    send: Option<(Tag, Option<io::Result<usize>>)>,
    /// The socket has said that it has room.
    room: bool,
}

impl RingReceiving<'_> {
    /// Queues the receive, once.
    fn start(&mut self) {
        if let Some(entry) = self.entry.take() {
            // SAFETY: The entry names no memory (a poll) or the segment that `receive` was given, which
            // outlives this value; and this value does not end, not even by a panic, before the
            // completion has been reaped.
            self.tag = Some(unsafe { self.half.ring.push(Kind::Receive, entry) });
        }
    }

    /// Takes note of all completions that are there. True if there were any.
    fn reap(&mut self) -> bool {
        let mut any = false;
        while let Some(completion) = self.half.ring.reap() {
            any = true;
            self.note(completion);
        }
        any
    }

    fn note(&mut self, completion: Completion) {
        if self.tag == Some(completion.tag) {
            self.tag = None;
            self.result = Some(completion.result());
        } else if completion.tag.is(Kind::Wake) {
            self.half.wake_armed = completion.has_more();
        } else if completion.tag.is(Kind::Room) {
            self.half.room_armed = false;
            self.room = completion.result > 0;
        } else if let Some((tag, result)) = &mut self.send
            && *tag == completion.tag
        {
            *result = Some(completion.result());
        }
    }

    /// Ends the receive: cancels it if it is in flight.
    fn settle(&mut self) {
        let Some(tag) = self.tag else { return };
        if self.reap() && self.tag.is_none() {
            return;
        }
        self.half.ring.push_cancel(tag);
        while self.tag.is_some() {
            self.half.ring.enter_until_reaped();
            self.reap();
        }
    }
}

impl Drop for RingReceiving<'_> {
    fn drop(&mut self) {
        self.settle();
    }
}

impl Receiving for RingReceiving<'_> {
    fn is_done(&self) -> bool {
        self.result.is_some()
    }

    fn send_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let entry = self.half.ring.entry(File::Socket, self.socket, |fd| {
            opcode::Send::new(fd, bytes.as_ptr(), len).flags(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL).build()
        });
        // SAFETY: `bytes` is borrowed for this call, and the call does not return before the
        // completion has been reaped; nothing in between panics.
        let tag = unsafe { self.half.ring.push(Kind::Send, entry) };
        self.send = Some((tag, None));
        // Behind the transmission, in the same system call, goes the receive: what the drive has
        // answered meanwhile is then there at once.
        self.start();
        let mut failure = self.half.ring.enter(0, None).err();
        loop {
            self.reap();
            if let Some((_, Some(result))) = &mut self.send {
                let result = std::mem::replace(result, Ok(0));
                self.send = None;
                return result;
            }
            // It does not wait, so it is complete after the submission, but with SQPOLL, where
            // another thread does the submitting.
            if let Some(error) = failure.take() {
                log::error!("io_uring_enter failed in a flush: {error}");
            }
            self.half.ring.enter_until_reaped();
        }
    }

    fn wait(&mut self, timeout: Option<Duration>, writable: bool) -> io::Result<bool> {
        self.room = false;
        self.start();
        if !self.half.wake_armed {
            let entry = self.half.ring.entry(File::Wake, self.wake, |fd| {
                opcode::PollAdd::new(fd, libc::POLLIN as u32).multi(true).build()
            });
            // SAFETY: A poll points to no memory.
            unsafe { self.half.ring.push(Kind::Wake, entry) };
            self.half.wake_armed = true;
        }
        if writable && !self.half.room_armed {
            let entry = self.half.ring.entry(File::Socket, self.socket, |fd| {
                opcode::PollAdd::new(fd, libc::POLLOUT as u32).build()
            });
            // SAFETY: A poll points to no memory.
            unsafe { self.half.ring.push(Kind::Room, entry) };
            self.half.room_armed = true;
        }
        // Completions that are there already are a reason not to wait.
        if !self.reap() {
            self.half.ring.enter(1, timeout)?;
            self.reap();
        }
        Ok(self.room)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        os::{fd::AsFd, unix::net::UnixStream},
    };

    use super::*;
    use crate::ring::setup;

    #[test]
    fn a_receive_that_was_given_up_takes_nothing_any_more() {
        // With SQPOLL another thread cancels, so that it does take a while.
        for sqpoll in [None, Some(setup::Sqpoll { idle_ms: 50, cpu: None })] {
            let Some(ring) = crate::ring::for_test(sqpoll) else { return };
            let (mut socket, mut drive) = UnixStream::pair().unwrap();
            let mut half = ReceiveRing::new(ring);
            let wake = Wake::new().unwrap();
            let mut memory = [0_u8; 16];
            for _ in 0..50 {
                let into = Incoming::new(&mut memory);
                let (waited, result) = half.receive(socket.as_fd(), &wake, into, |receiving| {
                    receiving.wait(Some(Duration::from_millis(1)), false)
                });
                drive.write_all(b"0123456789").unwrap();
                waited.unwrap();
                assert!(result.is_none());
                // What is in flight gets on when the kernel is entered.
                half.ring.enter(1, Some(Duration::from_millis(1))).unwrap();
                assert_eq!(half.ring.queued(), 0);
                let mut got = [0; 10];
                socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                socket.read_exact(&mut got).unwrap();
                assert_eq!((&got, &memory), (b"0123456789", &[0; 16]));
            }
        }
    }
}
