//! Whatever arrives, the drive goes on serving.

mod common;

use std::net::Shutdown;

use common::random::Random;
use common::{Client, start};
use kinetic_drive::protocol::{Encoded, StatusCode};

fn header(message_len: u32, value_len: u32) -> Vec<u8> {
    let mut bytes = b"F".to_vec();
    bytes.extend_from_slice(&message_len.to_be_bytes());
    bytes.extend_from_slice(&value_len.to_be_bytes());
    bytes
}

#[test]
fn bad_frames_are_refused_with_a_reason() {
    let drive = start();
    let terminated = StatusCode::ConnectionTerminated;
    let invalid = StatusCode::InvalidRequest;
    let mut undecodable = header(20, 0);
    undecodable.extend([0xff; 20]);
    let cases = [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), terminated),
        (vec![0; 9], terminated),
        (header((1 << 20) + 1, 0), invalid),
        (header(u32::MAX, 0), invalid),
        (header(10, (64 << 20) + 1), invalid),
        (header(10, u32::MAX), invalid),
        (header(u32::MAX, u32::MAX), invalid),
        (header(0, 0), terminated),
        (undecodable, terminated),
    ];
    for (bytes, status) in cases {
        let mut client = Client::connect(&drive);
        client.send_raw(&bytes);
        let farewell = client.expect_farewell();
        assert_eq!(farewell.status(), status, "{bytes:02x?}");
        assert_eq!(farewell.connection_id(), Some(client.builder.connection_id));
    }
    assert_eq!(Client::connect(&drive).noop(), StatusCode::Success);
}

#[test]
fn answers_before_garbage_are_not_lost() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let mut batch = Vec::new();
    for _ in 0..10 {
        client.builder.noop().append_to(&mut batch);
    }
    // More garbage than the drive reads at once: it must not turn the end into
    // a reset that takes the answers with it.
    batch.extend(vec![b'x'; 1 << 20]);
    client.send_raw(&batch);
    for sequence in 1..=10 {
        let (answer, _) = client.receive().unwrap();
        assert_eq!(answer.ack_sequence(), Some(sequence));
    }
    client.expect_farewell();
}

#[test]
fn requests_may_break_off_anywhere() {
    let drive = start();
    let whole = |client: &mut Client| {
        let mut bytes = Vec::new();
        client.builder.put(b"key", 100).append_to(&mut bytes);
        bytes.extend([7; 100]);
        bytes
    };
    let len = whole(&mut Client::connect(&drive)).len();
    for cut in 0..len {
        let mut client = Client::connect(&drive);
        let bytes = whole(&mut client);
        client.send_raw(&bytes[..cut]);
        client.stream().shutdown(Shutdown::Write).unwrap();
        client.expect_end();
    }
    let mut client = Client::connect(&drive);
    assert_eq!(client.get(b"key").0, StatusCode::NotFound);
}

#[test]
fn large_values_may_break_off() {
    let drive = start();
    for sent in [0, 1, 70_000, 300_000, (1 << 20) - 1] {
        let mut client = Client::connect(&drive);
        let request = client.builder.put(b"key", 1 << 20);
        client.send(&request, &vec![1; sent]);
        client.stream().shutdown(Shutdown::Write).unwrap();
        client.expect_end();
    }
    let mut client = Client::connect(&drive);
    assert_eq!(client.get(b"key").0, StatusCode::NotFound);
}

#[test]
fn a_message_of_the_largest_size_is_read() {
    // Its bytes are the key of a PUT that is far too long.
    let drive = start();
    let mut client = Client::connect(&drive);
    let request = client.builder.put(&vec![1; (1 << 20) - 100], 10);
    let (answer, _) = client.ask(&request, b"0123456789");
    assert_eq!(answer.status(), StatusCode::InvalidRequest);
    assert_eq!(client.noop(), StatusCode::Success);
}

/// Sends `bytes`, closes the sending side, reads whatever comes until the end.
fn send_and_drain(client: &mut Client, bytes: &[u8]) {
    client.send_raw(bytes);
    // If the drive has closed already, this is not connected any more.
    let _ = client.stream().shutdown(Shutdown::Write);
    while client.receive().is_ok() {}
}

#[test]
fn random_bytes_do_no_harm() {
    let drive = start();
    let mut random = Random(0x5eed_0001);
    for round in 0..300 {
        let mut client = Client::connect(&drive);
        let len = random.below(3000);
        let mut bytes: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        // Most of them should get past the frame header.
        if round % 4 != 0 {
            let message_len = random.below(len + 1) as u32;
            bytes.splice(..0, header(message_len, random.below(100) as u32));
        }
        send_and_drain(&mut client, &bytes);
    }
    assert_eq!(Client::connect(&drive).noop(), StatusCode::Success);
}

#[test]
fn flipped_bits_do_no_harm() {
    let drive = start();
    let mut random = Random(0x5eed_0002);
    for _ in 0..300 {
        let mut client = Client::connect(&drive);
        let requests: [Encoded; 4] = [
            client.builder.put(b"key", 0),
            client.builder.get(b"key"),
            client.builder.noop(),
            client.builder.delete(b"key"),
        ];
        let mut bytes = Vec::new();
        for request in &requests {
            request.append_to(&mut bytes);
        }
        for _ in 0..=random.below(4) {
            let bit = random.below(8 * bytes.len());
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        send_and_drain(&mut client, &bytes);
    }
    assert_eq!(Client::connect(&drive).noop(), StatusCode::Success);
}

#[test]
fn deeply_nested_groups_do_not_exhaust_the_stack() {
    let drive = start();
    let mut client = Client::connect(&drive);
    // Field 100 as the start of a group, again and again.
    let nested = [0xa3, 0x06].repeat(100_000);
    client.send_raw(&header(nested.len() as u32, 0));
    client.send_raw(&nested);
    let farewell = client.expect_farewell();
    assert_eq!(farewell.status(), StatusCode::ConnectionTerminated);
    assert_eq!(Client::connect(&drive).noop(), StatusCode::Success);
}
