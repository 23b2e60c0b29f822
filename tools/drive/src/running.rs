//! Waiting for the end of threads that nobody joins.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many threads have not come to their end.
///
/// Threads are counted instead of joined so that a thread that ended leaves
/// nothing behind, and so that there can be a limit to the waiting.
pub(crate) struct Running {
    count: Mutex<usize>,
    ended: Condvar,
}

/// Held by a thread until its end, also if it panics.
pub(crate) struct Token(Arc<Running>);

impl Running {
    pub fn new() -> Self {
        Self { count: Mutex::new(0), ended: Condvar::new() }
    }

    /// Waits until all threads have ended, but not longer than `limit`.
    pub fn wait(&self, limit: Option<Duration>) {
        let count = self.count();
        match limit {
            None => drop(self.ended.wait_while(count, |count| *count > 0)),
            Some(limit) => drop(self.ended.wait_timeout_while(count, limit, |count| *count > 0)),
        }
    }

    fn count(&self) -> MutexGuard<'_, usize> {
        // A number is whole at any time, so poison does not matter.
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Token {
    pub fn new(running: Arc<Running>) -> Self {
        *running.count() += 1;
        Self(running)
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        let mut count = self.0.count();
        *count -= 1;
        if *count == 0 {
            self.0.ended.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn waiting_ends_with_the_last_thread() {
        let running = Arc::new(Running::new());
        running.wait(None);
        let tokens = [(); 3].map(|()| Token::new(Arc::clone(&running)));
        running.wait(Some(Duration::from_millis(1)));
        assert_eq!(*running.count(), 3);
        let threads = tokens.map(|token| thread::spawn(move || drop(token)));
        running.wait(None);
        assert_eq!(*running.count(), 0);
        for thread in threads {
            thread.join().unwrap();
        }
    }
}
