//! The program itself: its command line, its first line, its end.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::{fs, process};

use common::secure::SecureClient;
use common::{Client, wait_until};
use kinetic_drive::protocol::{KeyValue, MessageType, StatusCode, Synchronization};
use rustix::io::ioctl_fionread;
use rustix::process::{Pid, Signal, kill_process};
use rustls::version::TLS13;
use serde_json::Value;

/// A running program, killed when dropped.
struct Program {
    child: Child,
    stdout: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let (child, stdout, line) = spawn(command().args(["--port", "0"]).args(arguments));
        let address = line.strip_prefix("listening on ").unwrap();
        let address = address.strip_suffix('\n').unwrap().parse().unwrap();
        Self { child, stdout, address }
    }

    /// With `--json`; its standard error can be read.
    fn start_json(arguments: &[&str]) -> Self {
        let (child, stdout, line) =
            spawn(command().args(["--port", "0", "--json"]).args(arguments).stderr(Stdio::piped()));
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["event"], "listening");
        let ip = line["address"].as_str().unwrap().parse().unwrap();
        let port = line["port"].as_u64().unwrap().try_into().unwrap();
        Self { child, stdout, address: SocketAddr::new(ip, port) }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The next line of the standard output as JSON.
    fn json(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Stops the program; returns what it had to say on its standard error.
    fn stop(mut self) -> String {
        let mut stderr = self.child.stderr.take().unwrap();
        self.signal(Signal::TERM);
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        assert!(self.child.wait().unwrap().success());
        text
    }
}

/// Starts a program and waits for its first line.
fn spawn(command: &mut Command) -> (Child, BufReader<ChildStdout>, String) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    (child, stdout, line)
}

impl Drop for Program {
    fn drop(&mut self) {
        // The test may have ended it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kinetic-drive"));
    command.env_remove("RUST_LOG");
    command
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
fn the_second_line_has_the_port_for_tls() {
    let mut program = Program::start(&["--tls-port", "0"]);
    let mut line = String::new();
    program.stdout.read_line(&mut line).unwrap();
    let address = line.strip_prefix("listening with TLS on ").unwrap().trim_end().parse().unwrap();
    assert_ne!(program.address, address);
    let mut client = SecureClient::connect_to(address, &TLS13);
    assert_eq!(client.put(b"key", b"value"), StatusCode::Success);
    assert_eq!(Client::connect_to(program.address).get(b"key").1, b"value");

    let mut program = Program::start_json(&["--tls-port", "0"]);
    let line = program.json();
    assert_eq!((&line["event"], &line["address"]), (&"listening_tls".into(), &"127.0.0.1".into()));
    let port = line["port"].as_u64().unwrap().try_into().unwrap();
    let address = SocketAddr::new(program.address.ip(), port);
    assert_eq!(SecureClient::connect_to(address, &TLS13).noop(), StatusCode::Success);

    // A certificate takes a key, and both a port.
    for wrong in [&["--tls-cert", "c", "--tls-key", "k"][..], &["--tls-port", "0", "--tls-cert", "c"]] {
        assert_eq!(command().args(wrong).output().unwrap().status.code(), Some(2));
    }
}

#[test]
fn signals_stop_it_gracefully() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut program = Program::start(&["--grace", "3600"]);
        let mut idle = Client::connect_to(program.address);
        let mut busy = Client::connect_to(program.address);
        let mut requests = Vec::new();
        for _ in 0..100 {
            busy.builder.noop().append_to(&mut requests);
        }
        busy.send_raw(&requests);
        assert_eq!(busy.receive().unwrap().0.ack_sequence(), Some(1));
        program.signal(signal);
        assert_eq!(idle.expect_farewell().status(), StatusCode::Shutdown);
        // They were sent with one write, and were there as a whole.
        for sequence in 2..=100 {
            assert_eq!(busy.receive().unwrap().0.ack_sequence(), Some(sequence));
        }
        assert_eq!(busy.expect_farewell().status(), StatusCode::Shutdown);
        assert!(program.child.wait().unwrap().success());
    }
}

#[test]
fn a_stop_leaves_everything_on_the_disk() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("stop-{}", process::id()));
    let arguments = ["--dir", dir.to_str().unwrap()];
    let mut program = Program::start(&arguments);
    let mut client = Client::connect_to(program.address);
    let key_value = KeyValue {
        key: Some("key".into()),
        synchronization: Some(Synchronization::WriteBack.into()),
        ..KeyValue::default()
    };
    let request = client.builder.key_value(MessageType::Put, key_value, 5);
    assert_eq!(client.ask(&request, b"value").0.status(), StatusCode::Success);
    program.signal(Signal::TERM);
    assert!(program.child.wait().unwrap().success());

    let program = Program::start(&arguments);
    let mut client = Client::connect_to(program.address);
    assert_eq!(client.get(b"key"), (StatusCode::Success, b"value".to_vec()));
    drop(program);
    fs::remove_dir_all(dir).unwrap();
}

/// A client that asks for more than sockets buffer, and reads nothing.
fn deaf_client(program: &Program) -> Client {
    let mut client = Client::connect_to(program.address);
    assert_eq!(client.put(b"key", &vec![1; 1 << 20]), StatusCode::Success);
    let mut requests = Vec::new();
    for _ in 0..32 {
        client.builder.get(b"key").append_to(&mut requests);
    }
    client.send_raw(&requests);
    client
}

#[test]
fn the_grace_is_an_option() {
    let mut program = Program::start(&["--grace", "0.1"]);
    let _client = deaf_client(&program);
    program.signal(Signal::TERM);
    assert!(program.child.wait().unwrap().success());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for signal in [Signal::TERM, Signal::INT] {
        // No other test listens on this loopback address.
        let mut program = Program::start(&["--grace", "3600", "--address", "127.0.0.80"]);
        let _client = deaf_client(&program);
        program.signal(signal);
        wait_until("the first one is noticed", || TcpStream::connect(program.address).is_err());
        program.signal(signal);
        assert_eq!(program.child.wait().unwrap().signal(), Some(signal.as_raw()));
    }
}

#[test]
fn limits_are_options() {
    let program = Program::start(&["--max-connections", "1", "--stall-timeout", "0.05"]);
    let mut client = Client::connect_to(program.address);
    assert_eq!(common::refused(program.address).status(), StatusCode::ServiceBusy);
    client.send_raw(b"F");
    assert_eq!(client.expect_farewell().status(), StatusCode::ConnectionTerminated);

    let output = command().args(["--port", "0", "--max-outstanding", "1000"]).output().unwrap();
    assert!(!output.status.success());
}

#[test]
fn statistics_are_printed_on_demand() {
    let mut program = Program::start_json(&[]);
    let mut client = Client::connect_to(program.address);
    assert_eq!(client.put(b"key", b"value"), StatusCode::Success);
    program.signal(Signal::USR1);
    let line = program.json();
    assert_eq!(line["event"], "statistics");
    assert_eq!(line["operations"][0]["message_type"], "Put");
    assert_eq!(line["operations"][0]["bytes_received"], 5);
    assert_eq!(line["connections"]["open"], 1);
    assert_eq!(program.stop(), "");

    // For people, they are not mixed with what programs read.
    let (child, stdout, line) = spawn(command().args(["--port", "0"]).stderr(Stdio::piped()));
    let address = line.trim().strip_prefix("listening on ").unwrap().parse().unwrap();
    let mut program = Program { child, stdout, address };
    let mut client = Client::connect_to(program.address);
    assert_eq!(client.put(b"key", b"value"), StatusCode::Success);
    program.signal(Signal::USR1);
    let mut stderr = BufReader::new(program.child.stderr.take().unwrap()).lines();
    assert!(stderr.any(|line| line.unwrap().split_whitespace().take(4).eq(["Put", "1", "0", "5"])));
}

#[test]
fn statistics_are_printed_at_intervals() {
    let mut program = Program::start_json(&["--stats-interval", "0.02"]);
    let mut client = Client::connect_to(program.address);
    for n in 1..=3 {
        assert_eq!(client.noop(), StatusCode::Success);
        while program.json()["operations"][0]["requests"] != n {}
    }

    let arguments = ["--port", "0", "--stats-interval", "0.02"];
    let (mut child, _stdout, _) = spawn(command().args(arguments).stderr(Stdio::piped()));
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    for _ in 0..3 {
        assert!(lines.next().unwrap().unwrap().starts_with("0 connections (0 so far, "));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn logging_has_levels() {
    let log = |level: &str| {
        let program = Program::start_json(&["--log-level", level]);
        let mut client = Client::connect_to(program.address);
        assert_eq!(client.noop(), StatusCode::Success);
        let peer = client.stream().local_addr().unwrap();
        client.send_raw(b"garbage for the drive");
        client.expect_farewell();
        let lines: Vec<Value> =
            program.stop().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.iter().all(|line| line["event"] == "log"));
        let has = |level: &str, text: &str| {
            lines.iter().any(|l| l["level"] == level && l["message"].as_str().unwrap().contains(text))
        };
        (
            has("info", &format!("{peer}: frame starts with 0x67")),
            has("debug", &format!("connection 1 from {peer}")),
            has("trace", "connection 1: Noop 1: Success"),
        )
    };
    assert_eq!(log("warn"), (false, false, false));
    assert_eq!(log("info"), (true, false, false));
    assert_eq!(log("debug"), (true, true, false));
    assert_eq!(log("trace"), (true, true, true));
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
fn the_control_socket_is_an_option() {
    let path = std::env::temp_dir().join(format!("kinetic-drive-program-{}", std::process::id()));
    let mut program = Program::start(&["--control", path.to_str().unwrap(), "--seed", "7"]);
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"{\"command\": \"set\", \"faults\": {\"close_at\": 1}}\n").unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&answer["ok"], &answer["faults"]["seed"]), (&true.into(), &7.into()));
    let mut client = Client::connect_to(program.address);
    let request = client.builder.noop();
    client.send(&request, b"");
    client.expect_end();
    program.signal(Signal::TERM);
    assert!(program.child.wait().unwrap().success());
    assert!(!path.exists());
}

#[test]
fn what_is_wrong_on_purpose_is_logged() {
    let mut child = command()
        .args(["--port", "0", "--close-at", "3", "--seed", "7"])
        .env("RUST_LOG", "warn")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.ends_with("misbehaving on purpose: --seed 7 --close-at 3\n"), "{line}");
}

#[test]
fn nonsense_is_refused() {
    for arguments in [
        &["--max-value-size", "67108865"][..],
        &["--max-value-size", "0"],
        &["--stall-timeout", "-1"],
        &["--grace", "soon"],
        &["--stats-interval", "0"],
        &["--log-level", "off"],
        &["--close-at", "0"],
        &["--fragment", "0"],
        &["--stop-reading-at", "1"],
        &["--control", "/no/such/place"],
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

#[test]
fn statistics_that_nobody_reads_do_not_keep_it_from_stopping() {
    let mut program = Program::start_json(&["--stats-interval", "0.001"]);
    let (mut last, mut times) = (0, 0);
    wait_until("the pipe is full", || {
        let len = ioctl_fionread(program.stdout.get_ref()).unwrap();
        times = if len == last { times + 1 } else { 0 };
        last = len;
        len > 0 && times > 300
    });
    program.signal(Signal::TERM);
    wait_until("it has stopped", || program.child.try_wait().unwrap().is_some());
    assert!(program.child.wait().unwrap().success());
}
