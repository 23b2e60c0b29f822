//! The drive's recent messages, for those who ask over the network.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use log::{LevelFilter, Log, Metadata, Record};

use crate::text::shorten;

/// How many bytes of messages are kept at most.
const CAPACITY: usize = 64 << 10;

/// The longest line in bytes.
const LONGEST: usize = 1 << 10;

/// From which level on messages are kept.
const LEVEL: LevelFilter = LevelFilter::Info;

/// The recent messages of a process: the last 64 KiB of what was logged at
/// level "info" and above, whatever is printed elsewhere. A clone is another
/// handle of the same messages. May be used from any thread.
#[derive(Clone)]
pub struct Messages {
    start: Instant,
    lines: Arc<Mutex<Lines>>,
}

#[derive(Default)]
struct Lines {
    lines: VecDeque<String>,
    /// The bytes of all lines.
    size: usize,
}

impl Messages {
    /// No messages yet.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now(), lines: Arc::default() }
    }

    /// Has everything that is logged from now on kept, besides giving it to
    /// `other`, which prints what is up to `level`.
    ///
    /// # Errors
    ///
    /// If the process has a logger already.
    pub fn install(&self, other: impl Log + 'static, level: LevelFilter) -> Result<(), log::SetLoggerError> {
        log::set_boxed_logger(Box::new(Tee { messages: self.clone(), other }))?;
        log::set_max_level(level.max(LEVEL));
        Ok(())
    }

    /// Keeps a line, with the time since the start in front. Old lines go when
    /// there is no room.
    fn push(&self, level: log::Level, text: &fmt::Arguments<'_>) {
        let time = self.start.elapsed().as_secs_f64();
        let mut line = format!("[{time:12.6}] {level} {text}");
        shorten(&mut line, LONGEST - 1);
        // The end of the line and of the text have to be where they belong.
        line = line.replace(['\n', '\r', '\0'], " ");
        line.push('\n');
        let mut kept = self.lock();
        kept.size += line.len();
        kept.lines.push_back(line);
        while kept.size > CAPACITY {
            let Some(oldest) = kept.lines.pop_front() else { return };
            kept.size -= oldest.len();
        }
    }

    /// All lines, the oldest first, and a zero at the end: clients in C print
    /// them as a string.
    pub(crate) fn text(&self) -> Vec<u8> {
        let kept = self.lock();
        let mut text = Vec::with_capacity(kept.size + 1);
        for line in &kept.lines {
            text.extend_from_slice(line.as_bytes());
        }
        text.push(0);
        text
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        // A panic here leaves a wrong size at worst.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Messages {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").finish_non_exhaustive()
    }
}

/// Gives what is logged to two places.
struct Tee<L> {
    messages: Messages,
    other: L,
}

impl<L: Log> Log for Tee<L> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= LEVEL || self.other.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if record.level() <= LEVEL {
            self.messages.push(record.level(), record.args());
        }
        // It does not have to look itself.
        if self.other.enabled(record.metadata()) {
            self.other.log(record);
        }
    }

    fn flush(&self) {
        self.other.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(messages: &Messages, text: &str) {
        messages.push(log::Level::Info, &format_args!("{text}"));
    }

    fn text(messages: &Messages) -> String {
        String::from_utf8(messages.text()).unwrap()
    }

    #[test]
    fn no_messages_are_a_zero() {
        assert_eq!(Messages::new().text(), [0]);
    }

    #[test]
    fn lines_come_in_order_and_end_with_a_zero() {
        let messages = Messages::new();
        push(&messages.clone(), "first");
        push(&messages, "second");
        let text = text(&messages);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].ends_with("INFO first") && lines[1].ends_with("INFO second"));
        assert_eq!(lines[2..], ["\0"]);
    }

    #[test]
    fn a_line_is_one_line() {
        let messages = Messages::new();
        push(&messages, "a\nb\0c\rd");
        assert!(text(&messages).ends_with("INFO a b c d\n\0"));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let messages = Messages::new();
        for number in 0..10_000 {
            push(&messages, &format!("message {number}"));
        }
        let all = text(&messages);
        assert!(all.len() <= CAPACITY + 1 && all.len() > CAPACITY - LONGEST);
        assert!(all.ends_with("message 9999\n\0"));
        // Whole lines go.
        assert!(all.starts_with('['));
        push(&messages, &"\u{e4}".repeat(CAPACITY));
        assert!(text(&messages).len() <= CAPACITY + 1);
        assert!(text(&messages).lines().all(|line| line.len() < LONGEST));
        assert!(text(&messages).contains("message 9999\n"));
    }
}
