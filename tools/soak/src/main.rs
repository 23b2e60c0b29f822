//! Many connections over the driver's C interface for a long time, while everything around them fails: connections, the
//! drive, system calls. Every value that is read back is compared with what has to be there.
//!
//! [`model`] says what that is, [`session`] has the application's part and [`line`] libkinetic's receiver's, [`chaos`]
//! brings the faults about.

mod chaos;
mod drive;
mod line;
mod model;
mod session;
mod shared;
mod tally;
mod values;

use std::{
    error::Error,
    hash::{BuildHasher, RandomState},
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use clap::Parser;
use ktli_client::{options, signals};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{drive::Drive, shared::Shared, tally::Wrong};

/// How long a session may get on with nothing: the drive's stops and starts are well below.
const HANG: Duration = Duration::from_secs(120);

/// How often it is told how far it is.
const TELL: Duration = Duration::from_secs(10);

/// Runs many connections over the driver while everything around them fails, and compares every value. Exit status 1
/// when a value is lost, or garbage comes, or anything hangs.
#[derive(Parser)]
#[command(name = "ktli-soak", version)]
struct Arguments {
    /// How long
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    seconds: u64,
    /// Connections at the same time
    #[arg(long, value_name = "N", default_value_t = 64)]
    connections: usize,
    /// Decides the requests and the faults, though not when threads run; random without it
    #[arg(long)]
    seed: Option<u64>,
    /// The kinetic-drive program, if it is not beside this one
    #[arg(long, value_name = "PROGRAM")]
    drive: Option<PathBuf>,
    /// Where to keep the drive's entries, in a directory of their own that is removed in the end; without it where
    /// temporary files go
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ktli-soak: {error}");
            ExitCode::FAILURE
        }
    }
}

/// True if nothing is wrong in the end.
fn run(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    let seed = arguments.seed.unwrap_or_else(|| RandomState::new().hash_one(()));
    println!("soak: {} s, {} connections, seed {seed}", arguments.seconds, arguments.connections);
    raise_file_limit()?;
    signals::handle()?;
    // It would tell of each fault.
    options::be_quiet();
    let beside = || Ok::<_, std::io::Error>(std::env::current_exe()?.with_file_name("kinetic-drive"));
    let program = arguments.drive.clone().map_or_else(beside, Ok)?;
    let place = arguments.dir.clone().unwrap_or_else(std::env::temp_dir);
    let directory = tempfile::Builder::new().prefix("ktli-soak-").tempdir_in(place)?;
    let drive = Drive::start(&program, directory.path())?;
    let shared = Arc::new(Shared::new(seed, arguments.connections, drive));
    let begun = Instant::now();

    let stop = Arc::new(AtomicBool::new(false));
    let silence = Arc::new(AtomicBool::new(false));
    let sessions = (0..arguments.connections)
        .map(|number| {
            let shared = Arc::clone(&shared);
            thread::Builder::new().stack_size(256 << 10).spawn(move || session::run(shared, number, seed))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let chaos = thread::spawn({
        let (shared, stop, sessions) = (Arc::clone(&shared), Arc::clone(&stop), arguments.connections);
        move || chaos::run(&shared, sessions, seed, &stop)
    });
    let interrupter = thread::spawn({
        let silence = Arc::clone(&silence);
        move || chaos::interrupt(seed, &silence)
    });

    let total = Duration::from_secs(arguments.seconds);
    let mut watch = Watch { shared: &shared, begun, total, told: begun };
    if watch.until(|| begun.elapsed() >= total) {
        stop.store(true, Ordering::Release);
        watch.until(|| chaos.is_finished());
        shared.ending.store(true, Ordering::Release);
        watch.until(|| sessions.iter().all(JoinHandle::is_finished));
    }
    silence.store(true, Ordering::Release);
    let whole = sessions.iter().all(JoinHandle::is_finished);
    if whole {
        join(&shared, chaos, interrupter, sessions);
        if let Err(error) = shared.drive.stop() {
            shared.tally.wrong(Wrong::Misdeed, error);
        }
    }
    println!("{}", shared.tally.summary());
    println!("seed {seed}, {} s", begun.elapsed().as_secs());
    if !whole {
        // Some threads hang: destructors would wait for them.
        shared.drive.kill();
        drop(directory);
        std::process::exit(1);
    }
    Ok(!shared.tally.is_bad())
}

type Ended = Result<(), std::io::Error>;

/// Takes note of threads that have failed.
fn join(
    shared: &Shared,
    chaos: JoinHandle<()>,
    interrupter: JoinHandle<Ended>,
    sessions: Vec<JoinHandle<Ended>>,
) {
    for thread in sessions.into_iter().chain([interrupter]) {
        match thread.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => shared.tally.wrong(Wrong::Misdeed, error),
            Err(_) => shared.tally.wrong(Wrong::Misdeed, "a thread has panicked"),
        }
    }
    if chaos.join().is_err() {
        shared.tally.wrong(Wrong::Misdeed, "a thread has panicked");
    }
}

/// Looks whether all get on, and tells how far it is.
struct Watch<'s> {
    shared: &'s Shared,
    begun: Instant,
    total: Duration,
    told: Instant,
}

impl Watch<'_> {
    /// Until `over`. False when something hangs.
    fn until(&mut self, over: impl Fn() -> bool) -> bool {
        while !over() {
            thread::sleep(Duration::from_millis(50));
            let stuck = self.shared.stuck(HANG);
            if !self.shared.is_ending() && !stuck.is_empty() || self.begun.elapsed() > self.total + HANG {
                self.shared.tally.wrong(Wrong::Hang, format_args!("sessions {stuck:?} do not get on"));
                return false;
            }
            if self.told.elapsed() >= TELL {
                self.told = Instant::now();
                let passed = self.begun.elapsed().as_secs();
                let left = self.total.as_secs().saturating_sub(passed);
                println!("{passed} s passed, {left} s left: {}", self.shared.tally.line());
            }
        }
        true
    }
}

/// Each connection needs up to four descriptors.
fn raise_file_limit() -> std::io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}
