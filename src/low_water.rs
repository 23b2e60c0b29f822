//! How much of a large value is waited for at a time, and how the socket is told: runs on the receiver's thread.

use std::ops::RangeInclusive;

use crate::{connection::Connection, socket::calls, statistics::Count};

/// How much of a large value is waited for at a time: of one of [`WHOLE`] or more all that is missing, up to
/// [`MOST`]; of a smaller one half of what is missing, within [`MARK`].
///
/// Each wake-up is paid by whoever delivers the bytes, on loopback the drive. Where both sides compute all the time that
/// sets the pace: 1 MiB GETs with 32 outstanding are 1.3 times as fast as the stock flow when they are waited for as a
/// whole, and 0.6 to 0.9 times in pieces of 64 to 256 KiB. Below 1 MiB it is the other way round, since copying overlaps
/// with what is still to come: 0.8 to 1.9 times as a whole, 1.8 to 2.3 times in pieces of 64 to 128 KiB. (That is with
/// BBR, whose window over loopback is just below 1 MiB; with cubic it makes no difference.)
///
/// With one request outstanding the drive has nothing else to do, so pieces are right for every size: 4 MiB GETs were 0.81
/// to 0.90 times as fast as the stock flow as a whole, and 0.92 to 0.99 times in pieces.
const WHOLE: usize = 1 << 20;
const MOST: usize = 1 << 20;
const MARK: RangeInclusive<usize> = 64 << 10..=128 << 10;

/// How many of so many missing bytes to wait for, of a value of so many; 0 where that is not known. With `single`
/// nothing else is outstanding.
fn mark(missing: usize, value: usize, single: bool) -> usize {
    let pieces = (missing / 2).clamp(*MARK.start(), *MARK.end());
    missing.min(if missing.max(value) >= WHOLE && !single { MOST } else { pieces })
}

/// From how many bytes on a value is announced to the socket. A segment is acknowledged at once where less is unread than
/// the mark, or where the window may grow (`__tcp_ack_snd_check` in the kernel); otherwise when the program reads. BBR
/// makes a rate of the times of acknowledgements and sends at that rate. Against the driver without it, one at a time,
/// 1 MiB GETs are 1.16 and 1.18 times as fast with the mark in time, 2 MiB 1.21 and 1.15, 4 MiB 1.17 and 1.17, at 0.83 to
/// 0.94 times the CPU time; with cubic 1.03, 0.98 and 1.01. 512 KiB are 1.1 to 1.4 times as fast with 4 outstanding. With
/// one of 256 KiB outstanding it is two system calls for nothing.
const ANNOUNCED: usize = 512 << 10;

/// The low-water mark of the socket, which counts as readable only when so many bytes are there.
///
/// Without it a receiver that waits for a large value wakes up on every segment, to copy 64 KiB and sleep again:
/// 1 MiB GETs with 32 outstanding took 1.4 times as long. In a wait it is never more than what is asked for next; the
/// kernel also reports a full buffer. It stays where it is until something else is waited for, or the connection ends.
pub struct LowWater {
    /// What the socket has been told.
    mark: usize,
}

impl LowWater {
    /// Of a new socket.
    pub fn new() -> Self {
        LowWater { mark: 1 }
    }

    /// A value of so many bytes is about to come. With `single` nothing else is outstanding. Where more is, a value that
    /// is waited for as a whole is acknowledged in the wait: 1 MiB × 32 is 4 % slower with the mark than without.
    pub fn announce(&mut self, connection: &Connection, value: usize, single: bool) {
        if value >= ANNOUNCED && (single || value < WHOLE) {
            self.set(connection, MOST);
        }
    }

    /// Before a wait for more of a value of so many bytes, of which so many are missing. Its size is 0 where it is not known.
    pub fn raise(&mut self, connection: &Connection, missing: usize, value: usize, single: bool) {
        self.set(connection, mark(missing, value, single));
    }

    /// Before a wait for anything else.
    pub fn lower(&mut self, connection: &Connection) {
        self.set(connection, 1);
    }

    fn set(&mut self, connection: &Connection, mark: usize) {
        if mark != self.mark {
            connection.statistics.receiver.setsockopts.add(1);
            // Where it is refused it is tried again before the next wait.
            if calls::set_low_water(connection.fd(), mark) {
                self.mark = mark;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::tests::pair;

    #[test]
    fn a_value_is_announced_where_that_is_worth_two_calls() {
        let (connection, _peer) = pair();
        for (value, single, announced) in [
            (ANNOUNCED - 1, true, false),
            (ANNOUNCED, true, true),
            (WHOLE, true, true),
            (16 << 20, true, true),
            (ANNOUNCED - 1, false, false),
            (ANNOUNCED, false, true),
            (WHOLE - 1, false, true),
            (WHOLE, false, false),
        ] {
            let mut low_water = LowWater::new();
            low_water.announce(&connection, value, single);
            let mark = if announced { MOST } else { 1 };
            assert_eq!(low_water.mark, mark, "{value}, single: {single}");
            assert_eq!(calls::low_water(connection.fd()), mark, "{value}, single: {single}");
            low_water.lower(&connection);
            assert_eq!(calls::low_water(connection.fd()), 1);
        }
    }

    #[test]
    fn the_socket_is_told_what_is_new() {
        let (connection, _peer) = pair();
        let mut low_water = LowWater::new();
        let calls = &connection.statistics.receiver.setsockopts;
        low_water.lower(&connection);
        assert_eq!(calls.get(), 0);
        for _ in 0..2 {
            low_water.raise(&connection, 1 << 20, 1 << 20, true);
            assert_eq!((calls.get(), low_water.mark), (1, *MARK.end()));
        }
        for _ in 0..2 {
            low_water.lower(&connection);
            assert_eq!((calls.get(), low_water.mark), (2, 1));
        }
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
            assert_eq!(mark(missing, value, false), expected, "{missing} of {value}");
            assert_eq!(mark(missing, value, true), expected.min(128 << 10), "{missing} of {value} alone");
        }
    }
}
