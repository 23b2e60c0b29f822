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

/// While it lives the socket counts as readable only when so many bytes are there.
///
/// Without it a receiver that waits for a large value wakes up on every segment, to copy 64 KiB and sleep again:
/// 1 MiB GETs with 32 outstanding took 1.4 times as long. The mark is never more than what is asked for next, and
/// is taken back before anything else is waited for; the kernel also reports a full buffer.
pub struct LowWater<'c>(&'c Connection);

impl<'c> LowWater<'c> {
    /// For the next wait, where so many bytes of a value of so many are missing; 0 where its size is not known. With
    /// `single` nothing else is outstanding.
    pub fn raise(connection: &'c Connection, missing: usize, value: usize, single: bool) -> Self {
        let raised = LowWater(connection);
        raised.set(mark(missing, value, single));
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

#[cfg(test)]
mod tests {
    use super::*;

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
