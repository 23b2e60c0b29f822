//! What large requests and answers of all connections may occupy together.
//!
//! A connection claims the bytes of a large request before it reads them, and
//! those of a large answer before it keeps it for sending. It waits for a
//! claim only while it has none itself, so connections cannot wait for each
//! other in a circle; and it waits for [`PATIENCE`] at most. Claims end when
//! the request is executed, when the answers are sent, or with the connection,
//! which the stall time-out ends if the client is too slow.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a request waits for its bytes before it is refused.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// Frames and answers from this size on, in bytes, need a claim. Smaller ones
/// are what each connection's own buffers are for.
pub(crate) const LARGE: usize = 64 << 10;

/// How many bytes may be claimed, and how many are.
pub(crate) struct Budget {
    total: u64,
    state: Mutex<State>,
    freed: Condvar,
}

struct State {
    used: u64,
    /// How many threads wait. Without any, nobody has to be woken, which would
    /// be a system call.
    waiting: usize,
}

/// Claimed bytes, given back when dropped.
pub(crate) struct Claim<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    /// A budget of `total` bytes.
    pub fn new(total: u64) -> Self {
        Self { total, state: Mutex::new(State { used: 0, waiting: 0 }), freed: Condvar::new() }
    }

    /// Claims bytes if they are there.
    pub fn try_claim(&self, bytes: usize) -> Option<Claim<'_>> {
        self.grant(&mut self.state(), bytes as u64)
    }

    /// Claims bytes; waits for them for up to `patience`. The caller must not
    /// have any claim.
    pub fn claim(&self, bytes: usize, patience: Duration) -> Option<Claim<'_>> {
        let bytes = bytes as u64;
        let mut state = self.state();
        if !self.fits(&state, bytes) {
            state.waiting += 1;
            let result = self.freed.wait_timeout_while(state, patience, |state| !self.fits(state, bytes));
            state = result.unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
        }
        self.grant(&mut state, bytes)
    }

    /// How many bytes are claimed.
    pub fn used(&self) -> u64 {
        self.state().used
    }

    fn fits(&self, state: &State, bytes: u64) -> bool {
        bytes <= self.total - state.used
    }

    fn grant(&self, state: &mut State, bytes: u64) -> Option<Claim<'_>> {
        self.fits(state, bytes).then(|| {
            state.used += bytes;
            Claim { budget: self, bytes }
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Numbers are whole at any time, so poison does not matter.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut state = self.budget.state();
        state.used -= self.bytes;
        if state.waiting > 0 {
            self.budget.freed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn no_more_than_the_total_is_claimed() {
        let budget = Budget::new(100);
        let first = budget.try_claim(60).unwrap();
        assert!(budget.try_claim(41).is_none());
        let second = budget.try_claim(40).unwrap();
        assert_eq!(budget.used(), 100);
        drop(first);
        assert_eq!(budget.used(), 40);
        assert!(budget.try_claim(60).is_some());
        drop(second);
        assert_eq!(budget.used(), 0);
        assert!(budget.try_claim(101).is_none());
    }

    #[test]
    fn waiting_ends_without_a_claim() {
        let budget = Budget::new(100);
        let _all = budget.try_claim(100).unwrap();
        assert!(budget.claim(1, Duration::from_millis(1)).is_none());
        assert_eq!(budget.state().waiting, 0);
    }

    #[test]
    fn what_is_given_back_goes_to_those_who_wait() {
        let budget = Budget::new(100);
        let all = budget.try_claim(100).unwrap();
        thread::scope(|scope| {
            let waiting = [30, 70].map(|bytes| {
                let budget = &budget;
                scope.spawn(move || budget.claim(bytes, LONG).is_some())
            });
            while budget.state().waiting < 2 {
                thread::yield_now();
            }
            drop(all);
            assert!(waiting.into_iter().all(|thread| thread.join().unwrap()));
        });
        assert_eq!(budget.used(), 0);
    }
}
