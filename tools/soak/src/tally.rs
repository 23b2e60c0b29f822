//! What is counted, and what is told in the end.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// How many losses are described; all are counted.
const DESCRIBED: u64 = 20;

#[derive(Default)]
pub struct Tally {
    /// Requests that were answered.
    pub requests: AtomicU64,
    /// Bytes of messages and values, both ways.
    pub bytes: AtomicU64,
    /// Values that were read back and compared.
    pub compared: AtomicU64,
    /// Requests whose answers never came, since the connection ended before.
    pub unanswered: AtomicU64,
    /// Answers that nobody had asked for.
    pub unasked: AtomicU64,
    /// Connections that were made.
    pub connections: AtomicU64,
    /// What must not be: see [`Wrong`].
    wrong: [AtomicU64; 4],
    faults: Mutex<BTreeMap<&'static str, u64>>,
}

/// What must not be.
#[derive(Clone, Copy)]
pub enum Wrong {
    /// A value that must be there is not, or an older one is.
    Lost,
    /// A value that was never stored there, or an answer that cannot be decoded.
    Garbage,
    /// A call or an answer that did not come.
    Hang,
    /// A result that a driver must not give, or a drive that ends badly.
    Misdeed,
}

/// Counts.
pub fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Relaxed);
}

impl Tally {
    /// One more fault of this kind has happened.
    pub fn fault(&self, kind: &'static str) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default() += 1;
    }

    /// Something is wrong.
    pub fn wrong(&self, kind: Wrong, what: impl fmt::Display) {
        if self.wrong[kind as usize].fetch_add(1, Relaxed) < DESCRIBED {
            let name = ["value lost", "garbage", "hang", "misdeed"][kind as usize];
            eprintln!("{name}: {what}");
        }
    }

    /// Is anything wrong?
    pub fn is_bad(&self) -> bool {
        self.wrong.iter().any(|count| count.load(Relaxed) > 0)
    }

    /// In one line, for whoever waits.
    pub fn line(&self) -> String {
        let [requests, bytes, compared] =
            [&self.requests, &self.bytes, &self.compared].map(|c| c.load(Relaxed));
        let faults: u64 = self.faults.lock().unwrap_or_else(PoisonError::into_inner).values().sum();
        let wrong: u64 = self.wrong.iter().map(|count| count.load(Relaxed)).sum();
        format!(
            "{requests} requests, {:.1} GB, {compared} values compared, {faults} faults, {wrong} wrong",
            bytes as f64 / 1e9
        )
    }

    /// All of it.
    pub fn summary(&self) -> String {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let [lost, garbage, hangs, misdeeds] = [0, 1, 2, 3].map(|kind: usize| self.wrong[kind].load(Relaxed));
        let counts = [
            ("requests answered", self.requests.load(Relaxed)),
            ("requests without an answer", self.unanswered.load(Relaxed)),
            ("answers that were not asked for", self.unasked.load(Relaxed)),
            ("bytes", self.bytes.load(Relaxed)),
            ("values compared", self.compared.load(Relaxed)),
            ("connections made", self.connections.load(Relaxed)),
            ("signals handled", ktli_client::signals::handled()),
            ("faults survived", faults.values().sum()),
        ];
        let wrong = [("values lost", lost), ("garbage", garbage), ("hangs", hangs), ("misdeeds", misdeeds)];
        let count = |(name, count)| format!("{count:>16} {name}");
        let mut lines: Vec<String> = counts.map(count).into();
        lines.extend(faults.iter().map(|(kind, count)| format!("{count:>20} {kind}")));
        lines.extend(wrong.map(count));
        lines.join("\n")
    }
}
