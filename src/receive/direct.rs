//! Large values, straight into the caller's memory: runs on the receiver's thread.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{AFTER_DIRECT, Receive};
use crate::{
    error::Errno,
    iovec::Cursor,
    socket::{
        calls,
        segment::{Batch, In, Incoming},
    },
    statistics::Count,
    waiting::Waited,
};

/// How long to wait at a time under a mark: one that is never reached, for whatever reason, costs
/// this and not the connection.
const PATIENCE: Duration = Duration::from_millis(20);

/// What one call has brought.
enum Brought {
    /// Some bytes.
    Some,
    /// None of so many.
    NoneOf(usize),
}

impl Receive {
    /// Do large values go straight into the caller's memory? Not what is decrypted here; and where the kernel does that,
    /// the mark is mostly not reached, since it counts what is encrypted (6 MiB took 2.5 s on Linux 6.12).
    pub(super) fn takes_directly(&self) -> bool {
        self.sealed.is_none() && self.connection.kernel_tls.is_none()
    }

    /// Receives the next `count` bytes, or those of them that are there; waits where nothing is.
    pub(super) fn directly(&mut self, into: &mut Cursor<'_, '_, In>, count: usize) -> Result<Waited, Errno> {
        // Copying that much takes a while, in which the drive can work on what is staged.
        let connection = Arc::clone(&self.connection);
        let counters = &connection.statistics.receiver;
        connection.flush_now(&**counters);
        let Brought::NoneOf(missing) = self.take_directly(into, count)? else { return Ok(Waited::Done) };
        let value = self.framing.value_size();
        if let Some(mut look) = self.spin.begin_inside(value, counters.direct_bytes.get()) {
            let take = |this: &mut Self| Ok(matches!(this.take_directly(into, count)?, Brought::Some));
            let found = self.look_again(&mut look, take)?;
            self.spin.end_inside(&look, found);
            if found {
                return Ok(Waited::Done);
            }
        }
        self.engine.make(&connection)?;
        self.low_water.raise(&connection, missing, value, self.spin.is_single());
        match self.engine.readable(&connection, true, Some(Instant::now() + PATIENCE))? {
            Waited::Leaving => Ok(Waited::Leaving),
            // What has come until the time was up is taken before the next wait.
            Waited::Done | Waited::TimedOut => Ok(Waited::Done),
        }
    }

    /// Receives of the next `count` bytes what is there, and behind them, in the same system call, the beginning of the
    /// next message.
    fn take_directly(&mut self, into: &mut Cursor<'_, '_, In>, count: usize) -> Result<Brought, Errno> {
        let connection = Arc::clone(&self.connection);
        let counters = &connection.statistics.receiver;
        let mut batch = Batch::new();
        into.fill(count, &mut batch);
        let direct = batch.bytes();
        // Nothing is buffered here, or it would have been handed out. A vector with more pieces than a batch takes,
        // or with room for the next message, goes on with its next piece instead.
        if direct == into.left() {
            batch.push(Incoming::new(self.ahead.free(1, AFTER_DIRECT)?));
        }
        counters.recvmsgs.add(1);
        let received = calls::receive(connection.fd(), &batch);
        let Some(received) = self.conclude(Some(received))? else { return Ok(Brought::NoneOf(direct)) };
        let count = received.min(direct);
        self.framing.skip(count);
        into.advance(count);
        counters.direct.add(1);
        counters.direct_bytes.add(count);
        if received > count {
            self.filled(received - count);
        }
        Ok(Brought::Some)
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, thread};

    use super::*;
    use crate::{
        config::{DEFAULTS, Options},
        deadline::Deadline,
        receive::{DIRECT, Polled, alone::tests::receiver},
        socket::segment::Segment,
    };

    /// A PDU that announces a message of one byte and a value of so many.
    fn pdu(value: u32) -> [u8; 9] {
        let mut pdu = [b'F', 0, 0, 0, 1, 0, 0, 0, 0];
        pdu[5..].copy_from_slice(&value.to_be_bytes());
        pdu
    }

    #[test]
    fn large_values_are_announced_when_poll_announces_them() {
        for (value, sent, announced) in [
            (256 << 10, 1, false),
            (512 << 10, 1, true),
            (1 << 20, 1, true),
            (4 << 20, 0, true),
            (512 << 10, 2, true),
            (1 << 20, 2, false),
        ] {
            let (mut receive, mut drive) = receiver(Options { spin: Some(0), ..DEFAULTS });
            let connection = Arc::clone(&receive.connection);
            connection.statistics.sender.messages.add(sent);
            drive.write_all(&pdu(value)).unwrap();
            drive.write_all(b"m").unwrap();
            while receive.ahead.bytes().len() < 10 {
                receive.look(10).unwrap();
            }
            for _ in 0..2 {
                assert_eq!(receive.poll(&Deadline::new(None)), Polled::Ready);
                assert_eq!(calls::low_water(connection.fd()) > 1, announced, "{value}, {sent} outstanding");
                assert_eq!(connection.statistics.receiver.setsockopts.get(), announced.into());
            }
        }
    }

    #[test]
    fn a_sender_that_waits_for_answers_is_told_of_them() {
        let (mut receive, mut drive) = receiver(DEFAULTS);
        let connection = Arc::clone(&receive.connection);
        let woken = connection.answers.told_of(1);
        drive.write_all(&pdu(0)).unwrap();
        drive.write_all(b"m").unwrap();
        assert_eq!(receive.poll(&Deadline::new(None)), Polled::Ready);
        assert!(!woken());
        let mut message = [0; 10];
        let into = [Segment::<In>::new(&mut message)];
        assert_eq!(receive.receive(Cursor::new(&into, 10)), Ok(10));
        assert!(woken(), "when the message has been received");
        // One that was about to sleep then.
        let woken = connection.answers.told_of(1);
        assert_eq!(receive.poll(&Deadline::new(Some(Duration::ZERO))), Polled::TimedOut);
        assert!(woken(), "in the next poll");
    }

    #[test]
    fn more_of_a_value_is_waited_for_under_a_mark_that_can_be_reached() {
        let (mut receive, mut drive) = receiver(Options { spin: Some(0), ..DEFAULTS });
        drive.write_all(&pdu(DIRECT as u32)).unwrap();
        drive.write_all(b"m").unwrap();
        assert_eq!(receive.poll(&Deadline::new(None)), Polled::Ready);
        receive.low_water.announce(&receive.connection, 1 << 20, true);
        let (mut head, mut value) = ([0; 9], vec![0; DIRECT + 1]);
        let take = |receive: &mut Receive, bytes: &mut [u8]| {
            let count = bytes.len();
            let pieces = [Segment::<In>::new(bytes)];
            receive.receive(Cursor::new(&pieces, count))
        };
        assert_eq!(take(&mut receive, &mut head), Ok(9));
        let connection = Arc::clone(&receive.connection);
        let before = connection.statistics.receiver.sleeps.get();
        let waiter = thread::spawn(move || take(&mut receive, &mut value));
        while connection.statistics.receiver.sleeps.get() == before {
            thread::yield_now();
        }
        assert_eq!(calls::low_water(connection.fd()), DIRECT);
        drive.write_all(&vec![0; DIRECT]).unwrap();
        assert_eq!(waiter.join().unwrap(), Ok(DIRECT + 1));
    }

    #[test]
    fn nothing_else_is_waited_for_under_a_mark() {
        let past = Deadline::new(Some(Duration::ZERO));
        let waits: [fn(&mut Receive, &Deadline); 3] = [
            |receive, past| _ = receive.receive_alone(9, Duration::from_millis(1), past).unwrap(),
            |receive, past| _ = receive.sleep_through(past),
            |receive, past| _ = receive.read_ahead(9, past.at()).unwrap(),
        ];
        for (at, wait) in waits.iter().enumerate() {
            let (mut receive, _drive) = receiver(Options { spin: Some(0), ..DEFAULTS });
            let connection = Arc::clone(&receive.connection);
            receive.low_water.announce(&connection, 1 << 20, true);
            assert!(calls::low_water(connection.fd()) > 1);
            wait(&mut receive, &past);
            assert_eq!(calls::low_water(connection.fd()), 1, "{at}");
        }
    }
}
