//! Whole frames, byte by byte as the protocol defines them, against the drive
//! and the request builder. None of the bytes come from this crate's encoder.

mod common;
mod golden_frames;

use std::io::{Read, Write};
use std::net::TcpStream;

use common::{Client, start};
use golden_frames as golden;
use kinetic_drive::protocol::{Algorithm, Encoded, KeyValue, MessageType, RequestBuilder};

fn bytes(hex: &[&str]) -> Vec<u8> {
    let digits = hex.iter().flat_map(|line| line.split(' '));
    digits.map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect()
}

fn frame(encoded: &Encoded, value: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    encoded.append_to(&mut frame);
    frame.extend_from_slice(value);
    frame
}

#[test]
fn the_drive_answers_golden_requests_with_golden_answers() {
    let conversations = [
        &[
            (golden::NOOP, golden::NOOP_RESPONSE),
            (golden::PUT, golden::PUT_RESPONSE),
            (golden::GET, golden::GET_RESPONSE),
            (golden::DELETE, golden::DELETE_RESPONSE),
        ][..],
        &[(golden::NOOP_WITH_BODY, golden::NOOP_RESPONSE)],
    ];
    for conversation in conversations {
        // The first connection of a drive is number 1.
        let drive = start();
        let mut stream: TcpStream = Client::connect(&drive).into_stream();
        for (request, answer) in conversation {
            stream.write_all(&bytes(request)).unwrap();
            let expected = bytes(answer);
            let mut received = vec![0; expected.len()];
            stream.read_exact(&mut received).unwrap();
            assert_eq!(received, expected, "answer to {request:?}");
        }
    }
}

#[test]
fn the_builder_makes_golden_requests() {
    let mut builder = RequestBuilder::new(1);
    assert_eq!(frame(&builder.noop(), b""), bytes(golden::NOOP));
    let put = builder.key_value(
        MessageType::Put,
        KeyValue {
            key: Some("key".into()),
            new_version: Some("one".into()),
            tag: Some("tag!".into()),
            algorithm: Some(Algorithm::Sha1.into()),
            ..KeyValue::default()
        },
        5,
    );
    assert_eq!(put.sequence, 2);
    assert_eq!(frame(&put, b"value"), bytes(golden::PUT));
    builder.sequence = 300;
    assert_eq!(frame(&builder.get(b"key"), b""), bytes(golden::GET));
    let delete = builder.key_value(
        MessageType::Delete,
        KeyValue { key: Some("key".into()), db_version: Some("two".into()), ..KeyValue::default() },
        0,
    );
    assert_eq!(frame(&delete, b""), bytes(golden::DELETE));
}

/// A field whose value is a number.
fn number(field: u8, value: u64) -> Vec<u8> {
    [vec![field << 3], varint(value)].concat()
}

/// A field whose value is bytes: text or a message.
fn nested(field: u8, content: &[u8]) -> Vec<u8> {
    [vec![field << 3 | 2], varint(content.len() as u64), content.to_vec()].concat()
}

/// Seven bits per byte, the lowest first; the top bit says that more follow.
fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[test]
fn the_first_message_is_golden() {
    let drive = start();
    // Fields above 15 take two bytes for their number and are written out.
    let interface =
        [nested(1, b"tcp"), nested(2, b"00:00:00:00:00:00\0"), nested(3, b"127.0.0.1\0"), nested(4, b"\0")]
            .concat();
    let configuration = [
        nested(5, b"ktli-uring"),
        nested(6, b"kinetic-drive"),
        nested(7, b"0\0"),
        nested(8, env!("CARGO_PKG_VERSION").as_bytes()),
        nested(9, &interface),
        number(10, drive.local_addr().port().into()),
        number(11, 0),
        nested(12, b""),
        nested(13, b""),
        nested(14, b"0\0"),
        nested(15, b"4.0.1"),
        vec![0x82, 0x01, 0],
        vec![0x8a, 0x01, 0],
        vec![0x90, 0x01, 1],
    ]
    .concat();
    let limits = [
        number(1, 4096),
        number(2, 1 << 20),
        number(3, 2048),
        number(4, 1024),
        number(5, 4096),
        number(6, 1 << 16),
        number(7, 1 << 16),
        number(8, 1 << 20),
    ]
    .concat();
    let get_log = [number(1, 3), number(1, 6), nested(5, &configuration), nested(8, &limits)].concat();
    // clusterVersion 0, connectionID 1, and no ackSequence: that is how
    // libkinetic knows that it did not ask for this.
    let header = [number(1, 0), number(3, 1)].concat();
    let command = [nested(1, &header), nested(2, &nested(6, &get_log)), nested(3, &number(1, 1))].concat();
    // authType UNSOLICITEDSTATUS, and no hmacAuth.
    let message = [number(4, 3), nested(7, &command)].concat();
    let message_len = (message.len() as u32).to_be_bytes();
    let expected = [&b"F"[..], &message_len, &[0; 4], &message].concat();

    let mut stream = TcpStream::connect(drive.local_addr()).unwrap();
    let mut received = vec![0; expected.len()];
    stream.read_exact(&mut received).unwrap();
    assert_eq!(received, expected);
}
