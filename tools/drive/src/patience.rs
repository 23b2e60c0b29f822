//! How long a request may take.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::protocol::Header;

/// The longest time a request may take that can take long.
const LONGEST: Duration = Duration::from_secs(60);

/// The end of a request's time. It is over at once when the drive stops.
pub(crate) struct Patience<'a> {
    end: Instant,
    stopping: &'a AtomicBool,
}

impl<'a> Patience<'a> {
    /// As long as the request wants, but not longer than a minute.
    pub fn new(header: &Header, stopping: &'a AtomicBool) -> Self {
        // Zero is what clients send that do not care.
        let wanted = header.timeout.filter(|&timeout| timeout > 0);
        let wanted = wanted.map_or(LONGEST, Duration::from_millis);
        Self { end: Instant::now() + wanted.min(LONGEST), stopping }
    }

    /// How much time is left.
    pub fn left(&self) -> Duration {
        if self.stopping.load(Ordering::Relaxed) {
            return Duration::ZERO;
        }
        self.end.saturating_duration_since(Instant::now())
    }

    /// Whether there is no time left.
    pub fn is_over(&self) -> bool {
        self.left().is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_may_take_what_it_wants_up_to_a_limit() {
        let stopping = AtomicBool::new(false);
        let left = |timeout| Patience::new(&Header { timeout, ..Header::default() }, &stopping).left();
        let far = LONGEST.saturating_sub(Duration::from_secs(20));
        assert!(left(None) > far && left(None) <= LONGEST);
        assert!(left(Some(0)) > far && left(Some(u64::MAX)) <= LONGEST);
        assert!(left(Some(30_000)) <= Duration::from_secs(30));
        let patience = Patience::new(&Header::default(), &stopping);
        assert!(!patience.is_over());
        stopping.store(true, Ordering::Relaxed);
        assert!(patience.is_over());
    }
}
