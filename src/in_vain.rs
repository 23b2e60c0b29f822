//! How soon a socket is tried again that takes nothing, although it has room.
//!
//! poll(2) tells whether the peer has made room. Where the kernel is short of memory TCP takes nothing all the same, and
//! says EAGAIN, as if it were full, or ENOBUFS. Waiting for the room that is there would be no waiting: a sender that did
//! so made 600,000 tries a second. So each try is put off longer than the one before: a shortage that is over in a moment
//! costs a millisecond, and one that lasts a hundred tries a second.

use std::{thread, time::Duration};

/// The first delay; each is twice as long as the one before, up to [`MOST`].
const FIRST: Duration = Duration::from_millis(1);
/// The longest delay. A sender looks whether somebody disconnects between two.
const MOST: Duration = Duration::from_millis(10);

/// Tries in a row that were in vain.
pub struct InVain {
    next: Duration,
}

impl InVain {
    /// None so far.
    pub const fn new() -> Self {
        InVain { next: FIRST }
    }

    /// One more.
    pub fn nap(&mut self) {
        self.nap_within(None);
    }

    /// One more, and not longer than `most`. What is left of that.
    pub fn nap_within(&mut self, most: Option<Duration>) -> Option<Duration> {
        let delay = self.delay().min(most.unwrap_or(MOST));
        thread::sleep(delay);
        most.map(|most| most.saturating_sub(delay))
    }

    fn delay(&mut self) -> Duration {
        let delay = self.next;
        self.next = (2 * delay).min(MOST);
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delays_grow_and_stay_short() {
        let mut in_vain = InVain::new();
        let delays: Vec<_> = (0..7).map(|_| in_vain.delay().as_millis()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 10, 10, 10]);
    }
}
