//! Runs the command against a drive.

#![allow(dead_code, reason = "no test needs all of it")]

use std::{
    ffi::OsStr,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use kinetic_drive::{
    Config, Drive,
    protocol::{Answer, DEFAULT_KEY, Encoded, HmacKey, KeyValue, PDU_SIZE, Pdu, RequestBuilder, StatusCode},
};
use serde_json::Value;

/// A drive on a free port, and the command against it.
pub struct Bench {
    pub drive: Drive,
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with(Config::default())
    }

    pub fn with(config: Config) -> Bench {
        Bench { drive: Drive::start(config).unwrap() }
    }

    /// The command, with the drive's address in the environment.
    pub fn command(&self) -> Command {
        let mut command = command();
        command.env("KTLI_URING_DRIVE", self.drive.local_addr().to_string());
        command
    }

    /// Runs the command.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    /// Runs the command, which has to succeed, and gives its output.
    pub fn text<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the command with --json, and gives its result.
    pub fn json<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Value {
        let output = self.command().arg("--json").args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        parse(&output.stdout)
    }

    /// Runs the command, which has to fail with `code`, with and without --json; gives what it says.
    pub fn fails<A: AsRef<OsStr>>(
        &self,
        code: i32,
        arguments: impl IntoIterator<Item = A> + Clone,
    ) -> String {
        let output = self.run(arguments.clone());
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let output = self.command().arg("--json").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert_eq!(output.stdout, b"");
        let said = parse(&output.stderr);
        assert_eq!(said["code"], code);
        assert_eq!(format!("ktli-uring: {}\n", said["error"].as_str().unwrap()), text);
        text
    }
}

/// A client that is not the command.
pub struct Raw {
    stream: TcpStream,
    pub builder: RequestBuilder,
}

impl Raw {
    pub fn connect(drive: &Drive) -> Raw {
        let stream = TcpStream::connect(drive.local_addr()).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut raw = Raw { stream, builder: RequestBuilder::new(0) };
        let greeting = raw.receive();
        raw.builder = RequestBuilder::new(greeting.connection_id().unwrap());
        raw
    }

    /// Sends a request, which has to succeed.
    pub fn ask(&mut self, request: &Encoded, value: &[u8]) -> Answer {
        let mut bytes = Vec::new();
        request.append_to(&mut bytes);
        bytes.extend_from_slice(value);
        self.stream.write_all(&bytes).unwrap();
        let answer = self.receive();
        assert_eq!(answer.status(), StatusCode::Success, "{answer:?}");
        answer
    }

    /// What the drive says of an entry, beside its value.
    pub fn get(&mut self, key: &str) -> KeyValue {
        let request = self.builder.get(key.as_bytes());
        self.ask(&request, b"").key_value().unwrap().clone()
    }

    fn receive(&mut self) -> Answer {
        let mut header = [0; PDU_SIZE];
        self.stream.read_exact(&mut header).unwrap();
        let pdu = Pdu::decode(&header).unwrap();
        let mut message = vec![0; pdu.message_len as usize];
        self.stream.read_exact(&mut message).unwrap();
        self.stream.read_exact(&mut vec![0; pdu.value_len as usize]).unwrap();
        Answer::decode(&message, &HmacKey::new(DEFAULT_KEY)).unwrap()
    }
}

/// The command.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ktli-uring"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KTLI_URING_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// Runs a command with an input.
pub fn feed(command: &mut Command, input: &[u8]) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that fails may not read all of it.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// One JSON object on one line.
pub fn parse(bytes: &[u8]) -> Value {
    let text = std::str::from_utf8(bytes).unwrap();
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    serde_json::from_str(text).unwrap()
}

/// Bytes that repeat nowhere near.
pub fn bytes(count: usize) -> Vec<u8> {
    (0..count as u64).map(|index| (index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

/// A program that another package of this workspace builds, if it is there: `cargo test` of the workspace has built it,
/// of this package alone it has not.
pub fn built(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_ktli-uring")).with_file_name(name);
    path.is_file().then_some(path)
}

/// Waits until something is as it has to become.
pub fn wait_until(mut done: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < patience, "it does not come");
        thread::sleep(Duration::from_millis(5));
    }
}
