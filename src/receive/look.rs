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

/// So many looks of one wait leave the socket alone while somebody sends, as a rule the sender what is to be answered
/// first. Its call has the socket locked, and a receive would sleep until it is not, whatever its flags say, and the sender
/// would have to wake it from inside that call: where waking up is slow it was 55 µs from one answer to the next then, and
/// 40 where that did not happen. A small message is sent in a few looks' time. It is no more than this, some 100 µs,
/// because the sender may also wait for room in the socket, and the answer to another request be there.
const ALONE: u32 = 32;

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
        let mut alone = ALONE;
        let found = self.look_again(&mut look, |this| this.attempt(need, &mut alone));
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

    /// One look. True if something has come. So many looks more may leave the socket alone.
    fn attempt(&mut self, need: usize, alone: &mut u32) -> Result<bool, Errno> {
        let flushed = self.connection.flush_now(&*self.connection.statistics.receiver);
        if flushed == Flushed::Busy && *alone > 0 && self.are_single() {
            *alone -= 1;
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
        for (outstanding, alone, tries) in
            [(1, 1, false), (SINGLY, 1, false), (1, 0, true), (SINGLY + 1, 1, true)]
        {
            receive.spin.arrived(outstanding);
            let before = received.get();
            let wire = connection.handoff.begin_flush().unwrap();
            let (mut left, case) = (alone, format!("{outstanding} outstanding, {alone} times"));
            assert_eq!(receive.attempt(9, &mut left).is_ok_and(|found| found), tries, "{case}");
            assert_eq!(
                (received.get() - before, left),
                (u64::from(tries), alone - u32::from(!tries)),
                "{case}"
            );
            drop(wire);
            if tries {
                receive.ahead.take(9);
                drive.write_all(b"F12345678").unwrap();
            }
        }
        receive.spin.arrived(1);
        assert_eq!(receive.attempt(9, &mut 1), Ok(true), "nobody sends");
    }

    #[test]
    fn a_sender_that_waits_for_room_does_not_keep_an_answer_for_long() {
        let (mut receive, mut drive) = receiver(Options { spin: Some(1_000_000), ..DEFAULTS });
        let connection = Arc::clone(&receive.connection);
        drive.write_all(b"F12345678").unwrap();
        receive.spin.arrived(SINGLY);
        let _wire = connection.handoff.begin_flush().unwrap();
        assert_eq!(receive.look_between(9, 0, None), Ok(true));
        // What a poll has said to be there is taken at once.
        drive.write_all(b"F12345678").unwrap();
        receive.spin.arrived(1);
        assert_eq!(receive.look(18), Ok(true));
    }

    /// Has the sender been told that the receiver looks, in a number of looks?
    fn tells(outstanding: u64, large: bool, looks: u32) -> bool {
        let (mut receive, _drive) = receiver(LOOKS);
        receive.large = large;
        receive.connection.handoff.woken(large);
        let connection = Arc::clone(&receive.connection);
        let seen = AtomicBool::new(false);
        thread::scope(|scope| {
            let looking = scope.spawn(|| {
                for _ in 0..looks {
                    if seen.load(Ordering::Relaxed) {
                        break;
                    }
                    receive.spin.arrived(outstanding);
                    assert_eq!(receive.look_between(9, 0, None), Ok(false));
                    let after = if large { Attention::Elsewhere } else { Attention::Awake };
                    assert_eq!(receive.connection.handoff.attention(), after);
                }
            });
            while !seen.load(Ordering::Relaxed) && !looking.is_finished() {
                seen.store(connection.handoff.attention() == Attention::Looking, Ordering::Relaxed);
            }
        });
        seen.into_inner()
    }

    #[test]
    fn the_sender_is_told_while_it_looks() {
        for outstanding in [1, SINGLY] {
            assert!(tells(outstanding, false, 10_000), "{outstanding}");
            assert!(!tells(outstanding, true, 20), "it sends for itself anyway");
        }
        assert!(!tells(SINGLY + 1, false, 20));
    }
}
