//! Faults in how requests are read: not for a while, or answered before.

mod common;

use std::io::Write;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use common::{Client, start_with_faults};
use kinetic_drive::Faults;
use kinetic_drive::protocol::{KeyValue, MessageType, StatusCode};

fn at(n: u64) -> Option<NonZeroU64> {
    NonZeroU64::new(n)
}

#[test]
fn a_request_is_answered_when_the_drive_reads_again() {
    let drive =
        start_with_faults(Faults { stop_reading_at: at(2), stop_reading_ms: Some(50), ..Faults::default() });
    let mut client = Client::connect(&drive);
    assert_eq!(client.noop(), StatusCode::Success);
    let begun = Instant::now();
    assert_eq!(client.noop(), StatusCode::Success);
    assert!(begun.elapsed() >= Duration::from_millis(50));
    assert_eq!(client.noop(), StatusCode::Success);
}

#[test]
fn nothing_is_read_meanwhile_but_earlier_answers_are_sent() {
    let drive = start_with_faults(Faults {
        stop_reading_at: at(2),
        stop_reading_ms: Some(3_600_000),
        ..Faults::default()
    });
    let mut client = Client::connect(&drive);
    let mut both = Vec::new();
    client.builder.noop().append_to(&mut both);
    client.builder.noop().append_to(&mut both);
    client.send_raw(&both);
    assert_eq!(client.receive().unwrap().0.ack_sequence(), Some(1));
    // More than the sockets buffer.
    let put = client.builder.put(b"key", 1 << 20);
    let mut request = Vec::new();
    put.append_to(&mut request);
    request.resize(request.len() + (1 << 20), 1);
    let mut stream = client.stream();
    stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!((0..64).any(|_| stream.write_all(&request).is_err()));
}

#[test]
fn a_request_is_answered_before_its_value_has_come() {
    for faults in
        [Faults { early: true, ..Faults::default() }, Faults { early_at: at(2), ..Faults::default() }]
    {
        let drive = start_with_faults(faults);
        for size in [10, 100_000, 1 << 20] {
            let mut client = Client::connect(&drive);
            assert_eq!(client.noop(), StatusCode::Success);
            let put = client.builder.put(b"key", size);
            client.send(&put, b"");
            let (answer, value) = client.receive().unwrap();
            assert_eq!((answer.status(), value), (StatusCode::Success, vec![]));
            assert_eq!(answer.ack_sequence(), Some(put.sequence));
            assert_eq!(answer.message_type(), MessageType::PutResponse);
            // The value is read and stored, and not answered once more.
            let value: Vec<u8> = (0..size).map(|n| n as u8).collect();
            client.send_raw(&value);
            assert_eq!(client.get(b"key"), (StatusCode::Success, value));
        }
    }
}

#[test]
fn an_early_answer_knows_nothing_of_what_comes_of_it() {
    let drive = start_with_faults(Faults { early: true, ..Faults::default() });
    let mut client = Client::connect(&drive);
    let entry = KeyValue {
        key: Some(b"key"[..].into()),
        db_version: Some(b"none has this"[..].into()),
        ..KeyValue::default()
    };
    let put = client.builder.key_value(MessageType::Put, entry, 5);
    assert_eq!(client.ask(&put, b"value").0.status(), StatusCode::Success);
    assert_eq!(client.get(b"key").0, StatusCode::NotFound);
}

#[test]
fn only_the_request_that_is_meant_is_answered_early_and_only_with_a_value() {
    let drive = start_with_faults(Faults { early_at: at(2), ..Faults::default() });
    let mut client = Client::connect(&drive);
    assert_eq!(client.put(b"key", b"value"), StatusCode::Success);
    assert_eq!(client.get(b"key"), (StatusCode::Success, b"value".to_vec()));
    let put = client.builder.put(b"key", 5);
    client.send(&put, b"other"[..3].as_ref());
    client.stream().set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    client.receive().unwrap_err();
}

#[test]
fn a_request_is_answered_once_if_its_faults_end_meanwhile() {
    let drive = start_with_faults(Faults { early: true, ..Faults::default() });
    for size in [10, 1 << 20] {
        let mut client = Client::connect(&drive);
        let put = client.builder.put(b"key", size as u32);
        client.send(&put, b"");
        assert_eq!(client.receive().unwrap().0.ack_sequence(), Some(put.sequence));
        drive.set_faults(Faults::default());
        client.send_raw(&vec![1; size]);
        // This one waits for its own answer.
        assert_eq!(client.get(b"key"), (StatusCode::Success, vec![1; size]));
        assert_eq!(client.noop(), StatusCode::Success);
        drive.set_faults(Faults { early: true, ..Faults::default() });
    }
}
