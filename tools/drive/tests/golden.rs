//! Whole frames, byte by byte as the protocol defines them, against the drive
//! and the request builder. None of the bytes come from this crate's encoder.

mod common;
mod golden_frames;

use std::io::{Read, Write};
use std::net::TcpStream;

use common::{Client, start, start_with};
use golden_frames::{batch, entry, log, neighbour, noop, peer, pin, range, security, setup};
use kinetic_drive::protocol::{
    Acl, Algorithm, Encoded, HmacAlgorithm, KeyValue, MessageType, Peer, PeerOperation, PinOperationType,
    PowerLevel, Priority, Push, Range, RequestBuilder, Scope,
};
use kinetic_drive::{Config, Drive};

fn bytes(hex: &[&str]) -> Vec<u8> {
    let digits = hex.iter().flat_map(|line| line.split(' '));
    digits.map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect()
}

fn frame(encoded: &Encoded, value: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    encoded.append_to(&mut frame);
    frame.extend_from_slice(value);
    frame
}

/// Requests with the answers that are expected; nothing where there is none.
type Conversation<'a> = &'a [(&'a [&'a str], &'a [&'a str])];

/// Has a conversation on the first connection of a new drive, which is number
/// 1.
fn converse(conversation: Conversation<'_>) -> (Drive, TcpStream) {
    let drive = start_with(Config { trust_plain: true, ..Config::default() });
    let mut stream = Client::connect(&drive).into_stream();
    for (request, answer) in conversation {
        stream.write_all(&bytes(request)).unwrap();
        let expected = bytes(answer);
        let mut received = vec![0; expected.len()];
        stream.read_exact(&mut received).unwrap();
        assert_eq!(received, expected, "answer to {request:?}");
    }
    (drive, stream)
}

#[test]
fn entries_are_golden() {
    converse(&[
        (noop::NOOP, noop::NOOP_RESPONSE),
        (entry::PUT, entry::PUT_RESPONSE),
        (entry::GET, entry::GET_RESPONSE),
        (entry::DELETE, entry::DELETE_RESPONSE),
        (entry::GET_VERSION, entry::GET_VERSION_RESPONSE),
        (entry::GET_VERSION_OF_NONE, entry::GET_VERSION_OF_NONE_RESPONSE),
        (entry::FLUSH, entry::FLUSH_RESPONSE),
    ]);
    converse(&[(noop::NOOP_WITH_BODY, noop::NOOP_RESPONSE)]);
}

#[test]
fn neighbours_are_golden() {
    converse(&[
        (entry::PUT, entry::PUT_RESPONSE),
        (neighbour::GET_NEXT, neighbour::GET_NEXT_RESPONSE),
        (neighbour::GET_NEXT_AT_THE_END, neighbour::GET_NEXT_AT_THE_END_RESPONSE),
        (neighbour::GET_PREVIOUS, neighbour::GET_PREVIOUS_RESPONSE),
        (neighbour::GET_PREVIOUS_AT_THE_START, neighbour::GET_PREVIOUS_AT_THE_START_RESPONSE),
    ]);
}

#[test]
fn ranges_are_golden() {
    converse(&[
        (entry::PUT, entry::PUT_RESPONSE),
        (range::PUT_ANOTHER, range::PUT_ANOTHER_RESPONSE),
        (range::GET_KEY_RANGE, range::GET_KEY_RANGE_RESPONSE),
        (range::GET_KEY_RANGE_WITHOUT_KEYS, range::GET_KEY_RANGE_WITHOUT_KEYS_RESPONSE),
        (range::GET_KEY_RANGE_OF_TOO_MANY, range::GET_KEY_RANGE_OF_TOO_MANY_RESPONSE),
    ]);
}

#[test]
fn batches_are_golden() {
    let (_drive, mut stream) = converse(&[
        (batch::START_BATCH, batch::START_BATCH_RESPONSE),
        (batch::PUT_IN_BATCH, &[]),
        (batch::DELETE_IN_BATCH, &[]),
        (batch::END_BATCH, batch::END_BATCH_RESPONSE),
        (batch::START_ANOTHER_BATCH, batch::START_ANOTHER_BATCH_RESPONSE),
        (batch::DELETE_THAT_FAILS, &[]),
        (batch::END_BATCH_THAT_FAILS, batch::END_BATCH_THAT_FAILS_RESPONSE),
        (batch::START_A_THIRD_BATCH, batch::START_A_THIRD_BATCH_RESPONSE),
        (batch::ABORT_BATCH, batch::ABORT_BATCH_RESPONSE),
        (batch::ABORT_NO_BATCH, batch::ABORT_NO_BATCH_RESPONSE),
        (batch::PUT_IN_NO_BATCH, batch::PUT_IN_NO_BATCH_FAREWELL),
    ]);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

/// The options of a request on `key`.
fn on(key: &'static str) -> KeyValue {
    KeyValue { key: Some(key.into()), ..KeyValue::default() }
}

#[test]
fn the_builder_makes_golden_requests() {
    let mut builder = RequestBuilder::new(1);
    assert_eq!(frame(&builder.noop(), b""), bytes(noop::NOOP));
    let options = KeyValue {
        new_version: Some("one".into()),
        tag: Some("tag!".into()),
        algorithm: Some(Algorithm::Sha1.into()),
        ..on("key")
    };
    let put = builder.key_value(MessageType::Put, options, 5);
    assert_eq!(put.sequence, 2);
    assert_eq!(frame(&put, b"value"), bytes(entry::PUT));
    builder.sequence = 300;
    assert_eq!(frame(&builder.get(b"key"), b""), bytes(entry::GET));
    let other_version = KeyValue { db_version: Some("two".into()), ..on("key") };
    let delete = builder.key_value(MessageType::Delete, other_version, 0);
    assert_eq!(frame(&delete, b""), bytes(entry::DELETE));
    assert_eq!(frame(&builder.get_version(b"key"), b""), bytes(entry::GET_VERSION));
    assert_eq!(frame(&builder.get_version(b"yek"), b""), bytes(entry::GET_VERSION_OF_NONE));
    assert_eq!(frame(&builder.flush(), b""), bytes(entry::FLUSH));
}

#[test]
fn the_builder_makes_golden_requests_for_neighbours_and_ranges() {
    let mut builder = RequestBuilder::new(1);
    builder.sequence = 310;
    assert_eq!(frame(&builder.get_next(b"ke"), b""), bytes(neighbour::GET_NEXT));
    builder.sequence = 313;
    assert_eq!(frame(&builder.get_previous(b"key"), b""), bytes(neighbour::GET_PREVIOUS_AT_THE_START));
    builder.sequence = 321;
    let backwards = builder.get_key_range(Range {
        start_key: Some("key".into()),
        end_key: Some("l".into()),
        start_key_inclusive: Some(true),
        end_key_inclusive: Some(false),
        max_returned: Some(800),
        reverse: Some(true),
        ..Range::default()
    });
    assert_eq!(frame(&backwards, b""), bytes(range::GET_KEY_RANGE));
}

#[test]
fn the_builder_makes_golden_batches() {
    let mut builder = RequestBuilder::new(1);
    assert_eq!(frame(&builder.start_batch(7), b""), bytes(batch::START_BATCH));
    assert_eq!(frame(&builder.put_in_batch(7, b"key", 5), b"value"), bytes(batch::PUT_IN_BATCH));
    builder.sequence = 300;
    let any_version = KeyValue { force: Some(true), ..on("yek") };
    let delete = builder.key_value_in_batch(7, MessageType::Delete, any_version, 0);
    assert_eq!(frame(&delete, b""), bytes(batch::DELETE_IN_BATCH));
    assert_eq!(frame(&builder.end_batch(7, 2), b""), bytes(batch::END_BATCH));
    builder.sequence = 306;
    assert_eq!(frame(&builder.abort_batch(9), b""), bytes(batch::ABORT_BATCH));
}

#[test]
fn administration_is_golden() {
    converse(&[
        (security::SET_LOCK_PIN, security::SET_LOCK_PIN_RESPONSE),
        (security::SET_ERASE_PIN, security::SET_ERASE_PIN_RESPONSE),
        (security::SET_ACLS, security::SET_ACLS_RESPONSE),
        (pin::LOCK, pin::LOCK_RESPONSE),
        (pin::UNLOCK_WITH_WRONG_PIN, pin::UNLOCK_WITH_WRONG_PIN_RESPONSE),
        (pin::GET_LOG_OF_LOCKED, pin::GET_LOG_OF_LOCKED_RESPONSE),
        (pin::UNLOCK, pin::UNLOCK_RESPONSE),
        (log::GET_LOG, log::GET_LOG_RESPONSE),
        (log::GET_DEVICE_LOG, log::GET_DEVICE_LOG_RESPONSE),
        (peer::PUSH, peer::PUSH_RESPONSE),
        (setup::MEDIA_SCAN, setup::MEDIA_SCAN_RESPONSE),
        (setup::MEDIA_OPTIMIZE, setup::MEDIA_OPTIMIZE_RESPONSE),
        (setup::SLEEP, setup::SLEEP_RESPONSE),
        (setup::WAKE, setup::WAKE_RESPONSE),
        (setup::SET_CLUSTER_VERSION, setup::SET_CLUSTER_VERSION_RESPONSE),
        (pin::ERASE, pin::ERASE_RESPONSE),
        (setup::FIRMWARE, setup::FIRMWARE_RESPONSE),
    ]);
}

#[test]
fn the_builder_makes_golden_administration() {
    let mut builder = RequestBuilder::new(1);
    assert_eq!(frame(&builder.set_lock_pin(b"", b"1234"), b""), bytes(security::SET_LOCK_PIN));
    assert_eq!(frame(&builder.set_erase_pin(b"0", b"5678"), b""), bytes(security::SET_ERASE_PIN));
    let acl = Acl {
        identity: Some(1),
        key: Some("asdfasdf".into()),
        hmac_algorithm: Some(HmacAlgorithm::HmacSha1.into()),
        scopes: vec![
            Scope {
                offset: Some(3),
                value: Some("test".into()),
                permissions: vec![0, 1],
                tls_required: Some(false),
            },
            Scope { permissions: vec![8, 7, 4, 3, 9, 5], ..Scope::default() },
        ],
        max_priority: Some(Priority::Highest.into()),
    };
    assert_eq!(frame(&builder.set_acls(vec![acl]), b""), bytes(security::SET_ACLS));
    let lock = builder.pin_operation(PinOperationType::Lock, b"1234");
    assert_eq!(frame(&lock, b""), bytes(pin::LOCK));
    builder.sequence = 9;
    assert_eq!(frame(&builder.device_log(b"com.WD"), b""), bytes(log::GET_DEVICE_LOG));
    let loopback = || Peer { hostname: Some("127.0.0.1".to_owned()), port: Some(1), tls: Some(false) };
    let nested = Push { key: Some("new".into()), ..Push::default() };
    let nested = PeerOperation { peer: Some(loopback()), pushes: vec![nested], all_succeeded: None };
    let push = Push {
        key: Some("xyztest".into()),
        version: Some("v".into()),
        new_key: Some("new".into()),
        force: Some(true),
        status: None,
        next: Some(nested),
    };
    let push = PeerOperation { peer: Some(loopback()), pushes: vec![push], all_succeeded: None };
    assert_eq!(frame(&builder.push(push), b""), bytes(peer::PUSH));
    let range = || Range {
        start_key: Some("a".into()),
        end_key: Some("z".into()),
        start_key_inclusive: Some(true),
        end_key_inclusive: Some(false),
        ..Range::default()
    };
    assert_eq!(frame(&builder.media_scan(range()), b""), bytes(setup::MEDIA_SCAN));
    assert_eq!(frame(&builder.media_optimize(range()), b""), bytes(setup::MEDIA_OPTIMIZE));
    assert_eq!(frame(&builder.set_power_level(PowerLevel::Hibernate), b""), bytes(setup::SLEEP));
    assert_eq!(frame(&builder.set_power_level(PowerLevel::Operational), b""), bytes(setup::WAKE));
    assert_eq!(frame(&builder.set_cluster_version(5), b""), bytes(setup::SET_CLUSTER_VERSION));
    builder.cluster_version = 5;
    let erase = builder.pin_operation(PinOperationType::Erase, b"");
    assert_eq!(frame(&erase, b""), bytes(pin::ERASE));
}

/// A field whose value is a number.
fn number(field: u8, value: u64) -> Vec<u8> {
    [vec![field << 3], varint(value)].concat()
}

/// A field whose value is bytes: text or a message.
fn nested(field: u8, content: &[u8]) -> Vec<u8> {
    [vec![field << 3 | 2], varint(content.len() as u64), content.to_vec()].concat()
}

/// Seven bits per byte, the lowest first; the top bit says that more follow.
fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[test]
fn the_first_message_is_golden() {
    let drive = start();
    // Fields above 15 take two bytes for their number and are written out.
    let interface =
        [nested(1, b"tcp"), nested(2, b"00:00:00:00:00:00\0"), nested(3, b"127.0.0.1\0"), nested(4, b"\0")]
            .concat();
    let configuration = [
        nested(5, b"ktli-uring"),
        nested(6, b"kinetic-drive"),
        nested(7, b"0\0"),
        nested(8, env!("CARGO_PKG_VERSION").as_bytes()),
        nested(9, &interface),
        number(10, drive.local_addr().port().into()),
        number(11, 0),
        nested(12, b""),
        nested(13, b""),
        nested(14, b"0\0"),
        nested(15, b"4.0.1"),
        vec![0x82, 0x01, 0],
        vec![0x8a, 0x01, 0],
        vec![0x90, 0x01, 1],
    ]
    .concat();
    let limits = [
        number(1, 4096),
        number(2, 1 << 20),
        number(3, 2048),
        number(4, 1024),
        number(5, 4096),
        number(6, 1 << 16),
        number(7, 1 << 16),
        number(8, 1 << 20),
        number(9, 800),
        number(10, 64),
        number(11, 64),
        number(12, 32_768),
        number(13, 16),
        number(14, 64 << 20),
        number(15, 24_000),
    ]
    .concat();
    let get_log = [number(1, 3), number(1, 6), nested(5, &configuration), nested(8, &limits)].concat();
    // clusterVersion 0, connectionID 1, and no ackSequence: that is how
    // libkinetic knows that it did not ask for this.
    let header = [number(1, 0), number(3, 1)].concat();
    let command = [nested(1, &header), nested(2, &nested(6, &get_log)), nested(3, &number(1, 1))].concat();
    // authType UNSOLICITEDSTATUS, and no hmacAuth.
    let message = [number(4, 3), nested(7, &command)].concat();
    let message_len = (message.len() as u32).to_be_bytes();
    let expected = [&b"F"[..], &message_len, &[0; 4], &message].concat();

    let mut stream = TcpStream::connect(drive.local_addr()).unwrap();
    let mut received = vec![0; expected.len()];
    stream.read_exact(&mut received).unwrap();
    assert_eq!(received, expected);
}
