//! What the program prints, for people or as JSON.
//!
//! For people, only the "listening" lines go to the standard output, and all
//! the rest to the standard error. As JSON, each line is an object whose field
//! `event` says what it is; the standard output has `listening` and
//! `statistics`, with TLS `listening_tls` besides, the standard error has `log` and `error`.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::{Duration, SystemTime};

use kinetic_drive::{Messages, Statistics};
use log::LevelFilter;
use serde_json::{Value, json};

/// How to print.
#[derive(Clone, Copy, Debug)]
pub struct Printer {
    /// Whether as JSON.
    pub json: bool,
}

impl Printer {
    /// Has log messages printed: those of `level`, or what the environment
    /// variable `RUST_LOG` says, or warnings. Besides, they are kept for those
    /// who ask over the network.
    pub fn start_log(self, level: Option<LevelFilter>) -> Messages {
        let environment = env_logger::Env::default().default_filter_or("warn");
        let mut builder = env_logger::Builder::from_env(environment);
        if let Some(level) = level {
            builder.filter_level(level);
        }
        if self.json {
            builder.format(|out, record| {
                let line = json!({
                    "event": "log",
                    "time": seconds(),
                    "level": record.level().as_str().to_lowercase(),
                    "target": record.target(),
                    "message": record.args().to_string(),
                });
                writeln!(out, "{line}")
            });
        }
        let logger = builder.build();
        let printed = logger.filter();
        let messages = Messages::new();
        messages.install(logger, printed).expect("nothing else has set a logger");
        messages
    }

    /// Says that the drive serves connections: plain ones on the first line,
    /// and on the second, if there is one, those over TLS.
    ///
    /// # Errors
    ///
    /// If the standard output cannot be written to.
    pub fn listening(self, plain: SocketAddr, tls: Option<SocketAddr>) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let plain = ("listening", "listening on", plain);
        let tls = tls.map(|address| ("listening_tls", "listening with TLS on", address));
        for (event, text, address) in [Some(plain), tls].into_iter().flatten() {
            if self.json {
                let line = json!({
                    "event": event,
                    "address": address.ip().to_string(),
                    "port": address.port(),
                });
                writeln!(out, "{line}")?;
            } else {
                writeln!(out, "{text} {address}")?;
            }
        }
        out.flush()
    }

    /// Prints statistics: all of them, or in one line. JSON always has all.
    /// Nobody reading them is no reason to stop.
    pub fn statistics(self, statistics: &Statistics, all: bool) {
        let result = if self.json {
            statistics_json(statistics)
        } else if all {
            write!(io::stderr(), "{statistics}")
        } else {
            writeln!(io::stderr(), "{}", statistics.line())
        };
        if let Err(error) = result {
            log::warn!("cannot print statistics: {error}");
        }
    }

    /// Says why the program fails.
    pub fn error(self, error: &io::Error) {
        if self.json {
            eprintln!("{}", json!({ "event": "error", "message": error.to_string() }));
        } else {
            eprintln!("kinetic-drive: {error}");
        }
    }
}

fn statistics_json(statistics: &Statistics) -> io::Result<()> {
    let mut line = serde_json::to_value(statistics)?;
    if let Value::Object(fields) = &mut line {
        fields.insert("event".to_owned(), "statistics".into());
        fields.insert("time".to_owned(), seconds().into());
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// How many statistics can wait to be printed.
const WAITING: usize = 16;

/// How long the last statistics have to be printed.
const LAST: Duration = Duration::from_secs(1);

/// Prints statistics in a thread of its own: whoever reads them slowly, or not
/// at all, must not hold up anything else.
pub struct Reporter {
    waiting: SyncSender<(Statistics, bool)>,
    /// Fails when all are printed and there are no more.
    over: Receiver<()>,
}

impl Reporter {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// If that is not possible.
    pub fn start(printer: Printer) -> io::Result<Self> {
        let (waiting, next) = mpsc::sync_channel::<(Statistics, bool)>(WAITING);
        let (end, over) = mpsc::channel();
        thread::Builder::new().name("statistics".to_owned()).spawn(move || {
            let _end = end;
            for (statistics, all) in next {
                printer.statistics(&statistics, all);
            }
        })?;
        Ok(Self { waiting, over })
    }

    /// Has statistics printed as [`Printer::statistics`] does. If many wait
    /// for that already, these are lost.
    pub fn print(&self, statistics: Statistics, all: bool) {
        // To log that they are lost could take as long.
        let _ = self.waiting.try_send((statistics, all));
    }

    /// Waits until all are printed, but not for long.
    pub fn finish(self) {
        drop(self.waiting);
        let _ = self.over.recv_timeout(LAST);
    }
}

/// Seconds since 1970.
fn seconds() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}
