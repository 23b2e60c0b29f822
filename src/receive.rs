//! The receiver's half: everything in this file runs on the thread that calls `poll` and `receive`.
//!
//! Bytes come into the read-ahead buffer, as many as the socket holds, and `poll` and `receive` are
//! served from there. The rest of a large value goes straight into the caller's memory, and what comes
//! behind it into the read-ahead buffer, in one call. Whenever this thread would wait it first sends what
//! the sender has staged, and it is woken for that. It waits on the ring, but where waits are long.
//!
//! `poll` announces a message only when `receive` cannot fail on it any more: a libkinetic whose
//! `receive` fails locks a mutex twice and hangs. The exception is a large value, which is received
//! while it arrives.

use std::{
    io,
    ops::RangeInclusive,
    os::fd::AsFd,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use log::{debug, warn};

use crate::{
    connection::Connection,
    engine,
    error::Errno,
    framing::{Framing, Need},
    handoff::Flushed,
    iovec::Cursor,
    outstanding::Quiet,
    readahead::ReadAhead,
    ring::{receive::ReceiveRing, setup::ENTRIES},
    socket::{
        calls::{self, Interest},
        receive::PlainReceiving,
        segment::{self, Batch, In, Incoming},
    },
    spin::Spin,
    statistics::Count,
};

/// Size of the read-ahead buffer. 16 KiB cost throughput at every size measured.
const READ_AHEAD: usize = 256 << 10;

/// From this many missing bytes on a value is received straight into the caller's memory.
pub const DIRECT: usize = 48 << 10;

/// How much is read ahead after a value that was received directly: room for the PDU and the message
/// of the next one, so that its value can go directly, too.
const AFTER_DIRECT: usize = 4 << 10;

/// How much of a large value is waited for at a time: of one of [`WHOLE`] or more all that is missing, up to
/// [`MOST`]; of a smaller one half of what is missing, within [`MARK`].
///
/// Each wake-up is paid by whoever delivers the bytes, on loopback the drive. Where both sides compute all the time that
/// sets the pace: 1 MiB GETs with 32 outstanding are 1.3 times as fast as the stock flow when they are waited for as a
/// whole, and 0.6 to 0.9 times in pieces of 64 to 256 KiB. Below 1 MiB it is the other way round, since copying overlaps
/// with what is still to come: 0.8 to 1.9 times as a whole, 1.8 to 2.3 times in pieces of 64 to 128 KiB. (That is with
/// BBR, whose window over loopback is just below 1 MiB; with cubic it makes no difference.)
const WHOLE: usize = 1 << 20;
const MOST: usize = 1 << 20;
const MARK: RangeInclusive<usize> = 64 << 10..=128 << 10;

/// How long to wait at a time under a mark: one that is never reached, for whatever reason, costs
/// this and not the connection.
const PATIENCE: Duration = Duration::from_millis(20);

/// From how long a wait on it does not matter that poll(2) takes a system call more than the ring.
const LONG: Duration = Duration::from_millis(2);

/// How long a session must have been idle for a poll that ends with nothing to give the memory that it has used back to
/// the kernel: coming back costs a page fault for every 4 KiB. Nobody else gives it back: a session that is not polled
/// any more keeps it, and so does one whose poll has no time-out.
const KEEP: Duration = Duration::from_secs(1);

/// How soon to try again where the kernel is short of memory for what is to be sent.
const AGAIN: Duration = Duration::from_millis(10);

/// A socket that has room and takes nothing for so many times in a row is short of memory, too: TCP says so in this way.
/// Where it is full, signals may make as many.
const IN_VAIN: u32 = 50;

/// How long to nap when the sender is staging at this very moment, after some tries.
const NAP: Duration = Duration::from_micros(50);

/// One receive in progress, of either engine.
pub trait Receiving {
    /// Has it ended?
    fn is_done(&self) -> bool;
    /// Sends what the socket takes of `bytes` without waiting; `WouldBlock` if nothing.
    fn send_now(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Waits until the receive has ended, the sender wakes this thread, `timeout` has passed, a signal
    /// came, or, with `writable`, the socket takes bytes again. May return early.
    fn wait(&mut self, timeout: Option<Duration>, writable: bool) -> io::Result<()>;
}

/// How `poll` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// A message can be received.
    Ready,
    /// The time has passed.
    TimedOut,
    /// The connection is dead, or being disconnected.
    Over,
}

/// How a wait for bytes ended.
enum Waited {
    Done,
    TimedOut,
    Leaving,
}

/// How a long wait ended.
enum Slept {
    /// Nothing happened until the deadline.
    TimedOut,
    /// The socket has something to read, or has come to its end.
    Readable,
    /// There was no such wait, or it ended for another reason.
    Not,
}

#[allow(clippy::large_enum_variant, reason = "two for each connection; a box would cost the hot path a load")]
enum Engine {
    Unmade,
    Ring(ReceiveRing),
    Plain,
}

/// The receiver's half of a connection.
pub struct Receive {
    connection: Arc<Connection>,
    engine: Engine,
    ahead: ReadAhead,
    framing: Framing,
    /// The last message had a large value.
    large: bool,
    spin: Spin,
    /// The last wait was a long one: the next is likely to be.
    idle: bool,
    quiet: Quiet,
    /// From when on a poll that ends with nothing gives back the memory that is not in use; `None` when it has gone.
    keep_until: Option<Instant>,
}

impl Receive {
    /// Of `connection`.
    pub fn new(connection: Arc<Connection>) -> Self {
        let spin = Spin::new(connection.options.spin);
        let framing = Framing::new(connection.options.framing, DIRECT, READ_AHEAD);
        Receive {
            connection,
            engine: Engine::Unmade,
            ahead: ReadAhead::new(READ_AHEAD),
            framing,
            large: false,
            spin,
            idle: false,
            quiet: Quiet::new(),
            keep_until: None,
        }
    }

    /// Waits until a message can be received, at most until `deadline` (`None`: no limit).
    pub fn poll(&mut self, deadline: Option<Instant>) -> Polled {
        self.connection.handoff.arrive();
        let mut hit = true;
        loop {
            if self.connection.is_leaving() {
                return Polled::Over;
            }
            let need = match self.framing.need(self.ahead.bytes()) {
                Need::Nothing => {
                    self.note_size();
                    let counters = &self.connection.statistics.receiver;
                    self.connection.hold.wait(counters.messages.get(), counters);
                    // The sender's half may have killed the connection: what has not come yet will not.
                    if self.connection.receive_error().is_some() && !self.framing.is_whole(self.ahead.bytes())
                    {
                        return Polled::Over;
                    }
                    counters.poll_hits.add(hit.into());
                    return Polled::Ready;
                }
                Need::Buffered(need) => need,
                Need::Garbage(why) => {
                    self.refuse(why);
                    return Polled::Over;
                }
            };
            if self.connection.receive_error().is_some() {
                return Polled::Over;
            }
            hit = false;
            let slept = if self.idle { self.sleep_through(deadline) } else { Slept::Not };
            let waited = match slept {
                Slept::TimedOut => {
                    self.note_quiet();
                    return Polled::TimedOut;
                }
                // Something to read, most likely: asking the ring for it would only take longer.
                Slept::Readable => self.look(need).map(|_| Waited::Done),
                Slept::Not => self.read_ahead(need, deadline),
            };
            match waited {
                Ok(Waited::Done) => {}
                Ok(Waited::TimedOut) => {
                    self.idle = true;
                    self.keep_until = Some(Instant::now() + KEEP);
                    self.note_quiet();
                    return Polled::TimedOut;
                }
                Ok(Waited::Leaving) => return Polled::Over,
                // Whatever it is (no memory for a buffer, no ring), libkinetic would spin on a poll
                // that fails.
                Err(errno) => {
                    self.connection.kill(errno);
                    return Polled::Over;
                }
            }
        }
    }

    /// Waits until something happens, in one poll(2).
    ///
    /// An idle session polls a hundred times a second. Arming a receive in the ring and cancelling it each
    /// time cost about half as much again as the wait itself, so the ring rests until there is work; so it does
    /// where messages come now and then, as on each of a thousand busy connections.
    fn sleep_through(&mut self, deadline: Option<Instant>) -> Slept {
        if !self.connection.handoff.fall_asleep(false, self.large) {
            self.idle = false;
            return Slept::Not;
        }
        let begun = Instant::now();
        let left = deadline.map(|deadline| deadline.saturating_duration_since(begun));
        let [socket, wake] = [self.connection.fd(), self.connection.wake.as_fd()].map(|fd| Interest {
            fd,
            read: true,
            write: false,
        });
        let counters = &self.connection.statistics.receiver;
        counters.sleeps.add(1);
        counters.polls.add(1);
        let ready = calls::wait([socket, wake], left);
        self.connection.handoff.woken(self.large);
        let now = Instant::now();
        self.idle = now - begun >= LONG;
        match ready {
            Ok([socket, wake]) if !socket.readable && !wake.readable => {
                if self.keep_until.is_some_and(|until| now >= until) {
                    self.give_back();
                    self.keep_until = None;
                }
                // A signal ends the wait early.
                self.idle = true;
                if deadline.is_some_and(|deadline| now >= deadline) { Slept::TimedOut } else { Slept::Not }
            }
            Ok([socket, wake]) => {
                self.keep_until = Some(now + KEEP);
                if wake.readable {
                    counters.wake_reads.add(1);
                    self.connection.wake.clear();
                }
                if socket.readable { Slept::Readable } else { Slept::Not }
            }
            // What is wrong the receive will tell.
            Err(_) => Slept::Not,
        }
    }

    /// Takes note of a poll in which no message has come, and as a rule nothing at all.
    fn note_quiet(&mut self) {
        let Connection { statistics, settled, .. } = &*self.connection;
        let (sent, received) = (statistics.sender.messages.get(), statistics.receiver.messages.get());
        self.quiet.goes_on(Instant::now(), sent, received, settled);
    }

    /// Gives the memory that is not in use back to the kernel.
    fn give_back(&mut self) {
        let counters = &self.connection.statistics.receiver;
        counters.rare_calls.add(self.ahead.give_back().into());
        self.connection.handoff.unused(|bytes| {
            counters.rare_calls.add(segment::give_back(bytes.spare_capacity_mut()).into());
        });
    }

    /// Takes note whether the message that is announced has a large value.
    fn note_size(&mut self) {
        let large = self.framing.is_large(self.ahead.bytes());
        if large != self.large {
            self.large = large;
            self.connection.handoff.woken(large);
        }
    }

    /// Fills the whole vector, or fails.
    pub fn receive(&mut self, mut into: Cursor<'_, '_, In>) -> Result<usize, Errno> {
        let total = into.left();
        self.connection.handoff.arrive();
        if let Need::Garbage(why) = self.framing.need(self.ahead.bytes()) {
            return Err(self.refuse(why));
        }
        let mut hit = true;
        loop {
            self.serve(&mut into)?;
            if into.left() == 0 {
                let counters = &self.connection.statistics.receiver;
                counters.messages.add(self.framing.completed());
                counters.bytes.add(total);
                counters.receive_hits.add(hit.into());
                return Ok(total);
            }
            if self.connection.is_leaving() {
                return Err(Errno::CONNABORTED);
            }
            if let Some(errno) = self.connection.receive_error() {
                return Err(errno);
            }
            hit = false;
            // Only what belongs to the current message: the PDU behind it has to be looked at.
            let direct = into.left().min(self.framing.body());
            let waited = if direct >= DIRECT {
                self.directly(&mut into, direct)?
            } else {
                self.read_ahead(self.ahead.bytes().len() + 1, None)?
            };
            if let Waited::Leaving = waited {
                return Err(Errno::CONNABORTED);
            }
        }
    }

    /// Hands out what is buffered.
    fn serve(&mut self, into: &mut Cursor<'_, '_, In>) -> Result<(), Errno> {
        let mut copied = 0;
        let bytes = self.ahead.bytes();
        into.pieces(bytes.len(), |piece| {
            copied += piece.fill_from(&bytes[copied..]);
            true
        });
        if copied > 0 {
            let taken = self.framing.take(&bytes[..copied]);
            self.ahead.take(copied);
            into.advance(copied);
            taken.map_err(|why| self.refuse(why))?;
        }
        Ok(())
    }

    /// Receives into the read-ahead buffer, once. `need` bytes are to be buffered in all.
    fn read_ahead(&mut self, need: usize, deadline: Option<Instant>) -> Result<Waited, Errno> {
        if let Some(until) = self.spin.begin() {
            let until = deadline.map_or(until, |deadline| until.min(deadline));
            let paid = self.look_until(until, need)?;
            self.spin.end(paid);
            let counters = &self.connection.statistics.receiver;
            counters.spins_paid.add(paid.into());
            counters.spins_lost.add((!paid).into());
            if paid {
                return Ok(Waited::Done);
            }
        }
        self.make_engine()?;
        let limit = if self.large { AFTER_DIRECT } else { READ_AHEAD };
        let free = Incoming::new(self.ahead.free(need, limit)?);
        let (waited, count) = receive(&self.connection, &mut self.engine, free, self.large, deadline);
        if let Some(count) = self.conclude(count)? {
            self.ahead.filled(count);
            self.connection.statistics.receiver.read_aheads.add(1);
            return Ok(Waited::Done);
        }
        waited
    }

    /// Looks for bytes until then, and sends for the sender meanwhile. True if there were some.
    fn look_until(&mut self, until: Instant, need: usize) -> Result<bool, Errno> {
        loop {
            if self.look(need)? {
                return Ok(true);
            }
            if self.connection.is_leaving() || Instant::now() >= until {
                return Ok(false);
            }
            self.connection.statistics.receiver.pauses.add(1);
            thread::yield_now();
        }
    }

    /// Sends what is staged and reads ahead what is there, without waiting. True if something was.
    fn look(&mut self, need: usize) -> Result<bool, Errno> {
        let counters = &self.connection.statistics.receiver;
        self.connection.flush_now(&**counters);
        let limit = if self.large { AFTER_DIRECT } else { READ_AHEAD };
        let mut batch = Batch::new();
        batch.push(Incoming::new(self.ahead.free(need, limit)?));
        counters.recvmsgs.add(1);
        let received = calls::receive(self.connection.fd(), &batch);
        let Some(count) = self.conclude(Some(received))? else { return Ok(false) };
        self.ahead.filled(count);
        self.connection.statistics.receiver.read_aheads.add(1);
        Ok(true)
    }

    /// Receives the next `count` bytes, or those of them that are there, straight into the caller's memory, and
    /// behind them, in the same system call, the beginning of the next message; waits where nothing is there.
    fn directly(&mut self, into: &mut Cursor<'_, '_, In>, count: usize) -> Result<Waited, Errno> {
        // Copying that much takes a while, in which the drive can work on what is staged.
        let connection = Arc::clone(&self.connection);
        let counters = &connection.statistics.receiver;
        connection.flush_now(&**counters);
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
        if let Some(received) = self.conclude(Some(received))? {
            let count = received.min(direct);
            self.framing.skip(count);
            into.advance(count);
            self.ahead.filled(received - count);
            counters.direct.add(1);
            counters.direct_bytes.add(count);
            counters.read_aheads.add((received > count).into());
            return Ok(Waited::Done);
        }
        self.make_engine()?;
        let raised = LowWater::raise(&connection, mark(direct, self.framing.value_size()));
        let waited = readable(&connection, &mut self.engine, true, Some(Instant::now() + PATIENCE));
        drop(raised);
        match waited? {
            Waited::Leaving => Ok(Waited::Leaving),
            // What has come until the time was up is taken before the next wait.
            Waited::Done | Waited::TimedOut => Ok(Waited::Done),
        }
    }

    /// Looks at the result of a receive: how many bytes, if any; an end or an error is the
    /// connection's death.
    fn conclude(&mut self, result: Option<io::Result<usize>>) -> Result<Option<usize>, Errno> {
        let error = match result {
            None => return Ok(None),
            // Whoever has killed the connection has shut the socket down.
            Some(Ok(0) | Err(_)) if self.connection.receive_error().is_some() => {
                return Err(self.connection.receive_error().unwrap_or(Errno::CONNRESET));
            }
            Some(Ok(0)) => {
                let inside = !self.framing.at_border() || !self.ahead.bytes().is_empty();
                let errno = self.connection.kill(Errno::CONNRESET);
                warn!("the drive has closed the connection{}", if inside { " inside a message" } else { "" });
                return Err(errno);
            }
            Some(Ok(count)) => {
                let Connection { statistics, settled, .. } = &*self.connection;
                self.quiet.broken(|| statistics.sender.messages.get(), settled);
                return Ok(Some(count));
            }
            Some(Err(error))
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) =>
            {
                return Ok(None);
            }
            Some(Err(error)) => error,
        };
        let errno = self.connection.kill(error.into());
        warn!("receiving has failed: {errno}");
        Err(errno)
    }

    /// The bytes that came are no PDU: there is nothing that could be done with the rest.
    fn refuse(&self, why: &str) -> Errno {
        let known = self.connection.receive_error().is_some();
        let errno = self.connection.kill(Errno::PROTO);
        if !known {
            warn!("what the peer sent is not a Kinetic PDU ({why}): the connection is dead");
        }
        errno
    }

    /// Sees to it that there is an engine, and that it is this thread's.
    fn make_engine(&mut self) -> Result<(), Errno> {
        let usable = match &self.engine {
            Engine::Unmade => false,
            Engine::Ring(ring) => ring.is_mine(),
            Engine::Plain => true,
        };
        if !usable {
            let counters = &self.connection.statistics.receiver;
            self.engine = match engine::ring(&self.connection, ENTRIES, counters)? {
                Some(ring) => Engine::Ring(ReceiveRing::new(ring)),
                None => Engine::Plain,
            };
        }
        Ok(())
    }
}

/// Runs one receive on the engine: waits for it, and sends for the sender meanwhile.
fn receive(
    connection: &Connection,
    engine: &mut Engine,
    into: Incoming<'_>,
    large: bool,
    deadline: Option<Instant>,
) -> (Result<Waited, Errno>, Option<io::Result<usize>>) {
    let (socket, wake) = (connection.fd(), &connection.wake);
    match engine {
        Engine::Ring(ring) => {
            ring.receive(socket, wake, into, |receiving| wait(connection, receiving, large, deadline))
        }
        _ => {
            let mut batch = Batch::new();
            batch.push(into);
            let counters = &connection.statistics.receiver;
            let mut receiving = PlainReceiving::new(socket, wake, &batch, counters);
            let waited = wait(connection, &mut receiving, large, deadline);
            (waited, receiving.finish())
        }
    }
}

/// Waits until the socket can be read, and sends for the sender meanwhile.
fn readable(
    connection: &Connection,
    engine: &mut Engine,
    large: bool,
    deadline: Option<Instant>,
) -> Result<Waited, Errno> {
    let (socket, wake) = (connection.fd(), &connection.wake);
    match engine {
        Engine::Ring(ring) => {
            ring.readable(socket, wake, |receiving| wait(connection, receiving, large, deadline))
        }
        _ => wait(
            connection,
            &mut PlainReceiving::readable(socket, wake, &connection.statistics.receiver),
            large,
            deadline,
        ),
    }
}

/// How many of so many missing bytes to wait for, of a value of so many; 0 where that is not known.
fn mark(missing: usize, value: usize) -> usize {
    let pieces = (missing / 2).clamp(*MARK.start(), *MARK.end());
    missing.min(if missing.max(value) >= WHOLE { MOST } else { pieces })
}

/// While it lives the socket counts as readable only when so many bytes are there.
///
/// Without it a receiver that waits for a large value wakes up on every segment, to copy 64 KiB and sleep again:
/// 1 MiB GETs with 32 outstanding took 1.4 times as long. The mark is never more than what is asked for next, and
/// is taken back before anything else is waited for; the kernel also reports a full buffer.
struct LowWater<'c>(&'c Connection);

impl<'c> LowWater<'c> {
    fn raise(connection: &'c Connection, bytes: usize) -> Self {
        let raised = LowWater(connection);
        raised.set(bytes);
        raised
    }

    fn set(&self, bytes: usize) {
        self.0.statistics.receiver.setsockopts.add(1);
        calls::set_low_water(self.0.fd(), bytes);
    }
}

impl Drop for LowWater<'_> {
    fn drop(&mut self) {
        self.set(1);
    }
}

/// Waits for a receive, and sends for the sender meanwhile.
fn wait(
    connection: &Connection,
    receiving: &mut dyn Receiving,
    large: bool,
    deadline: Option<Instant>,
) -> Result<Waited, Errno> {
    let counters = &connection.statistics.receiver;
    let mut tries = 0;
    let mut in_vain = 0;
    loop {
        let before = counters.flushed_bytes.get();
        let flushed = connection
            .handoff
            .flush(|bytes, messages| counters.flush(bytes.len(), messages, receiving.send_now(bytes)));
        let flushed = flushed.unwrap_or_else(|error| {
            debug!("sending what was staged has failed: {error}");
            connection.fail_send(error.into());
            Flushed::All
        });
        let blocked = matches!(flushed, Flushed::Full | Flushed::Short);
        in_vain = if blocked && counters.flushed_bytes.get() == before { in_vain + 1 } else { 0 };
        // Waiting for room that is there would be no waiting.
        let short = flushed == Flushed::Short || in_vain > IN_VAIN;
        if receiving.is_done() {
            return Ok(Waited::Done);
        }
        if connection.is_leaving() {
            return Ok(Waited::Leaving);
        }
        if !connection.handoff.fall_asleep(blocked, large) {
            // Either something was staged after the flush, or the sender is staging right now. It
            // does not look again after its last store, so sleeping on it is forbidden; on a single
            // core it needs this one to get on.
            if tries > 0 && deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(Waited::TimedOut);
            }
            tries += 1;
            counters.pauses.add((tries > 1).into());
            if tries > 50 {
                thread::sleep(NAP);
            } else if tries > 1 {
                thread::yield_now();
            }
            continue;
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        counters.sleeps.add(1);
        counters.full_waits.add(blocked.into());
        let waited = if short {
            receiving.wait(Some(left.map_or(AGAIN, |left| left.min(AGAIN))), false)
        } else {
            receiving.wait(left, blocked)
        };
        connection.handoff.woken(large);
        waited?;
        if receiving.is_done() {
            return Ok(Waited::Done);
        }
        if connection.is_leaving() {
            return Ok(Waited::Leaving);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(Waited::TimedOut);
        }
        tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use socket2::{Domain, Socket, Type};

    use super::*;
    use crate::{config::DEFAULTS, handoff::Limit};

    /// A receive that ends when all is sent. Sending fails with each of `errors` first.
    struct Fake {
        errors: VecDeque<i32>,
        sent: Vec<u8>,
        waits: Vec<(Option<Duration>, bool)>,
    }

    impl Receiving for Fake {
        fn is_done(&self) -> bool {
            !self.sent.is_empty()
        }

        fn send_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(errno) = self.errors.pop_front() {
                return Err(io::Error::from_raw_os_error(errno));
            }
            self.sent.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn wait(&mut self, timeout: Option<Duration>, writable: bool) -> io::Result<()> {
            self.waits.push((timeout, writable));
            Ok(())
        }
    }

    /// Waits with a message that is staged; returns the waits until it has left.
    fn waits(errors: &[i32]) -> Vec<(Option<Duration>, bool)> {
        let (socket, _peer) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
        let connection = Connection::new(socket, DEFAULTS).unwrap();
        connection.handoff.arrive();
        let limit = Limit { bytes: 100, messages: 1 };
        connection.handoff.stage(7, limit, |bytes| bytes.extend_from_slice(b"message"), || {}).unwrap();
        let mut fake = Fake { errors: errors.iter().copied().collect(), sent: vec![], waits: vec![] };
        assert!(matches!(wait(&connection, &mut fake, false, None), Ok(Waited::Done)));
        assert_eq!(fake.sent, b"message");
        assert_eq!(connection.send_error(), None);
        fake.waits
    }

    #[test]
    fn small_values_are_waited_for_in_pieces_and_large_ones_as_a_whole() {
        for (missing, value, expected) in [
            (40 << 10, 50 << 10, 40 << 10),
            (64 << 10, 65 << 10, 64 << 10),
            (100 << 10, 100 << 10, 64 << 10),
            (200 << 10, 512 << 10, 100 << 10),
            (1000 << 10, 1000 << 10, 128 << 10),
            (1 << 20, 1 << 20, 1 << 20),
            (300 << 10, 1 << 20, 300 << 10),
            (4 << 20, 4 << 20, 1 << 20),
            (4 << 20, 0, 1 << 20),
        ] {
            assert_eq!(mark(missing, value), expected, "{missing} of {value}");
        }
    }

    #[test]
    fn a_full_socket_is_waited_for() {
        assert_eq!(waits(&[libc::EAGAIN; 3]), [(None, true); 3]);
    }

    #[test]
    fn a_shortage_of_memory_is_waited_out_without_a_look_at_the_socket() {
        assert_eq!(waits(&[libc::ENOBUFS, libc::ENOMEM]), [(Some(AGAIN), false); 2]);
    }

    #[test]
    fn a_socket_that_takes_nothing_in_spite_of_its_room_is_not_spun_on() {
        let waits = waits(&[libc::EAGAIN; 2 * IN_VAIN as usize]);
        let (first, rest) = waits.split_at(IN_VAIN as usize);
        assert!(first.iter().all(|wait| *wait == (None, true)));
        assert!(rest.iter().all(|wait| *wait == (Some(AGAIN), false)));
    }
}
