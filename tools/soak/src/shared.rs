//! What all threads of a run share.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{drive::Drive, line::Line, tally::Tally, values::Values};

pub struct Shared {
    pub values: Values,
    pub tally: Tally,
    pub drive: Drive,
    /// No more faults come, and the sessions check what they have and end.
    pub ending: AtomicBool,
    /// Counts the times at which the drive was told to be silent, and to be so no more.
    silences: AtomicU64,
    begun: Instant,
    /// What each session uses now.
    lines: Vec<Mutex<Option<Arc<Line>>>>,
    /// When each session got on last, in milliseconds since the start.
    beats: Vec<AtomicU64>,
}

impl Shared {
    pub fn new(seed: u64, sessions: usize, drive: Drive) -> Shared {
        Shared {
            values: Values::new(seed),
            tally: Tally::default(),
            drive,
            ending: AtomicBool::new(false),
            silences: AtomicU64::new(0),
            begun: Instant::now(),
            lines: (0..sessions).map(|_| Mutex::new(None)).collect(),
            beats: (0..sessions).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    /// The drive is about to be told to be silent, or has been told to be so no more.
    pub fn change_silence(&self) {
        self.silences.fetch_add(1, Ordering::AcqRel);
    }

    /// If it was the same at two times, and even, the drive was not told to be silent between them.
    pub fn silences(&self) -> u64 {
        self.silences.load(Ordering::Acquire)
    }

    /// The session uses this line from now on.
    pub fn uses(&self, session: usize, line: &Arc<Line>) {
        *self.lines[session].lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(line));
    }

    /// What the session uses now.
    pub fn line(&self, session: usize) -> Option<Arc<Line>> {
        self.lines[session].lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The session gets on.
    pub fn beat(&self, session: usize) {
        self.beats[session].store(self.begun.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// Which sessions have not got on for so long?
    pub fn stuck(&self, patience: Duration) -> Vec<usize> {
        let since = self.begun.elapsed().saturating_sub(patience).as_millis() as u64;
        (0..self.beats.len()).filter(|session| self.beats[*session].load(Ordering::Relaxed) < since).collect()
    }
}
