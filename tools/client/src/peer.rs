//! A `kinetic-drive` in a process of its own, so that its CPU time is not the client's.

use std::{
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

/// A running drive. It is killed on drop.
pub struct Peer {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Peer {
    /// Starts `program` with `arguments` on a free port of the loopback interface.
    ///
    /// # Errors
    ///
    /// Where the program cannot be run, or does not say where it listens.
    pub fn start(program: &Path, arguments: &[&str]) -> io::Result<Peer> {
        let mut child = Command::new(program)
            .args(arguments)
            .args(["--port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", program.display())))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        match line.trim_end().strip_prefix("listening on ").and_then(|address| address.parse().ok()) {
            Some(address) => Ok(Peer { child, address }),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                Err(io::Error::other(format!("the drive said {line:?} instead of where it listens")))
            }
        }
    }
}

impl Peer {
    /// Its process ID.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    ///
    /// What wait(2) says.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }

    /// How it has ended, if it has.
    ///
    /// # Errors
    ///
    /// What wait(2) says.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// The CPU time that it has used, user and system, to the clock tick (10 ms).
    ///
    /// # Errors
    ///
    /// Where /proc does not tell.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // Fields are counted from after the command, which may contain spaces.
        let fields = stat.rsplit(") ").next().unwrap_or_default();
        let ticks: u64 =
            fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        // SAFETY: No pointers are involved.
        let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        Ok(Duration::from_millis(ticks * 1000 / per_second.max(1) as u64))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
