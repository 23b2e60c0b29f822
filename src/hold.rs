//! Holds an answer back until the sender has let its request go.
//!
//! libkinetic's sender still writes to a request after `send` has returned, and the receiver frees it when the
//! answer has been processed. Where the bytes leave before `send` returns, only the drive's time is between the
//! two, and a sender that is preempted on its way out of the kernel, by the very drive that it has woken, loses
//! that race. So for a message that was sent this way the receiver looks, before it announces the next answer,
//! whether the sender has run since: a thread's CPU clock goes on only while the thread does. In the usual case
//! it has, and the look is all that it costs: 0.2 µs, and as much for the sender's own reading.

use std::{
    sync::atomic::{AtomicI32, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    socket::calls,
    statistics::{Count, Counters, Own},
};

/// How much CPU time the sender must have had since, in nanoseconds: more than a return from the kernel takes, at
/// which threads are preempted. A sender that has gone to sleep has used more: 250 ns was the least that was seen.
const ENOUGH: u64 = 150;

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
    /// The sender's thread, as the kernel counts.
    thread: AtomicI32,
    /// Its CPU time when `send` returned, in nanoseconds; or one of the above.
    since: AtomicU64,
    /// Which answer it is, counted from the first message that was received: no other has to wait.
    answer: AtomicU64,
}

impl Hold {
    /// With nothing to wait for.
    pub fn new() -> Self {
        Hold { thread: AtomicI32::new(0), since: AtomicU64::new(NOTHING), answer: AtomicU64::new(0) }
    }

    // The sender's side. ---------------------------------------------------------------------------

    /// A message is about to leave before its `send` returns. The answer is the one before which so many messages have
    /// been received. Where `send` returns, its thread drops the value that this gives: it takes the time on that
    /// thread's clock, and counts in `counters`.
    pub fn begin<'h>(&'h self, thread: i32, answer: u64, counters: &'h Counters<Own>) -> Inside<'h> {
        self.thread.store(thread, Ordering::Relaxed);
        self.answer.store(answer, Ordering::Relaxed);
        self.since.store(INSIDE, Ordering::Release);
        Inside { hold: self, counters }
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
            let thread = self.thread.load(Ordering::Relaxed);
            if since == NOTHING || thread == calls::thread_id(counters) {
                return;
            }
            if since != INSIDE {
                counters.clock_gettimes.add(1);
                // A thread that has ended has no clock.
                if calls::cpu_time(thread).is_none_or(|now| now.saturating_sub(since) >= ENOUGH) {
                    // Unless it has been back and gone again meanwhile.
                    let _ = self.since.compare_exchange(since, NOTHING, Ordering::Relaxed, Ordering::Relaxed);
                    return;
                }
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
    counters: &'h Counters<Own>,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.counters.clock_gettimes.add(1);
        self.hold.since.store(calls::own_cpu_time().clamp(1, INSIDE - 1), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        mem, panic,
        sync::{Arc, mpsc},
    };

    use super::*;

    fn counters() -> Counters<Own> {
        Counters::default()
    }

    #[test]
    fn a_sender_that_has_run_is_not_waited_for() {
        let hold = Arc::new(Hold::new());
        let (stop, stopped) = mpsc::channel::<()>();
        let (ready, started) = mpsc::channel();
        let sender = thread::spawn({
            let hold = Arc::clone(&hold);
            move || {
                let mine = counters();
                drop(hold.begin(calls::thread_id(&mine), 7, &mine));
                // What a sender does after `send`, and more: it runs, then it sleeps.
                ready.send(()).unwrap();
                let _ = stopped.recv();
            }
        });
        started.recv().unwrap();
        let begun = Instant::now();
        hold.wait(7, &counters());
        assert!(begun.elapsed() < LIMIT / 2);
        assert_eq!(hold.since.load(Ordering::Relaxed), NOTHING);
        drop(stop);
        sender.join().unwrap();
    }

    #[test]
    fn a_sender_inside_is_waited_for_but_not_for_ever() {
        let hold = Arc::new(Hold::new());
        thread::spawn({
            let hold = Arc::clone(&hold);
            move || {
                let mine = counters();
                mem::forget(hold.begin(calls::thread_id(&mine), 7, &mine));
            }
        })
        .join()
        .unwrap();
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
        let hold = Arc::new(Hold::new());
        thread::spawn({
            let hold = Arc::clone(&hold);
            move || {
                let mine = counters();
                let _inside = hold.begin(calls::thread_id(&mine), 7, &mine);
                // A panic without the message that the test's output would have.
                panic::resume_unwind(Box::new(()));
            }
        })
        .join()
        .unwrap_err();
        let begun = Instant::now();
        hold.wait(7, &counters());
        assert!(begun.elapsed() < LIMIT / 2);
        assert_eq!(hold.since.load(Ordering::Relaxed), NOTHING);
    }

    #[test]
    fn earlier_answers_do_not_wait() {
        let hold = Hold::new();
        let mine = counters();
        let _inside = hold.begin(1, 7, &mine);
        let begun = Instant::now();
        hold.wait(6, &counters());
        assert!(begun.elapsed() < LIMIT);
    }

    #[test]
    fn a_thread_does_not_wait_for_itself() {
        let hold = Hold::new();
        let mine = counters();
        let _inside = hold.begin(calls::thread_id(&mine), 7, &mine);
        let begun = Instant::now();
        hold.wait(7, &counters());
        assert!(begun.elapsed() < LIMIT);
    }
}
