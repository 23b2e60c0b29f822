//! Batches: what they do.

mod common;

use common::{Client, start, start_with};
use kinetic_drive::Config;
use kinetic_drive::protocol::{
    Algorithm, Answer, Batch, Body, Encoded, KeyValue, MessageType, StatusCode, Synchronization,
};

/// The options of a request on `key`.
fn entry(key: &'static str) -> KeyValue {
    KeyValue { key: Some(key.into()), ..KeyValue::default() }
}

fn status(client: &mut Client, request: &Encoded) -> StatusCode {
    let (answer, value) = client.ask(request, b"");
    assert_eq!(value, b"");
    answer.status()
}

fn open(client: &mut Client, batch_id: u32) {
    let request = client.builder.start_batch(batch_id);
    let (answer, _) = client.ask(&request, b"");
    assert_eq!(answer.message_type(), MessageType::StartBatchResponse);
    assert_eq!(answer.status(), StatusCode::Success, "{}", answer.status_message());
}

/// Sends a PUT in a batch and returns its sequence.
fn put(client: &mut Client, batch_id: u32, key: &str, value: &[u8]) -> u64 {
    let request = client.builder.put_in_batch(batch_id, key.as_bytes(), value.len() as u32);
    client.send(&request, value);
    request.sequence
}

/// Sends a DELETE in a batch and returns its sequence.
fn delete(client: &mut Client, batch_id: u32, key: &str) -> u64 {
    let request = client.builder.delete_in_batch(batch_id, key.as_bytes());
    client.send(&request, b"");
    request.sequence
}

fn end(client: &mut Client, batch_id: u32, count: u32) -> Answer {
    let request = client.builder.end_batch(batch_id, count);
    let (answer, value) = client.ask(&request, b"");
    assert_eq!(answer.message_type(), MessageType::EndBatchResponse);
    assert_eq!(value, b"");
    answer
}

fn sequences(sequences: &[u64]) -> Batch {
    Batch { sequences: sequences.to_vec(), ..Batch::default() }
}

#[test]
fn a_batch_takes_effect_at_its_end() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let mut other = Client::connect(&drive);
    client.put(b"old", b"value");
    open(&mut client, 7);
    let mut expected = vec![put(&mut client, 7, "one", b"1"), delete(&mut client, 7, "old")];
    // Other requests go on, and see nothing of it.
    assert_eq!(client.get(b"one").0, StatusCode::NotFound);
    assert_eq!(client.get(b"old").0, StatusCode::Success);
    assert_eq!(client.put(b"three", b"3"), StatusCode::Success);
    expected.push(put(&mut client, 7, "two", b"2"));
    assert_eq!(client.noop(), StatusCode::Success);
    assert_eq!(other.get(b"two").0, StatusCode::NotFound);
    let answer = end(&mut client, 7, 3);
    assert_eq!(answer.status(), StatusCode::Success);
    assert_eq!(answer.batch(), Some(&sequences(&expected)));
    for (key, value) in [(b"one", b"1"), (b"two", b"2")] {
        assert_eq!(other.get(key), (StatusCode::Success, value.to_vec()));
    }
    assert_eq!(other.get(b"old").0, StatusCode::NotFound);
    assert_eq!(other.get(b"three").0, StatusCode::Success);
}

#[test]
fn parts_have_no_answers() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let mut bytes = Vec::new();
    let start = client.builder.start_batch(1);
    start.append_to(&mut bytes);
    for number in 0..100_u32 {
        client.builder.put_in_batch(1, &number.to_be_bytes(), 0).append_to(&mut bytes);
    }
    let noop = client.builder.noop();
    noop.append_to(&mut bytes);
    let end = client.builder.end_batch(1, 100);
    end.append_to(&mut bytes);
    client.send_raw(&bytes);
    for request in [start, noop, end] {
        let (answer, _) = client.receive().unwrap();
        assert_eq!(answer.ack_sequence(), Some(request.sequence));
        assert_eq!(answer.status(), StatusCode::Success);
    }
    assert_eq!(client.get(&99_u32.to_be_bytes()).0, StatusCode::Success);
}

#[test]
fn all_of_an_entry_is_stored() {
    let drive = start_with(Config { max_value_size: 2 << 20, ..Config::default() });
    let mut client = Client::connect(&drive);
    let value: Vec<u8> = (0..2 << 20).map(|n| (n % 251) as u8).collect();
    open(&mut client, 1);
    let options = KeyValue {
        new_version: Some("v1".into()),
        tag: Some("checksum".into()),
        algorithm: Some(Algorithm::Crc64.into()),
        synchronization: Some(Synchronization::WriteBack.into()),
        ..entry("large")
    };
    let request = client.builder.key_value_in_batch(1, MessageType::Put, options, 2 << 20);
    client.send(&request, &value);
    put(&mut client, 1, "small", b"value");
    assert_eq!(end(&mut client, 1, 2).status(), StatusCode::Success);
    let request = client.builder.get(b"large");
    let (answer, read) = client.ask(&request, b"");
    let stored = KeyValue {
        db_version: Some("v1".into()),
        tag: Some("checksum".into()),
        algorithm: Some(Algorithm::Crc64.into()),
        ..entry("large")
    };
    assert_eq!(answer.key_value(), Some(&stored));
    assert!(read == value);
    assert_eq!(client.get(b"small"), (StatusCode::Success, b"value".to_vec()));
}

#[test]
fn an_aborted_batch_leaves_nothing() {
    let drive = start();
    let mut client = Client::connect(&drive);
    open(&mut client, 1);
    put(&mut client, 1, "key", b"value");
    let request = client.builder.abort_batch(1);
    let (answer, _) = client.ask(&request, b"");
    assert_eq!(answer.message_type(), MessageType::AbortBatchResponse);
    assert_eq!(answer.status(), StatusCode::Success);
    assert_eq!(answer.batch(), None);
    assert_eq!(client.get(b"key").0, StatusCode::NotFound);
    assert_eq!(end(&mut client, 1, 1).status(), StatusCode::InvalidBatch);
    // The ID is free again.
    open(&mut client, 1);
    assert_eq!(end(&mut client, 1, 0).batch(), Some(&sequences(&[])));
    assert_eq!(client.get(b"key").0, StatusCode::NotFound);
}

#[test]
fn batches_do_not_mix() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let mut other = Client::connect(&drive);
    open(&mut client, 1);
    open(&mut client, 2);
    open(&mut other, 1);
    let one = put(&mut client, 1, "one", b"");
    let two = put(&mut client, 2, "two", b"");
    let theirs = put(&mut other, 1, "theirs", b"");
    let more = put(&mut client, 1, "more", b"");
    assert_eq!(end(&mut client, 2, 1).batch(), Some(&sequences(&[two])));
    assert_eq!(client.get(b"two").0, StatusCode::Success);
    assert_eq!(client.get(b"one").0, StatusCode::NotFound);
    assert_eq!(end(&mut client, 1, 2).batch(), Some(&sequences(&[one, more])));
    assert_eq!(client.get(b"theirs").0, StatusCode::NotFound);
    assert_eq!(end(&mut other, 1, 1).batch(), Some(&sequences(&[theirs])));
    assert_eq!(client.get(b"theirs").0, StatusCode::Success);
}

#[test]
fn a_batch_that_fails_changes_nothing() {
    let drive = start_with(Config { capacity: 10_000, ..Config::default() });
    let mut client = Client::connect(&drive);
    client.put(b"old", b"value");
    let version = |key, db_version: &'static str| KeyValue {
        db_version: Some(db_version.into()),
        new_version: Some("v1".into()),
        ..entry(key)
    };
    let cases = [
        (MessageType::Put, version("old", "v0"), StatusCode::VersionMismatch),
        (MessageType::Put, version("new", "v0"), StatusCode::VersionMismatch),
        (MessageType::Delete, version("old", "v0"), StatusCode::VersionMismatch),
        (MessageType::Delete, entry("none"), StatusCode::NotFound),
        (MessageType::Put, entry("large"), StatusCode::NoSpace),
    ];
    for (message_type, options, expected) in cases {
        let value = if expected == StatusCode::NoSpace { vec![0; 10_000] } else { Vec::new() };
        open(&mut client, 1);
        put(&mut client, 1, "first", b"1");
        delete(&mut client, 1, "old");
        put(&mut client, 1, "old", b"again");
        let fails = client.builder.key_value_in_batch(1, message_type, options, value.len() as u32);
        client.send(&fails, &value);
        put(&mut client, 1, "last", b"");
        // The first one to fail counts.
        delete(&mut client, 1, "none");
        let answer = end(&mut client, 1, 6);
        assert_eq!(answer.status(), expected);
        assert!(!answer.status_message().is_empty());
        let failed = Batch { failed_sequence: Some(fails.sequence), ..Batch::default() };
        assert_eq!(answer.batch(), Some(&failed));
        for key in ["first", "new", "large", "last"] {
            assert_eq!(client.get(key.as_bytes()).0, StatusCode::NotFound);
        }
        assert_eq!(client.get(b"old"), (StatusCode::Success, b"value".to_vec()));
    }
}

#[test]
fn later_operations_see_earlier_ones() {
    let drive = start();
    let mut client = Client::connect(&drive);
    open(&mut client, 1);
    let versions = |db_version: &'static str, new_version: &'static str| KeyValue {
        db_version: Some(db_version.into()),
        new_version: Some(new_version.into()),
        ..entry("key")
    };
    for (message_type, options) in [
        (MessageType::Put, versions("", "v1")),
        (MessageType::Put, versions("v1", "v2")),
        (MessageType::Delete, versions("v2", "")),
        (MessageType::Put, versions("", "v3")),
        (MessageType::Delete, KeyValue { force: Some(true), ..entry("none") }),
    ] {
        let request = client.builder.key_value_in_batch(1, message_type, options, 0);
        client.send(&request, b"");
    }
    assert_eq!(end(&mut client, 1, 5).status(), StatusCode::Success);
    let request = client.builder.get_version(b"key");
    let (answer, _) = client.ask(&request, b"");
    assert_eq!(answer.key_value().unwrap().db_version(), b"v3");
}

#[test]
fn the_number_of_operations_has_to_be_right() {
    let drive = start();
    let mut client = Client::connect(&drive);
    for count in [0, 1, 3, u32::MAX] {
        open(&mut client, 1);
        put(&mut client, 1, "one", b"");
        put(&mut client, 1, "two", b"");
        let answer = end(&mut client, 1, count);
        assert_eq!(answer.status(), StatusCode::InvalidBatch);
        assert_eq!(answer.status_message(), format!("the batch has 2 operations, not {count}"));
        assert_eq!(client.get(b"one").0, StatusCode::NotFound);
    }
    // It may be left out.
    for body in [None, Some(Body { batch: Some(Box::default()), ..Body::default() })] {
        open(&mut client, 1);
        let sequence = put(&mut client, 1, "one", b"");
        let request = client.builder.request_in_batch(1, MessageType::EndBatch, body, 0);
        let (answer, _) = client.ask(&request, b"");
        assert_eq!(answer.batch(), Some(&sequences(&[sequence])));
    }
}

#[test]
fn an_open_batch_is_not_opened_again() {
    let drive = start();
    let mut client = Client::connect(&drive);
    open(&mut client, 1);
    let sequence = put(&mut client, 1, "key", b"");
    let request = client.builder.start_batch(1);
    let (answer, _) = client.ask(&request, b"");
    assert_eq!(answer.status(), StatusCode::InvalidBatch);
    assert_eq!(answer.status_message(), "batch 1 is open already");
    assert_eq!(end(&mut client, 1, 1).batch(), Some(&sequences(&[sequence])));
}

#[test]
fn batches_have_ids() {
    let drive = start();
    let mut client = Client::connect(&drive);
    for message_type in [MessageType::StartBatch, MessageType::EndBatch, MessageType::AbortBatch] {
        let request = client.builder.request(message_type, None, 0);
        assert_eq!(status(&mut client, &request), StatusCode::InvalidRequest);
    }
    for batch_id in [0, u32::MAX] {
        let request = client.builder.abort_batch(batch_id);
        assert_eq!(status(&mut client, &request), StatusCode::InvalidBatch);
        open(&mut client, batch_id);
        let sequence = put(&mut client, batch_id, "key", b"");
        assert_eq!(end(&mut client, batch_id, 1).batch(), Some(&sequences(&[sequence])));
    }
}

#[test]
fn only_puts_and_deletes_are_parts_of_a_batch() {
    let drive = start();
    let mut client = Client::connect(&drive);
    open(&mut client, 1);
    let sequence = put(&mut client, 1, "key", b"");
    for message_type in [MessageType::Get, MessageType::Noop, MessageType::FlushAllData] {
        let body = Body { key_value: Some(entry("key")), ..Body::default() };
        let request = client.builder.request_in_batch(1, message_type, Some(body), 0);
        let (answer, _) = client.ask(&request, b"");
        assert_eq!(answer.status(), StatusCode::InvalidBatch);
        assert_eq!(Some(answer.message_type()), message_type.response());
        assert_eq!(answer.status_message(), format!("{message_type:?} cannot be a part of a batch"));
    }
    assert_eq!(end(&mut client, 1, 1).batch(), Some(&sequences(&[sequence])));
}
