//! Clients that are slow, stop in the middle, or are gone.

mod common;

use std::io::Write;
use std::thread;
use std::time::Duration;

use common::{Client, start, start_with, wait_until};
use kinetic_drive::protocol::StatusCode;
use kinetic_drive::{Config, Drive};

/// A drive that does not wait long.
fn impatient() -> Drive {
    start_with_timeout(Duration::from_millis(80))
}

fn start_with_timeout(stall_timeout: Duration) -> Drive {
    start_with(Config { stall_timeout: Some(stall_timeout), ..Config::default() })
}

/// A PUT whose value the caller promises, as bytes.
fn put(client: &mut Client, value_len: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    client.builder.put(b"key", value_len).append_to(&mut bytes);
    bytes
}

#[test]
fn requests_that_stop_are_refused() {
    let drive = impatient();
    // In the header, in the message, in a small value, in a large one, and in
    // one that is skipped.
    let cases = [(100, 1), (100, 30), (100, 150), (1 << 20, 100_000), (2 << 20, 100_000)];
    for (value_len, sent) in cases {
        let mut client = Client::connect(&drive);
        let mut bytes = put(&mut client, value_len);
        bytes.resize(200_000, 0);
        client.send_raw(&bytes[..sent]);
        let farewell = client.expect_farewell();
        assert_eq!(farewell.status(), StatusCode::ConnectionTerminated);
        assert_eq!(farewell.status_message(), "the request was not complete within 0.08 s");
    }
    assert_eq!(drive.statistics().stalls, cases.len() as u64);
}

#[test]
fn requests_that_trickle_are_refused() {
    let drive = impatient();
    for (value_len, at_once) in [(100, 0), (1 << 20, 9), (1 << 20, 1000), (2 << 20, 1000)] {
        let mut client = Client::connect(&drive);
        let mut bytes = put(&mut client, value_len);
        bytes.resize(bytes.len() + value_len as usize, 0);
        client.send_raw(&bytes[..at_once]);
        let mut writer = client.stream().try_clone().unwrap();
        let trickle = thread::spawn(move || {
            // Never silent for as long as the drive would wait.
            for byte in bytes[at_once..].chunks(1) {
                if writer.write_all(byte).is_err() {
                    return;
                }
                thread::sleep(Duration::from_millis(5));
            }
        });
        let (answer, _) = client.receive().unwrap();
        assert!(answer.unsolicited, "{answer:?}");
        assert_eq!(answer.status(), StatusCode::ConnectionTerminated);
        drop(client);
        trickle.join().unwrap();
    }
}

#[test]
fn idle_connections_may_stay() {
    let drive = impatient();
    let mut fresh = Client::connect(&drive);
    let mut used = Client::connect(&drive);
    assert_eq!(used.noop(), StatusCode::Success);
    // For as long as these need to be refused, the others are idle.
    for _ in 0..3 {
        let mut client = Client::connect(&drive);
        client.send_raw(b"F");
        client.expect_farewell();
    }
    assert_eq!(fresh.noop(), StatusCode::Success);
    assert_eq!(used.noop(), StatusCode::Success);
}

#[test]
fn clients_may_take_their_time_without_a_limit() {
    let drive = start_with(Config { stall_timeout: None, ..Config::default() });
    let mut slow = Client::connect(&drive);
    let bytes = put(&mut slow, 0);
    slow.send_raw(&bytes[..10]);
    // There is nothing to wait for but time.
    thread::sleep(Duration::from_millis(50));
    slow.send_raw(&bytes[10..]);
    assert_eq!(slow.receive().unwrap().0.status(), StatusCode::Success);
}

/// Asks for more than sockets buffer.
fn ask_for_much(client: &mut Client) {
    let mut bytes = Vec::new();
    for _ in 0..64 {
        client.builder.get(b"key").append_to(&mut bytes);
    }
    client.send_raw(&bytes);
}

#[test]
fn answers_must_be_taken() {
    // Long enough for the large request, also on a busy machine.
    let drive = start_with_timeout(Duration::from_secs(2));
    let mut client = Client::connect(&drive);
    assert_eq!(client.put(b"key", &vec![1; 1 << 20]), StatusCode::Success);
    ask_for_much(&mut client);
    wait_until("the connection is closed", || drive.statistics().connections.open == 0);
    assert_eq!(drive.statistics().stalls, 1);
    assert_eq!(drive.statistics().outstanding, 0);
    // The connection is reset: there is not much left to receive.
    let received = std::iter::from_fn(|| client.receive().ok()).count();
    assert!(received < 64, "{received} answers");
}

#[test]
fn vanished_clients_leave_nothing_behind() {
    let drive = start();
    for value_len in [100, 1 << 20, 2 << 20] {
        let mut client = Client::connect(&drive);
        let bytes = put(&mut client, value_len);
        client.send_raw(&bytes);
        // Reset, as if the client's machine had been restarted.
        rustix::net::sockopt::set_socket_linger(client.stream(), Some(Duration::ZERO)).unwrap();
    }
    wait_until("all connections are closed", || drive.statistics().connections.open == 0);
    let statistics = drive.statistics();
    assert_eq!((statistics.outstanding, statistics.buffers), (0, 0));
}

#[test]
fn idle_connections_keep_small_buffers() {
    const IDLE: usize = 16 << 10;
    // Long enough for the large requests, also on a busy machine.
    let drive = start_with_timeout(Duration::from_secs(4));
    let mut client = Client::connect(&drive);
    assert_eq!(client.put(b"key", &vec![1; 60_000]), StatusCode::Success);
    let mut writer = client.stream().try_clone().unwrap();
    let mut bytes = Vec::new();
    for _ in 0..100 {
        client.builder.get(b"key").append_to(&mut bytes);
        bytes.extend_from_slice(&put(&mut client, 30_000));
        bytes.resize(bytes.len() + 30_000, 2);
    }
    let sender = thread::spawn(move || writer.write_all(&bytes).unwrap());
    for _ in 0..200 {
        assert_eq!(client.receive().unwrap().0.status(), StatusCode::Success);
    }
    sender.join().unwrap();
    wait_until("the buffers are small", || drive.statistics().buffers == IDLE);
    // A long message needs a large buffer for as long as it takes.
    let request = client.builder.put(&vec![1; 1_000_000], 0);
    assert_eq!(client.ask(&request, b"").0.status(), StatusCode::InvalidRequest);
    wait_until("the buffers are small again", || drive.statistics().buffers == IDLE);
    let _second = Client::connect(&drive);
    wait_until("each has one", || drive.statistics().buffers == 2 * IDLE);
    assert_eq!(client.noop(), StatusCode::Success);
}
