//! How many bytes of large messages are outstanding at a drive on the same machine.
//!
//! There the drive reads what the sender has just written, out of the cache that they share, as long as it is not far
//! behind. When it is, it reads from memory, which takes two to three times as long, so that it stays behind: 256 KiB PUTs
//! with 32 outstanding cost a peer that only reads them 73 µs of CPU time each instead of 44 (medians of 20 series),
//! nearly all of the difference in copying. The kernel does not prevent that: it lets megabytes wait in the drive's
//! receive buffer. So a large message waits for the answers to those before it, as long as they come soon.
//!
//! The sender looks for the answers, or sleeps, and the receiver, which counts them, wakes it.

use std::{
    net::SocketAddr,
    ops::Range,
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering, fence},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    statistics::{Count, Counters, Own},
    sync::{lock, try_lock},
};

/// From which size on messages are large. With 96 KiB and 4 outstanding waiting was 0.84 times as fast as not waiting.
pub const LARGE: usize = 128 << 10;

/// How many bytes may be outstanding when it has waited: a message of more than that waits until nothing large is. With
/// 512 KiB four of 256 KiB cost 1.05 to 1.18 times the stock flow's CPU time and were no faster for it.
const AHEAD: u64 = 768 << 10;

/// How many before one that sleeps for the answers: it does so less often, but until as few are outstanding. 1 MiB with 32
/// outstanding are 1.14 to 1.31 times as fast as the stock flow so, and 0.97 to 1.15 times with as many here as above. With 4
/// outstanding they would be 1.2 to 1.4 times as fast with up to 1.5 MiB, but at 1.1 to 1.2 times its CPU time: whoever is
/// not behind does work that the drive did before.
const BEFORE_SLEEP: u64 = 4 << 20;

/// How long an answer may take for each byte of the message that waits: at half a gigabyte a second a drive does not read
/// from a cache, nor does it matter how it reads.
const NANOSECONDS: u64 = 2;

/// The longest that an answer may take.
const LIMIT: Duration = Duration::from_millis(10);

/// The longest that a message waits, even if answers come.
const WHOLE: Duration = Duration::from_millis(20);

/// Messages of these sizes do not wait. With 512 KiB and 32 outstanding that is 0.86 and 1.08 times as fast as the stock
/// flow at 0.77 times its CPU time, waiting in whatever way 0.77 to 1.2 times at 0.8 to 1.25.
const LEFT_OUT: Range<usize> = 512 << 10..SLEPT_FOR;

/// How long a sender looks for answers, giving way to others all the time, before it sleeps. 256 KiB with 4
/// outstanding are 0.90 and 0.96 times as fast as the stock flow when it sleeps at once, and 1.00 to 1.16 when it looks.
const LOOK: Duration = Duration::from_micros(300);

/// From which size on it sleeps at once: the answers take long enough. Looking for them would be 5 to 20 % faster
/// here, too, at up to 1.3 times the stock flow's CPU time.
const SLEPT_FOR: usize = 1 << 20;

/// How many large messages do not wait after one that has waited in vain: twice as many the next time, up to the second,
/// and half as many after each that has not. Drives take some requests without an answer, as in batches.
const SKIPS: [u32; 2] = [64, 4096];

/// So many messages of the least size are more than may be outstanding.
const KEPT: usize = BEFORE_SLEEP as usize / LARGE + 1;

/// Is a connection between these addresses one to the same machine?
pub fn is_near(local: Option<SocketAddr>, peer: Option<SocketAddr>) -> bool {
    let [local, peer] = [local, peer].map(|address| address.map(|address| address.ip().to_canonical()));
    peer.is_some_and(|peer| peer.is_loopback() || local == Some(peer))
}

/// What a large message waits for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Awaited {
    /// It need not wait if the message with this number has been answered.
    pub unless: u64,
    /// If it waits, then for the answer to the one with this number.
    pub until: u64,
}

/// What the sender knows of its large messages.
pub struct Window {
    /// There is something to wait for at all.
    near: bool,
    /// Number and bytes of the last ones, the newest in front. Messages are counted from 1.
    last: [(u64, u64); KEPT],
    /// So many more do not wait.
    skips: u32,
    /// As many will be left out when one waits in vain.
    next_skips: u32,
}

impl Window {
    /// Of a new connection, which is `near` where the drive is on the same machine and may be waited for.
    pub fn new(near: bool) -> Self {
        Window { near, last: [(0, 0); KEPT], skips: 0, next_skips: SKIPS[0] }
    }

    /// A large message of so many bytes was accepted, the `number`th of all.
    pub fn accepted(&mut self, number: u64, bytes: usize) {
        if self.near {
            self.last.rotate_right(1);
            self.last[0] = (number, bytes as u64);
        }
    }

    /// Whether the next message, a large one of so many bytes, has to wait.
    pub fn awaits(&mut self, bytes: usize) -> Option<Awaited> {
        if LEFT_OUT.contains(&bytes) {
            return None;
        }
        let unless = self.newest_beyond(if bytes < SLEPT_FOR { AHEAD } else { BEFORE_SLEEP })?;
        let until = self.newest_beyond(AHEAD)?;
        if self.skips > 0 {
            self.skips -= 1;
            return None;
        }
        Some(Awaited { unless, until })
    }

    /// The newest message that is, with those after it, of more than so many bytes.
    fn newest_beyond(&self, limit: u64) -> Option<u64> {
        let mut bytes = 0;
        let (number, _) = self.last.iter().find(|(_, more)| {
            bytes += more;
            bytes > limit
        })?;
        Some(*number)
    }

    /// One has waited, in vain or not.
    pub fn waited(&mut self, answered: bool) {
        if answered {
            self.next_skips = (self.next_skips / 2).max(SKIPS[0]);
        } else {
            self.skips = self.next_skips;
            self.next_skips = (2 * self.next_skips).min(SKIPS[1]);
        }
    }
}

/// How a message waits.
pub struct Patience {
    /// So long it looks.
    look: Duration,
    /// So long an answer may take after that: it is found out after once to twice that time that none has come.
    limit: Duration,
    /// So long it waits in all.
    whole: Duration,
}

impl Patience {
    /// Of a message of so many bytes, which has so much time left, if that is limited.
    pub fn of(bytes: usize, left: Option<Duration>) -> Self {
        let whole = left.map_or(WHOLE, |left| left.min(WHOLE));
        let look = if bytes < SLEPT_FOR { LOOK } else { Duration::ZERO };
        let limit = Duration::from_nanos(NANOSECONDS.saturating_mul(bytes as u64)).min(LIMIT);
        Patience { look: look.min(whole), limit: limit.min(whole), whole }
    }
}

/// Nobody waits.
const NEVER: u64 = u64::MAX;

/// Where the sender waits for answers.
pub struct Answers {
    /// It wants to be woken when so many messages have been received.
    wanted: AtomicU64,
    asleep: Mutex<()>,
    woken: Condvar,
}

impl Answers {
    /// With nobody waiting.
    pub fn new() -> Self {
        Answers { wanted: AtomicU64::new(NEVER), asleep: Mutex::new(()), woken: Condvar::new() }
    }

    /// Waits until `wanted` messages have been received. `received` tells how many have been, or `None` to give up. Runs
    /// on the sender's thread, and counts in `counters`.
    pub fn wait(
        &self,
        wanted: u64,
        patience: &Patience,
        received: impl Fn() -> Option<u64>,
        counters: &Counters<Own>,
    ) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < patience.look {
            match received() {
                Some(now) if now >= wanted => return true,
                Some(_) => {}
                None => return false,
            }
            counters.pauses.add(1);
            thread::yield_now();
        }
        let mut asleep = lock(&self.asleep);
        let mut expired = true;
        let mut before = None;
        let answered = loop {
            self.wanted.store(wanted, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            let now = received();
            let news = !expired || now != before;
            match now {
                Some(now) if now >= wanted => break true,
                Some(_) if news && begun.elapsed() < patience.whole => {}
                _ => break false,
            }
            if expired {
                before = now;
            }
            let slept = self.woken.wait_timeout(asleep, patience.limit);
            let (guard, result) = slept.unwrap_or_else(PoisonError::into_inner);
            asleep = guard;
            expired = result.timed_out();
        };
        self.wanted.store(NEVER, Ordering::Relaxed);
        answered
    }

    /// Pretends that the sender waits for so many messages, and tells whether it has been woken.
    #[cfg(test)]
    pub fn told_of(&self, wanted: u64) -> impl Fn() -> bool {
        self.wanted.store(wanted, Ordering::SeqCst);
        || self.wanted.load(Ordering::SeqCst) == NEVER
    }

    /// So many messages have been received. Runs on the receiver's thread, for each message and once more when it comes
    /// back to poll: a fence for each would do, too, but costs more than to find a sender that has just gone to sleep a
    /// little later.
    pub fn received(&self, messages: u64) {
        if messages >= self.wanted.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    /// The receiver never waits for the sender: one that is just going to sleep is woken the next time, or wakes up by
    /// itself.
    #[cold]
    fn wake(&self) {
        let Some(asleep) = try_lock(&self.asleep) else { return };
        self.wanted.store(NEVER, Ordering::Relaxed);
        drop(asleep);
        self.woken.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than any test takes.
    const LONG: Duration = Duration::from_secs(60);

    /// Without looking.
    fn asleep(limit: Duration) -> Patience {
        Patience { look: Duration::ZERO, limit, whole: LONG }
    }

    #[test]
    fn a_sender_that_looks_sees_the_answers_by_itself() {
        let (answers, received, counters) = (Answers::new(), AtomicU64::new(0), Counters::default());
        let looks = Patience { look: LONG, limit: Duration::ZERO, whole: LONG };
        let come = || Some(received.fetch_add(1, Ordering::SeqCst));
        assert!(answers.wait(5, &looks, come, &counters));
        assert_eq!(counters.pauses.get(), 5);
        assert!(!answers.wait(9, &looks, || None, &counters), "it is over");
        assert_eq!(answers.wanted.load(Ordering::SeqCst), NEVER);
    }

    #[test]
    fn the_same_machine_is_known_by_its_addresses() {
        for (local, peer, near) in [
            ("127.0.0.1:4000", "127.0.0.1:8123", true),
            ("127.0.0.1:4000", "127.1.2.3:8123", true),
            ("[::1]:4000", "[::1]:8123", true),
            ("[::ffff:127.0.0.1]:4000", "[::ffff:127.0.0.1]:8123", true),
            ("192.0.2.1:4000", "192.0.2.1:8123", true),
            ("192.0.2.1:4000", "192.0.2.2:8123", false),
            ("[2001:db8::1]:4000", "[2001:db8::2]:8123", false),
        ] {
            let [local, peer] = [local, peer].map(|text| Some(text.parse().unwrap()));
            assert_eq!(is_near(local, peer), near, "{local:?} to {peer:?}");
        }
        assert!(!is_near(None, None), "a UNIX socket");
    }

    #[test]
    fn so_many_bytes_may_be_outstanding_before_a_large_message() {
        // How many of a size: before one of the same size, and when it has waited.
        for (bytes, before, after) in [
            (LARGE, 6, 6),
            (LARGE + 1, 5, 5),
            (256 << 10, 3, 3),
            (500 << 10, 1, 1),
            (1 << 20, 4, 0),
            (2 << 20, 2, 0),
            (4 << 20, 1, 0),
            (64 << 20, 0, 0),
        ] {
            let mut window = Window::new(true);
            assert_eq!(window.awaits(bytes), None);
            for number in 1..20 {
                window.accepted(number, bytes);
                let awaited =
                    (number > before).then(|| Awaited { unless: number - before, until: number - after });
                assert_eq!(window.awaits(bytes), awaited, "{number} of {bytes} bytes");
            }
        }
        let mut window = Window::new(true);
        window.accepted(3, 1 << 20);
        window.accepted(200, LARGE);
        let awaited = Awaited { unless: 3, until: 3 };
        assert_eq!(window.awaits(LARGE), Some(awaited), "small ones between them do not count");
        assert_eq!(window.awaits(SLEPT_FOR), None);
        for number in 201..=232 {
            window.accepted(number, LARGE);
        }
        assert_eq!(window.awaits(SLEPT_FOR), Some(Awaited { unless: 200, until: 226 }));
        for bytes in [LEFT_OUT.start, LEFT_OUT.end - 1] {
            assert_eq!(window.awaits(bytes), None);
        }
    }

    #[test]
    fn nothing_waits_for_a_drive_on_another_machine() {
        let mut window = Window::new(false);
        window.accepted(1, 64 << 20);
        assert_eq!(window.awaits(LARGE), None);
    }

    #[test]
    fn what_waits_in_vain_is_left_out_for_a_while() {
        let mut window = Window::new(true);
        window.accepted(1, 1 << 20);
        let mut left_out = |answered| {
            assert!(window.awaits(LARGE).is_some());
            window.waited(answered);
            let count = (0..10_000).take_while(|_| window.awaits(LARGE).is_none()).count();
            // The one that was not left out.
            window.waited(true);
            count
        };
        assert_eq!(left_out(true), 0);
        assert_eq!(left_out(false), 64);
        assert_eq!(left_out(false), 64, "one that was answered forgives it");
        let again = |window: &mut Window| {
            window.waited(false);
            (0..10_000).take_while(|_| window.awaits(LARGE).is_none()).count()
        };
        let counts: Vec<_> = (0..8).map(|_| again(&mut window)).collect();
        assert_eq!(counts, [64, 128, 256, 512, 1024, 2048, 4096, 4096]);
        window.waited(true);
        assert_eq!(again(&mut window), 2048, "but not all of it");
    }

    #[test]
    fn the_receiver_wakes_the_sender_when_the_answer_has_come() {
        for late in [false, true] {
            let (answers, received) = (Answers::new(), AtomicU64::new(0));
            let begun = Instant::now();
            thread::scope(|scope| {
                let sender = scope.spawn(|| {
                    let received = || Some(received.load(Ordering::SeqCst));
                    answers.wait(3, &asleep(LONG), received, &Counters::default())
                });
                while answers.wanted.load(Ordering::SeqCst) == NEVER {
                    thread::yield_now();
                }
                // Until the sender sleeps.
                drop(lock(&answers.asleep));
                for count in 1..=3 {
                    assert!(!sender.is_finished());
                    received.store(count, Ordering::SeqCst);
                    if !late {
                        answers.received(count);
                    }
                }
                if late {
                    answers.received(3);
                }
                assert!(sender.join().unwrap());
            });
            assert!(begun.elapsed() < LONG, "it woke up by itself");
            assert_eq!(answers.wanted.load(Ordering::SeqCst), NEVER);
        }
    }

    #[test]
    fn the_receiver_does_not_wait_for_a_sender_that_is_going_to_sleep() {
        let answers = Answers::new();
        let going = lock(&answers.asleep);
        answers.wanted.store(1, Ordering::SeqCst);
        answers.received(1);
        assert_eq!(answers.wanted.load(Ordering::SeqCst), 1, "it is woken the next time");
        drop(going);
        answers.received(1);
        assert_eq!(answers.wanted.load(Ordering::SeqCst), NEVER);
    }

    #[test]
    fn a_message_does_not_wait_longer_than_its_time_limit() {
        let patience = Patience::of(256 << 10, Some(Duration::from_micros(100)));
        assert_eq!(patience.look, Duration::from_micros(100));
        let patience = Patience::of(64 << 20, Some(Duration::from_millis(1)));
        assert_eq!((patience.limit, patience.whole), (Duration::from_millis(1), Duration::from_millis(1)));
        let received = AtomicU64::new(0);
        let come = || Some(received.fetch_add(1, Ordering::SeqCst));
        let answered = Answers::new().wait(NEVER - 1, &patience, come, &Counters::default());
        assert!(!answered, "though answers come all the time");
    }

    #[test]
    fn the_sender_waits_as_long_as_answers_come() {
        let (answers, received) = (Answers::new(), AtomicU64::new(0));
        let wait = |limit, received: &dyn Fn() -> Option<u64>| {
            answers.wait(7, &asleep(limit), received, &Counters::default())
        };
        let moment = Duration::from_millis(1);
        // As if one came while it slept, again and again.
        assert!(wait(moment, &|| Some(received.fetch_add(1, Ordering::SeqCst))));
        assert!(!wait(moment, &|| Some(6)), "none has come");
        assert!(!wait(LONG, &|| None), "it is over");
        assert!(wait(LONG, &|| Some(7)), "it was there before");
    }
}
