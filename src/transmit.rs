//! The sender's half: everything in this file runs on the thread that calls `send`.
//!
//! A message of up to [`STAGED`] bytes is copied into the staging area, and the receiver's thread sends it with
//! others (see [`handoff`](crate::handoff)), where there are others: while the receiver is awake, or more than a few
//! requests are outstanding. Else, when it is larger, from [`HEAVY`] on while few are outstanding, and where the receiver
//! looks for the answers to one or two, it goes out at once, straight from the caller's memory, and the receiver holds
//! the answer back until this thread has let its request go (see [`hold`](crate::hold)). What is to leave without a copy
//! is never staged.
//!
//! That is `KTLI_URING_SEND=auto`. With the other strategies every message goes out straight from the caller's memory
//! before `send` returns; they differ in the operations that carry it ([`carry`]).

mod carry;

use std::{sync::Arc, time::Duration};

use log::debug;

use crate::{
    config::SendStrategy,
    connection::{Connection, STAGING},
    deadline::Deadline,
    engine,
    error::Errno,
    handoff::{Attention, Flushed, Limit, SINGLY, Staged, Wire},
    hold::Inside,
    iovec::Cursor,
    outstanding::Outstanding,
    ring::{self, Ring},
    socket::segment::Out,
    statistics::Count,
    sweeper,
    sync::MutexGuard,
    tls::{PIECE, Tls},
    window::{self, Patience, Window},
    zerocopy::ZeroCopy,
};

/// The largest message that is staged: a value of 64 KiB with what belongs to it. Copying it twice costs less than a system
/// call of its own up to here: with 32 outstanding, in short runs, PUTs of 32 and 64 KiB are 1.8 and 1.3 times as fast as
/// the stock flow's, and both 1.1 times when they are sent one by one. With 96 and 128 KiB there is no difference, 256 KiB
/// cost more CPU time.
pub const STAGED: usize = 66 << 10;

/// How much gathers before the sender sends what others have left: so the drive gets on while the receiver is
/// still busy with earlier answers. (Of values of 64 KiB that is three.) With the sender adding to the batch until the
/// receiver came round, a session with 32 requests outstanding went in lockstep with the drive, all of them there or all of
/// them here: 230,000 GETs of 512 bytes a second instead of 450,000.
const GATHER: Limit = Limit { bytes: STAGING / 2, messages: 8 };

/// How many requests may be outstanding for the sender to send for itself instead of waking the receiver. Gathering
/// so few saves less than the wake-up costs: with 4 outstanding, GETs of 512 bytes were 0.92 times as fast as the
/// socket driver's with waking, and 1.0 times without, at 0.86 times the CPU time.
const FEW: u64 = 4;

/// From which size on few messages are sent at once also where the receiver is awake, as a rule because it looks for answers
/// instead of sleeping: it would send one message after the other, and answers would wait for that. With 4 outstanding
/// PUTs of 16 KiB were 0.86 times as fast as the stock flow's with 2.3 times its p99 when they were staged, and are
/// 0.98 times at 0.9; 8 KiB are 1.18 times as fast when they are staged, and 0.94 when they are not.
const HEAVY: usize = 12 << 10;

/// How much waits at most, when the socket is full.
const ROOM: Limit = Limit { bytes: STAGING, messages: usize::MAX };

/// How often a waiting sender looks whether somebody disconnects.
pub const LOOK: Duration = Duration::from_millis(40);

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
    outstanding: Outstanding,
    /// How many requests were outstanding at the most of late, where that was asked.
    depth: u64,
    /// The sweeper looks after what was staged last.
    swept: bool,
    zero_copy: ZeroCopy,
    window: Window,
}

impl Transmit {
    /// Of `connection`.
    pub fn new(connection: Arc<Connection>) -> Self {
        // What is encrypted here is a copy, and the kernel's TLS refuses it (EOPNOTSUPP).
        let sealed = connection.tls.is_some() || connection.kernel_tls.is_some();
        let zero_copy = if sealed { 0 } else { connection.options.zero_copy };
        let zero_copy = ZeroCopy::new(zero_copy);
        let outstanding = Outstanding::new();
        let Connection { near, options, .. } = &*connection;
        // With TLS the drive decrypts, which takes longer than reading in whatever way; with SQPOLL a sender makes no calls,
        // not even to wait; and the other strategies are for measuring what they say.
        let waits = !sealed && !options.sqpoll && options.send_strategy == SendStrategy::Auto;
        let window = Window::new(*near && waits);
        Transmit {
            connection,
            engine: Engine::Unmade,
            outstanding,
            depth: 0,
            swept: false,
            zero_copy,
            window,
        }
    }

    /// Sends a whole message, or fails.
    pub fn send(&mut self, mut message: Message<'_, '_>) -> Result<usize, Errno> {
        let total = message.left();
        let limit = Duration::from_millis(self.connection.options.send_timeout.into());
        let deadline = Deadline::new(Some(limit));
        if total >= window::LARGE {
            self.await_answers(total, &deadline);
        }
        if self.connection.is_leaving() {
            return Err(Errno::NOTCONN);
        }
        if let Some(errno) = self.connection.send_error() {
            return Err(errno);
        }
        if total == 0 {
            return Ok(0);
        }
        self.connection.hold.clear();
        if self.connection.options.sqpoll {
            // For waking the receiver: see `attempt`.
            self.make_engine()?;
        }
        let strategy = self.connection.options.send_strategy;
        if total > STAGED || strategy != SendStrategy::Auto || self.zero_copy.wants(total) {
            let connection = Arc::clone(&self.connection);
            self.at_once(&connection, connection.handoff.begin_flush()?, &mut message, &deadline)?;
            return Ok(self.accepted(total));
        }
        if self.is_better_at_once(total) {
            let connection = Arc::clone(&self.connection);
            if let Some(wire) = connection.handoff.idle_wire() {
                self.at_once(&connection, wire, &mut message, &deadline)?;
                return Ok(self.accepted(total));
            }
        }
        match self.stage(&message, &deadline)? {
            // Cannot be: the area has been emptied before, and it is larger than what is staged.
            Staged::Full => return Err(Errno::IO),
            // The receiver will send it; unless it does not come back to the driver at all, for which the
            // sweeper looks.
            Staged::Attended if self.swept => {}
            _ => self.flush_staged(&deadline)?,
        }
        Ok(self.accepted(total))
    }

    /// Is a message of so many bytes, which can be staged, better sent at once? Where the receiver does not come by
    /// soon, it is; and where it sleeps and few requests are outstanding, so that there is little to gather: waking it
    /// would cost more than sending, and on an idle machine some 10 µs until its processor is awake.
    fn is_better_at_once(&mut self, total: usize) -> bool {
        if self.is_sqpoll() {
            // The receiver's flushes are the kernel thread's work, and waking it is, too.
            return false;
        }
        match self.connection.handoff.attention() {
            Attention::Elsewhere => true,
            Attention::Asleep => self.are_few_outstanding(),
            Attention::Awake => total >= HEAVY && self.are_few_outstanding(),
            Attention::Looking if total >= HEAVY => self.are_few_outstanding(),
            Attention::Looking => self.are_outstanding_singly(),
        }
    }

    /// Are so few requests outstanding that gathering does not pay?
    fn are_few_outstanding(&mut self) -> bool {
        self.look_ahead() == 0 || self.depth < FEW
    }

    /// Are they as good as alone? The first one of a burst is not.
    fn are_outstanding_singly(&mut self) -> bool {
        self.look_ahead();
        self.depth < SINGLY
    }

    /// How many requests are outstanding before the next one. Takes note of it, too.
    fn look_ahead(&mut self) -> u64 {
        let ahead = self.ahead(self.connection.statistics.receiver.messages.get(), 0);
        // A session with many outstanding now and then has few for a moment.
        self.depth = ahead.max(self.depth - self.depth.div_ceil(8));
        ahead
    }

    /// How many requests are outstanding after so many messages were received, with `more` that are on their way and not
    /// counted as sent. After requests without an answer it is too many until nothing comes for a while: messages are
    /// staged that could have been sent at once, and for those that are sent so the answer is not held back.
    fn ahead(&mut self, received: u64, more: u64) -> u64 {
        let Connection { statistics, settled, .. } = &*self.connection;
        self.outstanding.count(statistics.sender.messages.get() + more, received, settled)
    }

    /// Waits until few enough bytes are outstanding for a large message to leave, or for so long as is sensible.
    fn await_answers(&mut self, total: usize, deadline: &Deadline) {
        if self.zero_copy.wants(total) {
            return;
        }
        let Some(awaited) = self.window.awaits(total) else { return };
        let (sent, received) = self.connection.messages();
        let answered = sent.saturating_sub(self.ahead(received, 0));
        if awaited.unless > answered {
            let connection = &self.connection;
            let counters = &connection.statistics.sender;
            if connection.handoff.is_pending() {
                // What was staged would have left with this message.
                connection.flush_now(counters);
            }
            let is_over = || connection.is_leaving() || connection.send_error().is_some();
            let received_by_now = || Some(connection.messages().1).filter(|_| !is_over());
            let wanted = received + (awaited.until - answered);
            let patience = Patience::of(total, deadline.left());
            self.window.waited(connection.answers.wait(wanted, &patience, received_by_now, counters));
        }
    }

    /// Takes note of a message of so many bytes.
    fn accepted(&mut self, total: usize) -> usize {
        let counters = &self.connection.statistics.sender;
        // As a rule a receiver that asks for both sees no message without its bytes then (`Sent::are_large`).
        counters.bytes.add(total);
        counters.messages.add(1);
        if total >= window::LARGE {
            self.window.accepted(counters.messages.get(), total);
        }
        total
    }

    /// Sends a whole message straight from the caller's memory, behind what is on the wire of this connection.
    fn at_once(
        &mut self,
        connection: &Connection,
        mut wire: MutexGuard<'_, Wire>,
        message: &mut Message<'_, '_>,
        deadline: &Deadline,
    ) -> Result<(), Errno> {
        let inside = self.begin_hold(connection, 0);
        let result = match &connection.tls {
            None => self.send_all(&mut wire, Some(message), false, deadline),
            Some(tls) => self.send_sealed(tls, &mut wire, message, deadline),
        };
        drop(wire);
        drop(inside);
        if result.is_err() {
            // Messages before this one may be left on the wire.
            wake(connection);
            sweeper::attend();
        }
        result
    }

    /// Sends a whole message over TLS, piece by piece, behind what is on the wire.
    fn send_sealed(
        &mut self,
        tls: &Tls,
        wire: &mut MutexGuard<'_, Wire>,
        message: &mut Message<'_, '_>,
        deadline: &Deadline,
    ) -> Result<(), Errno> {
        // As long as the socket does not take that, nothing of the message is encrypted, and it can be left out.
        self.send_all(wire, None, false, deadline)?;
        while message.left() > 0 {
            let piece = message.left().min(PIECE);
            tls.seal(|plain| copy(message, piece, plain), wire.behind())
                .map_err(|errno| self.connection.kill(errno))?;
            message.advance(piece);
            self.send_all(wire, None, true, deadline)?;
        }
        Ok(())
    }

    /// A message is about to leave on this connection before `send` returns. Its answer comes when those to all that
    /// are outstanding have been received, if the drive answers in order. `staged` is 1 where it may have left already,
    /// and may even be answered.
    fn begin_hold<'c>(&mut self, connection: &'c Connection, staged: u64) -> Inside<'c> {
        // Read once: the receiver may count another one at any time.
        let received = connection.statistics.receiver.messages.get();
        let answer = received + self.ahead(received, staged).saturating_sub(staged);
        connection.hold.begin(answer)
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
        self.connection.flush_now(&self.connection.statistics.sender);
        let staged = self.attempt(message, ROOM)?;
        if staged != Staged::Full {
            return Ok(staged);
        }
        let connection = Arc::clone(&self.connection);
        self.flush(&connection, deadline)?;
        self.attempt(message, ROOM)
    }

    /// Copies what is left of the message into the staging area if no more than `limit` wait then.
    fn attempt(&mut self, message: &Message<'_, '_>, limit: Limit) -> Result<Staged, Errno> {
        let Transmit { connection, engine, swept, .. } = self;
        let tls = connection.tls.as_ref();
        let len = tls.map_or(message.left(), |tls| tls.sealed_size(message.left()));
        let mut copied = Ok(());
        let append = |bytes: &mut Vec<u8>| {
            match tls {
                None => copy(message, message.left(), bytes),
                Some(tls) => copied = tls.seal(|plain| copy(message, message.left(), plain), bytes),
            }
            // Here and not after the message may leave: waking the sweeper, let alone starting it, takes
            // time enough for the answer to come before `send` has returned.
            *swept = sweeper::attend();
        };
        let wake = || {
            let counters = &connection.statistics.sender;
            counters.wake_ups.add(1);
            let woken = match engine {
                Engine::Ring(ring) => ring::wake::wake(ring, &connection.wake),
                _ => false,
            };
            if !woken {
                counters.wake_writes.add(1);
                connection.wake.wake();
            }
        };
        let staged = connection.handoff.stage(len, limit, append, wake);
        copied.map_err(|errno| connection.kill(errno))?;
        staged
    }

    /// Does a kernel thread do the submitting?
    fn is_sqpoll(&self) -> bool {
        matches!(&self.engine, Engine::Ring(ring) if ring.is_sqpoll())
    }

    /// Sends what was just staged, since nobody else will. It counts as accepted: a failure is one only if
    /// it can never leave.
    fn flush_staged(&mut self, deadline: &Deadline) -> Result<(), Errno> {
        let connection = Arc::clone(&self.connection);
        let inside = self.begin_hold(&connection, 1);
        let mut flushed = connection.flush_now(&connection.statistics.sender);
        while flushed == Flushed::All && connection.send_error().is_none() && connection.handoff.is_pending()
        {
            // That was what a full socket had left before.
            flushed = connection.flush_now(&connection.statistics.sender);
        }
        // A full socket is not waited for: a caller that polls and sends on one thread has to get back to its answers,
        // which the drive may want to get rid of first. The sweeper tries again.
        let flushed = match flushed {
            Flushed::All => connection.send_error().map_or(Ok(()), Err),
            _ if self.swept => Ok(()),
            _ => self.flush(&connection, deadline),
        };
        drop(inside);
        if let Err(errno) = flushed {
            debug!("a flush by the sender has failed: {errno}");
            if let Some(errno) = self.connection.send_error() {
                return Err(errno);
            }
            sweeper::attend();
        }
        Ok(())
    }

    /// Sends all that is staged on this connection, waiting while the socket is full.
    fn flush(&mut self, connection: &Connection, deadline: &Deadline) -> Result<(), Errno> {
        let mut wire = connection.handoff.begin_flush()?;
        self.send_all(&mut wire, None, false, deadline)
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
            let made = engine::ring(&self.connection, entries, &self.connection.statistics.sender)?;
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
            self.connection.statistics.sender.wake_writes.add(1);
            self.connection.wake.wake();
        }
    }
}

impl Drop for Transmit {
    fn drop(&mut self) {
        self.wake_after_all();
    }
}

/// Appends the next `count` bytes of a message.
fn copy(message: &Message<'_, '_>, count: usize, to: &mut Vec<u8>) {
    message.pieces(count, |piece| {
        piece.append_to(to);
        true
    });
}

/// Wakes the receiver.
fn wake(connection: &Connection) {
    let counters = &connection.statistics.sender;
    counters.wake_ups.add(1);
    counters.wake_writes.add(1);
    connection.wake.wake();
}

#[cfg(test)]
mod tests;
