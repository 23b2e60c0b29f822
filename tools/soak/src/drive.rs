//! The drive, in a process of its own: it can be stopped, killed and started again, and told to misbehave.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::SocketAddr,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use ktli_client::peer::Peer;
use rustix::process::{Pid, Signal, kill_process};

use crate::values::LARGEST;

/// How long the drive may take to stop, and to answer a command.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Drive {
    program: PathBuf,
    directory: PathBuf,
    running: Mutex<Option<Peer>>,
    address: Mutex<SocketAddr>,
    /// How many were started.
    started: AtomicU64,
    /// Counts the kills: once before and once after each.
    kills: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drive {
    /// Starts `program` with an empty store in `directory`.
    pub fn start(program: &Path, directory: &Path) -> io::Result<Drive> {
        let drive = Drive {
            program: program.into(),
            directory: directory.into(),
            running: Mutex::new(None),
            address: Mutex::new(SocketAddr::from(([127, 0, 0, 1], 0))),
            started: AtomicU64::new(0),
            kills: AtomicU64::new(0),
        };
        drive.start_again()?;
        Ok(drive)
    }

    fn start_again(&self) -> io::Result<()> {
        let [store, control] = ["store", "control"].map(|name| self.directory.join(name));
        let text = |path: &Path| path.to_str().map(str::to_owned).ok_or(io::ErrorKind::InvalidFilename);
        let (store, control) = (text(&store)?, text(&control)?);
        let largest = LARGEST.to_string();
        // Budget and capacity are not what is tried here.
        let plenty = (64_u64 << 30).to_string();
        let mut arguments = vec!["--dir", &store, "--control", &control, "--log-level", "error"];
        arguments.extend(["--max-value-size", &largest, "--capacity", &plenty, "--max-outstanding", &plenty]);
        let peer = Peer::start(&self.program, &arguments)?;
        *lock(&self.address) = peer.address;
        *lock(&self.running) = Some(peer);
        self.started.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// Where it listens, or did.
    pub fn address(&self) -> SocketAddr {
        *lock(&self.address)
    }

    /// Which one it is.
    pub fn number(&self) -> u64 {
        self.started.load(Ordering::Acquire)
    }

    /// Has changed if the drive was killed, or is being killed.
    pub fn kills(&self) -> u64 {
        self.kills.load(Ordering::Acquire)
    }

    /// Stops it in good order and starts it again.
    pub fn restart(&self) -> io::Result<()> {
        self.stop()?;
        self.start_again()
    }

    /// Stops it in good order: everything is on the disk.
    pub fn stop(&self) -> io::Result<()> {
        let Some(mut peer) = lock(&self.running).take() else { return Ok(()) };
        signal(&peer, Signal::TERM)?;
        let begun = Instant::now();
        loop {
            match peer.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(io::Error::other(format!("the drive ended with {status}"))),
                None if begun.elapsed() > PATIENCE => {
                    return Err(io::Error::other("the drive does not stop"));
                }
                None => thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    /// Kills it and starts it again.
    pub fn crash(&self) -> io::Result<()> {
        let Some(mut peer) = lock(&self.running).take() else { return Ok(()) };
        self.kills.fetch_add(1, Ordering::AcqRel);
        signal(&peer, Signal::KILL)?;
        peer.wait()?;
        self.kills.fetch_add(1, Ordering::AcqRel);
        self.start_again()
    }

    /// Kills it for good.
    pub fn kill(&self) {
        // Dropping it does.
        lock(&self.running).take();
    }

    /// Stops it where it is, for so long.
    pub fn freeze(&self, time: Duration) -> io::Result<()> {
        let running = lock(&self.running);
        let Some(peer) = &*running else { return Ok(()) };
        signal(peer, Signal::STOP)?;
        thread::sleep(time);
        signal(peer, Signal::CONT)
    }

    /// Sends a command to the control socket and returns its answer.
    pub fn command(&self, command: &str) -> io::Result<serde_json::Value> {
        let mut stream = UnixStream::connect(self.directory.join("control"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        writeln!(stream, "{command}")?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        let answer: serde_json::Value = serde_json::from_str(&line)?;
        if answer["ok"] == true { Ok(answer) } else { Err(io::Error::other(line)) }
    }

    /// The numbers of its connections.
    pub fn connections(&self) -> io::Result<Vec<i64>> {
        let answer = self.command(r#"{"command":"connections"}"#)?;
        let list = answer["connections"].as_array().ok_or(io::ErrorKind::InvalidData)?;
        Ok(list.iter().filter_map(|connection| connection["id"].as_i64()).collect())
    }
}

fn signal(peer: &Peer, signal: Signal) -> io::Result<()> {
    let pid = Pid::from_raw(peer.id() as i32).ok_or(io::ErrorKind::NotFound)?;
    Ok(kill_process(pid, signal)?)
}
