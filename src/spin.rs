//! Whether to look a while for more bytes before going to sleep for them: `KTLI_URING_SPIN`.
//!
//! An idle processor takes 10 µs and more to wake up, and whoever wakes it pays for that, too. A receiver that looks
//! again and again saves it, and costs processor time. It gives way to other threads at every look inside a value and in a
//! fixed time, otherwise at every second one.
//!
//! Whether that pays is a matter of what comes of it. With 512-byte GETs over loopback it is looked for 20 to 40 µs until
//! something comes, whether 1, 4 or 32 requests are outstanding: for one message that is more than the sleep it
//! saves, but with 4 outstanding a message comes every 10 µs. So by default a receiver looks where several requests are
//! outstanding, as long as a message costs no more than [`WORTH`] in this way; and inside a large value that nothing else
//! is outstanding beside, as long as 64 KiB cost no more than [`WORTH_INSIDE`]. It leaves off for a while where that is
//! not so, and where other threads want the processor. A fixed time is looked for as long as anything comes of it.

use std::{
    hint, thread,
    time::{Duration, Instant},
};

use crate::statistics::Count;

/// How long at a time by default. With 4 and more requests outstanding nearly all that is found is found by then.
const LIMIT: Duration = Duration::from_micros(60);
/// What a message may cost in time spent looking for it: about as much as a sleep and the waking up do. With
/// 2 requests of 512 bytes outstanding and a fixed time, where 18 µs pass from one message to the next, the stock flow's
/// CPU time and the driver's are equal. With 4 of 4 or 16 KiB, 12 µs gave up most of the gain, and 16 µs were 1.19 times
/// the stock flow's CPU time for 16 KiB PUTs.
const WORTH: Duration = Duration::from_micros(14);
/// What 64 KiB of a value that nothing else is outstanding beside may cost. That is more than a sleep, but the stock flow
/// looks for such a value all the time: 1 MiB GETs, one at a time, were 0.87 and 0.75 times as fast as there with 14 µs,
/// 0.95 and 0.80 with 25, and 1.01 and 0.90 with 60, at 0.9 times its CPU time. With 256 and 512 KiB it made no difference,
/// and on another processor, now that there is a pause, little at 1 MiB: 1.13, 1.23 and 1.23 times with 14, 30 and 60 µs.
const WORTH_INSIDE: Duration = LIMIT;
/// After so many times it is judged what came of them. With 4 a session of 4 requests did not always begin: the
/// first ones cost more.
const TRIAL: u32 = 16;
/// Where it was too little so many waits go by, twice as many each time ...
const REST: u32 = 256;
/// ... up to so many; some 0.1 s in a session that could do better.
const LONGEST_REST: u32 = 4096;
/// A fixed time rests so long where nothing at all has come, every time.
const FIXED_REST: u32 = 64;
/// A thread that has given way for so long has competitors. Behind them it keeps answers, and messages that it is to
/// send, waiting: with 100 connections on two processors p99 was 15 times as long. Asleep it comes first when it wakes.
const CROWD: Duration = Duration::from_micros(200);
/// How much longer than usual it rests then.
const CROWDED: u32 = 4;
/// The pause between two attempts at the next message, each of which was two system calls: with 512-byte requests 10 and
/// 0.4 a request, for 4 and 32 outstanding, and 4.5 and 0.25 with the pause, at the same rate.
/// By default it gives way at every other attempt only, since then: 5 to 22 % fewer calls with 512 bytes and 32
/// outstanding, at 0.95 to 1.14 times the rate (the median of six series is 1.01).
const PAUSE: Duration = Duration::from_micros(2);
/// The same with [`MANY`] outstanding and more, where what is found is a batch, and more of it a little later: up to 20 % fewer
/// calls with 512 bytes and 4 KiB, 32 and 64 outstanding, at 0.93 to 1.05 times the rate (the median of 16 series is 1.00).
const PAUSE_MANY: Duration = Duration::from_micros(4);
const MANY: u64 = 16;
/// The pause inside a value: about what 64 KiB take at memory speed. Without one the receiver takes a little at a time,
/// which costs whoever delivers the bytes, too: 512 KiB GETs, one at a time, were 0.7 times as fast as the stock flow's with
/// a hundred calls, and are 0.9 to 1.0 with four calls and half as much of the peer's CPU time; 1 MiB 0.9 with 400 calls, and
/// 1.1 to 1.25 with 20 at 0.7 times the CPU time. From 3 to 15 µs there is no difference in the rate; 20 and 30 lose some.
/// (On a Xeon. On an EPYC 1 MiB was 1.2 times as fast as without looking with 2 µs, and 1.45 times with none, when a look
/// might cost 14 µs for 64 KiB.)
const PAUSE_INSIDE: Duration = Duration::from_micros(5);
/// How many arrivals in a row, each with one request outstanding at the most, until that is taken to be the rule.
const DEEP: u32 = 16;
/// From how many bytes on a value is slept for, however fast it comes: larger ones have not been measured. 1 MiB GETs, one
/// at a time, were 1.4 times as fast when they were looked for. On an EPYC 2 MiB are 0.93 and 0.96 times as fast as the
/// stock flow when they are looked for, and 0.83 and 0.84 when they are slept for, 4 MiB 1.03 and 1.09, and 0.84 and 0.94,
/// at 0.79 to 0.96 times its CPU time instead of 0.60 to 0.76. On a Xeon it is 1.0 times the rate at 1.35 times the CPU time
/// of sleeping.
const TOO_LARGE: usize = 8 << 20;

/// Decides, and remembers what came of it.
pub struct Spin {
    /// How long at a time.
    limit: Duration,
    /// What it may cost is limited.
    thrifty: bool,
    /// For the next message.
    between: Record,
    /// For the rest of a large value.
    inside: Record,
    /// How many requests were outstanding when something came last.
    outstanding: u64,
    /// Goes down with each arrival that found one outstanding at the most.
    deep: u32,
}

/// A time of looking.
pub struct Look {
    begun: Instant,
    until: Instant,
    /// How long nothing is done between two attempts.
    pause: Duration,
    /// It gives way at every other attempt only.
    sparing: bool,
    /// Not this time.
    skip: bool,
    /// It ends when others want the processor.
    thrifty: bool,
    crowded: bool,
}

impl Spin {
    /// For at most so many microseconds at a time; 0: never; `None`: as is worth it.
    pub fn new(microseconds: Option<u32>) -> Self {
        Spin {
            limit: microseconds.map_or(LIMIT, |limit| Duration::from_micros(limit.into())),
            thrifty: microseconds.is_none(),
            between: Record::new(),
            inside: Record::new(),
            outstanding: 0,
            deep: 0,
        }
    }

    /// Something has come, with so many requests outstanding, answers that have not been handed out among them.
    pub fn arrived(&mut self, outstanding: u64) {
        self.outstanding = outstanding;
        self.deep = if outstanding > 1 { DEEP } else { self.deep.saturating_sub(1) };
    }

    /// Do requests come one at a time, so that nothing is looked for?
    pub fn is_alone(&self) -> bool {
        (self.thrifty || self.limit.is_zero()) && self.deep == 0
    }

    /// Was nothing else outstanding when something came last?
    pub fn is_single(&self) -> bool {
        self.outstanding <= 1
    }

    /// How many requests were outstanding when something came last.
    pub fn outstanding(&self) -> u64 {
        self.outstanding
    }

    /// Begins to look for the next message, if that is to be. So many have been received.
    pub fn begin_between(&mut self, received: u64) -> Option<Look> {
        if self.limit.is_zero() || (self.thrifty && self.deep == 0) {
            return None;
        }
        let look = self.between.begin(self.limit, self.thrifty.then_some(WORTH), received)?;
        let pause = if self.outstanding >= MANY { PAUSE_MANY } else { PAUSE };
        Some(Look { sparing: self.thrifty, pause, ..look })
    }

    /// It has ended.
    pub fn end_between(&mut self, look: &Look, found: bool) {
        self.between.end(look, look.begun.elapsed(), found);
    }

    /// Begins to look for more of a value of so many bytes, if that is to be. So many bytes of such values have come.
    pub fn begin_inside(&mut self, value: usize, received: u64) -> Option<Look> {
        if self.limit.is_zero() || !self.is_single() || value >= TOO_LARGE {
            return None;
        }
        let look = self.inside.begin(self.limit, self.thrifty.then_some(WORTH_INSIDE), received >> 16)?;
        Some(Look { pause: PAUSE_INSIDE, ..look })
    }

    /// It has ended.
    pub fn end_inside(&mut self, look: &Look, found: bool) {
        self.inside.end(look, look.begun.elapsed(), found);
    }
}

impl Look {
    /// It ends then at the latest.
    pub fn until(&mut self, deadline: Option<Instant>) {
        self.until = deadline.map_or(self.until, |deadline| deadline.min(self.until));
    }

    /// Lets other threads run, which `counter` counts, if it is its turn. False when it is time to end.
    pub fn goes_on(&mut self, counter: &impl Count) -> bool {
        let before = Instant::now();
        if before >= self.until {
            return false;
        }
        let mut after = before;
        if !self.skip {
            counter.add(1);
            thread::yield_now();
            after = Instant::now();
            self.crowded = self.thrifty && after - before >= CROWD;
        }
        self.skip = self.sparing && !self.skip;
        let end = (after + self.pause).min(self.until);
        while !self.crowded && Instant::now() < end {
            hint::spin_loop();
        }
        !self.crowded
    }
}

/// What has come of looking.
struct Record {
    /// How often since it was judged last, for how long in all, how often with success, and what had come before.
    times: u32,
    spent: Duration,
    found: u32,
    before: u64,
    /// So many waits are to go by.
    rest: u32,
    next_rest: u32,
}

impl Record {
    fn new() -> Self {
        Record { times: 0, spent: Duration::ZERO, found: 0, before: 0, rest: 0, next_rest: REST }
    }

    /// `come` is how much of what is looked for has come in all.
    fn begin(&mut self, limit: Duration, worth: Option<Duration>, come: u64) -> Option<Look> {
        if self.times == TRIAL {
            self.judge(worth, come);
        }
        if self.rest > 0 {
            self.rest -= 1;
            return None;
        }
        if self.times == 0 {
            (self.spent, self.found, self.before) = (Duration::ZERO, 0, come);
        }
        let begun = Instant::now();
        Some(Look {
            begun,
            until: begun + limit,
            pause: PAUSE,
            sparing: false,
            skip: false,
            thrifty: worth.is_some(),
            crowded: false,
        })
    }

    /// A trial is over: was it worth it?
    fn judge(&mut self, worth: Option<Duration>, come: u64) {
        let gain = u32::try_from(come.saturating_sub(self.before)).unwrap_or(u32::MAX);
        self.times = 0;
        match worth {
            None if self.found == 0 => self.rest = FIXED_REST,
            Some(worth) if self.spent > worth.saturating_mul(gain) => self.rest(1),
            _ => self.next_rest = REST,
        }
    }

    fn end(&mut self, look: &Look, took: Duration, found: bool) {
        self.times += 1;
        self.spent += took;
        self.found += u32::from(found);
        if look.crowded {
            self.rest(CROWDED);
        }
    }

    fn rest(&mut self, times: u32) {
        self.times = 0;
        self.rest = times * self.next_rest;
        self.next_rest = (2 * self.next_rest).min(LONGEST_REST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Own;

    /// As if it had been looked for so long, if at all.
    fn look(spin: &mut Spin, received: u64, took: Duration, found: bool) -> bool {
        let look = spin.begin_between(received);
        look.inspect(|look| spin.between.end(look, took, found)).is_some()
    }

    /// How many waits go by until the next time.
    fn waits(spin: &mut Spin, received: u64) -> u32 {
        (0..100_000).find(|_| look(spin, received, LIMIT, false)).unwrap()
    }

    #[test]
    fn a_fixed_time_rests_when_nothing_comes() {
        let mut spin = Spin::new(Some(10));
        assert!(look(&mut spin, 0, LIMIT, false));
        for round in 0..7 {
            (1..TRIAL).for_each(|_| assert!(look(&mut spin, 0, LIMIT, false)));
            assert_eq!(waits(&mut spin, 0), FIXED_REST, "round {round}");
        }
        // One in each trial is enough.
        for time in 1..100 * TRIAL {
            assert!(look(&mut spin, 0, LIMIT, time % TRIAL == 1), "{time}");
        }
    }

    #[test]
    fn by_default_a_message_may_cost_as_much_as_a_sleep() {
        for (each, messages, goes_on) in
            [(28, 2, true), (30, 2, false), (60, 5, true), (60, 4, false), (14, 1, true), (60, 0, false)]
        {
            let mut spin = Spin::new(None);
            spin.arrived(2);
            let mut received = 0;
            for _ in 0..TRIAL {
                assert!(look(&mut spin, received, Duration::from_micros(each), messages > 0));
                received += messages;
            }
            let each = format!("{each} µs for {messages}");
            assert_eq!(look(&mut spin, received, LIMIT, true), goes_on, "{each}");
        }
    }

    #[test]
    fn by_default_each_rest_is_longer_until_it_pays() {
        let mut spin = Spin::new(None);
        spin.arrived(2);
        assert!(look(&mut spin, 0, LIMIT, false));
        for round in 0..7 {
            (1..TRIAL).for_each(|_| assert!(look(&mut spin, 0, LIMIT, false)));
            assert_eq!(waits(&mut spin, 0), (REST << round).min(LONGEST_REST), "round {round}");
        }
        // What has come since pays for all of it, and the next rest is a short one.
        (1..TRIAL).for_each(|_| assert!(look(&mut spin, 1000, LIMIT, true)));
        assert!(look(&mut spin, 1000, LIMIT, false));
        (1..TRIAL).for_each(|_| assert!(look(&mut spin, 1000, LIMIT, false)));
        assert_eq!(waits(&mut spin, 1000), REST);
    }

    #[test]
    fn by_default_nothing_is_looked_for_that_is_outstanding_alone() {
        let mut spin = Spin::new(None);
        spin.arrived(1);
        assert!(spin.begin_between(0).is_none());
        spin.arrived(2);
        for _ in 1..DEEP {
            spin.arrived(1);
            assert!(spin.begin_between(0).is_some());
        }
        spin.arrived(1);
        assert!(spin.begin_between(0).is_none());
        let mut fixed = Spin::new(Some(1));
        assert!(fixed.begin_between(0).is_some());
    }

    #[test]
    fn inside_values_it_is_the_other_way_round() {
        let mut spin = Spin::new(None);
        spin.arrived(2);
        assert!(spin.begin_inside(1 << 20, 0).is_none());
        spin.arrived(1);
        assert!(spin.begin_inside(TOO_LARGE, 0).is_none());
        for (each, goes_on) in [(60, true), (61, false)] {
            let mut spin = Spin::new(None);
            let mut received = 1000;
            for _ in 0..TRIAL {
                let look = spin.begin_inside(1 << 20, received).unwrap();
                spin.inside.end(&look, Duration::from_micros(each), true);
                received += 64 << 10;
            }
            assert_eq!(spin.begin_inside(1 << 20, received).is_some(), goes_on, "{each}");
        }
    }

    #[test]
    fn behind_others_it_rests_at_once_and_longer() {
        let mut spin = Spin::new(None);
        spin.arrived(2);
        let mut look = spin.begin_between(0).unwrap();
        look.crowded = true;
        spin.end_between(&look, true);
        assert_eq!(waits(&mut spin, 0), CROWDED * REST);
    }

    #[test]
    fn a_time_of_looking_ends() {
        let mut spin = Spin::new(Some(1000));
        let mut look = spin.begin_between(0).unwrap();
        look.until(Some(Instant::now()));
        let pauses = Own::default();
        assert!(!look.goes_on(&pauses));
        let mut look = spin.begin_between(0).unwrap();
        while look.goes_on(&pauses) {}
        assert!(look.begun.elapsed() >= Duration::from_millis(1));
        assert!(pauses.get() > 0);
    }

    #[test]
    fn by_default_it_gives_way_at_every_other_attempt_at_the_next_message() {
        for (microseconds, inside, given_way) in
            [(None, false, 2), (Some(10_000_000), false, 4), (None, true, 4)]
        {
            // Where others have had the processor for long it ends.
            let whole = (0..1000).find_map(|_| {
                let mut spin = Spin::new(microseconds);
                spin.arrived(if inside { 1 } else { 2 });
                let look = if inside { spin.begin_inside(1 << 20, 0) } else { spin.begin_between(0) };
                let mut look = look.unwrap();
                look.until = Instant::now() + Duration::from_secs(10);
                let pauses = Own::default();
                let first = look.goes_on(&pauses);
                assert_eq!(pauses.get(), 1, "it begins with it");
                (first && (1..4).all(|_| look.goes_on(&pauses))).then(|| pauses.get())
            });
            assert_eq!(whole, Some(given_way), "{microseconds:?}, inside: {inside}");
        }
    }

    #[test]
    fn attempts_are_further_apart_where_many_are_outstanding() {
        for (outstanding, pause) in [(1, PAUSE), (MANY - 1, PAUSE), (MANY, PAUSE_MANY)] {
            let mut spin = Spin::new(None);
            spin.arrived(2);
            spin.arrived(outstanding);
            assert_eq!(spin.begin_between(0).unwrap().pause, pause, "{outstanding}");
        }
    }

    #[test]
    fn attempts_inside_a_value_are_further_apart() {
        let mut spin = Spin::new(Some(10_000_000));
        let pauses = Own::default();
        let mut look = spin.begin_inside(1 << 20, 0).unwrap();
        assert_eq!(look.pause, PAUSE_INSIDE);
        let begun = Instant::now();
        assert!(look.goes_on(&pauses));
        assert!(begun.elapsed() >= PAUSE_INSIDE);
        // Not beyond the time that there is.
        let mut look = Spin::new(Some(1000)).begin_between(0).unwrap();
        assert_eq!(look.pause, PAUSE);
        look.pause = Duration::from_secs(3600);
        while look.goes_on(&pauses) {}
    }

    #[test]
    fn with_no_time_it_never_looks() {
        let mut spin = Spin::new(Some(0));
        spin.arrived(1);
        assert!(spin.begin_between(0).is_none());
        assert!(spin.begin_inside(1 << 20, 0).is_none());
    }
}
