//! The command line of the drive.

mod program;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use kinetic_drive::{Config, Drive, Faults, MAX_VALUE_SIZE_CEILING, Messages, Tls, TlsFiles};
use log::LevelFilter;
use program::report::{Printer, Reporter};
use program::signals::{Event, Events};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A Kinetic drive, in memory or on disk. Prints "listening on ADDRESS:PORT" as
/// soon as it serves connections, then runs until SIGTERM or SIGINT. All data
/// is gone then, unless it is kept in a directory.
#[derive(Parser)]
#[command(name = "kinetic-drive", version)]
struct Arguments {
    /// IP address to listen on
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// TCP port to listen on; 0 picks a free one
    #[arg(long, default_value_t = 8123)]
    port: u16,
    /// TCP port to serve TLS on besides; 0 picks a free one. It is printed on
    /// a line of its own after the first
    #[arg(long, value_name = "PORT")]
    tls_port: Option<u16>,
    /// PEM file with the certificate for TLS, and those that vouch for it;
    /// without it one is made at each start, which vouches for itself
    #[arg(long, value_name = "PATH", requires = "tls_port", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// PEM file with the certificate's private key
    #[arg(long, value_name = "PATH", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Largest value in bytes, up to 64 MiB
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_VALUE_SIZE_CEILING)))]
    max_value_size: u32,
    /// How many connections to serve at a time; one more is told so and closed
    #[arg(long, value_name = "N", default_value_t = 4096)]
    max_connections: usize,
    /// How many bytes large requests and answers on their way may occupy; more
    /// of them wait for a second, then the answer is `SERVICE_BUSY`. At least the
    /// largest value and 1 MiB
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30)]
    max_outstanding: u64,
    /// Close a connection whose client takes longer than this to send a request
    /// it has begun, or to take answers; 0 is never
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    stall_timeout: Duration,
    /// After SIGTERM or SIGINT, close connections that are not done by then
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    grace: Duration,
    /// Print a line of statistics that often; SIGUSR1 prints all of them
    #[arg(long, value_name = "SECONDS", value_parser = interval)]
    stats_interval: Option<Duration>,
    /// Print JSON, one object a line: "listening" and statistics to the
    /// standard output, log and errors to the standard error
    #[arg(long)]
    json: bool,
    /// What to log: error, warn, info (why connections were closed), debug
    /// (each connection) or trace (each request) [default: `RUST_LOG` or warn]
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    log_level: Option<LevelFilter>,
    /// How many bytes of entries to store
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30)]
    capacity: u64,
    /// Directory to keep entries in, instead of in memory; created if need be
    #[arg(long, value_name = "PATH")]
    dir: Option<PathBuf>,
    /// Accept over plain connections what the protocol allows over TLS only:
    /// PINs and changes of access control lists
    #[arg(long)]
    trust_plain: bool,
    /// Listen for commands on a Unix socket at this path, one JSON object a line
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
    #[command(flatten)]
    faults: Faults,
}

impl Arguments {
    fn config(&self, messages: Messages) -> Config {
        Config {
            address: SocketAddr::new(self.address, self.port),
            max_value_size: self.max_value_size,
            max_connections: self.max_connections,
            max_outstanding: self.max_outstanding,
            stall_timeout: (!self.stall_timeout.is_zero()).then_some(self.stall_timeout),
            capacity: self.capacity,
            dir: self.dir.clone(),
            tls: self.tls(),
            trust_plain: self.trust_plain,
            messages,
            faults: self.faults.clone(),
            control: self.control.clone(),
            ..Config::default()
        }
    }

    fn tls(&self) -> Option<Tls> {
        let files = self.tls_cert.clone().zip(self.tls_key.clone());
        Some(Tls {
            address: SocketAddr::new(self.address, self.tls_port?),
            files: files.map(|(certificate, key)| TlsFiles { certificate, key }),
        })
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let printer = Printer { json: arguments.json };
    let messages = printer.start_log(arguments.log_level);
    raise_file_limit();
    match run(&arguments, printer, messages) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            printer.error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, printer: Printer, messages: Messages) -> io::Result<()> {
    let drive = Drive::start(arguments.config(messages))?;
    if arguments.faults.any() {
        log::warn!("misbehaving on purpose: {}", arguments.faults);
    }
    // Whoever reads the next line may send a signal already.
    let mut events = Events::new(arguments.stats_interval)?;
    let reporter = Reporter::start(printer)?;
    printer.listening(drive.local_addr(), drive.tls_addr())?;
    loop {
        match events.next() {
            Event::Stop => break,
            Event::Report => reporter.print(drive.statistics(), true),
            Event::Interval => reporter.print(drive.statistics(), false),
        }
    }
    let stopped = drive.stop(arguments.grace);
    reporter.finish();
    stopped
}

/// A time in seconds, with or without a fraction.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn interval(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        Duration::ZERO => Err("must be above 0".to_owned()),
        interval => Ok(interval),
    }
}

fn level(text: &str) -> Result<LevelFilter, String> {
    match text.parse() {
        Ok(LevelFilter::Off) | Err(_) => Err("must be error, warn, info, debug or trace".to_owned()),
        Ok(level) => Ok(level),
    }
}

/// Allows as many open files as possible: each connection needs one, and the
/// usual limit is just above a thousand.
fn raise_file_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        log::warn!("cannot raise the limit of open files: {error}");
    }
}
