//! Faults at a byte of what the drive sends.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::num::NonZeroUsize;
use std::time::Duration;

use common::{Client, start_with_faults};
use kinetic_drive::protocol::{RequestBuilder, StatusCode};
use kinetic_drive::{Drive, Faults};

/// A connection of which nothing has been received.
fn connect(drive: &Drive) -> TcpStream {
    let stream = TcpStream::connect(drive.local_addr()).unwrap();
    // Only turns a hang into a failure.
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// A NOOP of connection number `connection`, as bytes.
fn noop(connection: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    RequestBuilder::new(connection).noop().append_to(&mut bytes);
    bytes
}

/// How many bytes the drive's first message and the answer to a NOOP have.
fn lengths() -> (usize, usize) {
    let drive = start_with_faults(Faults::default());
    let mut stream = connect(&drive);
    stream.write_all(&noop(1)).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let hello = 9 + u32::from_be_bytes(bytes[1..5].try_into().unwrap()) as usize;
    (hello, bytes.len() - hello)
}

/// Reads until the end, which may be an error; sends a NOOP before if the drive waits for one.
fn talk(drive: &Drive, connection: i64, ask: bool) -> (Vec<u8>, std::io::Result<usize>) {
    let mut stream = connect(drive);
    if ask {
        stream.write_all(&noop(connection)).unwrap();
    }
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes);
    (bytes, end)
}

#[test]
fn the_connection_is_closed_at_the_very_byte() {
    let (hello, answer) = lengths();
    for at in [0, 1, hello - 1, hello, hello + 1, hello + 9, hello + answer - 1, hello + answer] {
        for fragment in [None, NonZeroUsize::new(7)] {
            let faults = Faults { close_at_byte: Some(at as u64), fragment, ..Faults::default() };
            let drive = start_with_faults(faults);
            for connection in 1..=2 {
                let (bytes, end) = talk(&drive, connection, at > hello);
                assert_eq!(bytes.len(), at);
                end.unwrap();
            }
        }
    }
}

#[test]
fn the_connection_is_reset_at_the_very_byte() {
    let (hello, answer) = lengths();
    for at in [hello - 1, hello, hello + 1, hello + answer - 1, hello + answer] {
        let drive = start_with_faults(Faults { reset_at_byte: Some(at as u64), ..Faults::default() });
        let (bytes, end) = talk(&drive, 1, at > hello);
        assert_eq!(bytes.len(), at);
        assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}

#[test]
fn silence_begins_at_the_very_byte_and_nothing_is_executed_any_more() {
    let (hello, answer) = lengths();
    for at in [hello + answer + 1, hello + answer] {
        let drive = start_with_faults(Faults { silent_at_byte: Some(at as u64), ..Faults::default() });
        let mut client = Client::connect(&drive);
        assert_eq!(client.noop(), StatusCode::Success);
        // The answer to the first of these is cut off, or already too much.
        for key in [b"1", b"2"] {
            let put = client.builder.put(key, 5);
            client.send(&put, b"value");
        }
        client.stream().shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        client.stream().read_to_end(&mut rest).unwrap();
        assert_eq!(rest.len(), at - hello - answer);

        drive.set_faults(Faults::default());
        let mut client = Client::connect(&drive);
        let first = if rest.is_empty() { StatusCode::NotFound } else { StatusCode::Success };
        assert_eq!(client.get(b"1").0, first);
        assert_eq!(client.get(b"2").0, StatusCode::NotFound);
    }
}

#[test]
fn a_byte_in_a_large_value_is_found() {
    let (hello, _) = lengths();
    let at = hello + 500_000;
    let drive = start_with_faults(Faults::default());
    let mut client = Client::connect(&drive);
    assert_eq!(client.put(b"key", &vec![7; 1 << 20]), StatusCode::Success);
    drive.set_faults(Faults { close_at_byte: Some(at as u64), ..Faults::default() });
    let mut client = Client::connect(&drive);
    let get = client.builder.get(b"key");
    client.send(&get, b"");
    let mut bytes = Vec::new();
    client.stream().read_to_end(&mut bytes).unwrap();
    assert_eq!(hello + bytes.len(), at);
}

#[test]
fn a_silent_connection_executes_nothing_after_its_faults_ended_either() {
    let drive = start_with_faults(Faults { silent_at_byte: Some(1), ..Faults::default() });
    let mut stream = connect(&drive);
    let mut builder = RequestBuilder::new(1);
    // When it is silent already.
    stream.read_exact(&mut [0]).unwrap();
    drive.set_faults(Faults::default());
    for key in [b"1", b"2", b"3"] {
        let mut put = Vec::new();
        builder.put(key, 5).append_to(&mut put);
        put.extend_from_slice(b"value");
        stream.write_all(&put).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    let mut client = Client::connect(&drive);
    for key in [b"1", b"2", b"3"] {
        assert_eq!(client.get(key).0, StatusCode::NotFound);
    }
}
