//! Where log lines go: to the C program's callback, else to stderr.
//!
//! Inside the library everything uses the `log` facade. A Rust program that has installed a logger of
//! its own keeps it, and this one is never used.

use std::sync::{Mutex, Once};

use log::{LevelFilter, Log, Metadata, Record, warn};

use crate::{
    error::Errno,
    ffi::reserve,
    socket::calls,
    sync::{lock, lock_soon},
};

/// Receives one line, without a line end.
pub type Sink = Box<dyn Fn(log::Level, &str) + Send + Sync>;

struct Logger;

static SINK: Mutex<Option<std::sync::Arc<Sink>>> = Mutex::new(None);

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let text = record.args().to_string();
        // Called without the lock: a callback may set another one.
        let sink = lock_soon(&SINK).and_then(|sink| sink.clone());
        match sink {
            Some(sink) => sink(record.level(), &text),
            None => {
                let level = record.level().as_str().to_lowercase();
                // Not eprintln!, which panics where stderr is a full disk, and ends the program where it is a pipe that
                // nobody reads, or waits for ever.
                calls::write_to_stderr(&format!("ktli-uring: {level}: {text}\n"));
            }
        }
    }

    fn flush(&self) {}
}

/// Installs the logger with the level that `KTLI_URING_LOG` names (`warn` when it is not set), unless
/// the program has one. Only the first call does anything.
pub fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        static LOGGER: Logger = Logger;
        if log::set_logger(&LOGGER).is_err() {
            return;
        }
        let named = std::env::var("KTLI_URING_LOG").ok().filter(|_| !calls::is_privileged_for_another());
        let (level, complaint) = level(named.as_deref());
        log::set_max_level(level);
        if let Some(complaint) = complaint {
            warn!("{complaint}");
        }
    });
}

/// The level that a text names, or the default and what is wrong with the text.
fn level(text: Option<&str>) -> (LevelFilter, Option<String>) {
    let known = ["off", "error", "warn", "info", "debug", "trace"];
    match text {
        None => (LevelFilter::Warn, None),
        Some(text) if known.contains(&text) => (text.parse().unwrap_or(LevelFilter::Warn), None),
        Some(text) => (
            LevelFilter::Warn,
            Some(format!("KTLI_URING_LOG={text:?} is not one of {}: using warn", known.join(", "))),
        ),
    }
}

/// Sends log lines to `sink` from now on, or to stderr with `None`.
pub fn set_sink(sink: Option<Sink>) -> Result<(), Errno> {
    install();
    let sink = sink.map(std::sync::Arc::new);
    reserve::check()?;
    *lock(&SINK) = sink;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_and_others_refused() {
        assert_eq!(level(None), (LevelFilter::Warn, None));
        assert_eq!(level(Some("trace")), (LevelFilter::Trace, None));
        assert_eq!(level(Some("error")), (LevelFilter::Error, None));
        let (used, complaint) = level(Some("loud"));
        assert_eq!(used, LevelFilter::Warn);
        assert!(complaint.unwrap().contains("\"loud\" is not one of"));
    }
}
