//! Tells whoever waits how far it is.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

/// Runs that are done and to be done.
pub struct Progress {
    start: Instant,
    estimate: Duration,
    done: Duration,
    live: bool,
}

impl Progress {
    /// Something that takes about as long as `estimate`.
    pub fn new(estimate: Duration) -> Self {
        Progress { start: Instant::now(), estimate, done: Duration::ZERO, live: io::stderr().is_terminal() }
    }

    /// There is more to do, which takes about so long.
    pub fn expect(&mut self, time: Duration) {
        self.estimate += time;
    }

    /// The next run begins, which takes about so long. Shown on a terminal only.
    pub fn run(&mut self, time: Duration) {
        if self.live {
            let _ = write!(io::stderr(), "\r{}\x1b[K", self.left());
        }
        self.done += time;
    }

    /// A line that stays.
    pub fn line(&mut self, line: &str) {
        if self.live {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
        println!("{line}");
        if !self.live {
            println!("  {}", self.left());
        }
    }

    /// The time left: what was estimated, corrected by how wrong that has been so far.
    fn left(&self) -> String {
        let elapsed = self.start.elapsed();
        let rest = self.estimate.saturating_sub(self.done).as_secs_f64();
        let pace = if self.done < Duration::from_secs(2) {
            1.0
        } else {
            elapsed.as_secs_f64() / self.done.as_secs_f64()
        };
        let left = (rest * pace) as u64;
        format!(
            "{}:{:02} passed, about {}:{:02} left",
            elapsed.as_secs() / 60,
            elapsed.as_secs() % 60,
            left / 60,
            left % 60
        )
    }
}
