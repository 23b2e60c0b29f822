//! Many requests at once, on one connection and on many.

mod common;

use std::io::Write;
use std::net::TcpStream;
use std::thread;

use common::{Client, start, start_with};
use kinetic_drive::Config;
use kinetic_drive::protocol::{MessageType, StatusCode};

/// A value that tells which request it belongs to.
fn value(request: usize, size: usize) -> Vec<u8> {
    (0..size).map(|n| (n * 7 + request) as u8).collect()
}

/// Sends requests without waiting for answers: a PUT and a GET for each size.
fn exchange(sizes: &[usize], write_size: usize) {
    let drive = start();
    let mut client = Client::connect(&drive);
    let mut bytes = Vec::new();
    for (n, &size) in sizes.iter().enumerate() {
        let key = n.to_be_bytes();
        let put = client.builder.put(&key, size as u32);
        put.append_to(&mut bytes);
        bytes.extend(value(n, size));
        client.builder.get(&key).append_to(&mut bytes);
    }
    let mut writer = client.stream().try_clone().unwrap();
    let sender = thread::spawn(move || {
        for piece in bytes.chunks(write_size) {
            writer.write_all(piece).unwrap();
        }
    });
    for (n, &size) in sizes.iter().enumerate() {
        let sequence = 2 * n as u64 + 1;
        let (answer, read) = client.receive().unwrap();
        assert_eq!(answer.ack_sequence(), Some(sequence));
        assert_eq!(answer.message_type(), MessageType::PutResponse);
        assert_eq!(answer.status(), StatusCode::Success);
        assert!(read.is_empty());
        let (answer, read) = client.receive().unwrap();
        assert_eq!(answer.ack_sequence(), Some(sequence + 1));
        assert_eq!(answer.message_type(), MessageType::GetResponse);
        assert!(read == value(n, size), "value of {size} bytes");
    }
    sender.join().unwrap();
}

#[test]
fn thirty_two_outstanding_requests_are_answered_in_order() {
    exchange(&[4096; 16], usize::MAX);
}

#[test]
fn a_thousand_small_requests_are_answered_in_order() {
    exchange(&[100; 500], usize::MAX);
}

#[test]
fn sizes_may_be_mixed() {
    exchange(&[0, 1 << 20, 10, 65_536, 8193, 1 << 20, 0, 200_000, 1], usize::MAX);
}

#[test]
fn requests_may_arrive_in_pieces() {
    exchange(&[10, 0, 100], 1);
    exchange(&[10, 100_000, 0, 70_000], 1000);
    exchange(&[4096; 50], 4099);
}

#[test]
fn a_client_may_read_late() {
    // The drive has more to send than the sockets buffer, and blocks. Only
    // when the client reads, it can go on.
    let drive = start();
    let mut client = Client::connect(&drive);
    assert_eq!(client.put(b"key", &value(0, 1 << 20)), StatusCode::Success);
    let mut batch = Vec::new();
    for _ in 0..32 {
        client.builder.get(b"key").append_to(&mut batch);
    }
    client.send_raw(&batch);
    // Other connections do not wait for this one.
    assert_eq!(Client::connect(&drive).noop(), StatusCode::Success);
    for _ in 0..32 {
        let (answer, read) = client.receive().unwrap();
        assert_eq!(answer.status(), StatusCode::Success);
        assert!(read == value(0, 1 << 20));
    }
}

#[test]
fn many_connections_share_the_entries() {
    let drive = start();
    let address = drive.local_addr();
    let threads: Vec<_> = (0..8)
        .map(|n: usize| {
            thread::spawn(move || {
                let mut client = Client::connect_to(address);
                for round in 0..200_usize {
                    let key = format!("{n}-{}", round % 10);
                    let value = value(round, 3000);
                    assert_eq!(client.put(key.as_bytes(), &value), StatusCode::Success);
                    assert_eq!(client.get(key.as_bytes()), (StatusCode::Success, value));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn hundreds_of_connections_are_served() {
    let drive = start();
    let mut clients: Vec<_> = (0..300).map(|_| Client::connect(&drive)).collect();
    for client in &mut clients {
        assert_eq!(client.noop(), StatusCode::Success);
    }
}

#[test]
fn dropping_the_drive_closes_connections() {
    // No other test listens on this loopback address, so nobody else can take
    // the port when it is free again.
    let drive = start_with(Config { address: ([127, 0, 0, 77], 0).into(), ..Config::default() });
    let address = drive.local_addr();
    let mut idle = Client::connect(&drive);
    // This one is blocked in sending what nobody reads.
    let mut busy = Client::connect(&drive);
    busy.put(b"key", &value(0, 1 << 20));
    let mut batch = Vec::new();
    for _ in 0..32 {
        busy.builder.get(b"key").append_to(&mut batch);
    }
    busy.send_raw(&batch);
    drop(drive);
    idle.expect_end();
    while busy.receive().is_ok() {}
    assert!(TcpStream::connect(address).is_err());
}
