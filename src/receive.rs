//! The receiver's half: everything in this file runs on the thread that calls `poll` and `receive`.
//!
//! Bytes come into the read-ahead buffer, as many as the socket holds, and `poll` and `receive` are
//! served from there. The rest of a large value goes straight into the caller's memory, and what comes
//! behind it into the read-ahead buffer, in one call. Whenever this thread would wait it first sends what
//! the sender has staged, and it is woken for that. It waits on the ring, but where waits are long, and where answers
//! come one at a time.
//!
//! `poll` announces a message only when `receive` cannot fail on it any more: a libkinetic whose
//! `receive` fails locks a mutex twice and hangs. The exception is a large value, which is received
//! while it arrives.

mod alone;
mod direct;
mod look;

use std::{
    io,
    os::fd::AsFd,
    sync::Arc,
    time::{Duration, Instant},
};

use log::warn;

use crate::{
    connection::Connection,
    deadline::Deadline,
    error::Errno,
    framing::{Framing, Need},
    iovec::Cursor,
    low_water::LowWater,
    outstanding::{Quiet, Unanswered},
    readahead::ReadAhead,
    socket::{
        calls::{self, Interest},
        segment::{self, In, Incoming},
    },
    spin::Spin,
    statistics::Count,
    tls::Opened,
    waiting::{Engine, Waited},
};

/// Size of the read-ahead buffer. 16 KiB cost throughput at every size measured.
pub const READ_AHEAD: usize = 256 << 10;

/// Size of the buffer for what is not decrypted yet.
const SEALED: usize = 128 << 10;

/// From this many missing bytes on a value is received straight into the caller's memory.
pub const DIRECT: usize = 48 << 10;

/// How much is read ahead after a value that was received directly: room for the PDU and the message
/// of the next one, so that its value can go directly, too.
const AFTER_DIRECT: usize = 4 << 10;

/// From how long a wait on it does not matter that poll(2) takes a system call more than the ring.
const LONG: Duration = Duration::from_millis(2);

/// How long a session must have been idle for a poll that ends with nothing to give the memory that it has used back to
/// the kernel: coming back costs a page fault for every 4 KiB. Nobody else gives it back: a session that is not polled
/// any more keeps it, and so does one whose poll has no time-out.
const KEEP: Duration = Duration::from_secs(1);

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

/// How a wait without the engine ended.
enum Slept {
    /// Nothing happened until the deadline.
    TimedOut,
    /// Something has come and is read ahead.
    Received,
    /// The socket has something to read, or has come to its end.
    Readable,
    /// For another reason.
    Early,
    /// There was no such wait.
    Not,
}

/// The receiver's half of a connection.
pub struct Receive {
    connection: Arc<Connection>,
    engine: Engine,
    ahead: ReadAhead,
    /// Over TLS: what was read and not decrypted yet.
    sealed: Option<ReadAhead>,
    framing: Framing,
    /// The last message had a large value.
    large: bool,
    low_water: LowWater,
    spin: Spin,
    /// The last wait was a long one: the next is likely to be.
    idle: bool,
    /// How long a receive that waits does so.
    patience: alone::Patience,
    /// What is being sent meanwhile.
    sent: alone::Sent,
    outstanding: Unanswered,
    quiet: Quiet,
    /// From when on a poll that ends with nothing gives back the memory that is not in use; `None` when it has gone.
    keep_until: Option<Instant>,
}

impl Receive {
    /// Of `connection`. Fails where there is no memory for what came with the handshake.
    pub fn new(connection: Arc<Connection>) -> Result<Self, Errno> {
        let sealed =
            connection.tls.as_ref().map(|tls| ReadAhead::with(SEALED, &tls.take_arrived())).transpose()?;
        let spin = Spin::new(connection.options.spin());
        let framing = Framing::new(connection.options.framing, DIRECT, READ_AHEAD);
        Ok(Receive {
            connection,
            engine: Engine::Unmade,
            ahead: ReadAhead::new(READ_AHEAD),
            sealed,
            framing,
            large: false,
            low_water: LowWater::new(),
            spin,
            idle: false,
            patience: alone::Patience::new(),
            sent: alone::Sent::new(),
            outstanding: Unanswered::new(),
            quiet: Quiet::new(),
            keep_until: None,
        })
    }

    /// Waits until a message can be received, at most until `deadline`.
    pub fn poll(&mut self, deadline: &Deadline) -> Polled {
        self.connection.handoff.arrive();
        self.connection.answers.received(self.connection.statistics.receiver.messages.get());
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
                        // What has come may not be decrypted yet.
                        match self.open() {
                            Ok(true) => continue,
                            _ => return Polled::Over,
                        }
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
            match self.open() {
                Ok(true) => continue,
                Ok(false) if self.connection.receive_error().is_none() => {}
                _ => return Polled::Over,
            }
            hit = false;
            let slept = match self.patience_alone(deadline) {
                Some(patience) => self.receive_alone(need, patience, deadline),
                None if self.idle => Ok(self.sleep_through(deadline)),
                None => Ok(Slept::Not),
            };
            let waited = match slept {
                Ok(Slept::TimedOut) => {
                    self.note_quiet();
                    return Polled::TimedOut;
                }
                Ok(Slept::Received | Slept::Early) => Ok(Waited::Done),
                // Something to read, most likely: asking the ring for it would only take longer.
                Ok(Slept::Readable) => self.look(need).map(|_| Waited::Done),
                Ok(Slept::Not) => self.read_ahead(need, deadline.at()),
                Err(errno) => Err(errno),
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
    /// time cost about half as much again as the wait itself, so the ring rests until there is work.
    fn sleep_through(&mut self, deadline: &Deadline) -> Slept {
        if !self.connection.handoff.fall_asleep(false, self.large) {
            self.idle = false;
            return Slept::Not;
        }
        self.low_water.lower(&self.connection);
        let begun = Instant::now();
        let left = deadline.left();
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
        if matches!(&ready, Ok([socket, wake]) if !socket.readable && !wake.readable) {
            // A signal ends the wait early.
            return self.nothing_came(now, deadline.at());
        }
        self.idle = now - begun >= LONG;
        match ready {
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

    /// A wait has ended with nothing, just now.
    fn nothing_came(&mut self, now: Instant, deadline: Option<Instant>) -> Slept {
        if !self.idle {
            self.idle = true;
            self.keep_until = Some(now + KEEP);
        } else if self.keep_until.is_some_and(|until| now >= until) {
            self.give_back();
            self.keep_until = None;
        }
        if deadline.is_some_and(|deadline| now >= deadline) { Slept::TimedOut } else { Slept::Early }
    }

    /// Takes note of a poll in which no message has come, and as a rule nothing at all.
    fn note_quiet(&mut self) {
        let (sent, received) = self.connection.messages();
        self.quiet.goes_on(Instant::now(), sent, received, &self.connection.settled);
    }

    /// Gives the memory that is not in use back to the kernel.
    fn give_back(&mut self) {
        let counters = &self.connection.statistics.receiver;
        counters.rare_calls.add(self.ahead.give_back().into());
        if let Some(sealed) = &mut self.sealed {
            counters.rare_calls.add(sealed.give_back().into());
        }
        self.connection.handoff.unused(|bytes| {
            counters.rare_calls.add(segment::give_back(bytes.spare_capacity_mut()).into());
        });
    }

    /// Takes note whether the message that is announced has a large value, and says so.
    fn note_size(&mut self) {
        let value = self.framing.announced(self.ahead.bytes());
        let large = value >= DIRECT;
        if self.takes_directly() {
            self.low_water.announce(&self.connection, value, self.spin.is_single());
        }
        if large != self.large {
            self.large = large;
            self.connection.handoff.woken(large);
        }
    }

    /// Fills the whole vector, or fails.
    pub fn receive(&mut self, mut into: Cursor<'_, '_, In>) -> Result<usize, Errno> {
        let total = into.left();
        self.connection.handoff.arrive();
        // The body of an empty message asks for nothing, and must not fail for what is behind it.
        if total > 0
            && let Need::Garbage(why) = self.framing.need(self.ahead.bytes())
        {
            return Err(self.refuse(why));
        }
        let mut hit = true;
        loop {
            self.serve(&mut into)?;
            if into.left() == 0 {
                let counters = &self.connection.statistics.receiver;
                counters.messages.add(self.framing.completed());
                self.connection.answers.received(counters.messages.get());
                counters.bytes.add(total);
                counters.receive_hits.add(hit.into());
                return Ok(total);
            }
            if self.connection.is_leaving() {
                return Err(Errno::CONNABORTED);
            }
            if self.open()? {
                continue;
            }
            if let Some(errno) = self.connection.receive_error() {
                return Err(errno);
            }
            hit = false;
            // Only what belongs to the current message: the PDU behind it has to be looked at.
            let direct = into.left().min(self.framing.body());
            let waited = if direct >= DIRECT && self.takes_directly() {
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

    /// Decrypts some of what was read over TLS. True if there is more to serve now. An end of the stream is an error.
    fn open(&mut self) -> Result<bool, Errno> {
        let (Some(tls), Some(sealed)) = (&self.connection.tls, &mut self.sealed) else { return Ok(false) };
        match tls.open(sealed, &mut self.ahead) {
            Ok(Opened::More) => Ok(true),
            Ok(Opened::Nothing) => Ok(false),
            Ok(Opened::Closed) => self.conclude(Some(Ok(0))).map(|_| false),
            Err(errno) => Err(self.connection.kill(errno)),
        }
    }

    /// Receives into the read-ahead buffer, once. `need` bytes are to be buffered in all.
    fn read_ahead(&mut self, need: usize, deadline: Option<Instant>) -> Result<Waited, Errno> {
        let (sent, received) = self.connection.messages();
        self.outstanding.waits(sent, received);
        if self.look_between(need, received, deadline)? {
            return Ok(Waited::Done);
        }
        self.engine.make(&self.connection)?;
        self.low_water.lower(&self.connection);
        let limit = self.limit();
        let free = Incoming::new(room(&mut self.ahead, &mut self.sealed, need, limit)?);
        let (waited, count) = self.engine.receive(&self.connection, free, self.large, deadline);
        if let Some(count) = self.conclude(count)? {
            self.filled(count);
            return Ok(Waited::Done);
        }
        waited
    }

    /// Takes note of so many bytes that were read ahead.
    fn filled(&mut self, count: usize) {
        self.sealed.as_mut().unwrap_or(&mut self.ahead).filled(count);
        self.connection.statistics.receiver.read_aheads.add(1);
    }

    /// How much is read ahead at a time.
    fn limit(&self) -> usize {
        if self.large && self.takes_directly() { AFTER_DIRECT } else { READ_AHEAD }
    }

    /// Looks at the result of a receive: how many bytes, if any; an end or an error is the
    /// connection's death.
    fn conclude(&mut self, result: Option<io::Result<usize>>) -> Result<Option<usize>, Errno> {
        let error = match result.map(|result| self.connection.understand(result)) {
            None => return Ok(None),
            // The drive has closed its direction, too: it has read everything.
            Some(Ok(0)) if self.connection.is_leaving() => return Ok(None),
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
                let (sent, received) = self.connection.messages();
                let settled = &self.connection.settled;
                self.quiet.broken(sent, settled);
                self.spin.arrived(self.outstanding.count(sent, received, settled));
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
}

/// Where to read to, so that `need` bytes in all are read ahead, and about `limit` bytes at a time. Over TLS nobody
/// knows how many bytes that will be: as many as there is room for.
fn room<'r>(
    ahead: &'r mut ReadAhead,
    sealed: &'r mut Option<ReadAhead>,
    need: usize,
    limit: usize,
) -> Result<&'r mut [u8], Errno> {
    match sealed {
        None => ahead.free(need, limit),
        Some(sealed) => sealed.free(sealed.bytes().len() + 1, SEALED),
    }
}
