//! The program itself: its command line, its first line, its end.

mod common;

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use common::Client;
use kinetic_drive::protocol::StatusCode;

/// A running program, killed when dropped.
struct Program {
    child: Child,
    address: SocketAddr,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut child =
            command().args(["--port", "0"]).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let stdout = child.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on ").unwrap();
        let address = address.strip_suffix('\n').unwrap().parse().unwrap();
        Self { child, address }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The test may have ended it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_kinetic-drive"))
}

#[test]
fn it_listens_on_loopback_and_serves() {
    let program = Program::start(&[]);
    assert!(program.address.ip().is_loopback());
    assert_ne!(program.address.port(), 0);
    let mut client = Client::connect_to(program.address);
    assert_eq!(client.put(b"key", b"value"), StatusCode::Success);
    assert_eq!(client.get(b"key"), (StatusCode::Success, b"value".to_vec()));
}

#[test]
fn sigterm_ends_it() {
    let mut program = Program::start(&[]);
    let _client = Client::connect_to(program.address);
    let pid = rustix::process::Pid::from_child(&program.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let status = program.child.wait().unwrap();
    assert_eq!(status.signal(), Some(15));
}

#[test]
fn sizes_are_options() {
    let program = Program::start(&["--max-value-size", "100", "--capacity", "1000"]);
    let mut client = Client::connect_to(program.address);
    let log = client.hello.get_log().unwrap();
    assert_eq!(log.limits.as_ref().unwrap().max_value_size, Some(100));
    assert_eq!(client.put(b"1", &[0; 100]), StatusCode::Success);
    assert_eq!(client.put(b"2", &[0; 100]), StatusCode::Success);
    assert_eq!(client.put(b"3", &[0; 100]), StatusCode::NoSpace);
    let request = client.builder.put(b"1", 101);
    let (answer, _) = client.ask(&request, &[0; 101]);
    assert_eq!(answer.status(), StatusCode::InvalidRequest);
}

#[test]
fn faults_are_options() {
    let program = Program::start(&["--close-at", "1"]);
    let mut client = Client::connect_to(program.address);
    let request = client.builder.noop();
    client.send(&request, b"");
    client.expect_end();

    let program = Program::start(&["--reset-at", "1"]);
    let mut client = Client::connect_to(program.address);
    let request = client.builder.noop();
    client.send(&request, b"");
    assert!(client.stream().read(&mut [0; 1]).is_err());

    let program = Program::start(&["--half-at", "1"]);
    let mut client = Client::connect_to(program.address);
    let request = client.builder.noop();
    client.send(&request, b"");
    let mut half = Vec::new();
    client.stream().read_to_end(&mut half).unwrap();
    assert!(!half.is_empty());

    let program = Program::start(&["--silent-at", "2", "--fragment", "5"]);
    let mut client = Client::connect_to(program.address);
    assert_eq!(client.noop(), StatusCode::Success);
    let request = client.builder.noop();
    client.send(&request, b"");
    client.stream().shutdown(std::net::Shutdown::Write).unwrap();
    client.expect_end();
}

#[test]
fn nonsense_is_refused() {
    for arguments in [
        &["--max-value-size", "67108865"][..],
        &["--max-value-size", "0"],
        &["--close-at", "0"],
        &["--fragment", "0"],
        &["--port", "65536"],
        &["--address", "nowhere"],
        &["--unknown"],
    ] {
        let output = command().args(arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(output.stdout.is_empty());
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn a_taken_port_is_an_error() {
    let program = Program::start(&[]);
    let port = program.address.port().to_string();
    let output = command().args(["--port", &port]).output().unwrap();
    assert!(!output.status.success());
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.starts_with("kinetic-drive: "), "{message}");
}
