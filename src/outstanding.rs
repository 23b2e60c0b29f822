//! How many requests are outstanding, as far as sender and receiver can tell together.
//!
//! Each request has one answer, but for the messages that a drive sends unasked and the requests that want none. So
//! what counts is how far the difference between sent and received is above its *base*, which it has with nothing
//! outstanding. For that the sender takes the least difference that it has seen. Requests without an answer raise the
//! base, which nobody can see from the counts alone. So the receiver tells: what was sent before a while in which
//! nothing came at all will not be answered any more.
//!
//! With a drive that is only slow that is wrong, and matters: too few count as outstanding, so that nothing gathers and
//! answers are held back for a sender that sends something else. With as many requests always outstanding it would stay
//! so. Hence the while is long, and when something comes after all before anything else was sent, the word is taken
//! back. (Where something was sent meanwhile, the base falls with the answers as soon as fewer are outstanding.)

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant},
};

/// How long nothing must have come: longer than a drive's usual stalls.
const QUIET: Duration = Duration::from_secs(1);

/// What the receiver tells the sender: the least that the base can be.
pub struct Settled(AtomicI64);

/// Nothing is told.
const NOTHING: i64 = i64::MIN;

impl Settled {
    /// With nothing told.
    pub fn new() -> Self {
        Settled(AtomicI64::new(NOTHING))
    }
}

/// The sender's part.
pub struct Outstanding {
    /// The least difference that was seen.
    least: i64,
}

impl Outstanding {
    /// Of a new connection.
    pub fn new() -> Self {
        Outstanding { least: 0 }
    }

    /// How many are, after so many messages in each direction.
    pub fn count(&mut self, sent: u64, received: u64, settled: &Settled) -> u64 {
        let difference = sent as i64 - received as i64;
        self.least = self.least.min(difference);
        let told = settled.0.load(Ordering::Relaxed);
        if told > difference {
            // Answers came after all. If the receiver tells something else at this moment, that is lost, until the
            // next while.
            settled.0.store(difference, Ordering::Relaxed);
        }
        (difference - self.least.max(told).min(difference)) as u64
    }
}

/// The receiver's own count, for choosing how to wait. Approximate: a message is counted as sent when `send` is about to
/// return, and its answer may be there before, so a difference that is too small is only believed when it stays.
pub struct Unanswered {
    /// The difference with nothing outstanding.
    base: i64,
    /// How often in a row it was less.
    less: u32,
}

/// So often in a row.
const BELIEVED: u32 = 3;

impl Unanswered {
    /// Of a new connection.
    pub fn new() -> Self {
        Unanswered { base: 0, less: 0 }
    }

    /// The receiver is about to wait, after so many messages in each direction.
    pub fn waits(&mut self, sent: u64, received: u64) {
        let difference = sent as i64 - received as i64;
        self.less = if difference < self.base { self.less + 1 } else { 0 };
        if self.less == BELIEVED {
            (self.base, self.less) = (difference, 0);
        }
    }

    /// How many are, after so many messages in each direction.
    pub fn count(&self, sent: u64, received: u64, settled: &Settled) -> u64 {
        let difference = sent as i64 - received as i64;
        (difference - self.base.max(settled.0.load(Ordering::Relaxed))).max(0) as u64
    }
}

/// What the receiver tells of a quiet while.
pub struct Quiet {
    /// Since when nothing has come, as far as it was looked at, and how many messages had been sent then.
    since: Option<(Instant, u64)>,
    /// How many messages had been sent when something was told last, if nothing has come since.
    told: Option<u64>,
}

impl Quiet {
    /// Of a new connection.
    pub fn new() -> Self {
        Quiet { since: None, told: None }
    }

    /// Something has come, after so many messages were sent.
    pub fn broken(&mut self, sent: u64, settled: &Settled) {
        self.since = None;
        if let Some(told) = self.told.take()
            && told == sent
        {
            settled.0.store(NOTHING, Ordering::Relaxed);
        }
    }

    /// Nothing has come for some time, the last of it just now; so many messages have gone in each direction.
    pub fn goes_on(&mut self, now: Instant, sent: u64, received: u64, settled: &Settled) {
        match self.since {
            Some((since, _)) if now.saturating_duration_since(since) < QUIET => return,
            Some((_, sent)) => {
                settled.0.store(sent as i64 - received as i64, Ordering::Relaxed);
                self.told = Some(sent);
            }
            None => {}
        }
        self.since = Some((now, sent));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A while without anything, after so many messages.
    fn quiet_while(quiet: &mut Quiet, now: &mut Instant, sent: u64, received: u64, settled: &Settled) {
        quiet.goes_on(*now, sent, received, settled);
        *now += QUIET;
        quiet.goes_on(*now, sent, received, settled);
    }

    #[test]
    fn the_receiver_counts_from_what_stays_the_least() {
        let settled = Settled::new();
        let mut unanswered = Unanswered::new();
        // A sender that has not counted its message yet changes nothing.
        unanswered.waits(6, 7);
        unanswered.waits(7, 7);
        assert_eq!(unanswered.count(8, 7, &settled), 1);
        // A greeting that nobody asked for.
        for sent in 10..13 {
            assert_eq!(unanswered.count(sent + 1, sent + 1, &settled), 0);
            unanswered.waits(sent, sent + 1);
        }
        assert_eq!(unanswered.count(14, 14, &settled), 1);
        // Two messages that want no answer.
        settled.0.store(1, Ordering::Relaxed);
        assert_eq!(unanswered.count(19, 16, &settled), 2);
        assert_eq!(unanswered.count(16, 16, &settled), 0);
    }

    #[test]
    fn requests_without_an_answer_count_until_it_is_quiet() {
        let (mut outstanding, mut quiet, settled) = (Outstanding::new(), Quiet::new(), Settled::new());
        let mut now = Instant::now();
        assert_eq!(outstanding.count(0, 0, &settled), 0);
        assert_eq!(outstanding.count(7, 2, &settled), 5);
        quiet.goes_on(now, 7, 2, &settled);
        assert_eq!(outstanding.count(7, 2, &settled), 5, "something may have come just before");
        quiet_while(&mut quiet, &mut now, 7, 2, &settled);
        assert_eq!(outstanding.count(7, 2, &settled), 0);
        assert_eq!(outstanding.count(8, 2, &settled), 1);
        quiet.broken(8, &settled);
        assert_eq!(outstanding.count(8, 3, &settled), 0);
        // And again, after as many.
        assert_eq!(outstanding.count(12, 3, &settled), 4);
        quiet_while(&mut quiet, &mut now, 12, 3, &settled);
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
        let mut now = Instant::now();
        quiet_while(&mut quiet, &mut now, 4, 0, &settled);
        assert_eq!(outstanding.count(4, 0, &settled), 0);
        assert_eq!(outstanding.count(5, 0, &settled), 1);
        quiet.broken(5, &settled);
        assert_eq!(outstanding.count(5, 4, &settled), 0);
        assert_eq!(outstanding.count(5, 5, &settled), 0);
        assert_eq!(outstanding.count(7, 5, &settled), 2);
    }

    #[test]
    fn a_stall_with_as_many_always_outstanding_is_forgotten_with_the_first_answer() {
        let (mut outstanding, mut quiet, settled) = (Outstanding::new(), Quiet::new(), Settled::new());
        let mut now = Instant::now();
        assert_eq!(outstanding.count(32, 0, &settled), 32);
        quiet_while(&mut quiet, &mut now, 32, 0, &settled);
        assert_eq!(outstanding.count(32, 0, &settled), 0);
        for round in 1..100 {
            quiet.broken(31 + round, &settled);
            assert_eq!(outstanding.count(31 + round, round, &settled), 31);
        }
    }

    #[test]
    fn an_answer_that_is_counted_before_its_request_lowers_nothing() {
        let (mut outstanding, mut quiet, settled) = (Outstanding::new(), Quiet::new(), Settled::new());
        let mut now = Instant::now();
        quiet_while(&mut quiet, &mut now, 0, 1, &settled);
        assert_eq!(outstanding.count(1, 1, &settled), 0);
        assert_eq!(outstanding.count(2, 1, &settled), 1);
    }

    #[test]
    fn messages_that_come_unasked_lower_it_at_once() {
        let (mut outstanding, settled) = (Outstanding::new(), Settled::new());
        assert_eq!(outstanding.count(0, 1, &settled), 0);
        assert_eq!(outstanding.count(2, 1, &settled), 2);
    }
}
