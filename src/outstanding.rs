//! How many requests are outstanding, as far as sender and receiver can tell together.
//!
//! Each request has one answer, but for the messages that a drive sends unasked and the requests that want none. So
//! what counts is how far the difference between sent and received is above its *base*, which it has with nothing
//! outstanding. For that the sender takes the least difference that it has seen. Requests without an answer raise the
//! base, which nobody can see from the counts alone. So the receiver tells: what was sent before a while in which
//! nothing came at all will not be answered any more.
//!
//! With a slow drive that is wrong. Then the answers, when they come, lower the difference and with it the base; until
//! then too few count as outstanding, and an earlier answer than the right one is held back, which does no harm.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant},
};

/// How long nothing must have come: one poll of libkinetic's.
const QUIET: Duration = Duration::from_millis(10);

/// What the receiver tells the sender: the base that it has found.
pub struct Settled(AtomicI64);

/// Nothing, or nothing new.
const NOTHING: i64 = i64::MIN;

impl Settled {
    /// With nothing told.
    pub fn new() -> Self {
        Settled(AtomicI64::new(NOTHING))
    }

    fn tell(&self, base: i64) {
        self.0.store(base, Ordering::Relaxed);
    }

    /// What was told since it was last asked. Seldom more than a look.
    fn ask(&self) -> Option<i64> {
        let told = || self.0.swap(NOTHING, Ordering::Relaxed);
        (self.0.load(Ordering::Relaxed) != NOTHING).then(told).filter(|base| *base != NOTHING)
    }
}

/// The sender's part.
pub struct Outstanding {
    base: i64,
}

impl Outstanding {
    /// Of a new connection.
    pub fn new() -> Self {
        Outstanding { base: 0 }
    }

    /// How many are, after so many messages in each direction.
    pub fn count(&mut self, sent: u64, received: u64, settled: &Settled) -> u64 {
        let difference = sent as i64 - received as i64;
        self.base = settled.ask().unwrap_or(self.base).min(difference);
        (difference - self.base) as u64
    }
}

/// The receiver's part.
pub struct Quiet {
    /// Since when nothing has come, as far as it was looked at, and how many messages had been sent then.
    since: Option<(Instant, u64)>,
}

impl Quiet {
    /// Of a new connection.
    pub fn new() -> Self {
        Quiet { since: None }
    }

    /// Something has come.
    pub fn broken(&mut self) {
        self.since = None;
    }

    /// Nothing has come for some time, the last of it just now; so many messages have gone in each direction.
    pub fn goes_on(&mut self, now: Instant, sent: u64, received: u64, settled: &Settled) {
        match self.since {
            Some((since, _)) if now.saturating_duration_since(since) < QUIET => return,
            Some((_, sent)) => settled.tell(sent as i64 - received as i64),
            None => {}
        }
        self.since = Some((now, sent));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_without_an_answer_count_until_it_is_quiet() {
        let (mut outstanding, mut quiet, settled) = (Outstanding::new(), Quiet::new(), Settled::new());
        let begun = Instant::now();
        assert_eq!(outstanding.count(0, 0, &settled), 0);
        assert_eq!(outstanding.count(7, 2, &settled), 5);
        quiet.goes_on(begun, 7, 2, &settled);
        assert_eq!(outstanding.count(7, 2, &settled), 5, "something may have come just before");
        quiet.goes_on(begun + QUIET, 7, 2, &settled);
        assert_eq!(outstanding.count(7, 2, &settled), 0);
        assert_eq!(outstanding.count(8, 2, &settled), 1);
        assert_eq!(outstanding.count(8, 3, &settled), 0);
        // And again, after as many.
        quiet.broken();
        assert_eq!(outstanding.count(12, 3, &settled), 4);
        quiet.goes_on(begun + 2 * QUIET, 12, 3, &settled);
        quiet.goes_on(begun + 3 * QUIET, 12, 3, &settled);
        assert_eq!(outstanding.count(12, 3, &settled), 0);
    }

    #[test]
    fn what_is_sent_meanwhile_is_outstanding() {
        let (mut outstanding, mut quiet, settled) = (Outstanding::new(), Quiet::new(), Settled::new());
        let begun = Instant::now();
        quiet.goes_on(begun, 5, 0, &settled);
        quiet.goes_on(begun + QUIET / 2, 6, 0, &settled);
        quiet.goes_on(begun + QUIET, 8, 0, &settled);
        assert_eq!(outstanding.count(9, 0, &settled), 4);
    }

    #[test]
    fn late_answers_lower_the_base_again() {
        let (mut outstanding, mut quiet, settled) = (Outstanding::new(), Quiet::new(), Settled::new());
        let begun = Instant::now();
        quiet.goes_on(begun, 4, 0, &settled);
        quiet.goes_on(begun + QUIET, 4, 0, &settled);
        assert_eq!(outstanding.count(4, 0, &settled), 0);
        assert_eq!(outstanding.count(5, 4, &settled), 0);
        assert_eq!(outstanding.count(5, 5, &settled), 0);
        assert_eq!(outstanding.count(7, 5, &settled), 2);
    }

    #[test]
    fn messages_that_come_unasked_lower_it_at_once() {
        let (mut outstanding, settled) = (Outstanding::new(), Settled::new());
        assert_eq!(outstanding.count(0, 1, &settled), 0);
        assert_eq!(outstanding.count(2, 1, &settled), 2);
    }
}
