//! Sending step by step: `KTLI_URING_SEND=loop`.
//!
//! This is the socket driver's loop moved to a ring as it stands: each step is one submission that takes what the
//! socket has room for, and one wait for its completion, which tells where the next step begins. It shows what a
//! completion costs that has to be waited for. The socket driver burns a core while the socket is full; here a step
//! that finds no room is followed by one that waits for room.

use std::{io, os::fd::BorrowedFd, time::Duration};

use io_uring::opcode;

use super::{File, Kind, Ring, transmit::operate};
use crate::{
    in_vain::InVain,
    socket::segment::{Batch, Out},
    statistics::Count,
};

/// One step: sends as much of `batch` as the socket takes, after waiting for room if it takes nothing. `wait` tells
/// how long the next wait may be, or `None` to give up; then nothing is sent.
pub fn send_some(
    ring: &mut Ring,
    fd: BorrowedFd<'_>,
    batch: &Batch<'_, Out>,
    wait: &mut dyn FnMut() -> Option<Duration>,
) -> io::Result<usize> {
    let header = batch.header();
    let mut in_vain = InVain::new();
    let mut room = false;
    loop {
        // Not WRITEV, which has no flags for a socket: neither MSG_NOSIGNAL nor MSG_DONTWAIT, with which the kernel
        // answers EAGAIN instead of arming a poll of its own.
        let entry = ring.entry(File::Socket, fd, |fd| {
            opcode::SendMsg::new(fd, &raw const header)
                .flags((libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as u32)
                .build()
        });
        // SAFETY: The header and the pieces it names (`batch` is borrowed) outlive the call; a transmission only
        // reads.
        match unsafe { operate(ring, Kind::Send, entry, wait) } {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
        if room {
            ring.counters.pauses.add(1);
            in_vain.nap();
        }
        ring.counters.full_waits.add(1);
        let entry = ring.entry(File::Socket, fd, |fd| opcode::PollAdd::new(fd, libc::POLLOUT as u32).build());
        // SAFETY: A poll points to no memory.
        if unsafe { operate(ring, Kind::Room, entry, wait) }? == 0 {
            return Ok(0);
        }
        room = true;
    }
}
