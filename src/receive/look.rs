//! Looks for answers instead of sleeping, as [`spin`](crate::spin) decides: runs on the receiver's thread.

use std::time::Instant;

use super::{Receive, room};
use crate::{
    error::Errno,
    handoff::{Flushed, SINGLY},
    socket::{
        calls,
        segment::{Batch, Incoming},
    },
    spin::Look,
    statistics::Count,
};

impl Receive {
    /// Looks for the next message, if that is to be. True if something has come. `need` bytes are to be buffered in all,
    /// and so many messages have been received.
    pub(super) fn look_between(
        &mut self,
        need: usize,
        received: u64,
        deadline: Option<Instant>,
    ) -> Result<bool, Errno> {
        let Some(mut look) = self.spin.begin_between(received) else { return Ok(false) };
        look.until(deadline);
        // Where more are outstanding the sender need not find out how many: that is a cache line of this thread's.
        if self.are_single() && !self.large {
            self.connection.handoff.look();
        }
        let found = self.look_again(&mut look, |this| this.attempt(need));
        self.connection.handoff.woken(self.large);
        let found = found?;
        self.spin.end_between(&look, found);
        Ok(found)
    }

    /// Were so few requests outstanding when something came last that the sender sends each for itself?
    fn are_single(&self) -> bool {
        self.spin.outstanding() <= SINGLY
    }

    /// Calls `attempt` until it finds something or the time is up. True if it has.
    pub(super) fn look_again(
        &mut self,
        look: &mut Look,
        mut attempt: impl FnMut(&mut Self) -> Result<bool, Errno>,
    ) -> Result<bool, Errno> {
        let found = loop {
            if attempt(self)? {
                break true;
            }
            if self.connection.is_leaving() || !look.goes_on(&self.connection.statistics.receiver.pauses) {
                break false;
            }
        };
        let counters = &self.connection.statistics.receiver;
        counters.spins_paid.add(found.into());
        counters.spins_lost.add((!found).into());
        Ok(found)
    }

    /// One look. True if something has come.
    fn attempt(&mut self, need: usize) -> Result<bool, Errno> {
        let flushed = self.connection.flush_now(&*self.connection.statistics.receiver);
        if flushed == Flushed::Busy && self.are_single() {
            // The sender is in a call that has the socket locked, and what it sends is to be answered first. A receive
            // would sleep until the lock is free, whatever its flags say, and the sender would have to wake it from
            // inside that call: with single requests 55 µs for an answer instead of 40, where waking up is slow.
            return Ok(false);
        }
        self.take_ahead(need)
    }

    /// Sends what is staged and reads ahead what is there, without waiting. True if something was.
    pub(super) fn look(&mut self, need: usize) -> Result<bool, Errno> {
        self.connection.flush_now(&*self.connection.statistics.receiver);
        self.take_ahead(need)
    }

    /// Reads ahead what is there.
    fn take_ahead(&mut self, need: usize) -> Result<bool, Errno> {
        let limit = self.limit();
        let mut batch = Batch::new();
        batch.push(Incoming::new(room(&mut self.ahead, &mut self.sealed, need, limit)?));
        self.connection.statistics.receiver.recvmsgs.add(1);
        let received = calls::receive(self.connection.fd(), &batch);
        let Some(count) = self.conclude(Some(received))? else { return Ok(false) };
        self.filled(count);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        thread,
    };

    use super::*;
    use crate::{
        config::{DEFAULTS, Options},
        handoff::Attention,
        receive::alone::tests::receiver,
    };

    /// It looks for a millisecond.
    const LOOKS: Options = Options { spin: Some(1000), ..DEFAULTS };

    #[test]
    fn nothing_is_received_while_the_sender_sends_what_is_to_be_answered_first() {
        let (mut receive, mut drive) = receiver(LOOKS);
        let connection = Arc::clone(&receive.connection);
        let received = &connection.statistics.receiver.recvmsgs;
        drive.write_all(b"F12345678").unwrap();
        for (outstanding, tries) in [(1, false), (SINGLY, false), (SINGLY + 1, true)] {
            receive.spin.arrived(outstanding);
            let wire = connection.handoff.begin_flush().unwrap();
            assert_eq!(receive.attempt(9), Ok(tries), "{outstanding}");
            assert_eq!(received.get(), u64::from(tries), "{outstanding}");
            drop(wire);
        }
        receive.spin.arrived(1);
        drive.write_all(b"F12345678").unwrap();
        assert_eq!(receive.attempt(18), Ok(true), "the sender is done");
        // What a poll has said to be there is taken: looking for it anew would be in vain.
        drive.write_all(b"F12345678").unwrap();
        receive.spin.arrived(1);
        let _wire = connection.handoff.begin_flush().unwrap();
        assert_eq!(receive.look(27), Ok(true));
    }

    #[test]
    fn the_sender_is_told_while_it_looks() {
        for (outstanding, large, told) in
            [(1, false, true), (SINGLY, false, true), (SINGLY + 1, false, false), (1, true, false)]
        {
            let (mut receive, _drive) = receiver(LOOKS);
            receive.large = large;
            receive.connection.handoff.woken(large);
            let connection = Arc::clone(&receive.connection);
            let seen = AtomicBool::new(false);
            thread::scope(|scope| {
                scope.spawn(|| {
                    let mut looks = 0;
                    while !seen.load(Ordering::Relaxed) && looks < if told { 10_000 } else { 20 } {
                        receive.spin.arrived(outstanding);
                        assert_eq!(receive.look_between(9, 0, None), Ok(false));
                        let attention = receive.connection.handoff.attention();
                        assert_eq!(attention, if large { Attention::Elsewhere } else { Attention::Awake });
                        looks += 1;
                    }
                    assert!(!told || looks < 10_000);
                    seen.store(true, Ordering::Relaxed);
                });
                while !seen.load(Ordering::Relaxed) {
                    if connection.handoff.attention() == Attention::Looking {
                        assert!(told, "{outstanding} outstanding, large: {large}");
                        seen.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    }
}
