//! What signals ask the program for.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;
use signal_hook::iterator::Signals;

/// What the program is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// To stop (SIGTERM and SIGINT).
    Stop,
    /// To print its statistics (SIGUSR1).
    Report,
    /// The same, because it is time.
    Interval,
}

/// Signals and the time, one after the other.
pub struct Events {
    signals: Receiver<Event>,
    interval: Option<Duration>,
    next: Option<Instant>,
}

impl Events {
    /// Takes over SIGTERM, SIGINT and SIGUSR1; with an interval,
    /// [`Event::Interval`] comes as often as it says.
    ///
    /// A second SIGTERM or SIGINT ends the process at once, as if it had never
    /// been taken over.
    pub fn new(interval: Option<Duration>) -> io::Result<Self> {
        let stopping = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // In this order: the first signal finds the flag still off.
            flag::register_conditional_default(signal, Arc::clone(&stopping))?;
            flag::register(signal, Arc::clone(&stopping))?;
        }
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGUSR1])?;
        let (sender, receiver) = mpsc::channel();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                let event = if signal == SIGUSR1 { Event::Report } else { Event::Stop };
                if sender.send(event).is_err() {
                    return;
                }
            }
        })?;
        let mut events = Self { signals: receiver, interval, next: None };
        events.next = events.after(Instant::now());
        Ok(events)
    }

    /// Waits for the next one.
    pub fn next(&mut self) -> Event {
        let Some(next) = self.next else {
            return self.signals.recv().unwrap_or(Event::Stop);
        };
        match self.signals.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => {
                self.next = self.after(next);
                Event::Interval
            }
            Err(RecvTimeoutError::Disconnected) => Event::Stop,
        }
    }

    /// One interval later; `None` if there is none, or it is too long for the
    /// clock.
    fn after(&self, time: Instant) -> Option<Instant> {
        time.checked_add(self.interval?)
    }
}
