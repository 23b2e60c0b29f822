//! The receiver's engine without io_uring: recvmsg(2) and poll(2).

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    thread,
    time::Duration,
};

use super::{
    calls::{self, Interest, Wake},
    segment::{Batch, In, Out, Outgoing},
};
use crate::{
    in_vain::InVain,
    statistics::{Count, Counters, Own},
    waiting::Receiving,
};

/// One receive that has not ended yet, or a wait for one.
pub struct PlainReceiving<'o, 'm> {
    socket: BorrowedFd<'o>,
    wake: &'o Wake,
    /// Where to receive; `None` where only readability is waited for.
    batch: Option<&'o Batch<'m, In>>,
    counters: &'o Counters<Own>,
    tried: bool,
    /// How often poll(2) has said that there is something, and there was nothing. So it does over the kernel's TLS when
    /// half a record is there (Linux 6.1; 6.12 does not).
    in_vain: u32,
    naps: InVain,
    result: Option<io::Result<usize>>,
}

/// So often it is asked again at once: the rest of a record is mostly right behind its start.
const AT_ONCE: u32 = 16;

impl<'o, 'm> PlainReceiving<'o, 'm> {
    /// To receive into `batch` from `socket`; `wake` interrupts the waiting. Counts in `counters`.
    pub fn new(
        socket: BorrowedFd<'o>,
        wake: &'o Wake,
        batch: &'o Batch<'m, In>,
        counters: &'o Counters<Own>,
    ) -> Self {
        PlainReceiving { tried: false, batch: Some(batch), ..Self::readable(socket, wake, counters) }
    }

    /// To wait until `socket` can be read. Counts in `counters`.
    pub fn readable(socket: BorrowedFd<'o>, wake: &'o Wake, counters: &'o Counters<Own>) -> Self {
        PlainReceiving {
            socket,
            wake,
            batch: None,
            counters,
            tried: true,
            in_vain: 0,
            naps: InVain::new(),
            result: None,
        }
    }

    /// How it ended, if it did.
    pub fn finish(self) -> Option<io::Result<usize>> {
        self.result
    }

    fn attempt(&mut self) {
        self.tried = true;
        let Some(batch) = self.batch else {
            self.result = Some(Ok(0));
            return;
        };
        self.counters.recvmsgs.add(1);
        match calls::receive(self.socket, batch) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            result => self.result = Some(result),
        }
    }
}

impl Receiving for PlainReceiving<'_, '_> {
    fn is_done(&self) -> bool {
        self.result.is_some()
    }

    fn send_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut batch = Batch::<Out>::new();
        batch.push(Outgoing::new(bytes));
        self.counters.sendmsgs.add(1);
        calls::send(self.socket, &batch)
    }

    fn wait(&mut self, timeout: Option<Duration>, writable: bool) -> io::Result<bool> {
        // Under load something is usually there, and then poll(2) would be one call too many.
        if !self.tried {
            self.attempt();
            if self.is_done() {
                return Ok(false);
            }
        }
        let mut timeout = timeout;
        if self.in_vain > 0 {
            self.counters.pauses.add(1);
            if self.in_vain <= AT_ONCE {
                thread::yield_now();
            } else {
                timeout = self.naps.nap_within(timeout);
            }
        }
        self.counters.polls.add(1);
        let [socket, wake] = calls::wait(
            [
                Interest { fd: self.socket, read: true, write: writable },
                Interest { fd: self.wake.as_fd(), read: true, write: false },
            ],
            timeout,
        )?;
        if wake.readable {
            self.counters.wake_reads.add(1);
            self.wake.clear();
        }
        if socket.readable {
            self.attempt();
            self.in_vain += 1;
        }
        Ok(socket.writable)
    }
}
