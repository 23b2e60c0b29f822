//! What the drive tells about what it has done.

mod common;

use common::{Client, start, start_with, wait_until};
use kinetic_drive::protocol::{LogType, MessageType, StatusCode};
use kinetic_drive::{Config, Operation, Statistics};

fn operation(statistics: &Statistics, message_type: MessageType) -> Operation {
    *statistics.operations.iter().find(|operation| operation.message_type == message_type).unwrap()
}

#[test]
fn a_new_drive_has_done_nothing() {
    let drive = start();
    let statistics = drive.statistics();
    assert!(statistics.operations.is_empty() && statistics.failures.is_empty());
    assert_eq!(statistics.connections.total, 0);
}

#[test]
fn requests_are_counted_by_type() {
    let drive = start_with(Config { max_value_size: 1000, ..Config::default() });
    let mut client = Client::connect(&drive);
    assert_eq!(client.put(b"1", &[0; 100]), StatusCode::Success);
    assert_eq!(client.put(b"2", &[0; 1000]), StatusCode::Success);
    assert_eq!(client.put(b"3", &[0; 1001]), StatusCode::InvalidRequest);
    assert_eq!(client.put(b"", b""), StatusCode::InvalidRequest);
    assert_eq!(client.get(b"2").0, StatusCode::Success);
    assert_eq!(client.get(b"3").0, StatusCode::NotFound);
    client.sign_as(7, b"nobody");
    let request = client.builder.noop();
    client.send(&request, b"");
    assert_eq!(client.receive().unwrap().0.status(), StatusCode::HmacFailure);

    let statistics = drive.statistics();
    let put = operation(&statistics, MessageType::Put);
    assert_eq!((put.requests, put.failures, put.bytes_received, put.bytes_sent), (4, 2, 1100, 0));
    let get = operation(&statistics, MessageType::Get);
    assert_eq!((get.requests, get.failures, get.bytes_received, get.bytes_sent), (2, 1, 0, 1000));
    let noop = operation(&statistics, MessageType::Noop);
    assert_eq!((noop.requests, noop.failures), (1, 1));
    let failures: Vec<_> = statistics.failures.iter().map(|(name, count)| (&name[..], *count)).collect();
    assert_eq!(failures, [("HmacFailure", 1), ("InvalidRequest", 2), ("NotFound", 1)]);
    // A put takes longer than no time at all.
    assert_ne!(put.max_latency_us, 0);
}

#[test]
fn the_log_has_the_longest_time() {
    let drive = start();
    let mut client = Client::connect(&drive);
    assert_eq!(client.put(b"key", &vec![0; 1 << 20]), StatusCode::Success);
    let request = client.builder.get_log(&[LogType::Statistics]);
    let (answer, _) = client.ask(&request, b"");
    let log = &answer.get_log().unwrap().statistics;
    assert_eq!(log.len(), 1);
    assert_eq!((log[0].message_type(), log[0].count(), log[0].bytes()), (MessageType::Put, 1, 1 << 20));
    // The same, in whole milliseconds.
    let put = operation(&drive.statistics(), MessageType::Put);
    assert_eq!(log[0].max_latency, Some(put.max_latency_us.div_ceil(1000)));
    assert_ne!(log[0].max_latency, Some(0));
}

#[test]
fn connections_and_errors_are_counted() {
    let drive = start();
    let client = Client::connect(&drive);
    for bytes in [&b"not Kinetic"[..], &[0; 9], b"F\0\0\0\0\0\0\0\0", b"F\xff\xff\xff\xff\0\0\0\0"] {
        let mut stranger = Client::connect(&drive);
        stranger.send_raw(bytes);
        stranger.expect_farewell();
    }
    let statistics = drive.statistics();
    assert_eq!((statistics.protocol_errors, statistics.stalls, statistics.busy), (4, 0, 0));
    assert_eq!((statistics.connections.total, statistics.connections.refused), (5, 0));
    wait_until("one connection is left", || drive.statistics().connections.open == 1);
    drop(client);
    wait_until("none is left", || drive.statistics().connections.open == 0);
}

#[test]
fn they_have_a_form_for_people_and_one_for_programs() {
    let drive = start();
    let mut client = Client::connect(&drive);
    assert_eq!(client.put(b"key", b"value"), StatusCode::Success);
    assert_eq!(client.get(b"other").0, StatusCode::NotFound);
    let statistics = drive.statistics();

    let json = serde_json::to_value(&statistics).unwrap();
    assert_eq!(json["connections"]["open"], 1);
    assert_eq!(json["operations"][1]["message_type"], "Put");
    assert_eq!(json["operations"][1]["bytes_received"], 5);
    assert_eq!(json["failures"]["NotFound"], 1);

    assert!(statistics.line().starts_with("1 connections (1 so far, 0 refused), 2 requests, 1 failures, "));
    let table = statistics.to_string();
    let row = table.lines().find(|line| line.starts_with("Put")).unwrap();
    let columns: Vec<_> = row.split_whitespace().collect();
    assert_eq!(columns[..5], ["Put", "1", "0", "5", "0"]);
    assert!(table.lines().any(|line| line.split_whitespace().eq(["NotFound", "1"])));
}
