//! The sender's half: everything in this file runs on the thread that calls `send`.
//!
//! A message of up to [`STAGED`] bytes is copied into the staging area, and the receiver's thread sends
//! it with others (see [`handoff`](crate::handoff)). A larger one goes out straight from the caller's
//! memory in one operation, but for its last [`TAIL`] bytes, which are staged: so in both cases the end
//! of the message leaves only after `send` has done its work, and a caller that still writes to its
//! request then (libkinetic does) has not got the answer yet.
//!
//! Where no receiver is about to send for it, the sender sends for itself.
//!
//! That is `KTLI_URING_SEND=auto`. With the other strategies every message goes out straight from the caller's memory
//! before `send` returns; they differ in the operations that carry it.

use std::{
    cell::OnceCell,
    sync::Arc,
    time::{Duration, Instant},
};

use log::{debug, warn};

use crate::{
    config::SendStrategy,
    connection::{Connection, STAGING},
    engine,
    error::Errno,
    handoff::{Limit, Staged, Wire},
    iovec::Cursor,
    ring::{self, Ring},
    socket::{
        self,
        segment::{Batch, Out, Outgoing},
    },
    sweeper,
    sync::MutexGuard,
    zerocopy::ZeroCopy,
};

/// The largest message that is staged as a whole. Copying that much is cheaper than a system call of
/// its own: in the prototypes 64 KiB PUTs with 32 outstanding ran at 2 to 3.7 times the stock driver's
/// rate with staging and at 0.6 to 1.1 times without.
pub const STAGED: usize = 128 << 10;

/// How much of a larger message is staged. 64 bytes, 4 KiB and 16 KiB did not differ.
pub const TAIL: usize = 64;

/// How much gathers before the sender sends what others have left: so the drive gets on while the receiver is
/// still busy with earlier answers. With the sender adding to the batch until the receiver came round, a session
/// with 32 requests outstanding went in lockstep with the drive, all of them there or all of them here: 230,000
/// GETs of 512 bytes a second instead of 450,000.
const GATHER: Limit = Limit { bytes: STAGING / 2, messages: 8 };

/// How much waits at most, when the socket is full.
const ROOM: Limit = Limit { bytes: STAGING, messages: usize::MAX };

/// How often a waiting sender looks whether somebody disconnects.
pub const LOOK: Duration = Duration::from_millis(40);

/// Until when one `send` may take, with all that it does. Most sends never ask, so the clock is read when the
/// first one does.
struct Deadline {
    limit: Duration,
    at: OnceCell<Instant>,
}

impl Deadline {
    fn new(milliseconds: u32) -> Self {
        Deadline { limit: Duration::from_millis(milliseconds.into()), at: OnceCell::new() }
    }

    fn left(&self) -> Duration {
        let at = self.at.get_or_init(|| Instant::now() + self.limit);
        at.saturating_duration_since(Instant::now())
    }
}

/// The vector of one `send`.
pub type Message<'v, 'm> = Cursor<'v, 'm, Out>;

#[allow(clippy::large_enum_variant, reason = "two for each connection; a box would cost the hot path a load")]
enum Engine {
    /// Nothing had to be sent from this side yet.
    Unmade,
    Ring(Ring),
    Plain,
}

/// The sender's half of a connection.
pub struct Transmit {
    connection: Arc<Connection>,
    engine: Engine,
    /// The sweeper looks after what was staged last.
    swept: bool,
    zero_copy: ZeroCopy,
}

impl Transmit {
    /// Of `connection`.
    pub fn new(connection: Arc<Connection>) -> Self {
        let zero_copy = ZeroCopy::new(connection.options.zero_copy);
        Transmit { connection, engine: Engine::Unmade, swept: false, zero_copy }
    }

    /// Sends a whole message, or fails.
    pub fn send(&mut self, message: Message<'_, '_>) -> Result<usize, Errno> {
        let total = message.left();
        if self.connection.is_leaving() {
            return Err(Errno::NOTCONN);
        }
        if let Some(errno) = self.connection.send_error() {
            return Err(errno);
        }
        if total == 0 {
            return Ok(0);
        }
        let deadline = Deadline::new(self.connection.options.send_timeout);
        if self.connection.options.sqpoll {
            // For waking the receiver: see `wake`.
            self.make_engine()?;
        }
        if self.connection.options.send_strategy != SendStrategy::Auto {
            return self.straight(message, &deadline).map(|()| total);
        }
        let staged =
            if total <= STAGED { self.stage(&message, &deadline)? } else { self.large(message, &deadline)? };
        match staged {
            // Cannot be: both have emptied the area before, and it is larger than what is staged.
            Staged::Full => return Err(Errno::IO),
            // The receiver will send it; unless it does not come back to the driver at all, for which the
            // sweeper looks.
            Staged::Attended if self.swept => {}
            _ => self.flush_staged(&deadline)?,
        }
        Ok(total)
    }

    /// Copies a small message into the staging area.
    fn stage(&mut self, message: &Message<'_, '_>, deadline: &Deadline) -> Result<Staged, Errno> {
        // Where a kernel thread does the submitting it is the receiver's flushes that are free, not this one.
        let limit = if self.is_sqpoll() { ROOM } else { GATHER };
        let staged = self.attempt(message, limit)?;
        if staged != Staged::Full {
            return Ok(staged);
        }
        // The receiver is busy elsewhere or the socket is full. What is staged can go now, but not this
        // message; if the socket does not take it, there is more room.
        self.connection.flush_now();
        let staged = self.attempt(message, ROOM)?;
        if staged != Staged::Full {
            return Ok(staged);
        }
        self.flush(deadline)?;
        self.attempt(message, ROOM)
    }

    /// Copies what is left of the message into the staging area if no more than `limit` wait then.
    fn attempt(&mut self, message: &Message<'_, '_>, limit: Limit) -> Result<Staged, Errno> {
        let Transmit { connection, engine, swept, .. } = self;
        let copy = |bytes: &mut Vec<u8>| {
            message.pieces(message.left(), |piece| {
                piece.append_to(bytes);
                true
            });
            // Here and not after the message may leave: waking the sweeper, let alone starting it, takes
            // time enough for the answer to come before `send` has returned.
            *swept = sweeper::attend();
        };
        let wake = || {
            let woken = match engine {
                Engine::Ring(ring) => ring::wake::wake(ring, &connection.wake),
                _ => false,
            };
            if !woken {
                connection.wake.wake();
            }
        };
        connection.handoff.stage(message.left(), limit, copy, wake)
    }

    /// Does a kernel thread do the submitting?
    fn is_sqpoll(&self) -> bool {
        matches!(&self.engine, Engine::Ring(ring) if ring.is_sqpoll())
    }

    /// Sends all but the tail of a large message, and stages that.
    fn large(&mut self, mut message: Message<'_, '_>, deadline: &Deadline) -> Result<Staged, Errno> {
        self.make_engine()?;
        let connection = Arc::clone(&self.connection);
        let mut wire = connection.handoff.begin_flush();
        let body = message.left() - TAIL;
        let sent = self.send_all(&mut wire, Some((&mut message, body)), deadline);
        drop(wire);
        if let Err(errno) = sent {
            // Messages before this one may be left on the wire.
            connection.wake.wake();
            sweeper::attend();
            return Err(errno);
        }
        // Without its tail (no memory for it) the rest would be taken for the next message's.
        self.attempt(&message, ROOM).map_err(|errno| connection.kill(errno))
    }

    /// Sends a whole message straight from the caller's memory.
    fn straight(&mut self, mut message: Message<'_, '_>, deadline: &Deadline) -> Result<(), Errno> {
        self.make_engine()?;
        let connection = Arc::clone(&self.connection);
        let mut wire = connection.handoff.begin_flush();
        let total = message.left();
        self.send_all(&mut wire, Some((&mut message, total)), deadline)
    }

    /// Sends what was just staged, since nobody else will. It counts as accepted: a failure is one only if
    /// it can never leave.
    fn flush_staged(&mut self, deadline: &Deadline) -> Result<(), Errno> {
        if let Err(errno) = self.flush(deadline) {
            debug!("a flush by the sender has failed: {errno}");
            if let Some(errno) = self.connection.send_error() {
                return Err(errno);
            }
            sweeper::attend();
        }
        Ok(())
    }

    /// Sends all that is staged, waiting while the socket is full.
    fn flush(&mut self, deadline: &Deadline) -> Result<(), Errno> {
        self.make_engine()?;
        let connection = Arc::clone(&self.connection);
        let mut wire = connection.handoff.begin_flush();
        self.send_all(&mut wire, None, deadline)
    }

    /// Sends what is on the wire, and then, of `large`, the next so many bytes of the message.
    fn send_all(
        &mut self,
        wire: &mut MutexGuard<'_, Wire>,
        mut large: Option<(&mut Message<'_, '_>, usize)>,
        deadline: &Deadline,
    ) -> Result<(), Errno> {
        // Has anything of the large message left? Then the stream is broken if the rest does not.
        let mut begun = false;
        let mut zero_copy = large.as_ref().is_some_and(|(message, _)| self.zero_copy.wants(message.left()));
        loop {
            let mut batch = Batch::new();
            batch.push(Outgoing::new(wire.pending()));
            if let Some((message, body)) = &large {
                message.fill(*body, &mut batch);
            }
            if batch.bytes() == 0 {
                return Ok(());
            }
            if self.connection.is_leaving() {
                return Err(self.give_up(Errno::CONNABORTED, begun));
            }
            if let Some(errno) = self.connection.send_error() {
                return Err(errno);
            }
            if deadline.left().is_zero() {
                let limit = self.connection.options.send_timeout;
                warn!("a send has not got through in {limit} ms: the connection is dead");
                return Err(self.connection.kill(Errno::TIMEDOUT));
            }
            let sent = match self.transmit(&batch, deadline, &mut zero_copy) {
                Ok(sent) => sent,
                Err(errno) => return Err(self.give_up(errno, begun)),
            };
            let of_wire = sent.min(wire.pending().len());
            if let Some((message, body)) = &mut large {
                message.advance(sent - of_wire);
                *body -= sent - of_wire;
                begun |= sent > of_wire;
            }
            wire.sent(of_wire);
        }
    }

    /// One operation of the engine, or one chain of them; with `zero_copy` without a copy, which becomes false where
    /// that cannot be.
    fn transmit(
        &mut self,
        batch: &Batch<'_, Out>,
        deadline: &Deadline,
        zero_copy: &mut bool,
    ) -> Result<usize, Errno> {
        if *zero_copy {
            if let Some(sent) = self.without_a_copy(batch, deadline)? {
                return Ok(sent);
            }
            *zero_copy = false;
        }
        let connection = &self.connection;
        let mut wait = || {
            let left = deadline.left();
            (!left.is_zero() && !connection.is_leaving()).then(|| left.min(LOOK))
        };
        let fd = connection.fd();
        let sent = match (&mut self.engine, connection.options.send_strategy) {
            (Engine::Ring(ring), SendStrategy::Auto | SendStrategy::Whole) => {
                ring::transmit::send_all(ring, fd, batch, &mut wait)?
            }
            (Engine::Ring(ring), SendStrategy::Loop) => {
                ring::stepwise::send_some(ring, fd, batch, &mut wait)?
            }
            (Engine::Ring(ring), SendStrategy::Chunked) => {
                let cut = || _ = connection.kill(Errno::IO);
                ring::chunked::send_chain(ring, fd, batch, &mut wait, &cut)?
            }
            _ => socket::transmit::send_all(fd, batch, &mut wait)?,
        };
        let cut = sent < batch.bytes() && wait().is_none();
        if cut && matches!(self.engine, Engine::Ring(_)) && !ring::transmit::cancel_counts() {
            // Where the stream stands is not known: nothing can follow.
            return Err(self.connection.fail_send(Errno::CONNABORTED));
        }
        Ok(sent)
    }

    /// One operation that leaves the bytes where they are until the drive has acknowledged them. `None` where that
    /// cannot be had, for this message or at all.
    fn without_a_copy(
        &mut self,
        batch: &Batch<'_, Out>,
        deadline: &Deadline,
    ) -> Result<Option<usize>, Errno> {
        let connection = &self.connection;
        let strategy = connection.options.send_strategy;
        let Engine::Ring(ring) = &mut self.engine else { return Ok(None) };
        if !matches!(strategy, SendStrategy::Auto | SendStrategy::Whole) {
            return Ok(None);
        }
        if !ring::zerocopy::is_supported() {
            self.zero_copy.is_missing();
            return Ok(None);
        }
        let left = || Some(deadline.left()).filter(|left| !left.is_zero()).map(|left| left.min(LOOK));
        let mut wait = || left().filter(|_| !connection.is_leaving());
        // Whoever disconnects cuts this short if the drive does not take what it has got: see `remove_halves`.
        let mut patience = || left().filter(|_| connection.send_error().is_none());
        let cut = || {
            if connection.send_error().is_none() {
                let limit = connection.options.send_timeout;
                warn!("a send was not acknowledged in {limit} ms: the connection is dead");
            }
            connection.reset(Errno::TIMEDOUT);
        };
        let sent = ring::zerocopy::send_all(ring, connection.fd(), batch, &mut wait, &mut patience, &cut);
        if let Some(errno) = connection.send_error() {
            // What the socket had taken was thrown away.
            return Err(errno);
        }
        match sent.result {
            Ok(count) => {
                self.zero_copy.sent(sent.copied);
                Ok(Some(count))
            }
            Err(error) => {
                let errno = Errno::from(error);
                if self.zero_copy.refuses(errno) { Ok(None) } else { Err(errno) }
            }
        }
    }

    /// Takes note that a send has failed. `begun`: a part of its message has left.
    fn give_up(&self, errno: Errno, begun: bool) -> Errno {
        match errno.0 {
            // The receiver's half finds out by itself, and may first have answers to hand out.
            libc::EPIPE | libc::ECONNRESET | libc::ETIMEDOUT | libc::EHOSTUNREACH | libc::ENETUNREACH => {
                self.connection.fail_send(errno)
            }
            // Whoever disconnects still reads until the drive has taken the messages before this one.
            libc::ECONNABORTED if begun => self.connection.fail_send(errno),
            // Nothing of the message has left (EFAULT, ENOBUFS, or somebody disconnects and will look
            // after the messages before this one): the stream is whole.
            _ if !begun => errno,
            // The peer waits for bytes that will never come.
            _ => self.connection.kill(errno),
        }
    }

    /// Sees to it that there is an engine, and that it is this thread's.
    fn make_engine(&mut self) -> Result<(), Errno> {
        let usable = match &self.engine {
            Engine::Unmade => false,
            Engine::Ring(ring) => ring.is_mine(),
            Engine::Plain => true,
        };
        if !usable {
            let options = &self.connection.options;
            let entries = match options.send_strategy {
                SendStrategy::Chunked => ring::chunked::ENTRIES,
                _ => ring::setup::ENTRIES,
            };
            let made = engine::ring(&self.connection, entries)?;
            self.wake_after_all();
            self.engine = match made {
                Some(ring) => Engine::Ring(ring),
                None => Engine::Plain,
            };
        }
        Ok(())
    }

    /// The engine is about to go: what its ring's kernel thread has not taken yet is lost with it, and a wake-up may
    /// be among that.
    fn wake_after_all(&self) {
        if self.is_sqpoll() {
            self.connection.wake.wake();
        }
    }
}

impl Drop for Transmit {
    fn drop(&mut self) {
        self.wake_after_all();
    }
}
