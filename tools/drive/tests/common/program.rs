//! The program with a directory, to be killed.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use super::directory::TempDir;

/// A running program, killed when dropped.
pub struct Program {
    pub child: Child,
    pub address: SocketAddr,
}

impl Program {
    pub fn start(dir: &TempDir, arguments: &[&str]) -> Self {
        Self::spawn(command(dir).args(arguments))
    }

    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on ").unwrap();
        let address = address.strip_suffix('\n').unwrap().parse().unwrap();
        Self { child, address }
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The test may have ended it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, as it is started with this directory.
pub fn command(dir: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kinetic-drive"));
    command.args(["--port", "0", "--dir"]).arg(&dir.0);
    command
}
