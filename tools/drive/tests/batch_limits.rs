//! Batches: what they may not do.

mod common;

use std::time::{Duration, Instant};

use common::{Client, start, start_with};
use kinetic_drive::protocol::{Encoded, KeyValue, Limits, MessageType, StatusCode};
use kinetic_drive::{Config, Drive, Identity};

/// This only turns a hang into a failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// The options of a request on `key`.
fn entry(key: &'static str) -> KeyValue {
    KeyValue { key: Some(key.into()), ..KeyValue::default() }
}

fn limits(client: &Client) -> Limits {
    client.hello.get_log().unwrap().limits.clone().unwrap()
}

fn start_batch(client: &mut Client, batch_id: u32) -> StatusCode {
    let request = client.builder.start_batch(batch_id);
    client.ask(&request, b"").0.status()
}

/// Has a part of a batch refused, and checks that nothing is left of the
/// batch. Returns the reason.
fn refused(drive: &Drive, part: impl FnOnce(&mut Client) -> Encoded) -> String {
    let mut client = Client::connect(drive);
    assert_eq!(start_batch(&mut client, 1), StatusCode::Success);
    let request = client.builder.put_in_batch(1, b"first", 0);
    client.send(&request, b"");
    let request = part(&mut client);
    client.send(&request, b"");
    let farewell = client.expect_farewell();
    assert_eq!(farewell.status(), StatusCode::InvalidBatch);
    let mut client = Client::connect(drive);
    assert_eq!(client.get(b"first").0, StatusCode::NotFound);
    farewell.status_message().to_owned()
}

#[test]
fn a_part_that_can_be_refused_at_once_ends_the_connection() {
    let drive = start_with(Config {
        identities: vec![
            Identity { id: 1, key: b"asdfasdf".to_vec() },
            Identity { id: 2, key: b"other".to_vec() },
        ],
        ..Config::default()
    });
    let sized = |size: usize| Some(vec![7; size].into());
    let part = |message_type, options: KeyValue| {
        refused(&drive, |client| client.builder.key_value_in_batch(1, message_type, options, 0))
    };
    let (put, delete) = (MessageType::Put, MessageType::Delete);
    for (message_type, options, reason) in [
        (put, KeyValue::default(), "a key is required"),
        (delete, KeyValue::default(), "a key is required"),
        (
            put,
            KeyValue { key: sized(4097), ..KeyValue::default() },
            "key of 4097 bytes exceeds the limit of 4096",
        ),
        (
            delete,
            KeyValue { key: sized(4097), ..KeyValue::default() },
            "key of 4097 bytes exceeds the limit of 4096",
        ),
        (
            put,
            KeyValue { new_version: sized(2049), ..entry("key") },
            "version of 2049 bytes exceeds the limit of 2048",
        ),
        (
            delete,
            KeyValue { db_version: sized(2049), ..entry("key") },
            "version of 2049 bytes exceeds the limit of 2048",
        ),
        (put, KeyValue { tag: sized(1025), ..entry("key") }, "tag of 1025 bytes exceeds the limit of 1024"),
        (put, KeyValue { synchronization: Some(-1), ..entry("key") }, "invalid synchronization"),
        (delete, KeyValue { synchronization: Some(-1), ..entry("key") }, "invalid synchronization"),
    ] {
        assert_eq!(part(message_type, options), format!("part of a batch refused: {reason}"));
    }

    let reason = refused(&drive, |client| client.builder.put_in_batch(2, b"key", 0));
    assert_eq!(reason, "part of a batch refused: there is no batch 2");
    let reason = refused(&drive, |client| {
        client.builder.cluster_version = 3;
        client.builder.put_in_batch(1, b"key", 0)
    });
    assert_eq!(reason, "part of a batch refused: the cluster version is 0");
    let reason = refused(&drive, |client| {
        client.builder.identity = 2;
        client.builder.delete_in_batch(1, b"key")
    });
    assert_eq!(reason, "part of a batch refused: wrong HMAC");
    let reason = refused(&drive, |client| {
        client.builder.sequence = 1;
        client.builder.delete_in_batch(1, b"key")
    });
    assert_eq!(reason, "part of a batch refused: sequence 1 is not above the last one, 2");
}

#[test]
fn a_device_has_so_many_open_batches() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let mut other = Client::connect(&drive);
    let max = limits(&client).max_batch_count_per_device.unwrap();
    assert_eq!(start_batch(&mut other, 0), StatusCode::Success);
    for batch_id in 1..max {
        assert_eq!(start_batch(&mut client, batch_id), StatusCode::Success);
    }
    let request = client.builder.start_batch(max);
    let (answer, _) = client.ask(&request, b"");
    assert_eq!(answer.status(), StatusCode::InvalidRequest);
    assert_eq!(answer.status_message(), format!("{max} batches are open already"));
    // It is the connection's end that makes room.
    drop(other);
    let deadline = Instant::now() + PATIENCE;
    while start_batch(&mut client, max) != StatusCode::Success {
        assert!(Instant::now() < deadline, "the batch of the other connection is still open");
    }
    assert_ne!(start_batch(&mut client, max + 1), StatusCode::Success);
    // So do its end and its abortion.
    for message_type in [MessageType::EndBatch, MessageType::AbortBatch] {
        let request = client.builder.request_in_batch(1, message_type, None, 0);
        assert_eq!(client.ask(&request, b"").0.status(), StatusCode::Success);
        assert_eq!(start_batch(&mut client, 1), StatusCode::Success);
        assert_ne!(start_batch(&mut client, max + 1), StatusCode::Success);
    }
}

#[test]
fn a_batch_ends_with_its_connection() {
    let drive = start();
    let mut client = Client::connect(&drive);
    assert_eq!(start_batch(&mut client, 1), StatusCode::Success);
    let request = client.builder.put_in_batch(1, b"key", 0);
    client.send(&request, b"");
    assert_eq!(client.noop(), StatusCode::Success);
    drop(client);
    let mut client = Client::connect(&drive);
    let request = client.builder.end_batch(1, 1);
    assert_eq!(client.ask(&request, b"").0.status(), StatusCode::InvalidBatch);
    assert_eq!(client.get(b"key").0, StatusCode::NotFound);
}

/// Sends `count` parts, all of which are taken.
fn fill(client: &mut Client, count: u32, value: &[u8], delete: bool) {
    let mut bytes = Vec::new();
    for number in 0..count {
        let key = number.to_be_bytes();
        let request = if delete {
            client.builder.delete_in_batch(1, &key)
        } else {
            client.builder.put_in_batch(1, &key, value.len() as u32)
        };
        request.append_to(&mut bytes);
        bytes.extend_from_slice(value);
        if bytes.len() >= 1 << 20 {
            client.send_raw(&bytes);
            bytes.clear();
        }
    }
    client.send_raw(&bytes);
    assert_eq!(client.noop(), StatusCode::Success);
}

#[test]
fn a_batch_has_so_many_deletes() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let max = limits(&client).max_deletes_per_batch.unwrap();
    assert_eq!(start_batch(&mut client, 1), StatusCode::Success);
    fill(&mut client, max, b"", true);
    let request = client.builder.delete_in_batch(1, b"key");
    client.send(&request, b"");
    let farewell = client.expect_farewell();
    assert_eq!(farewell.status(), StatusCode::InvalidBatch);
    let reason = format!("{} deletes exceed the limit of {max} for a batch", max + 1);
    assert_eq!(farewell.status_message(), format!("part of a batch refused: {reason}"));
}

#[test]
fn a_batch_has_so_many_operations() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let max = limits(&client).max_operation_count_per_batch.unwrap();
    assert_eq!(start_batch(&mut client, 1), StatusCode::Success);
    // The answer has to fit into a message also if it is as long as it gets.
    client.builder.sequence = u64::MAX - 100_000;
    fill(&mut client, max, b"", false);
    let request = client.builder.end_batch(1, max);
    client.send(&request, b"");
    let (answer, message_len) = client.receive_sized().unwrap();
    assert!(message_len <= 1 << 20, "message of {message_len} bytes");
    assert_eq!(answer.status(), StatusCode::Success);
    assert_eq!(answer.batch().unwrap().sequences.len(), max as usize);
    assert_eq!(client.get(&(max - 1).to_be_bytes()).0, StatusCode::Success);

    let mut client = Client::connect(&drive);
    assert_eq!(start_batch(&mut client, 1), StatusCode::Success);
    fill(&mut client, max, b"", false);
    let request = client.builder.put_in_batch(1, b"key", 0);
    client.send(&request, b"");
    let reason = format!("{} operations exceed the limit of {max} for a batch", max + 1);
    let farewell = client.expect_farewell();
    assert_eq!(farewell.status_message(), format!("part of a batch refused: {reason}"));
}

#[test]
fn a_batch_has_so_many_bytes() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let max = limits(&client).max_batch_size.unwrap();
    // With its key of four bytes, each part is of 1 MiB.
    let value = vec![1; (1 << 20) - 4];
    assert_eq!(max % (1 << 20), 0);
    assert_eq!(start_batch(&mut client, 1), StatusCode::Success);
    fill(&mut client, max >> 20, &value, false);
    let request = client.builder.end_batch(1, max >> 20);
    assert_eq!(client.ask(&request, b"").0.status(), StatusCode::Success);

    assert_eq!(start_batch(&mut client, 1), StatusCode::Success);
    fill(&mut client, max >> 20, &value, false);
    let request = client.builder.delete_in_batch(1, b"k");
    client.send(&request, b"");
    let reason = format!("{} bytes exceed the limit of {max} for a batch", max + 1);
    let farewell = client.expect_farewell();
    assert_eq!(farewell.status_message(), format!("part of a batch refused: {reason}"));
}
