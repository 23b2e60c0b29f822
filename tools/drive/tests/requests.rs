//! What all requests have in common, and those that are not about entries.

mod common;

use common::{Client, start, start_with};
use kinetic_drive::protocol::{
    AnswerError, Body, Command, Header, LogType, MessageType, PROTOCOL_VERSION, StatusCode,
};
use kinetic_drive::{Config, Drive, Identity};

#[test]
fn the_first_message_has_limits_and_configuration() {
    let drive = start();
    let mut client = Client::connect(&drive);
    assert_eq!(client.hello.connection_id(), Some(1));
    assert_eq!(client.hello.ack_sequence(), None);
    let log = client.hello.get_log().unwrap().clone();
    let limits = log.limits.clone().unwrap();
    assert_eq!(limits.max_key_size, Some(4096));
    assert_eq!(limits.max_value_size, Some(1 << 20));
    assert_eq!(limits.max_message_size, Some(1 << 20));
    let configuration = log.configuration.clone().unwrap();
    assert_eq!(configuration.port, Some(u32::from(drive.local_addr().port())));
    assert_eq!(configuration.protocol_version.as_deref(), Some(PROTOCOL_VERSION));
    assert_eq!(configuration.interfaces[0].ipv4_address.as_deref(), Some(&b"127.0.0.1\0"[..]));

    let request = client.builder.get_log(&[LogType::Configuration, LogType::Limits]);
    let (answer, _) = client.ask(&request, b"");
    assert_eq!(answer.message_type(), MessageType::GetLogResponse);
    assert_eq!(answer.get_log(), Some(&log));
}

#[test]
fn connections_have_their_own_ids() {
    let drive = start();
    let mut first = Client::connect(&drive);
    let mut second = Client::connect(&drive);
    assert_ne!(first.hello.connection_id(), second.hello.connection_id());
    assert_eq!(first.noop(), StatusCode::Success);
    second.builder.connection_id = first.builder.connection_id;
    let request = second.builder.noop();
    second.send(&request, b"");
    let (answer, _) = second.receive().unwrap();
    assert_eq!(answer.status(), StatusCode::InvalidRequest);
    assert_eq!(answer.ack_sequence(), Some(request.sequence));
}

#[test]
fn a_drive_does_not_start_with_larger_values_than_64_mib() {
    let config = |max_value_size| Config { max_value_size, ..Config::default() };
    assert!(Drive::start(config(64 << 20)).is_ok());
    assert!(Drive::start(config((64 << 20) + 1)).is_err());
}

#[test]
fn noop_and_flush_succeed() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let request = client.builder.noop();
    let (answer, _) = client.ask(&request, b"");
    assert_eq!(answer.message_type(), MessageType::NoopResponse);
    assert_eq!(answer.status(), StatusCode::Success);
    let request = client.builder.flush();
    let (answer, _) = client.ask(&request, b"");
    assert_eq!(answer.message_type(), MessageType::FlushAllDataResponse);
    assert_eq!(answer.status(), StatusCode::Success);
}

#[test]
fn logs_tell_what_happened() {
    let drive = start_with(Config { capacity: 4096, ..Config::default() });
    let mut client = Client::connect(&drive);
    client.put(b"key", &[0; 1000]);
    client.get(b"key");
    client.get(b"key");
    let request = client.builder.get_log(&[
        LogType::Utilizations,
        LogType::Temperatures,
        LogType::Capacities,
        LogType::Statistics,
        LogType::Messages,
    ]);
    let (answer, _) = client.ask(&request, b"");
    assert_eq!(answer.status(), StatusCode::Success);
    let log = answer.get_log().unwrap();
    assert_eq!(log.types, [0, 1, 2, 4, 5]);
    // kctl prints it as a string.
    assert_eq!(log.messages.as_deref().unwrap().last(), Some(&0));
    let capacity = log.capacity.as_ref().unwrap();
    assert_eq!(capacity.nominal_capacity, Some(4096));
    assert!(capacity.portion_full.unwrap() > 1000.0 / 4096.0);
    assert!(capacity.portion_full.unwrap() < 0.5);
    let seen: Vec<_> = log.statistics.iter().map(|s| (s.message_type(), s.count(), s.bytes())).collect();
    assert_eq!(seen, [(MessageType::Get, 2, 2000), (MessageType::Put, 1, 1000)]);
    assert!(log.limits.is_none() && log.configuration.is_none());
}

#[test]
fn unknown_logs_are_refused() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let request = client.builder.get_log(&[]);
    let (answer, _) = client.ask(&request, b"");
    assert_eq!(answer.status(), StatusCode::InvalidRequest);
    let request = client.builder.get_log(&[LogType::Limits, LogType::Invalid]);
    let (answer, _) = client.ask(&request, b"");
    assert_eq!(answer.status(), StatusCode::InvalidRequest);
    let request = client.builder.get_log(&[LogType::Device]);
    let (answer, _) = client.ask(&request, b"");
    assert_eq!(answer.status(), StatusCode::NotFound);
}

#[test]
fn unsupported_requests_are_refused() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let request = client.builder.request(MessageType::ManageApplet, Some(Body::default()), 0);
    let (answer, _) = client.ask(&request, b"");
    assert_eq!(answer.status(), StatusCode::InvalidRequest);
    assert_eq!(answer.message_type(), MessageType::ManageAppletResponse);
    assert!(answer.status_message().ends_with("is not supported"));
    let request = client.builder.request(MessageType::GetResponse, None, 0);
    let (answer, _) = client.ask(&request, b"");
    assert_eq!(answer.status(), StatusCode::InvalidRequest);
    assert_eq!(answer.message_type(), MessageType::Invalid);

    let unknown = Command {
        header: Some(Header {
            connection_id: Some(client.builder.connection_id),
            sequence: Some(client.builder.sequence),
            message_type: Some(9999),
            ..Header::default()
        }),
        ..Command::default()
    };
    let request = client.builder.command(&unknown, 0);
    let (answer, _) = client.ask(&request, b"");
    assert_eq!(answer.status(), StatusCode::InvalidRequest);
    assert_eq!(client.noop(), StatusCode::Success);
}

#[test]
fn a_value_nobody_wants_is_skipped() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let request = client.builder.request(MessageType::Noop, None, 200_000);
    let (answer, _) = client.ask(&request, &vec![b'F'; 200_000]);
    assert_eq!(answer.status(), StatusCode::Success);
    assert_eq!(client.noop(), StatusCode::Success);
}

#[test]
fn sequences_have_to_grow() {
    let drive = start();
    let mut client = Client::connect(&drive);
    client.builder.sequence = 0;
    assert_eq!(client.noop(), StatusCode::Success);
    client.builder.sequence = 100;
    assert_eq!(client.put(b"key", b"1"), StatusCode::Success);
    for sequence in [100, 99, 0] {
        client.builder.sequence = sequence;
        assert_eq!(client.put(b"key", b"2"), StatusCode::InvalidRequest);
    }
    // What is refused for its HMAC does not count.
    client.builder.sequence = 1000;
    let mut request = client.builder.noop();
    *request.message.last_mut().unwrap() ^= 1;
    client.send(&request, b"");
    client.receive().unwrap();
    client.builder.sequence = 101;
    assert_eq!(client.get(b"key"), (StatusCode::Success, b"1".to_vec()));
}

#[test]
fn the_cluster_version_has_to_match() {
    let drive = start();
    let mut client = Client::connect(&drive);
    client.builder.cluster_version = 1;
    let request = client.builder.put(b"key", 0);
    let (answer, _) = client.ask(&request, b"");
    assert_eq!(answer.status(), StatusCode::VersionFailure);
    // The answer tells the right one.
    assert_eq!(answer.command.header.unwrap().cluster_version, Some(0));
    client.builder.cluster_version = 0;
    assert_eq!(client.get(b"key").0, StatusCode::NotFound);
}

#[test]
fn identities_have_their_own_keys() {
    let identity = |id, key: &[u8]| Identity { id, key: key.to_vec() };
    let drive = start_with(Config {
        identities: vec![identity(1, b"asdfasdf"), identity(-7, b"secret")],
        ..Config::default()
    });
    let mut client = Client::connect(&drive);
    assert_eq!(client.noop(), StatusCode::Success);
    // Another identity with this one's key.
    client.builder.identity = -7;
    let request = client.builder.put(b"key", 0);
    client.send(&request, b"");
    // The refusal is signed with the other identity's key.
    let error = client.receive().unwrap_err();
    assert_eq!(error.to_string(), AnswerError::Hmac.to_string());
    client.sign_as(-7, b"secret");
    assert_eq!(client.get(b"key").0, StatusCode::NotFound);
    assert_eq!(client.put(b"key", b""), StatusCode::Success);
}
