//! The graceful stop, as clients see it.

mod common;

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use common::{Client, PATIENCE, start, start_with};
use kinetic_drive::protocol::StatusCode;
use kinetic_drive::{Config, Drive};

/// Far longer than any test: a drive that waits for it does not pass.
const HOUR: Duration = Duration::from_secs(3600);

/// Stops a drive in another thread, which says when it is done.
fn stop(drive: Drive, grace: Duration) -> Receiver<()> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        drive.stop(grace).unwrap();
        let _ = sender.send(());
    });
    receiver
}

fn expect_stopped(stopped: &Receiver<()>) {
    stopped.recv_timeout(PATIENCE).expect("the drive should have stopped");
}

/// Receives the status with which the drive says that it stops, and the end.
fn expect_shutdown(client: &mut Client) {
    let farewell = client.expect_farewell();
    assert_eq!(farewell.status(), StatusCode::Shutdown);
    assert_eq!(farewell.status_message(), "the drive stops");
}

/// Asks for more than sockets buffer, so that the drive has to wait.
fn ask_for_much(client: &mut Client) {
    assert_eq!(client.put(b"key", &vec![1; 1 << 20]), StatusCode::Success);
    let mut bytes = Vec::new();
    for _ in 0..32 {
        client.builder.get(b"key").append_to(&mut bytes);
    }
    client.send_raw(&bytes);
}

#[test]
fn idle_connections_are_told_at_once() {
    // Without this, the drive would look after them within the test's patience.
    let drive = start_with(Config { stall_timeout: None, ..Config::default() });
    let mut fresh = Client::connect(&drive);
    let mut used: Vec<_> = (0..20).map(|_| Client::connect(&drive)).collect();
    for client in &mut used {
        assert_eq!(client.noop(), StatusCode::Success);
    }
    let stopped = stop(drive, HOUR);
    expect_shutdown(&mut fresh);
    used.iter_mut().for_each(expect_shutdown);
    expect_stopped(&stopped);
}

#[test]
fn a_drive_without_connections_stops() {
    expect_stopped(&stop(start(), HOUR));
}

#[test]
fn nobody_can_connect_afterwards() {
    // No other test listens on this loopback address, so nobody else can take
    // the port when it is free again.
    let drive = start_with(Config { address: ([127, 0, 0, 78], 0).into(), ..Config::default() });
    let address = drive.local_addr();
    drive.stop(HOUR).unwrap();
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn what_was_received_is_answered() {
    let drive = start_with(Config { address: ([127, 0, 0, 79], 0).into(), ..Config::default() });
    let address = drive.local_addr();
    let mut client = Client::connect(&drive);
    ask_for_much(&mut client);
    // As soon as something comes back, the drive has read what it will read
    // before it is done with sending, and the next requests stay in its socket.
    client.stream().peek(&mut [0; 1]).unwrap();
    let mut requests = Vec::new();
    for n in 0..10_u8 {
        client.builder.put(&[n], 0).append_to(&mut requests);
    }
    client.send_raw(&requests);
    let stopped = stop(drive, HOUR);
    // Stopping begins with the listener.
    while TcpStream::connect(address).is_ok() {
        thread::yield_now();
    }
    for sequence in 2..=43 {
        let (answer, _) = client.receive().unwrap();
        assert_eq!(answer.ack_sequence(), Some(sequence));
        assert_eq!(answer.status(), StatusCode::Success);
    }
    expect_shutdown(&mut client);
    expect_stopped(&stopped);
}

#[test]
fn partial_requests_are_dropped() {
    let drive = start();
    let mut clients: Vec<_> = [(100, 5), (100, 50), (1 << 20, 100_000), (2 << 20, 100_000)]
        .into_iter()
        .map(|(value_len, sent)| {
            let mut client = Client::connect(&drive);
            assert_eq!(client.noop(), StatusCode::Success);
            let mut bytes = Vec::new();
            client.builder.put(b"key", value_len).append_to(&mut bytes);
            bytes.resize(200_000, 0);
            client.send_raw(&bytes[..sent]);
            client
        })
        .collect();
    let stopped = stop(drive, HOUR);
    clients.iter_mut().for_each(expect_shutdown);
    expect_stopped(&stopped);
}

#[test]
fn clients_that_never_pause_are_stopped_too() {
    let drive = start();
    let address = drive.local_addr();
    let (sender, started) = mpsc::channel();
    let client = thread::spawn(move || {
        let mut client = Client::connect_to(address);
        let send = |client: &mut Client| {
            let mut bytes = Vec::new();
            client.builder.put(b"key", 4096).append_to(&mut bytes);
            bytes.resize(bytes.len() + 4096, 1);
            // The drive may have closed the connection already.
            client.send_raw(&bytes);
        };
        for _ in 0..32 {
            send(&mut client);
        }
        for sequence in 1.. {
            let (answer, _) = client.receive().unwrap();
            if answer.unsolicited {
                return answer.status();
            }
            // Answers have no gaps.
            assert_eq!(answer.ack_sequence(), Some(sequence));
            assert_eq!(answer.status(), StatusCode::Success);
            if sequence == 100 {
                sender.send(()).unwrap();
            }
            send(&mut client);
        }
        unreachable!();
    });
    started.recv_timeout(PATIENCE).unwrap();
    expect_stopped(&stop(drive, HOUR));
    assert_eq!(client.join().unwrap(), StatusCode::Shutdown);
}

#[test]
fn no_more_is_read_than_was_there() {
    const REQUESTS: usize = 10_000;
    let drive = start();
    let mut client = Client::connect(&drive);
    let mut bytes = Vec::new();
    for _ in 0..REQUESTS {
        client.builder.put(b"key", 4096).append_to(&mut bytes);
        bytes.resize(bytes.len() + 4096, 1);
    }
    // Far more than sockets buffer, and faster than the drive takes it.
    let mut writer = client.stream().try_clone().unwrap();
    let flood = thread::spawn(move || writer.write_all(&bytes));
    client.receive().unwrap();
    let stopped = stop(drive, HOUR);
    let answers = std::iter::from_fn(|| client.receive().ok()).filter(|(answer, _)| !answer.unsolicited);
    assert!(answers.count() < REQUESTS - 1);
    expect_stopped(&stopped);
    // Nobody reads what is still to be written.
    let _ = client.stream().shutdown(Shutdown::Both);
    assert!(flood.join().unwrap().is_err());
}

#[test]
fn clients_that_do_not_read_have_until_the_end_of_the_grace() {
    let drive = start();
    let mut client = Client::connect(&drive);
    ask_for_much(&mut client);
    let stopped = stop(drive, Duration::from_millis(100));
    expect_stopped(&stopped);
    let received = std::iter::from_fn(|| client.receive().ok()).count();
    assert!(received < 32, "{received} answers");
}
