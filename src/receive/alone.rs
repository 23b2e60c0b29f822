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
/// It may wait so much longer than it is to, where setting the time anew would be a system call. The kernel rounds it up to
/// its ticks, and waits for one more: poll(10) may take 16 ms with 250 ticks a second, and 20 with 100. Where nothing is
/// outstanding only the first one after an answer does.
const SLACK: Duration = Duration::from_millis(4);

impl Receive {
    /// How long the next receive is to wait; `None` where it is not.
    ///
    /// With one request outstanding nothing else is to be done meanwhile, and a sleep in the receive is the
    /// shortest way to its answer: one system call, without a poll to arm and to complete. On an EPYC of the first
    /// generation the driver took 1.13 times the stock flow's CPU time on the ring, at 0.93 times its rate, and takes
    /// 0.97 times here, at 1.03 times the rate. Where a kernel thread does the submitting the sender is to be spared
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
        // The time has begun, for whoever has not asked yet.
        let deadline = deadline.at();
        // As with a large value on its way: from now on the sender sends for itself.
        if !self.connection.handoff.fall_asleep(false, true) {
            self.idle = false;
            return Ok(Slept::Not);
        }
        let received = self.wait_in_receive(need, patience);
        self.connection.handoff.woken(self.large);
        if received? {
            self.idle = false;
            return Ok(Slept::Received);
        }
        let now = Instant::now();
        let is_over = patience == LONGEST || deadline.is_some_and(|deadline| now >= deadline);
        // Else a signal has ended it.
        Ok(if is_over { self.nothing_came(now, deadline) } else { Slept::Early })
    }

    /// The receive. True if something came.
    fn wait_in_receive(&mut self, need: usize, patience: Duration) -> Result<bool, Errno> {
        let counters = &self.connection.statistics.receiver;
        // So it is set once, as long as the caller's time-out is the same.
        if self.patience < patience || self.patience > patience + SLACK {
            self.patience = patience;
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

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        os::unix::net::UnixStream,
        sync::Arc,
        thread,
    };

    use super::*;
    use crate::{
        config::{DEFAULTS, Options},
        connection::Connection,
        handoff::{Attention, Limit},
    };

    fn receiver(options: Options) -> (Receive, UnixStream) {
        let (socket, drive) = UnixStream::pair().unwrap();
        let connection = Connection::new(socket.into(), None, options).unwrap();
        (Receive::new(Arc::clone(&connection)).unwrap(), drive)
    }

    fn patience(receive: &Receive, milliseconds: u64) -> Option<Duration> {
        receive.patience_alone(&Deadline::new(Some(Duration::from_millis(milliseconds))))
    }

    #[test]
    fn answers_that_come_one_at_a_time_are_waited_for_in_the_receive() {
        let (mut receive, _drive) = receiver(DEFAULTS);
        assert_eq!(patience(&receive, 1), None);
        assert_eq!(patience(&receive, 10), Some(Duration::from_millis(10)));
        assert_eq!(patience(&receive, 1000), Some(LONGEST));
        assert_eq!(receive.patience_alone(&Deadline::new(None)), Some(LONGEST));
        receive.idle = true;
        assert_eq!(patience(&receive, 10), None, "nothing is outstanding, and nothing has come for a while");
        let sent = &receive.connection.statistics.sender.messages;
        sent.add(1);
        assert_eq!(patience(&receive, 10), Some(Duration::from_millis(10)));
        assert_eq!(patience(&receive, 1000), None, "disconnect would have to wait for it");
        sent.add(1);
        receive.idle = false;
        assert_eq!(patience(&receive, 10), None, "two are outstanding");
    }

    #[test]
    fn where_the_receiver_looks_or_the_kernel_submits_they_are_not() {
        for options in [Options { sqpoll: true, ..DEFAULTS }, Options { spin: Some(60), ..DEFAULTS }] {
            let (receive, _drive) = receiver(options);
            assert_eq!(patience(&receive, 10), None);
        }
    }

    #[test]
    fn such_a_receive_ends_with_bytes_or_in_time_or_with_the_stream() {
        let (mut receive, mut drive) = receiver(DEFAULTS);
        let time = Duration::from_millis(10);
        for timed_out in 0..3 {
            let begun = Instant::now();
            let slept = receive.receive_alone(9, time, &Deadline::new(Some(time))).unwrap();
            assert!(matches!(slept, Slept::TimedOut), "{timed_out}");
            assert!(begun.elapsed() >= time, "{timed_out}");
        }
        assert!(receive.idle);
        drive.write_all(b"F12345678").unwrap();
        assert!(matches!(receive.receive_alone(9, time, &Deadline::new(None)), Ok(Slept::Received)));
        assert_eq!((receive.ahead.bytes(), receive.idle), (&b"F12345678"[..], false));
        // The time-out is set once, and not for a little less.
        let counters = Arc::clone(&receive.connection.statistics.receiver);
        assert_eq!(counters.setsockopts.get(), 1);
        receive.wait_in_receive(18, Duration::from_millis(6)).unwrap();
        assert_eq!(counters.setsockopts.get(), 1);
        receive.wait_in_receive(18, Duration::from_millis(5)).unwrap();
        assert_eq!(counters.setsockopts.get(), 2);
        let time = Duration::from_secs(60);
        let waiter = thread::spawn(move || receive.receive_alone(18, time, &Deadline::new(None)).map(|_| ()));
        drop(drive);
        assert_eq!(waiter.join().unwrap(), Err(Errno::CONNRESET));
    }

    #[test]
    fn the_end_of_the_stream_is_no_news_while_somebody_disconnects() {
        let (mut receive, drive) = receiver(DEFAULTS);
        let connection = Arc::clone(&receive.connection);
        let time = Duration::from_secs(60);
        let waiter = thread::spawn(move || {
            let slept = receive.receive_alone(9, time, &Deadline::new(None));
            matches!(slept, Ok(Slept::Early))
        });
        connection.leave();
        drop(drive);
        assert!(waiter.join().unwrap());
        assert_eq!(connection.receive_error(), None);
    }

    #[test]
    fn what_is_staged_leaves_first_and_then_the_sender_sends_for_itself() {
        let (mut receive, mut drive) = receiver(DEFAULTS);
        let connection = Arc::clone(&receive.connection);
        let limit = Limit { bytes: 100, messages: 1 };
        connection.handoff.arrive();
        connection.handoff.stage(7, limit, |bytes| bytes.extend_from_slice(b"message"), || {}).unwrap();
        let time = Duration::from_secs(60);
        let waiter = thread::spawn(move || {
            let slept = receive.receive_alone(9, time, &Deadline::new(None));
            matches!(slept, Ok(Slept::Received))
        });
        let mut message = [0; 7];
        drive.read_exact(&mut message).unwrap();
        assert_eq!(&message, b"message");
        while connection.handoff.attention() != Attention::Elsewhere {
            thread::yield_now();
        }
        drive.write_all(b"F12345678").unwrap();
        assert!(waiter.join().unwrap());
        assert_eq!(connection.handoff.attention(), Attention::Awake);
    }
}
