//! Each fault does what it says and nothing else.

mod common;

use std::io::{ErrorKind, Read};
use std::num::{NonZeroU64, NonZeroUsize};

use common::{Client, start_with_faults};
use kinetic_drive::Faults;
use kinetic_drive::protocol::StatusCode;

/// Sends `count` NOOPs with a single write.
fn send_noops(client: &mut Client, count: usize) {
    let mut batch = Vec::new();
    for _ in 0..count {
        client.builder.noop().append_to(&mut batch);
    }
    client.send_raw(&batch);
}

#[test]
fn close_at_closes_instead_of_answering() {
    let drive = start_with_faults(Faults { close_at: NonZeroU64::new(3), ..Faults::default() });
    // It happens on each connection, whether requests are pipelined or not.
    for _ in 0..2 {
        let mut client = Client::connect(&drive);
        assert_eq!(client.noop(), StatusCode::Success);
        assert_eq!(client.noop(), StatusCode::Success);
        send_noops(&mut client, 1);
        client.expect_end();

        let mut client = Client::connect(&drive);
        send_noops(&mut client, 10);
        for sequence in 1..=2 {
            let (answer, _) = client.receive().unwrap();
            assert_eq!(answer.ack_sequence(), Some(sequence));
        }
        client.expect_end();
    }
}

#[test]
fn close_at_does_not_execute_the_request() {
    let drive = start_with_faults(Faults { close_at: NonZeroU64::new(2), ..Faults::default() });
    let mut client = Client::connect(&drive);
    assert_eq!(client.noop(), StatusCode::Success);
    let request = client.builder.put(b"key", 5);
    client.send(&request, b"value");
    client.expect_end();
    let mut client = Client::connect(&drive);
    assert_eq!(client.get(b"key").0, StatusCode::NotFound);
}

#[test]
fn reset_at_resets_instead_of_answering() {
    let drive = start_with_faults(Faults { reset_at: NonZeroU64::new(2), ..Faults::default() });
    for _ in 0..2 {
        let mut client = Client::connect(&drive);
        assert_eq!(client.noop(), StatusCode::Success);
        send_noops(&mut client, 1);
        let error = client.stream().read(&mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

#[test]
fn silent_at_reads_on_without_answering() {
    let drive = start_with_faults(Faults { silent_at: NonZeroU64::new(2), ..Faults::default() });
    let mut client = Client::connect(&drive);
    assert_eq!(client.put(b"key", b"value"), StatusCode::Success);
    // More than the sockets buffer: this only gets through if it is read.
    let value = vec![1; 1 << 20];
    for _ in 0..20 {
        let request = client.builder.put(b"key", value.len() as u32);
        client.send(&request, &value);
    }
    // When the client closes its side, the drive does so, too, without having
    // sent anything else.
    client.stream().shutdown(std::net::Shutdown::Write).unwrap();
    client.expect_end();
    // The requests were not executed.
    let mut client = Client::connect(&drive);
    assert_eq!(client.get(b"key"), (StatusCode::Success, b"value".to_vec()));
}

#[test]
fn half_at_sends_half_an_answer() {
    let drive = start_with_faults(Faults { half_at: NonZeroU64::new(3), ..Faults::default() });
    for size in [100, 50_000] {
        let mut client = Client::connect(&drive);
        assert_eq!(client.put(b"key", &vec![9; size]), StatusCode::Success);
        // Another connection tells how long the answer would be.
        let mut other = Client::connect(&drive);
        let request = other.builder.get(b"key");
        other.send(&request, b"");
        let mut header = [0; 9];
        other.stream().read_exact(&mut header).unwrap();
        let message_len = u32::from_be_bytes(header[1..5].try_into().unwrap());
        let whole = 9 + message_len as usize + size;

        assert_eq!(client.noop(), StatusCode::Success);
        // Sequence 3 has as many bytes as sequence 1, so has its answer.
        let request = client.builder.get(b"key");
        client.send(&request, b"");
        let mut half = Vec::new();
        client.stream().read_to_end(&mut half).unwrap();
        assert_eq!(half.len(), whole / 2);
        assert_eq!(half[..9], header);
    }
}

#[test]
fn half_at_sends_what_was_before_it() {
    let drive = start_with_faults(Faults { half_at: NonZeroU64::new(3), ..Faults::default() });
    let mut client = Client::connect(&drive);
    send_noops(&mut client, 3);
    assert_eq!(client.receive().unwrap().0.ack_sequence(), Some(1));
    assert_eq!(client.receive().unwrap().0.ack_sequence(), Some(2));
    let mut half = Vec::new();
    client.stream().read_to_end(&mut half).unwrap();
    assert_eq!(half[0], b'F');
    let frame_len = 9 + u32::from_be_bytes(half[1..5].try_into().unwrap()) as usize;
    assert_eq!(half.len(), frame_len / 2);
}

#[test]
fn fragments_make_whole_answers() {
    for fragment in [1, 2, 7, 1000] {
        let drive = start_with_faults(Faults { fragment: NonZeroUsize::new(fragment), ..Faults::default() });
        let mut client = Client::connect(&drive);
        for size in [0, 10, 5000, 20_000] {
            let value: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            assert_eq!(client.put(b"key", &value), StatusCode::Success);
            assert_eq!(client.get(b"key"), (StatusCode::Success, value));
        }
        send_noops(&mut client, 32);
        for _ in 0..32 {
            assert_eq!(client.receive().unwrap().0.status(), StatusCode::Success);
        }
    }
}

#[test]
fn faults_can_be_combined() {
    let drive = start_with_faults(Faults {
        fragment: NonZeroUsize::new(3),
        half_at: NonZeroU64::new(2),
        ..Faults::default()
    });
    let mut client = Client::connect(&drive);
    assert_eq!(client.noop(), StatusCode::Success);
    send_noops(&mut client, 1);
    let mut half = Vec::new();
    client.stream().read_to_end(&mut half).unwrap();
    assert!(half.len() > 9);
}
