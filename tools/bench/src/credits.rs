//! How a receiver lets its sender go on: a counting semaphore, as libkinetic's queue is with a program that
//! keeps so many requests outstanding.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, Thread},
};

/// Requests that may be sent.
pub struct Credits {
    available: AtomicUsize,
    taker: OnceLock<Thread>,
    closed: AtomicBool,
}

impl Credits {
    /// So many at first.
    pub fn new(count: usize) -> Self {
        Credits { available: AtomicUsize::new(count), taker: OnceLock::new(), closed: AtomicBool::new(false) }
    }

    /// Waits for some and takes all that are there; none when it was closed. One thread takes.
    pub fn take(&self) -> usize {
        self.taker.get_or_init(thread::current);
        loop {
            if self.closed.load(Ordering::Acquire) {
                return 0;
            }
            let count = self.available.swap(0, Ordering::Acquire);
            if count > 0 {
                return count;
            }
            thread::park();
        }
    }

    /// Gives back `count`.
    pub fn give(&self, count: usize) {
        self.available.fetch_add(count, Ordering::Release);
        self.wake();
    }

    /// Lets the taker go for good.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        // Costs a system call only when it is parked.
        if let Some(taker) = self.taker.get() {
            taker.unpark();
        }
    }
}
