//! How the receiver waits, on a ring or with plain calls: runs on the receiver's thread.
//!
//! Before it sleeps, and each time it is woken, it sends what the sender has staged.

use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use log::debug;

use crate::{
    connection::Connection,
    engine,
    error::Errno,
    handoff::Flushed,
    ring::{receive::ReceiveRing, setup::ENTRIES},
    socket::{
        receive::PlainReceiving,
        segment::{Batch, Incoming},
    },
    statistics::Count,
};

/// How soon to try again where the kernel is short of memory for what is to be sent.
const AGAIN: Duration = Duration::from_millis(10);

/// A socket that has room and takes nothing so many times is short of memory, too: TCP says so in this way. Once it may
/// be another thread's flush that has taken the room.
const IN_VAIN: u32 = 2;

/// How long to nap when the sender is staging at this very moment, after some tries.
const NAP: Duration = Duration::from_micros(50);

/// One receive in progress, of either engine.
pub trait Receiving {
    /// Has it ended?
    fn is_done(&self) -> bool;
    /// Sends what the socket takes of `bytes` without waiting; `WouldBlock` if nothing.
    fn send_now(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Waits until the receive has ended, the sender wakes this thread, `timeout` has passed, a signal
    /// came, or, with `writable`, the socket takes bytes again; true if it says that it does. May return early.
    fn wait(&mut self, timeout: Option<Duration>, writable: bool) -> io::Result<bool>;
}

/// How a wait for bytes ended.
pub enum Waited {
    /// With what was waited for.
    Done,
    /// The time has passed.
    TimedOut,
    /// Somebody disconnects.
    Leaving,
}

#[allow(clippy::large_enum_variant, reason = "two for each connection; a box would cost the hot path a load")]
/// Of a connection's receiver, for one operation after the other.
pub enum Engine {
    /// Nothing had to be waited for yet.
    Unmade,
    /// A ring of the receiver's thread.
    Ring(ReceiveRing),
    /// Plain system calls.
    Plain,
}

impl Engine {
    /// Sees to it that there is an engine, and that it is this thread's.
    pub fn make(&mut self, connection: &Arc<Connection>) -> Result<(), Errno> {
        let usable = match self {
            Engine::Unmade => false,
            Engine::Ring(ring) => ring.is_mine(),
            Engine::Plain => true,
        };
        if !usable {
            let counters = &connection.statistics.receiver;
            *self = match engine::ring(connection, ENTRIES, counters)? {
                Some(ring) => Engine::Ring(ReceiveRing::new(ring)),
                None => Engine::Plain,
            };
        }
        Ok(())
    }

    /// Runs one receive on the engine: waits for it, and sends for the sender meanwhile.
    pub fn receive(
        &mut self,
        connection: &Connection,
        into: Incoming<'_>,
        large: bool,
        deadline: Option<Instant>,
    ) -> (Result<Waited, Errno>, Option<io::Result<usize>>) {
        let (socket, wake) = (connection.fd(), &connection.wake);
        match self {
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
    pub fn readable(
        &mut self,
        connection: &Connection,
        large: bool,
        deadline: Option<Instant>,
    ) -> Result<Waited, Errno> {
        let (socket, wake) = (connection.fd(), &connection.wake);
        match self {
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
    // Has the socket had room since it was last tried, and how often has it taken nothing then?
    let mut room = false;
    let mut in_vain = 0;
    loop {
        let before = counters.flushed_bytes.get();
        let flushed = connection
            .handoff
            .flush(|bytes, messages| counters.flush(bytes.len(), messages, receiving.send_now(bytes)));
        let flushed = flushed.unwrap_or_else(|error| {
            debug!("sending what was staged has failed: {error}");
            connection.fail_send(connection.meaning(error.into()));
            Flushed::All
        });
        let blocked = matches!(flushed, Flushed::Full | Flushed::Short);
        if !blocked || counters.flushed_bytes.get() != before {
            in_vain = 0;
        } else if room {
            in_vain += 1;
        }
        // Waiting for room that is there would be no waiting.
        let short = flushed == Flushed::Short || (room && in_vain >= IN_VAIN);
        room = false;
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
                // A poll that is not to wait still tells what is there.
                receiving.wait(Some(Duration::ZERO), false)?;
                return Ok(if receiving.is_done() { Waited::Done } else { Waited::TimedOut });
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
        room = waited?;
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

    use super::*;
    use crate::{connection::tests::pair, handoff::Limit};

    /// A receive that ends when all is sent. Sending fails with each of `errors` first.
    struct Fake {
        /// Waiting for room finds it.
        room: bool,
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

        fn wait(&mut self, timeout: Option<Duration>, writable: bool) -> io::Result<bool> {
            self.waits.push((timeout, writable));
            Ok(writable && self.room)
        }
    }

    /// Waits with a message that is staged; returns the waits until it has left.
    fn waits(errors: &[i32], room: bool) -> Vec<(Option<Duration>, bool)> {
        let (connection, _peer) = pair();
        connection.handoff.arrive();
        let limit = Limit { bytes: 100, messages: 1 };
        connection.handoff.stage(7, limit, |bytes| bytes.extend_from_slice(b"message"), || {}).unwrap();
        let errors = errors.iter().copied().collect();
        let mut fake = Fake { room, errors, sent: vec![], waits: vec![] };
        assert!(matches!(wait(&connection, &mut fake, false, None), Ok(Waited::Done)));
        assert_eq!(fake.sent, b"message");
        assert_eq!(connection.send_error(), None);
        fake.waits
    }

    #[test]
    fn a_full_socket_is_waited_for() {
        assert_eq!(waits(&[libc::EAGAIN; 9], false), [(None, true); 9]);
    }

    #[test]
    fn a_shortage_of_memory_is_waited_out_without_a_look_at_the_socket() {
        assert_eq!(waits(&[libc::ENOBUFS, libc::ENOMEM], true), [(Some(AGAIN), false); 2]);
    }

    #[test]
    fn a_socket_that_takes_nothing_in_spite_of_its_room_is_not_spun_on() {
        let (room, nap) = ((None, true), (Some(AGAIN), false));
        assert_eq!(waits(&[libc::EAGAIN; 7], true), [room, room, nap, room, nap, room, nap]);
    }
}
