//! Holds an answer back until the sender has let its request go.
//!
//! libkinetic's sender still writes to a request after `send` has returned, and the receiver frees it when the
//! answer has been processed. Where the bytes leave before `send` returns, only the drive's time is between the
//! two, and a sender that is preempted on its way out of the kernel, by the very drive that it has woken, loses
//! that race. So for a message that was sent this way the receiver looks, before it announces the next answer,
//! whether the sender is out of `send`, and has been for a moment.
//!
//! That the sender is out is noted when its thread is back from the kernel: only an interrupt can take the processor from
//! it then, in the some 100 ns until its last access. To see that, too, the receiver used to ask for the sender's CPU
//! time, which goes on only while the thread runs. That saw the first 150 ns and not what came after. In 540,000 answers
//! each, to a sender that shares its processor with the drive and a busy program, 26 were early both ways, and the two
//! system calls, the sender's and the receiver's, cost 4 % of the rate with one request outstanding.

use std::{
    hint,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    socket::calls,
    statistics::{Count, Counters, Own},
};

/// How long ago the sender must have left `send`, in nanoseconds: more than it takes to its last access, unless it is
/// interrupted. Hardly anybody waits for this but where the receiver has seen the sender inside.
const ENOUGH: u64 = 1_000;

/// The longest that an answer is held back: a thread that waits for a processor gets one within a few time
/// slices.
const LIMIT: Duration = Duration::from_millis(10);

/// After so many looks the receiver naps between them, twice as long each time: the sender may wait for a processor
/// behind a thousand other threads.
const LOOKS: u32 = 3;
const NAP: Duration = Duration::from_micros(50);

/// `since`: there is nothing to wait for.
const NOTHING: u64 = 0;
/// `since`: the sender is still inside `send`.
const INSIDE: u64 = u64::MAX;

/// What the receiver has to know of the sender.
pub struct Hold {
    /// When `send` returned, on the monotonic clock, in nanoseconds; or one of the above.
    since: AtomicU64,
    /// Which answer it is, counted from the first message that was received: no other has to wait.
    answer: AtomicU64,
}

impl Hold {
    /// With nothing to wait for.
    pub fn new() -> Self {
        Hold { since: AtomicU64::new(NOTHING), answer: AtomicU64::new(0) }
    }

    // The sender's side. ---------------------------------------------------------------------------

    /// A message is about to leave before its `send` returns. The answer is the one before which so many messages have
    /// been received. Where `send` returns, its thread drops the value that this gives, after its last system call.
    pub fn begin(&self, answer: u64) -> Inside<'_> {
        self.answer.store(answer, Ordering::Relaxed);
        self.since.store(INSIDE, Ordering::Release);
        Inside { hold: self }
    }

    /// The sender is back, and has let all earlier requests go.
    pub fn clear(&self) {
        if self.since.load(Ordering::Relaxed) != NOTHING {
            self.since.store(NOTHING, Ordering::Relaxed);
        }
    }

    // The receiver's side. -------------------------------------------------------------------------

    /// Waits until the sender has let its request go, before a message is announced that is the next after
    /// `received` others. Counts in `counters`.
    pub fn wait(&self, received: u64, counters: &Counters<Own>) {
        if self.since.load(Ordering::Relaxed) != NOTHING && received >= self.answer.load(Ordering::Relaxed) {
            self.watch(counters);
        }
    }

    #[cold]
    fn watch(&self, counters: &Counters<Own>) {
        let mut looks = 0;
        let mut until = None;
        loop {
            let since = self.since.load(Ordering::Acquire);
            if since == NOTHING {
                return;
            }
            if since != INSIDE {
                while calls::monotonic().saturating_sub(since) < ENOUGH {
                    hint::spin_loop();
                }
                // Unless it has been back and gone again meanwhile.
                let _ = self.since.compare_exchange(since, NOTHING, Ordering::Relaxed, Ordering::Relaxed);
                return;
            }
            if Instant::now() >= *until.get_or_insert_with(|| Instant::now() + LIMIT) {
                return;
            }
            looks += 1;
            counters.pauses.add(1);
            if looks <= LOOKS {
                thread::yield_now();
            } else {
                thread::sleep(NAP * (1 << (looks - LOOKS - 1).min(5)));
            }
        }
    }
}

/// A `send` is on its way. Dropped when it is about to return, also by a panic: every later answer would wait for as
/// long as one may.
pub struct Inside<'h> {
    hold: &'h Hold,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.hold.since.store(calls::monotonic().clamp(1, INSIDE - 1), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::{mem, panic};

    use super::*;

    fn counters() -> Counters<Own> {
        Counters::default()
    }

    #[test]
    fn a_sender_that_is_out_is_not_waited_for() {
        let hold = Hold::new();
        drop(hold.begin(7));
        let left = hold.since.load(Ordering::Relaxed);
        let begun = Instant::now();
        hold.wait(7, &counters());
        assert!(begun.elapsed() < LIMIT / 2);
        assert!(calls::monotonic() - left >= ENOUGH);
        assert_eq!(hold.since.load(Ordering::Relaxed), NOTHING);
    }

    #[test]
    fn a_sender_inside_is_waited_for() {
        let hold = Hold::new();
        let inside = hold.begin(7);
        let out = thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                hold.wait(7, &counters());
                hold.since.load(Ordering::Relaxed)
            });
            thread::sleep(LIMIT / 5);
            drop(inside);
            waiter.join().unwrap()
        });
        assert_eq!(out, NOTHING);
    }

    #[test]
    fn a_sender_inside_is_waited_for_but_not_for_ever() {
        let hold = Hold::new();
        mem::forget(hold.begin(7));
        let begun = Instant::now();
        let mine = counters();
        hold.wait(7, &mine);
        assert!(begun.elapsed() >= LIMIT);
        // On a busy machine a single look may take as long.
        assert!(mine.pauses.get() > 0);
        hold.clear();
        let begun = Instant::now();
        hold.wait(7, &mine);
        assert!(begun.elapsed() < LIMIT);
    }

    #[test]
    fn a_send_that_panics_is_over() {
        let hold = Hold::new();
        thread::scope(|scope| {
            scope
                .spawn(|| {
                    let _inside = hold.begin(7);
                    // A panic without the message that the test's output would have.
                    panic::resume_unwind(Box::new(()));
                })
                .join()
                .unwrap_err();
        });
        let begun = Instant::now();
        hold.wait(7, &counters());
        assert!(begun.elapsed() < LIMIT / 2);
        assert_eq!(hold.since.load(Ordering::Relaxed), NOTHING);
    }

    #[test]
    fn earlier_answers_do_not_wait() {
        let hold = Hold::new();
        let _inside = hold.begin(7);
        let begun = Instant::now();
        hold.wait(6, &counters());
        assert!(begun.elapsed() < LIMIT);
    }
}
