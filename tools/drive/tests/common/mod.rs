//! A client that waits for each answer, and drives to talk to.

#![allow(dead_code, reason = "no test needs all of it")]

pub mod directory;
pub mod program;
pub mod random;
pub mod secure;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Once;
use std::time::{Duration, Instant};
use std::{panic, process, thread};

use kinetic_drive::protocol::{
    Answer, DEFAULT_KEY, Encoded, HmacKey, PDU_SIZE, Pdu, RequestBuilder, StatusCode,
};
use kinetic_drive::{Config, Drive, Faults};

/// Tests do not measure time: this only turns a hang into a failure.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A drive as it comes from the factory.
pub fn start() -> Drive {
    start_with(Config::default())
}

pub fn start_with(config: Config) -> Drive {
    abort_if_the_drive_panics();
    Drive::start(config).unwrap()
}

/// A panic in one of the drive's threads only ends a connection, which a test
/// that expects the end would not notice.
fn abort_if_the_drive_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            report(info);
            let name = thread::current().name().unwrap_or_default().to_owned();
            if name == "accept" || name.starts_with("connection ") || name.starts_with("control") {
                process::abort();
            }
        }));
    });
}

pub fn start_with_faults(faults: Faults) -> Drive {
    start_with(Config { faults, ..Config::default() })
}

/// A connection whose first message has been received.
pub struct Client {
    stream: TcpStream,
    key: HmacKey,
    pub builder: RequestBuilder,
    pub hello: Answer,
}

impl Client {
    pub fn connect(drive: &Drive) -> Self {
        Self::connect_to(drive.local_addr())
    }

    pub fn connect_to(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let key = HmacKey::new(DEFAULT_KEY);
        let (hello, value) = receive(&mut stream, &key).unwrap();
        assert!(hello.unsolicited);
        assert_eq!(hello.status(), StatusCode::Success);
        assert!(value.is_empty());
        Self { stream, key, builder: RequestBuilder::new(hello.connection_id().unwrap()), hello }
    }

    /// Uses another identity from now on.
    pub fn sign_as(&mut self, identity: i64, key: &[u8]) {
        self.builder.identity = identity;
        self.builder.key = HmacKey::new(key);
        self.key = HmacKey::new(key);
    }

    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends any bytes. The drive may have closed the connection already, so
    /// it is not asked whether they got there.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    pub fn send(&mut self, request: &Encoded, value: &[u8]) {
        let mut bytes = Vec::new();
        request.append_to(&mut bytes);
        bytes.extend_from_slice(value);
        self.stream.write_all(&bytes).unwrap();
    }

    pub fn receive(&mut self) -> io::Result<(Answer, Vec<u8>)> {
        receive(&mut self.stream, &self.key)
    }

    /// Receives an answer without a value, and says how many bytes its message
    /// has.
    pub fn receive_sized(&mut self) -> io::Result<(Answer, usize)> {
        let mut header = [0; PDU_SIZE];
        self.stream.read_exact(&mut header)?;
        let pdu = Pdu::decode(&header).map_err(io::Error::other)?;
        assert_eq!(pdu.value_len, 0);
        let mut message = vec![0; pdu.message_len as usize];
        self.stream.read_exact(&mut message)?;
        let answer = Answer::decode(&message, &self.key).map_err(io::Error::other)?;
        Ok((answer, message.len()))
    }

    /// Sends a request, receives its answer and checks that it is the one.
    pub fn ask(&mut self, request: &Encoded, value: &[u8]) -> (Answer, Vec<u8>) {
        self.send(request, value);
        let (answer, value) = self.receive().unwrap();
        assert!(!answer.unsolicited, "{answer:?}");
        assert_eq!(answer.ack_sequence(), Some(request.sequence));
        assert_eq!(answer.connection_id(), Some(self.builder.connection_id));
        (answer, value)
    }

    pub fn put(&mut self, key: &[u8], value: &[u8]) -> StatusCode {
        let request = self.builder.put(key, value.len() as u32);
        self.ask(&request, value).0.status()
    }

    pub fn get(&mut self, key: &[u8]) -> (StatusCode, Vec<u8>) {
        let request = self.builder.get(key);
        let (answer, value) = self.ask(&request, b"");
        (answer.status(), value)
    }

    pub fn noop(&mut self) -> StatusCode {
        let request = self.builder.noop();
        self.ask(&request, b"").0.status()
    }

    /// Receives the status with which the drive announces the end, and the
    /// end.
    pub fn expect_farewell(&mut self) -> Answer {
        let (answer, value) = self.receive().unwrap();
        assert!(answer.unsolicited, "{answer:?}");
        assert_eq!(answer.ack_sequence(), None);
        assert!(!answer.status_message().is_empty());
        assert!(value.is_empty());
        self.expect_end();
        answer
    }

    /// Receives the end of the stream.
    pub fn expect_end(&mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"");
    }
}

/// Connects to a drive that refuses it, and receives why, and the end.
pub fn refused(address: SocketAddr) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (answer, value) = receive(&mut stream, &HmacKey::new(DEFAULT_KEY)).unwrap();
    assert!(answer.unsolicited);
    assert!(value.is_empty());
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    answer
}

/// Waits until something is as it has to become.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "not yet: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

pub fn receive(stream: &mut impl Read, key: &HmacKey) -> io::Result<(Answer, Vec<u8>)> {
    let mut header = [0; PDU_SIZE];
    stream.read_exact(&mut header)?;
    let pdu = Pdu::decode(&header).map_err(io::Error::other)?;
    let mut message = vec![0; pdu.message_len as usize];
    stream.read_exact(&mut message)?;
    let mut value = vec![0; pdu.value_len as usize];
    stream.read_exact(&mut value)?;
    let answer = Answer::decode(&message, key).map_err(io::Error::other)?;
    Ok((answer, value))
}
