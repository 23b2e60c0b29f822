//! Answers that come one at a time, waited for in the receive itself: runs on the receiver's thread.

use std::time::{Duration, Instant};

use socket2::SockRef;

use super::{Receive, Slept, room};
use crate::{
    deadline::Deadline,
    error::Errno,
    socket::{
        calls,
        segment::{Batch, Incoming},
    },
    statistics::Count,
};

/// How long it may wait: nothing but bytes and the end of the stream ends it, and `disconnect` needs this thread to leave.
/// libkinetic polls for 10 ms. What is left of a longer time is slept through where that can be ended.
const LONGEST: Duration = Duration::from_millis(20);
/// For less it is not set: it would be another system call for a wait that is over soon.
const SHORTEST: Duration = Duration::from_millis(2);
/// The kernel counts the time in ticks of up to 10 ms, and the one that has begun as a whole: so much is added, lest it
/// be too short with 250 ticks a second and more. So a poll may take up to two ticks longer than it was to; one in
/// which nothing is outstanding and the one before was in vain sleeps exactly as long, elsewhere.
const TICK: Duration = Duration::from_millis(4);

impl Receive {
    /// How long the next receive is to wait; `None` where it is not.
    ///
    /// With one request outstanding nothing else is to be done meanwhile, and a sleep in the receive is the
    /// shortest way to its answer: one system call, without a poll to arm and to complete. On an EPYC of the first
    /// generation the driver took 1.13 times the stock flow's CPU time on the ring, at 0.92 to 0.95 times its rate, and
    /// takes 0.97 times here, at 1.03 times the rate. Where a kernel thread does the submitting the sender is to be spared
    /// its system calls, which it is not while this thread sleeps here.
    pub(super) fn patience_alone(&self, deadline: &Deadline) -> Option<Duration> {
        if !self.spin.is_alone() || self.connection.options.sqpoll {
            return None;
        }
        let (sent, received) = self.connection.messages();
        // The request may be about to be sent; but not where nothing has come for some time.
        match self.outstanding.count(sent, received, &self.connection.settled) {
            0 if self.idle => return None,
            0 | 1 => {}
            _ => return None,
        }
        let left = deadline.left().unwrap_or(Duration::MAX);
        let fits = left >= SHORTEST && (left <= LONGEST || !self.idle);
        fits.then(|| left.min(LONGEST))
    }

    /// Reads ahead, waiting for something to come. `need` bytes are to be buffered in all.
    pub(super) fn receive_alone(
        &mut self,
        need: usize,
        patience: Duration,
        deadline: &Deadline,
    ) -> Result<Slept, Errno> {
        let counters = &self.connection.statistics.receiver;
        self.connection.flush_now(&**counters);
        // As with a large value on its way: from now on the sender sends for itself.
        if !self.connection.handoff.fall_asleep(false, true) {
            return Ok(Slept::Not);
        }
        let received = self.wait_in_receive(need, patience);
        self.connection.handoff.woken(self.large);
        if received? {
            self.idle = false;
            return Ok(Slept::Received);
        }
        Ok(self.nothing_came(Instant::now(), deadline))
    }

    /// The receive. True if something came.
    fn wait_in_receive(&mut self, need: usize, patience: Duration) -> Result<bool, Errno> {
        let counters = &self.connection.statistics.receiver;
        let least = patience + TICK;
        // A tick more will do, so that it is set once, as long as the caller's time-out is the same.
        if self.patience < least || self.patience > least + TICK {
            self.patience = least + TICK / 2;
            counters.setsockopts.add(1);
            SockRef::from(&self.connection.fd()).set_read_timeout(Some(self.patience))?;
        }
        let (sent, received) = self.connection.messages();
        self.outstanding.waits(sent, received);
        let limit = self.limit();
        let mut batch = Batch::new();
        batch.push(Incoming::new(room(&mut self.ahead, &mut self.sealed, need, limit)?));
        counters.sleeps.add(1);
        counters.recvmsgs.add(1);
        let received = calls::receive_waiting(self.connection.fd(), &batch);
        let Some(count) = self.conclude(Some(received))? else { return Ok(false) };
        self.filled(count);
        Ok(true)
    }
}
