//! The command line of the drive.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use kinetic_drive::{Config, Drive, Faults, MAX_VALUE_SIZE_CEILING};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A Kinetic drive, in memory or on disk. Prints "listening on ADDRESS:PORT" as
/// soon as it serves connections, then runs until it is killed. All data is
/// gone then, unless it is kept in a directory.
#[derive(Parser)]
#[command(name = "kinetic-drive", version)]
struct Arguments {
    /// IP address to listen on
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// TCP port to listen on; 0 picks a free one
    #[arg(long, default_value_t = 8123)]
    port: u16,
    /// Largest value in bytes, up to 64 MiB
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_VALUE_SIZE_CEILING)))]
    max_value_size: u32,
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
    /// Close each connection instead of answering its Nth request
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    close_at: Option<u64>,
    /// Reset each connection instead of answering its Nth request
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    reset_at: Option<u64>,
    /// Neither execute nor answer the Nth request of each connection and later
    /// ones
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    silent_at: Option<u64>,
    /// Close each connection after half of its Nth answer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    half_at: Option<u64>,
    /// Send everything in pieces of at most this many bytes
    #[arg(long, value_name = "BYTES")]
    fragment: Option<NonZeroUsize>,
}

impl Arguments {
    fn config(&self) -> Config {
        Config {
            address: SocketAddr::new(self.address, self.port),
            max_value_size: self.max_value_size,
            capacity: self.capacity,
            dir: self.dir.clone(),
            trust_plain: self.trust_plain,
            faults: Faults {
                close_at: self.close_at,
                reset_at: self.reset_at,
                silent_at: self.silent_at,
                half_at: self.half_at,
                fragment: self.fragment,
            },
            ..Config::default()
        }
    }
}

fn main() -> ExitCode {
    env_logger::init();
    let arguments = Arguments::parse();
    raise_file_limit();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kinetic-drive: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    let drive = Drive::start(arguments.config())?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {}", drive.local_addr())?;
    stdout.flush()?;
    drop(stdout);
    drive.wait();
    Ok(())
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
