//! The sender's engine without io_uring: sendmsg(2) and poll(2).

use std::{io, os::fd::BorrowedFd, time::Duration};

use super::{
    calls::{self, Interest},
    segment::{Batch, Out},
};
use crate::{
    in_vain::InVain,
    statistics::{Count, Counters, Own},
};

/// Sends all of `batch`, waiting in poll(2) while the socket is full. `wait` tells how long the next
/// wait may be, or `None` to give up; then, and when the peer takes no more, what is returned is less
/// than the batch holds. Counts in `counters`.
pub fn send_all(
    fd: BorrowedFd<'_>,
    batch: &Batch<'_, Out>,
    wait: &mut dyn FnMut() -> Option<Duration>,
    counters: &Counters<Own>,
) -> io::Result<usize> {
    let mut in_vain = InVain::new();
    let mut room = false;
    loop {
        counters.sendmsgs.add(1);
        match calls::send(fd, batch) {
            // The caller continues with what is left.
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => counters.short.add(1),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        let Some(timeout) = wait() else { return Ok(0) };
        if room {
            counters.pauses.add(1);
            in_vain.nap();
        }
        counters.full_waits.add(1);
        counters.polls.add(1);
        room = calls::wait([Interest { fd, read: false, write: true }], Some(timeout))?[0].writable;
    }
}
