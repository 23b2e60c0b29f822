//! The end of a connection: what was accepted is brought to the peer, for `disconnect` and at exit.
//!
//! It is sent, then the sending direction is closed, then bytes are read until the peer has closed the other
//! one, which shows that it has read everything. What is read is discarded, from the start: a drive that is
//! blocked on its answers reads no requests, and closing a socket with unread bytes makes the kernel send a
//! reset, which destroys what the peer has not read yet.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use log::warn;

use crate::{
    connection::Connection,
    error::Errno,
    handoff::Flushed,
    in_vain::InVain,
    socket::{
        calls::{self, Interest},
        segment::zeroed,
    },
    statistics::Count,
};

/// How soon to look again where that cannot be waited for: at a half that has not left yet and may hold a
/// lock, or at several connections at once.
const SOON: Duration = Duration::from_millis(1);

/// Drains the connections side by side, each at most until its time. Their halves must have been told to
/// [`leave`](Connection::leave). Waits for no lock.
pub fn drain(connections: Vec<(Arc<Connection>, Instant)>) {
    let (mut large, mut small) = scratch();
    let scratch = large.as_deref_mut().unwrap_or(&mut small);
    let mut drains: Vec<Drain> = Vec::new();
    if drains.try_reserve_exact(connections.len()).is_err() {
        warn!("there is no memory to bring what was accepted to so many drives");
        return;
    }
    drains.extend(connections.into_iter().map(|(connection, deadline)| Drain::new(connection, deadline)));
    loop {
        drains.retain_mut(|drain| drain.advance(scratch));
        match &mut drains[..] {
            [] => return,
            [one] => one.wait(),
            [first, ..] => {
                // A nap for all of them.
                first.connection.statistics.others.pauses.add(1);
                thread::sleep(SOON);
            }
        }
    }
}

/// Memory for bytes that are discarded, large if it can be had.
fn scratch() -> (Option<Box<[u8]>>, [u8; 4 << 10]) {
    (zeroed(64 << 10), [0; 4 << 10])
}

/// Waits at most until `deadline` for a sender that has sent without a copy, and returns when the drive has
/// acknowledged everything; `has_left` tells. The drive may have to get rid of its answers before it reads, so they
/// are read and discarded meanwhile.
pub fn await_release(connection: &Connection, deadline: Instant, has_left: impl Fn() -> bool) -> bool {
    let (mut large, mut small) = scratch();
    let scratch = large.as_deref_mut().unwrap_or(&mut small);
    while !has_left() {
        if Instant::now() >= deadline {
            return false;
        }
        connection.discard(scratch);
        connection.statistics.others.pauses.add(1);
        thread::sleep(SOON);
    }
    true
}

struct Drain {
    connection: Arc<Connection>,
    deadline: Instant,
    /// Something may still have to be sent.
    sending: bool,
    /// TLS has been told that this is all.
    said: bool,
    /// The socket took no more.
    full: bool,
    /// poll(2) has said that it does, and it took nothing since: to ask it again would be no waiting.
    room: bool,
    /// poll(2) has said that there is something to read, and nothing was read since: over the kernel's TLS that is half a
    /// record.
    half: bool,
    in_vain: InVain,
}

impl Drain {
    fn new(connection: Arc<Connection>, deadline: Instant) -> Self {
        // The receiver may have left a mark behind, and whatever the drive sends now is to be heard of.
        connection.statistics.others.rare_calls.add(1);
        calls::set_low_water(connection.fd(), 1);
        Drain {
            connection,
            deadline,
            sending: true,
            said: false,
            full: false,
            room: false,
            half: false,
            in_vain: InVain::new(),
        }
    }

    /// Does what can be done now. False when nothing is left to do, or no time to do it.
    fn advance(&mut self, scratch: &mut [u8]) -> bool {
        let connection = &self.connection;
        let counters = &connection.statistics.others;
        let before = counters.flushed_bytes.get();
        self.full = connection.flush_now(counters) == Flushed::Full;
        if counters.flushed_bytes.get() != before {
            self.room = false;
            self.in_vain = InVain::new();
        }
        if self.sending && (connection.send_error().is_some() || connection.handoff.close()) {
            if !self.said && connection.send_error().is_none() {
                self.said = connection.say_goodbye();
                self.full = connection.flush_now(counters) == Flushed::Full || !self.said;
            }
            if connection.send_error().is_some() || (self.said && !connection.handoff.is_pending()) {
                self.sending = false;
                connection.close_sending();
            }
        }
        let tries = counters.recvmsgs.get();
        if !connection.discard(scratch) {
            return false;
        }
        // The last try of each look finds nothing.
        self.half &= counters.recvmsgs.get() == tries + 1;
        if Instant::now() < self.deadline {
            return true;
        }
        if self.sending {
            connection.fail_send(Errno::TIMEDOUT);
            warn!("the drive has not taken all that was accepted in the time that disconnecting may take");
        }
        false
    }

    /// Waits for something to do.
    fn wait(&mut self) {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let left = if self.sending && !self.full { left.min(SOON) } else { left };
        if (self.full && std::mem::take(&mut self.room)) || std::mem::take(&mut self.half) {
            self.connection.statistics.others.pauses.add(1);
            self.in_vain.nap();
            return;
        }
        let interest = Interest { fd: self.connection.fd(), read: true, write: self.full };
        self.connection.statistics.others.polls.add(1);
        // Failing it would only look again too soon.
        let ready = calls::wait([interest], Some(left));
        (self.room, self.half) = ready.map_or((false, false), |[socket]| (socket.writable, socket.readable));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::tests::pair;

    #[test]
    fn a_mark_that_is_left_is_taken_back() {
        let (connection, _peer) = pair();
        calls::set_low_water(connection.fd(), 1 << 20);
        assert!(calls::low_water(connection.fd()) > 1);
        let drain = Drain::new(connection, Instant::now());
        assert_eq!(calls::low_water(drain.connection.fd()), 1);
    }
}
