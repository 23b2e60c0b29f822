//! How many connections, and how many bytes on their way.

mod common;

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use common::{Client, PATIENCE, refused, start, start_with, wait_until};
use kinetic_drive::protocol::{DEFAULT_KEY, Encoded, HmacKey, StatusCode};
use kinetic_drive::{Config, Drive, Faults};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const MIB: usize = 1 << 20;

#[test]
fn a_thousand_connections_are_served_at_once() {
    // Each has two sockets in this process.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let drive = start();
    let mut clients: Vec<_> = (0..1000).map(|_| Client::connect(&drive)).collect();
    assert_eq!(drive.statistics().connections.open, 1000);
    let mut requests = Vec::new();
    for (n, client) in clients.iter_mut().enumerate() {
        let key = n.to_be_bytes();
        let put = client.builder.put(&key, 4);
        let get = client.builder.get(&key);
        client.send(&put, &(n as u32).to_be_bytes());
        client.send(&get, b"");
        requests.push([put, get]);
    }
    for (n, (client, [put, get])) in clients.iter_mut().zip(requests).enumerate() {
        let (answer, _) = client.receive().unwrap();
        assert_eq!((answer.status(), answer.ack_sequence()), (StatusCode::Success, Some(put.sequence)));
        let (answer, value) = client.receive().unwrap();
        assert_eq!((answer.status(), answer.ack_sequence()), (StatusCode::Success, Some(get.sequence)));
        assert_eq!(value, (n as u32).to_be_bytes());
    }
}

#[test]
fn one_connection_too_many_is_told_so() {
    let drive = start_with(Config { max_connections: 2, ..Config::default() });
    let mut first = Client::connect(&drive);
    let limits = first.hello.get_log().unwrap().limits.clone().unwrap();
    assert_eq!(limits.max_connections, Some(2));
    let second = Client::connect(&drive);
    for _ in 0..3 {
        let answer = refused(drive.local_addr());
        assert_eq!(answer.status(), StatusCode::ServiceBusy);
        assert_eq!(answer.status_message(), "too many connections");
    }
    assert_eq!(first.noop(), StatusCode::Success);
    let statistics = drive.statistics();
    assert_eq!((statistics.connections.open, statistics.connections.total), (2, 2));
    assert_eq!(statistics.connections.refused, 3);
    drop(second);
    wait_until("there is room again", || drive.statistics().connections.open == 1);
    assert_eq!(Client::connect(&drive).noop(), StatusCode::Success);
}

#[test]
fn refusing_does_not_wait_for_anybody() {
    let drive = start_with(Config { max_connections: 1, ..Config::default() });
    let mut client = Client::connect(&drive);
    // Nobody reads what these are told.
    let ignorant: Vec<_> = (0..100).map(|_| TcpStream::connect(drive.local_addr()).unwrap()).collect();
    wait_until("all are refused", || drive.statistics().connections.refused == 100);
    assert_eq!(client.noop(), StatusCode::Success);
    // It is still there for those who do.
    for mut stream in ignorant {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (answer, _) = common::receive(&mut stream, &HmacKey::new(DEFAULT_KEY)).unwrap();
        assert_eq!(answer.status(), StatusCode::ServiceBusy);
    }
}

/// A drive on which two values of 1 MiB may be on their way.
fn tight() -> Drive {
    start_with(Config { max_outstanding: 2 << 20, ..Config::default() })
}

/// Sends half of a PUT of 1 MiB, and the rest when it is asked to.
fn half_a_put(drive: &Drive, key: &[u8]) -> (Client, Encoded) {
    let mut client = Client::connect(drive);
    let request = client.builder.put(key, MIB as u32);
    client.send(&request, &vec![1; MIB / 2]);
    (client, request)
}

fn expect_answer(client: &mut Client, request: &Encoded) -> (StatusCode, Vec<u8>) {
    let (answer, value) = client.receive().unwrap();
    assert!(!answer.unsolicited);
    assert_eq!(answer.ack_sequence(), Some(request.sequence));
    (answer.status(), value)
}

#[test]
fn the_least_budget_is_one_request() {
    let config = |max_outstanding| Config { max_outstanding, ..Config::default() };
    assert!(Drive::start(config(2 << 20)).is_ok());
    assert!(Drive::start(config((2 << 20) - 1)).is_err());
    let larger = Config { max_value_size: (1 << 20) + 1, ..config(2 << 20) };
    assert!(Drive::start(larger).is_err());
}

#[test]
fn large_requests_beyond_the_budget_are_refused_until_there_is_room() {
    let drive = tight();
    let mut halves = [half_a_put(&drive, b"1"), half_a_put(&drive, b"2")];
    wait_until("both values are expected", || drive.statistics().outstanding == 2 << 20);

    let mut other = Client::connect(&drive);
    assert_eq!(other.put(b"3", &vec![3; MIB]), StatusCode::ServiceBusy);
    assert_eq!(drive.statistics().busy, 1);
    // The connection is kept, and small requests go on.
    assert_eq!(other.put(b"small", b"value"), StatusCode::Success);
    assert_eq!(other.get(b"3").0, StatusCode::NotFound);
    // Without its message, a request cannot be answered.
    let mut long = Client::connect(&drive);
    let request = long.builder.put(&vec![1; 900_000], 0);
    long.send(&request, b"");
    assert_eq!(long.expect_farewell().status(), StatusCode::ServiceBusy);

    for (client, request) in &mut halves {
        client.send_raw(&vec![1; MIB / 2]);
        assert_eq!(expect_answer(client, request).0, StatusCode::Success);
    }
    assert_eq!(drive.statistics().outstanding, 0);
    assert_eq!(other.put(b"3", &vec![3; MIB]), StatusCode::Success);
    assert!(other.get(b"3") == (StatusCode::Success, vec![3; MIB]));
}

#[test]
fn large_answers_beyond_the_budget_are_refused_until_there_is_room() {
    let drive = tight();
    let mut writer = Client::connect(&drive);
    assert_eq!(writer.put(b"key", &vec![5; MIB]), StatusCode::Success);
    // This one reads nothing for now.
    let mut reader = Client::connect(&drive);
    let requests: Vec<_> = (0..32).map(|_| reader.builder.get(b"key")).collect();
    for request in &requests {
        reader.send(request, b"");
    }
    // As soon as its socket is full, it holds what is not sent, and there is
    // no room for another one.
    wait_until("there is no room", || writer.get(b"key").0 == StatusCode::ServiceBusy);
    let request = writer.builder.get(b"key");
    let (answer, value) = writer.ask(&request, b"");
    assert_eq!(answer.status(), StatusCode::ServiceBusy);
    assert!(value.is_empty() && answer.key_value().is_none());
    assert_eq!(writer.noop(), StatusCode::Success);

    for request in &requests {
        let (status, value) = expect_answer(&mut reader, request);
        // The other one may have had the room for a moment.
        match status {
            StatusCode::Success => assert!(value == vec![5; MIB]),
            status => assert_eq!(status, StatusCode::ServiceBusy),
        }
    }
    wait_until("all is sent", || drive.statistics().outstanding == 0);
    assert!(writer.get(b"key") == (StatusCode::Success, vec![5; MIB]));
    let statistics = drive.statistics();
    let get = statistics.operations.iter().find(|operation| operation.bytes_sent > 0).unwrap();
    assert_eq!(get.failures, statistics.failures["ServiceBusy"]);
    assert_eq!(get.bytes_sent, (get.requests - get.failures) * MIB as u64);
}

#[test]
fn slow_clients_do_not_keep_the_budget() {
    let stall_timeout = Some(Duration::from_millis(500));
    let drive = start_with(Config { max_outstanding: 2 << 20, stall_timeout, ..Config::default() });
    let mut halves = [half_a_put(&drive, b"1"), half_a_put(&drive, b"2")];
    for (client, _) in &mut halves {
        assert_eq!(client.expect_farewell().status(), StatusCode::ConnectionTerminated);
    }
    wait_until("both have ended", || drive.statistics().connections.open == 0);
    assert_eq!(drive.statistics().outstanding, 0);
    let request = half_a_put(&drive, b"3");
    drop(request);
    wait_until("it has ended, too", || drive.statistics().outstanding == 0);
}

#[test]
fn an_answer_that_is_delayed_keeps_its_part_of_the_budget() {
    let drive = tight();
    let mut client = Client::connect(&drive);
    assert_eq!(client.put(b"key", &vec![5; MIB]), StatusCode::Success);
    let held = || drive.statistics().outstanding >= MIB as u64;
    drive.set_faults(Faults { delay_ms: Some(3_600_000), ..Faults::default() });
    let request = client.builder.get(b"key");
    client.send(&request, b"");
    wait_until("it is claimed", held);
    assert!((0..1000).all(|_| held()));
    // The delay ends with the drive, and what was held is sent.
    thread::scope(|scope| {
        scope.spawn(move || drive.stop(PATIENCE).unwrap());
        assert!(expect_answer(&mut client, &request) == (StatusCode::Success, vec![5; MIB]));
        drop(client);
    });
}
