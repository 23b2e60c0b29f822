//! Until when a call may wait.

use std::{
    cell::OnceCell,
    time::{Duration, Instant},
};

/// The end of a time-out that has begun with the call. Most calls end without asking, so the clock is read by the first
/// who does: with one request outstanding a reading is a few thousandths of the time.
pub struct Deadline {
    limit: Option<Duration>,
    at: OnceCell<Option<Instant>>,
}

impl Deadline {
    /// After `limit`; `None`: never.
    pub fn new(limit: Option<Duration>) -> Self {
        Deadline { limit, at: OnceCell::new() }
    }

    /// When it is; `None` where it never is, also for a time that is beyond what the clock can tell.
    pub fn at(&self) -> Option<Instant> {
        *self.at.get_or_init(|| self.limit.and_then(|limit| Instant::now().checked_add(limit)))
    }

    /// How long it is until then; `None` as in [`at`](Self::at).
    pub fn left(&self) -> Option<Duration> {
        let began = self.at.get().is_some();
        let at = self.at()?;
        if began { Some(at.saturating_duration_since(Instant::now())) } else { self.limit }
    }

    /// How long to wait before the next look, at most `most`; `None` when it is over.
    pub fn step(&self, most: Duration) -> Option<Duration> {
        let step = self.left().map_or(most, |left| left.min(most));
        (!step.is_zero()).then_some(step)
    }

    /// Is it over?
    pub fn is_over(&self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn the_time_begins_with_the_first_question() {
        let limit = Duration::from_millis(20);
        let deadline = Deadline::new(Some(limit));
        assert_eq!(deadline.left(), Some(limit));
        let hour = Deadline::new(Some(Duration::from_secs(3600)));
        assert_eq!(hour.step(limit), Some(limit));
        assert!(hour.step(Duration::MAX).unwrap() <= Duration::from_secs(3600));
        thread::sleep(limit / 2);
        assert!(deadline.left().unwrap() <= limit / 2);
        assert!(!Deadline::new(Some(limit)).is_over());
        thread::sleep(limit / 2);
        assert!(deadline.is_over() && deadline.step(limit).is_none());
        assert!(deadline.at().unwrap() <= Instant::now());
    }

    #[test]
    fn what_never_comes_is_never_over() {
        for limit in [None, Some(Duration::MAX)] {
            let deadline = Deadline::new(limit);
            assert_eq!((deadline.left(), deadline.at(), deadline.is_over()), (None, None, false));
            assert_eq!(deadline.step(Duration::MAX), Some(Duration::MAX));
        }
        assert!(Deadline::new(Some(Duration::ZERO)).is_over());
    }
}
