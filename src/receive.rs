//! The receiver's half: everything in this file runs on the thread that calls `poll` and `receive`.
//!
//! Bytes come into the read-ahead buffer, as many as the socket holds, and `poll` and `receive` are
//! served from there. The rest of a large value goes straight into the caller's memory. Whenever this
//! thread would wait it first sends what the sender has staged, and it is woken for that.
//!
//! `poll` announces a message only when `receive` cannot fail on it any more: a libkinetic whose
//! `receive` fails locks a mutex twice and hangs. The exception is a large value, which is received
//! while it arrives.

use std::{
    io,
    os::fd::AsFd,
    sync::Arc,
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
    readahead::ReadAhead,
    ring::{receive::ReceiveRing, setup::ENTRIES},
    socket::{
        calls::{self, Interest},
        receive::PlainReceiving,
        segment::{Batch, In, Incoming},
    },
};

/// Size of the read-ahead buffer. 16 KiB cost throughput at every size measured.
const READ_AHEAD: usize = 256 << 10;

/// From this many missing bytes on a value is received straight into the caller's memory.
pub const DIRECT: usize = 48 << 10;

/// How much is read ahead after a value that was received directly: room for the PDU and the message
/// of the next one, so that its value can go directly, too.
const AFTER_DIRECT: usize = 4 << 10;

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
    /// The last bytes came directly.
    was_direct: bool,
    /// The last poll ended with nothing.
    idle: bool,
}

impl Receive {
    /// Of `connection`.
    pub fn new(connection: Arc<Connection>) -> Self {
        let framing = Framing::new(connection.options.framing, DIRECT, READ_AHEAD);
        Receive {
            connection,
            engine: Engine::Unmade,
            ahead: ReadAhead::new(READ_AHEAD),
            framing,
            was_direct: false,
            idle: false,
        }
    }

    /// Waits until a message can be received, at most until `deadline` (`None`: no limit).
    pub fn poll(&mut self, deadline: Option<Instant>) -> Polled {
        self.connection.handoff.arrive();
        loop {
            if self.connection.is_leaving() {
                return Polled::Over;
            }
            let need = match self.framing.need(self.ahead.bytes()) {
                Need::Nothing => return Polled::Ready,
                Need::Buffered(need) => need,
                Need::Garbage(why) => {
                    self.refuse(why);
                    return Polled::Over;
                }
            };
            if self.connection.receive_error().is_some() {
                return Polled::Over;
            }
            if self.idle && self.sleep_through(deadline) {
                return Polled::TimedOut;
            }
            match self.read_ahead(need, deadline) {
                Ok(Waited::Done) => {}
                Ok(Waited::TimedOut) => {
                    self.idle = true;
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

    /// Waits until something happens, in one poll(2). True if nothing did until `deadline`.
    ///
    /// An idle session polls a hundred times a second. Arming a receive in the ring and cancelling it each
    /// time cost about half as much again as the wait itself, so the ring rests until there is work.
    fn sleep_through(&mut self, deadline: Option<Instant>) -> bool {
        self.idle = false;
        if !self.connection.handoff.fall_asleep(false) {
            return false;
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let [socket, wake] = [self.connection.fd(), self.connection.wake.as_fd()].map(|fd| Interest {
            fd,
            read: true,
            write: false,
        });
        let ready = calls::wait([socket, wake], left);
        self.connection.handoff.woken();
        match ready {
            Ok([socket, wake]) if !socket.readable && !wake.readable => {
                // A signal ends the wait early.
                self.idle = true;
                deadline.is_some_and(|deadline| Instant::now() >= deadline)
            }
            Ok([_, wake]) => {
                if wake.readable {
                    self.connection.wake.clear();
                }
                false
            }
            // What is wrong the receive will tell.
            Err(_) => false,
        }
    }

    /// Fills the whole vector, or fails.
    pub fn receive(&mut self, mut into: Cursor<'_, '_, In>) -> Result<usize, Errno> {
        let total = into.left();
        self.connection.handoff.arrive();
        if let Need::Garbage(why) = self.framing.need(self.ahead.bytes()) {
            return Err(self.refuse(why));
        }
        loop {
            self.serve(&mut into)?;
            if into.left() == 0 {
                return Ok(total);
            }
            if self.connection.is_leaving() {
                return Err(Errno::CONNABORTED);
            }
            if let Some(errno) = self.connection.receive_error() {
                return Err(errno);
            }
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
        self.make_engine()?;
        let limit = if self.was_direct { AFTER_DIRECT } else { READ_AHEAD };
        let mut batch = Batch::new();
        batch.push(Incoming::new(self.ahead.free(need, limit)?));
        let (waited, count) = receive(&self.connection, &mut self.engine, &batch, false, deadline);
        if let Some(count) = self.conclude(count)? {
            self.ahead.filled(count);
            self.was_direct = false;
            return Ok(Waited::Done);
        }
        waited
    }

    /// Receives the next `count` bytes, or some of them, straight into the caller's memory.
    fn directly(&mut self, into: &mut Cursor<'_, '_, In>, count: usize) -> Result<Waited, Errno> {
        self.make_engine()?;
        let mut batch = Batch::new();
        into.fill(count, &mut batch);
        let (waited, count) = receive(&self.connection, &mut self.engine, &batch, true, None);
        if let Some(count) = self.conclude(count)? {
            self.framing.skip(count);
            into.advance(count);
            self.was_direct = true;
            return Ok(Waited::Done);
        }
        waited
    }

    /// Looks at the result of a receive: how many bytes, if any; an end or an error is the
    /// connection's death.
    fn conclude(&self, result: Option<io::Result<usize>>) -> Result<Option<usize>, Errno> {
        let error = match result {
            None => return Ok(None),
            Some(Ok(0)) => {
                let inside = !self.framing.at_border() || !self.ahead.bytes().is_empty();
                let errno = self.connection.kill(Errno::CONNRESET);
                warn!("the drive has closed the connection{}", if inside { " inside a message" } else { "" });
                return Err(errno);
            }
            Some(Ok(count)) => return Ok(Some(count)),
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
            self.engine = match engine::ring(&self.connection, ENTRIES)? {
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
    batch: &Batch<'_, In>,
    all: bool,
    deadline: Option<Instant>,
) -> (Result<Waited, Errno>, Option<io::Result<usize>>) {
    match engine {
        Engine::Ring(ring) => ring.receive(connection.fd(), &connection.wake, batch, all, |receiving| {
            wait(connection, receiving, deadline)
        }),
        _ => {
            let mut receiving = PlainReceiving::new(connection.fd(), &connection.wake, batch);
            let waited = wait(connection, &mut receiving, deadline);
            (waited, receiving.finish())
        }
    }
}

/// Waits for a receive, and sends for the sender meanwhile.
fn wait(
    connection: &Connection,
    receiving: &mut dyn Receiving,
    deadline: Option<Instant>,
) -> Result<Waited, Errno> {
    let mut tries = 0;
    loop {
        let flushed = connection.handoff.flush(|bytes| receiving.send_now(bytes));
        let blocked = match flushed {
            Ok(flushed) => flushed == Flushed::Full,
            Err(error) => {
                debug!("sending what was staged has failed: {error}");
                connection.fail_send(error.into());
                false
            }
        };
        if receiving.is_done() {
            return Ok(Waited::Done);
        }
        if connection.is_leaving() {
            return Ok(Waited::Leaving);
        }
        if !connection.handoff.fall_asleep(blocked) {
            // Either something was staged after the flush, or the sender is staging right now. It
            // does not look again after its last store, so sleeping on it is forbidden; on a single
            // core it needs this one to get on.
            if tries > 0 && deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(Waited::TimedOut);
            }
            tries += 1;
            if tries > 50 {
                std::thread::sleep(NAP);
            } else if tries > 1 {
                std::thread::yield_now();
            }
            continue;
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let waited = receiving.wait(left, blocked);
        connection.handoff.woken();
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
