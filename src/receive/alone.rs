//! Answers that come one at a time, waited for in the receive itself: runs on the receiver's thread.

use std::{
    io,
    time::{Duration, Instant},
};

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
/// Where waits are short it waits for a tick at a time, to which the kernel rounds this up. A processor that becomes idle
/// stops its tick if no timer ends with the next one, which sets the hardware's timer, and when it is woken that is set
/// again. In a virtual machine that can be dear: 9 µs each time on a Xeon, where a ping-pong with a time-out of 10 ms took
/// 2.3 to 2.7 such settings an answer, and 1.5 to 1.6 with this one. With one request outstanding the driver had 0.94 times
/// the stock flow's rate with 10 ms and has 0.98 (medians of 12 and 8 points of 21 pairs).
const BRIEF: Duration = Duration::from_millis(1);
/// Where nothing has come for a tick or two it waits as long as it may, until something comes within so much ...
const SOON: Duration = Duration::from_millis(1);
/// ... so often in a row. With 1,000 connections, where answers take 10 ms, it would wake up for nothing. What the client
/// takes for itself between two requests is part of the wait.
const OFTEN: u32 = 16;

/// While messages of so many bytes are sent their answers are waited for elsewhere: with PUTs of 4 MiB, one at a time, the
/// driver had 0.89 (0.84–0.94) times the stock flow's rate here and 1.02 (0.88–1.08) on the ring (41 pairs). Why is not known;
/// traced, the receiver sleeps once and is woken once either way. 1 and 2 MiB make no difference, and up to 512 KiB the
/// ring is 0.93 to 0.95 times as fast as this.
const TOO_LARGE: u64 = 3 << 20;

/// What the sender has sent of late.
pub(super) struct Sent {
    messages: u64,
    bytes: u64,
    /// The messages were too large.
    large: bool,
}

impl Sent {
    /// By a new connection.
    pub(super) fn new() -> Self {
        Sent { messages: 0, bytes: 0, large: false }
    }

    /// Are messages too large, after so many in all, with so many bytes? The ones between this call and the last count.
    fn are_large(&mut self, messages: u64, bytes: u64) -> bool {
        if messages > self.messages {
            self.large = bytes.saturating_sub(self.bytes) / (messages - self.messages) >= TOO_LARGE;
            (self.messages, self.bytes) = (messages, bytes);
        }
        self.large
    }
}

/// How long a receive waits.
pub(super) struct Patience {
    /// What the socket has been told.
    set: Duration,
    /// It waits for a tick at a time.
    brief: bool,
    /// How many short waits there were in a row, where it does not.
    soon: u32,
}

/// How a receive that waits has ended.
enum Ended {
    /// Something has come.
    Received,
    /// Its time has passed.
    TimedOut,
    /// A signal has come.
    Interrupted,
}

impl Patience {
    /// Of a new connection.
    pub(super) fn new() -> Self {
        Patience { set: Duration::ZERO, brief: true, soon: 0 }
    }

    /// What is to be set for a wait that may last so long, if it is not set already.
    fn next(&mut self, most: Duration) -> Option<Duration> {
        let (time, slack) = if self.brief { (BRIEF, Duration::ZERO) } else { (most, SLACK) };
        let fits = self.set >= time && self.set <= time + slack;
        (!fits).then(|| {
            self.set = time;
            time
        })
    }

    /// A wait has ended. How long did it last, if it was no brief one, and has something come?
    fn ended(&mut self, lasted: Option<Duration>, something: bool) {
        let Some(lasted) = lasted else {
            self.brief = something;
            return;
        };
        self.soon = if something && lasted < SOON { self.soon + 1 } else { 0 };
        if self.soon == OFTEN {
            (self.brief, self.soon) = (true, 0);
        }
    }
}

impl Receive {
    /// How long the next receive is to wait; `None` where it is not.
    ///
    /// With one request outstanding nothing else is to be done meanwhile, and a sleep in the receive is the
    /// shortest way to its answer: one system call, without a poll to arm and to complete. On an EPYC of the first
    /// generation the driver took 1.13 times the stock flow's CPU time on the ring, at 0.93 times its rate, and takes
    /// 0.97 times here, at 1.03 times the rate. Where a kernel thread does the submitting the sender is to be spared
    /// its system calls, which it is not while this thread sleeps here.
    pub(super) fn patience_alone(&mut self, deadline: &Deadline) -> Option<Duration> {
        if !self.spin.is_alone() || self.connection.options.sqpoll {
            return None;
        }
        let (sent, received) = self.connection.messages();
        if self.sent.are_large(sent, self.connection.statistics.sender.bytes.get()) {
            return None;
        }
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
        let is_whole = patience == LONGEST && !self.patience.brief;
        let ended = self.wait_in_receive(need, patience);
        self.connection.handoff.woken(self.large);
        match ended? {
            Ended::Received => {
                self.idle = false;
                return Ok(Slept::Received);
            }
            Ended::Interrupted => return Ok(Slept::Early),
            Ended::TimedOut => {}
        }
        let now = Instant::now();
        let is_over = is_whole || deadline.is_some_and(|deadline| now >= deadline);
        Ok(if is_over { self.nothing_came(now, deadline) } else { Slept::Early })
    }

    /// The receive.
    fn wait_in_receive(&mut self, need: usize, patience: Duration) -> Result<Ended, Errno> {
        self.low_water.lower(&self.connection);
        let counters = &self.connection.statistics.receiver;
        // So it is set once, as long as the caller's time-out is the same.
        if let Some(time) = self.patience.next(patience) {
            counters.setsockopts.add(1);
            SockRef::from(&self.connection.fd()).set_read_timeout(Some(time))?;
        }
        let (sent, received) = self.connection.messages();
        self.outstanding.waits(sent, received);
        let limit = self.limit();
        let mut batch = Batch::new();
        batch.push(Incoming::new(room(&mut self.ahead, &mut self.sealed, need, limit)?));
        counters.sleeps.add(1);
        counters.recvmsgs.add(1);
        let begun = (!self.patience.brief).then(Instant::now);
        let received = calls::receive_waiting(self.connection.fd(), &batch);
        let ended = match &received {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ended::Interrupted,
            received => {
                self.patience.ended(begun.map(|begun| begun.elapsed()), received.is_ok());
                Ended::TimedOut
            }
        };
        let Some(count) = self.conclude(Some(received))? else { return Ok(ended) };
        self.filled(count);
        Ok(Ended::Received)
    }
}

#[cfg(test)]
pub(super) mod tests {
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

    pub fn receiver(options: Options) -> (Receive, UnixStream) {
        let (socket, drive) = UnixStream::pair().unwrap();
        let connection = Connection::new(socket.into(), None, options).unwrap();
        (Receive::new(Arc::clone(&connection)).unwrap(), drive)
    }

    fn patience(receive: &mut Receive, milliseconds: u64) -> Option<Duration> {
        receive.patience_alone(&Deadline::new(Some(Duration::from_millis(milliseconds))))
    }

    #[test]
    fn answers_that_come_one_at_a_time_are_waited_for_in_the_receive() {
        let (mut receive, _drive) = receiver(DEFAULTS);
        assert_eq!(patience(&mut receive, 1), None);
        assert_eq!(patience(&mut receive, 10), Some(Duration::from_millis(10)));
        assert_eq!(patience(&mut receive, 1000), Some(LONGEST));
        assert_eq!(receive.patience_alone(&Deadline::new(None)), Some(LONGEST));
        receive.idle = true;
        assert_eq!(
            patience(&mut receive, 10),
            None,
            "nothing is outstanding, and nothing has come for a while"
        );
        let connection = Arc::clone(&receive.connection);
        let sent = &connection.statistics.sender.messages;
        sent.add(1);
        assert_eq!(patience(&mut receive, 10), Some(Duration::from_millis(10)));
        assert_eq!(patience(&mut receive, 1000), None, "disconnect would have to wait for it");
        sent.add(1);
        receive.idle = false;
        assert_eq!(patience(&mut receive, 10), None, "two are outstanding");
    }

    #[test]
    fn where_the_receiver_looks_or_the_kernel_submits_they_are_not() {
        for options in [Options { sqpoll: true, ..DEFAULTS }, Options { spin: Some(60), ..DEFAULTS }] {
            let (mut receive, _drive) = receiver(options);
            assert_eq!(patience(&mut receive, 10), None);
        }
    }

    #[test]
    fn answers_to_very_large_messages_are_not() {
        let (mut receive, _drive) = receiver(DEFAULTS);
        let connection = Arc::clone(&receive.connection);
        let counters = &connection.statistics;
        for (size, waits) in [(100, true), (TOO_LARGE, false), (4 << 20, false), (TOO_LARGE - 1, true)] {
            counters.sender.bytes.add(size.try_into().unwrap());
            counters.sender.messages.add(1);
            for _ in 0..2 {
                assert_eq!(patience(&mut receive, 10).is_some(), waits, "{size}");
            }
            counters.receiver.messages.add(1);
        }
    }

    /// A receive that waits, and again until it is over or has received something.
    fn wait_it_out(receive: &mut Receive, need: usize, most: Duration, deadline: &Deadline) -> Slept {
        for _ in 0..1000 {
            match receive.receive_alone(need, most, deadline).unwrap() {
                Slept::Early => {}
                slept => return slept,
            }
        }
        panic!("it does not end");
    }

    #[test]
    fn such_a_receive_ends_with_bytes_or_in_time_or_with_the_stream() {
        let (mut receive, mut drive) = receiver(DEFAULTS);
        let time = Duration::from_millis(10);
        for timed_out in 0..3 {
            let begun = Instant::now();
            let slept = wait_it_out(&mut receive, 9, time, &Deadline::new(Some(time)));
            assert!(matches!(slept, Slept::TimedOut), "{timed_out}");
            assert!(begun.elapsed() >= time, "{timed_out}");
        }
        assert!(receive.idle);
        drive.write_all(b"F12345678").unwrap();
        assert!(matches!(receive.receive_alone(9, time, &Deadline::new(None)), Ok(Slept::Received)));
        assert_eq!((receive.ahead.bytes(), receive.idle), (&b"F12345678"[..], false));
        // The time-out is set once, briefly at first, and not for a little less.
        let counters = Arc::clone(&receive.connection.statistics.receiver);
        assert_eq!(counters.setsockopts.get(), 2);
        receive.wait_in_receive(18, Duration::from_millis(6)).unwrap();
        assert_eq!(counters.setsockopts.get(), 2);
        receive.wait_in_receive(18, Duration::from_millis(5)).unwrap();
        assert_eq!(counters.setsockopts.get(), 3);
        let time = Duration::from_secs(60);
        let waiter = thread::spawn(move || receive.receive_alone(18, time, &Deadline::new(None)).map(|_| ()));
        drop(drive);
        assert_eq!(waiter.join().unwrap(), Err(Errno::CONNRESET));
    }

    #[test]
    fn it_waits_briefly_where_answers_come_soon() {
        let most = Duration::from_millis(10);
        let mut patience = Patience::new();
        assert_eq!(patience.next(most), Some(BRIEF));
        patience.ended(None, true);
        assert_eq!(patience.next(most), None);
        patience.ended(None, false);
        assert_eq!(patience.next(most), Some(most));
        // One that is late, or does not come, begins the count anew.
        for (last, something, brief) in
            [(SOON, true, false), (most, false, false), (Duration::ZERO, true, true)]
        {
            for _ in 1..OFTEN {
                patience.ended(Some(Duration::ZERO), true);
                assert_eq!(patience.next(most), None);
            }
            patience.ended(Some(last), something);
            assert_eq!(patience.next(most), brief.then_some(BRIEF), "{last:?}");
        }
    }

    #[test]
    fn after_short_waits_it_waits_briefly_again() {
        let (mut receive, mut drive) = receiver(DEFAULTS);
        receive.patience.brief = false;
        let mut waits = 0;
        while !receive.patience.brief && waits < 100_000 {
            drive.write_all(b"F12345678").unwrap();
            let received = receive.receive_alone(9, LONGEST, &Deadline::new(None));
            assert!(matches!(received, Ok(Slept::Received)));
            receive.ahead.take(9);
            waits += 1;
        }
        assert!(receive.patience.brief && waits >= OFTEN, "{waits}");
        let counters = Arc::clone(&receive.connection.statistics.receiver);
        assert_eq!(counters.setsockopts.get(), 1);
        assert!(matches!(receive.receive_alone(9, LONGEST, &Deadline::new(None)), Ok(Slept::Early)));
        assert_eq!(counters.setsockopts.get(), 2);
    }

    #[test]
    fn a_poll_without_a_time_out_becomes_idle_all_the_same() {
        let (mut receive, _drive) = receiver(DEFAULTS);
        let never = Deadline::new(None);
        // A brief one, and one as long as may be.
        for idle in [false, true] {
            assert!(matches!(receive.receive_alone(9, LONGEST, &never), Ok(Slept::Early)));
            assert_eq!(receive.idle, idle);
        }
        let counters = &receive.connection.statistics.receiver;
        assert_eq!((counters.sleeps.get(), counters.setsockopts.get()), (2, 2));
    }

    #[test]
    fn the_end_of_the_stream_is_no_news_while_somebody_disconnects() {
        let (mut receive, drive) = receiver(DEFAULTS);
        let connection = Arc::clone(&receive.connection);
        let time = Duration::from_secs(60);
        receive.patience.brief = false;
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
        receive.patience.brief = false;
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
