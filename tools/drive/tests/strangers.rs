//! Requests beyond the limits, and requests that were damaged on their way.

mod common;

use std::net::Shutdown;

use common::random::Random;
use common::{Client, start, start_with, wait_until};
use kinetic_drive::protocol::{
    AuthType, Body, Command, DEFAULT_IDENTITY, DEFAULT_KEY, GetLog, Header, HmacAuth, HmacKey, KeyValue,
    LogType, Message, MessageType, Pdu, StatusCode,
};
use kinetic_drive::{Config, MAX_VALUE_SIZE_CEILING};
use prost::Message as _;

#[test]
fn values_beyond_the_limit_are_skipped() {
    // Below the first limit, what comes too much fits into the buffer; above
    // the second, it has a way of its own.
    for limit in [100, 100_000] {
        let drive = start_with(Config { max_value_size: limit, ..Config::default() });
        let mut client = Client::connect(&drive);
        for len in [limit + 1, 2 * limit, 20_000 + limit, 3 << 20] {
            // Pipelined, so that the next request has to be found.
            let value = vec![7; len as usize];
            let requests = [
                client.builder.put(b"before", 3),
                client.builder.put(b"large", len),
                client.builder.get(b"large"),
                client.builder.get(b"before"),
            ];
            let mut bytes = Vec::new();
            for (request, value) in requests.iter().zip([&b"old"[..], &value, b"", b""]) {
                request.append_to(&mut bytes);
                bytes.extend_from_slice(value);
            }
            client.send_raw(&bytes);
            let mut answers = Vec::new();
            for request in &requests {
                let (answer, value) = client.receive().unwrap();
                assert_eq!(answer.ack_sequence(), Some(request.sequence));
                answers.push((answer.status(), answer.status_message().to_owned(), value));
            }
            let reason = format!("value of {len} bytes exceeds the limit of {limit}");
            assert_eq!(answers[1], (StatusCode::InvalidRequest, reason, vec![]));
            assert_eq!(answers[2].0, StatusCode::NotFound);
            assert_eq!((answers[3].0, &answers[3].2[..]), (StatusCode::Success, &b"old"[..]));
        }
    }
}

#[test]
fn the_ceiling_is_the_longest_value_that_is_skipped() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let request = client.builder.put(b"key", MAX_VALUE_SIZE_CEILING);
    let (answer, _) = client.ask(&request, &vec![0; MAX_VALUE_SIZE_CEILING as usize]);
    assert_eq!(answer.status(), StatusCode::InvalidRequest);
    let request = client.builder.put(b"key", MAX_VALUE_SIZE_CEILING + 1);
    client.send(&request, b"");
    assert_eq!(client.expect_farewell().status(), StatusCode::InvalidRequest);
}

#[test]
fn requests_with_skipped_values_are_checked_first() {
    let drive = start_with(Config { max_value_size: 100, ..Config::default() });
    let mut client = Client::connect(&drive);
    let mut request = client.builder.put(b"key", 200_000);
    // The HMAC covers the last byte.
    *request.message.last_mut().unwrap() ^= 1;
    client.send(&request, &vec![0; 200_000]);
    assert_eq!(client.receive().unwrap().0.status(), StatusCode::HmacFailure);
    assert_eq!(client.noop(), StatusCode::Success);

    let undecodable = [0xff; 20];
    client.send_raw(&Pdu { message_len: 20, value_len: 200_000 }.encode());
    client.send_raw(&undecodable);
    client.send_raw(&vec![0; 200_000]);
    assert_eq!(client.expect_farewell().status(), StatusCode::ConnectionTerminated);
}

#[test]
fn a_long_message_may_have_a_value_to_skip() {
    let drive = start_with(Config { max_value_size: 100, ..Config::default() });
    let mut client = Client::connect(&drive);
    let request = client.builder.put(&vec![1; 900_000], 2 << 20);
    let (answer, _) = client.ask(&request, &vec![0; 2 << 20]);
    assert_eq!(answer.status(), StatusCode::InvalidRequest);
    assert_eq!(client.noop(), StatusCode::Success);
    wait_until("nothing is outstanding", || drive.statistics().outstanding == 0);
}

#[test]
fn a_part_of_a_batch_cannot_be_skipped() {
    let drive = start_with(Config { max_value_size: 100, ..Config::default() });
    let mut client = Client::connect(&drive);
    let request = client.builder.start_batch(7);
    assert_eq!(client.ask(&request, b"").0.status(), StatusCode::Success);
    let request = client.builder.put_in_batch(7, b"key", 200_000);
    client.send(&request, &vec![0; 200_000]);
    let farewell = client.expect_farewell();
    assert_eq!(farewell.status(), StatusCode::InvalidBatch);
    assert!(farewell.status_message().ends_with("value of 200000 bytes exceeds the limit of 100"));
}

#[test]
fn skipped_values_may_break_off() {
    let drive = start_with(Config { max_value_size: 100, ..Config::default() });
    for sent in [0, 1, 50, 70_000] {
        let mut client = Client::connect(&drive);
        let request = client.builder.put(b"key", 100_000);
        client.send(&request, &vec![1; sent]);
        client.stream().shutdown(Shutdown::Write).unwrap();
        client.expect_end();
    }
}

/// Changes some bytes, bits and lengths.
fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => drop(bytes.drain(at..(at + 1 + random.below(8)).min(bytes.len()))),
            3 => bytes.insert(at, random.next() as u8),
            4 => bytes.truncate(at),
            _ => {
                let piece = bytes[at..(at + 1 + random.below(16)).min(bytes.len())].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, piece);
            }
        }
    }
}

/// A command of any type with whatever fields may matter to it.
fn command(random: &mut Random, connection_id: i64, sequence: u64) -> Command {
    let key = |random: &mut Random| {
        let len = random.below(20);
        Some((0..len).map(|_| random.next() as u8).collect::<Vec<u8>>().into())
    };
    let key_value = KeyValue {
        key: key(random),
        new_version: key(random),
        db_version: key(random),
        tag: key(random),
        force: Some(random.below(2) == 0),
        metadata_only: Some(random.below(2) == 0),
        ..KeyValue::default()
    };
    let get_log = GetLog { types: vec![random.below(8) as i32, LogType::Device.into()], ..GetLog::default() };
    Command {
        header: Some(Header {
            connection_id: Some(connection_id),
            sequence: Some(sequence),
            message_type: Some(2 * random.below(MessageType::SetPowerLevel as usize / 2 + 2) as i32),
            cluster_version: Some(0),
            batch_id: (random.below(4) == 0).then_some(random.below(3) as u32),
            ..Header::default()
        }),
        body: Some(Body {
            key_value: Some(key_value),
            get_log: (random.below(3) == 0).then(|| Box::new(get_log)),
            ..Body::default()
        }),
        status: None,
    }
}

/// A frame that is damaged at one of its layers; the others fit around it.
fn damaged_frame(random: &mut Random, connection_id: i64, sequence: u64) -> Vec<u8> {
    let layer = random.below(4);
    let mut command = command(random, connection_id, sequence).encode_to_vec();
    if layer == 0 {
        damage(random, &mut command);
    }
    let hmac = HmacKey::new(DEFAULT_KEY).sign(&command).to_vec();
    let message = Message {
        auth_type: Some(AuthType::Hmac.into()),
        hmac_auth: Some(HmacAuth { identity: Some(DEFAULT_IDENTITY), hmac: Some(hmac) }),
        pin_auth: None,
        command_bytes: Some(command),
    };
    let mut message = message.encode_to_vec();
    if layer == 1 {
        damage(random, &mut message);
    }
    let value = vec![9; random.below(300)];
    let pdu = Pdu { message_len: message.len() as u32, value_len: value.len() as u32 };
    let mut frame = [&pdu.encode()[..], &message, &value].concat();
    if layer == 2 {
        damage(random, &mut frame);
    }
    frame
}

#[test]
fn damaged_requests_do_no_harm() {
    const SEED: u64 = 0x5eed_0003;
    let drive = start();
    let mut random = Random(SEED);
    let mut answers = 0;
    for _ in 0..1000 {
        let mut client = Client::connect(&drive);
        let mut bytes = Vec::new();
        for sequence in 1..=4 {
            bytes.extend(damaged_frame(&mut random, client.builder.connection_id, sequence));
        }
        client.send_raw(&bytes);
        // If the drive has closed already, this is not connected any more.
        let _ = client.stream().shutdown(Shutdown::Write);
        while client.receive().is_ok() {
            answers += 1;
        }
    }
    // Most of them get far enough to be answered.
    assert!(answers > 1000, "{answers} answers");
    assert_eq!(Client::connect(&drive).noop(), StatusCode::Success);
    wait_until("all connections are closed", || drive.statistics().connections.open == 0);
    assert_eq!(drive.statistics().buffers, 0);
    assert!(drive.statistics().protocol_errors > 0);
}
