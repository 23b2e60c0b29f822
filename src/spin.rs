//! Whether to look a while for the next message before going to sleep for it: `KTLI_URING_SPIN`.
//!
//! An idle processor takes 10 µs and more to wake up, several times for each request when only one is
//! outstanding. A receiver that looks again and again saves that, and costs processor time. It gives way to other
//! threads at each look, and it leaves off for a while where looking does not pay.

use std::time::{Duration, Instant};

/// After so many spins in a row that found nothing ...
const MISSES: u32 = 8;
/// ... so many waits go by without one.
const REST: u32 = 64;

/// Decides, and remembers what came of it.
pub struct Spin {
    limit: Duration,
    misses: u32,
    rest: u32,
}

impl Spin {
    /// For at most so many microseconds at a time; 0: never.
    pub fn new(microseconds: u32) -> Self {
        Spin { limit: Duration::from_micros(microseconds.into()), misses: 0, rest: 0 }
    }

    /// Until when to look this time, if at all.
    pub fn begin(&mut self) -> Option<Instant> {
        if self.limit.is_zero() {
            return None;
        }
        if self.rest > 0 {
            self.rest -= 1;
            return None;
        }
        Some(Instant::now() + self.limit)
    }

    /// Takes note of what came of it.
    pub fn end(&mut self, paid: bool) {
        self.misses = if paid { 0 } else { self.misses + 1 };
        if self.misses >= MISSES {
            // The first one after the rest decides whether to go on.
            self.misses = MISSES - 1;
            self.rest = REST;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rests_when_it_does_not_pay() {
        let mut spin = Spin::new(10);
        for _ in 0..MISSES {
            assert!(spin.begin().is_some());
            spin.end(false);
        }
        for round in 0..3 {
            let waits = (0..=REST).take_while(|_| spin.begin().is_none()).count();
            assert_eq!(waits, REST as usize, "round {round}");
            spin.end(false);
        }
        (0..REST).for_each(|_| assert!(spin.begin().is_none()));
        assert!(spin.begin().is_some());
        spin.end(true);
        assert!(spin.begin().is_some());
    }

    #[test]
    fn by_default_it_never_does() {
        assert!(Spin::new(0).begin().is_none());
    }
}
