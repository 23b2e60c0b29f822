//! How busy the drive keeps the processors.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// How long a span has to be at least so that a share of it says something.
const SHORTEST: Duration = Duration::from_millis(100);

/// Measures the share of the processors' time that this process uses.
pub(crate) struct Meter {
    processors: f64,
    last: Mutex<Look>,
}

/// What there was to see at a time.
struct Look {
    at: Instant,
    /// How much processor time the process had used.
    used: Duration,
    /// The share until then.
    share: f32,
}

impl Meter {
    /// A meter that measures from now on.
    pub fn new() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get) as f64;
        Self { processors, last: Mutex::new(Look { at: Instant::now(), used: used(), share: 0.0 }) }
    }

    /// The share used since the last look, from 0 to 1. Looks that follow one
    /// another in no time see the same.
    pub fn share(&self) -> f32 {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Look { at: Instant::now(), used: used(), share: 0.0 };
        let span = now.at - last.at;
        if span >= SHORTEST {
            let busy = now.used.saturating_sub(last.used);
            let share = busy.as_secs_f64() / span.as_secs_f64() / self.processors;
            *last = Look { share: share.clamp(0.0, 1.0) as f32, ..now };
        }
        last.share
    }
}

/// The processor time of all threads of this process so far.
fn used() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    // The clock starts at zero and only goes on.
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows() {
        let meter = Meter { processors: 1.0, ..Meter::new() };
        let (start, begun) = (used(), Instant::now());
        // By its own clock, so that it does not matter how loaded the machine
        // is; and long enough to say something, since other tests work for the
        // same clock meanwhile.
        while used().saturating_sub(start) < 2 * SHORTEST || begun.elapsed() < SHORTEST {}
        let share = meter.share();
        assert!(share > 0.0 && share <= 1.0, "{share}");
        // Too soon for another look.
        meter.last.lock().unwrap().at = Instant::now();
        assert_eq!(meter.share(), share);
    }
}
