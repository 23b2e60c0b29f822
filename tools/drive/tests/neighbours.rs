//! GETNEXT and GETPREVIOUS.

mod common;

use common::{Client, start};
use kinetic_drive::protocol::{Algorithm, Answer, KeyValue, MessageType, StatusCode};

/// The options of a request on `key`.
fn entry(key: &[u8]) -> KeyValue {
    KeyValue { key: Some(key.to_vec().into()), ..KeyValue::default() }
}

fn found(answer: &Answer) -> Result<&[u8], StatusCode> {
    match answer.status() {
        StatusCode::Success => Ok(answer.key_value().unwrap().key()),
        status => Err(status),
    }
}

#[test]
fn the_neighbour_of_any_key_is_found() {
    let drive = start();
    let mut client = Client::connect(&drive);
    for key in [&b"b"[..], b"ba", b"d", b"\xff"] {
        assert_eq!(client.put(key, key), StatusCode::Success);
    }
    let none = Err(StatusCode::NotFound);
    let cases = [
        (&b"a"[..], Ok(&b"b"[..]), none),
        (b"b", Ok(b"ba"), none),
        (b"b\0", Ok(b"ba"), Ok(&b"b"[..])),
        (b"ba", Ok(b"d"), Ok(b"b")),
        (b"c", Ok(b"d"), Ok(b"ba")),
        (b"d", Ok(b"\xff"), Ok(b"ba")),
        (b"\xff", none, Ok(b"d")),
        (b"\xff\xff", none, Ok(b"\xff")),
    ];
    for (key, next, previous) in cases {
        let request = client.builder.get_next(key);
        let (answer, value) = client.ask(&request, b"");
        assert_eq!(answer.message_type(), MessageType::GetNextResponse);
        assert_eq!(found(&answer), next, "next to {key:?}");
        assert_eq!(value, next.unwrap_or(b""));
        let request = client.builder.get_previous(key);
        let (answer, value) = client.ask(&request, b"");
        assert_eq!(answer.message_type(), MessageType::GetPreviousResponse);
        assert_eq!(found(&answer), previous, "previous to {key:?}");
        assert_eq!(value, previous.unwrap_or(b""));
    }
}

#[test]
fn an_empty_drive_has_no_neighbours() {
    let drive = start();
    let mut client = Client::connect(&drive);
    for message_type in [MessageType::GetNext, MessageType::GetPrevious] {
        let request = client.builder.key_value(message_type, entry(b"key"), 0);
        let (answer, value) = client.ask(&request, b"");
        assert_eq!(answer.status(), StatusCode::NotFound);
        assert_eq!(answer.status_message(), "no such key");
        assert_eq!(value, b"");
    }
}

#[test]
fn all_of_the_neighbour_is_returned() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let value = vec![7; 100_000];
    let options = KeyValue {
        new_version: Some("v1".into()),
        tag: Some("checksum".into()),
        algorithm: Some(Algorithm::Sha3.into()),
        ..entry(b"key")
    };
    let request = client.builder.key_value(MessageType::Put, options, 100_000);
    client.ask(&request, &value);
    let stored = KeyValue {
        db_version: Some("v1".into()),
        tag: Some("checksum".into()),
        algorithm: Some(Algorithm::Sha3.into()),
        ..entry(b"key")
    };
    for (message_type, key) in [(MessageType::GetNext, b"a"), (MessageType::GetPrevious, b"z")] {
        for (metadata_only, value) in [(None, &value[..]), (Some(false), &value[..]), (Some(true), b"")] {
            let options = KeyValue { metadata_only, ..entry(key) };
            let request = client.builder.key_value(message_type, options, 0);
            let (answer, received) = client.ask(&request, b"");
            assert_eq!(answer.key_value(), Some(&stored));
            assert!(received == value, "value of {} bytes", received.len());
        }
    }
}
