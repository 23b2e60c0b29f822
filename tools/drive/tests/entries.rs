//! Storing, reading and removing entries, with all their options.

mod common;

use common::{Client, start, start_with};
use kinetic_drive::Config;
use kinetic_drive::protocol::{Algorithm, KeyValue, MessageType, StatusCode, Synchronization};

/// The options of a request on `key`.
fn entry(key: &[u8]) -> KeyValue {
    KeyValue { key: Some(key.to_vec().into()), ..KeyValue::default() }
}

#[test]
fn entries_come_and_go() {
    let drive = start();
    let mut client = Client::connect(&drive);
    assert_eq!(client.get(b"key"), (StatusCode::NotFound, vec![]));
    assert_eq!(client.put(b"key", b"value"), StatusCode::Success);
    assert_eq!(client.get(b"key"), (StatusCode::Success, b"value".to_vec()));
    assert_eq!(client.put(b"key", b"other"), StatusCode::Success);
    assert_eq!(client.put(b"empty", b""), StatusCode::Success);
    // Another connection sees the same.
    let mut other = Client::connect(&drive);
    assert_eq!(other.get(b"key"), (StatusCode::Success, b"other".to_vec()));
    assert_eq!(other.get(b"empty"), (StatusCode::Success, vec![]));
    let request = other.builder.delete(b"key");
    let (answer, _) = other.ask(&request, b"");
    assert_eq!(answer.message_type(), MessageType::DeleteResponse);
    assert_eq!(answer.status(), StatusCode::Success);
    assert_eq!(client.get(b"key").0, StatusCode::NotFound);
    let request = client.builder.delete(b"key");
    let (answer, _) = client.ask(&request, b"");
    assert_eq!(answer.status(), StatusCode::NotFound);
    assert_eq!(answer.status_message(), "no such key");
}

#[test]
fn values_of_all_sizes_survive() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let sizes = [1, 8191, 8192, 8193, 16_384, 65_535, 65_536, 65_537, 262_144, 300_000, 1 << 20];
    for size in sizes {
        let value: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        assert_eq!(client.put(b"key", &value), StatusCode::Success);
        let (status, read) = client.get(b"key");
        assert_eq!(status, StatusCode::Success);
        assert!(read == value, "value of {size} bytes");
    }
}

#[test]
fn values_of_16_mib_need_the_option() {
    let value: Vec<u8> = (0..16 << 20).map(|n| (n % 253) as u8).collect();
    let drive = start_with(Config { max_value_size: 16 << 20, ..Config::default() });
    let mut client = Client::connect(&drive);
    assert_eq!(client.put(b"key", &value), StatusCode::Success);
    let (status, read) = client.get(b"key");
    assert_eq!(status, StatusCode::Success);
    assert!(read == value);

    let drive = start();
    let mut client = Client::connect(&drive);
    let request = client.builder.put(b"key", value.len() as u32);
    let (answer, _) = client.ask(&request, &value);
    assert_eq!(answer.status(), StatusCode::InvalidRequest);
    assert_eq!(answer.status_message(), "value of 16777216 bytes exceeds the limit of 1048576");
    assert_eq!(client.get(b"key").0, StatusCode::NotFound);
}

#[test]
fn metadata_is_kept() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let request = client.builder.key_value(
        MessageType::Put,
        KeyValue {
            new_version: Some("v1".into()),
            tag: Some("checksum".into()),
            algorithm: Some(Algorithm::Crc32c.into()),
            synchronization: Some(Synchronization::WriteBack.into()),
            ..entry(b"key")
        },
        5,
    );
    let (answer, _) = client.ask(&request, b"value");
    assert_eq!(answer.message_type(), MessageType::PutResponse);
    assert_eq!(answer.status(), StatusCode::Success);
    assert_eq!(answer.key_value(), Some(&KeyValue::default()));

    let stored = KeyValue {
        db_version: Some("v1".into()),
        tag: Some("checksum".into()),
        algorithm: Some(Algorithm::Crc32c.into()),
        ..entry(b"key")
    };
    let request = client.builder.get(b"key");
    let (answer, value) = client.ask(&request, b"");
    assert_eq!(answer.message_type(), MessageType::GetResponse);
    assert_eq!(answer.key_value(), Some(&stored));
    assert_eq!(value, b"value");

    let metadata_only = KeyValue { metadata_only: Some(true), ..entry(b"key") };
    let request = client.builder.key_value(MessageType::Get, metadata_only, 0);
    let (answer, value) = client.ask(&request, b"");
    assert_eq!(answer.key_value(), Some(&stored));
    assert_eq!(value, b"");

    let request = client.builder.get_version(b"key");
    let (answer, value) = client.ask(&request, b"");
    assert_eq!(answer.message_type(), MessageType::GetVersionResponse);
    assert_eq!(answer.key_value(), Some(&KeyValue { db_version: Some("v1".into()), ..KeyValue::default() }));
    assert_eq!(value, b"");
    let request = client.builder.get_version(b"other");
    let (answer, _) = client.ask(&request, b"");
    assert_eq!(answer.status(), StatusCode::NotFound);
}

#[test]
fn private_algorithms_are_kept_as_they_are() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let private = KeyValue { algorithm: Some(1234), ..entry(b"key") };
    let request = client.builder.key_value(MessageType::Put, private, 0);
    client.ask(&request, b"");
    let request = client.builder.get(b"key");
    let (answer, _) = client.ask(&request, b"");
    assert_eq!(answer.key_value().unwrap().algorithm, Some(1234));
}

#[test]
fn versions_guard_changes() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let mut change = |message_type, db_version: &'static str, new_version: &'static str, force| {
        let options = KeyValue {
            db_version: Some(db_version.into()),
            new_version: Some(new_version.into()),
            force: Some(force),
            ..entry(b"key")
        };
        let request = client.builder.key_value(message_type, options, 0);
        client.ask(&request, b"").0.status()
    };
    let (put, delete) = (MessageType::Put, MessageType::Delete);
    assert_eq!(change(put, "v0", "v1", false), StatusCode::VersionMismatch);
    assert_eq!(change(put, "", "v1", false), StatusCode::Success);
    assert_eq!(change(put, "", "v2", false), StatusCode::VersionMismatch);
    assert_eq!(change(put, "v1", "v2", false), StatusCode::Success);
    assert_eq!(change(delete, "v1", "", false), StatusCode::VersionMismatch);
    assert_eq!(change(put, "v7", "v3", true), StatusCode::Success);
    assert_eq!(change(delete, "v3", "", false), StatusCode::Success);
    assert_eq!(change(delete, "v3", "", false), StatusCode::NotFound);
    assert_eq!(change(delete, "v3", "", true), StatusCode::Success);
    assert_eq!(change(delete, "", "", false), StatusCode::NotFound);
    assert_eq!(change(put, "v3", "v4", true), StatusCode::Success);
    assert_eq!(change(delete, "v3", "", true), StatusCode::Success);
}

#[test]
fn no_version_is_the_empty_one() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let mut change = |message_type, options: KeyValue| {
        let request = client.builder.key_value(message_type, options, 0);
        client.ask(&request, b"").0.status()
    };
    let (put, delete) = (MessageType::Put, MessageType::Delete);
    let db_version = |version: &'static str| KeyValue { db_version: Some(version.into()), ..entry(b"key") };
    // An insertion.
    assert_eq!(change(put, db_version("v0")), StatusCode::VersionMismatch);
    assert_eq!(change(put, entry(b"key")), StatusCode::Success);
    // An update and a removal of an entry without a version.
    assert_eq!(change(put, db_version("v0")), StatusCode::VersionMismatch);
    assert_eq!(change(put, db_version("")), StatusCode::Success);
    assert_eq!(change(delete, db_version("v0")), StatusCode::VersionMismatch);
    assert_eq!(change(delete, entry(b"key")), StatusCode::Success);
    // An entry with the empty version.
    assert_eq!(change(put, KeyValue { new_version: Some("".into()), ..entry(b"key") }), StatusCode::Success);
    assert_eq!(change(delete, entry(b"key")), StatusCode::Success);
    // A request without a version does not match one.
    assert_eq!(
        change(put, KeyValue { new_version: Some("v1".into()), ..entry(b"key") }),
        StatusCode::Success
    );
    assert_eq!(change(put, entry(b"key")), StatusCode::VersionMismatch);
    assert_eq!(change(delete, entry(b"key")), StatusCode::VersionMismatch);
}

#[test]
fn a_put_replaces_all_of_an_entry() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let options = KeyValue {
        new_version: Some("v1".into()),
        tag: Some("checksum".into()),
        algorithm: Some(Algorithm::Sha2.into()),
        ..entry(b"key")
    };
    let request = client.builder.key_value(MessageType::Put, options, 5);
    client.ask(&request, b"value");
    let request = client.builder.get_version(b"key");
    let (answer, _) = client.ask(&request, b"");
    assert_eq!(answer.key_value().unwrap().db_version(), b"v1");
    let request =
        client.builder.key_value(MessageType::Put, KeyValue { force: Some(true), ..entry(b"key") }, 0);
    client.ask(&request, b"");
    let request = client.builder.get(b"key");
    let (answer, value) = client.ask(&request, b"");
    assert_eq!(answer.key_value(), Some(&entry(b"key")));
    assert_eq!(value, b"");
    let request = client.builder.get_version(b"key");
    let (answer, _) = client.ask(&request, b"");
    assert_eq!(answer.status(), StatusCode::Success);
    assert_eq!(answer.key_value(), Some(&KeyValue::default()));
}

#[test]
fn a_synchronization_may_be_any_but_the_invalid_one() {
    let drive = start();
    let mut client = Client::connect(&drive);
    for message_type in [MessageType::Put, MessageType::Delete] {
        // libkinetic sends zero if it is not told anything.
        for (number, status) in [
            (Some(Synchronization::Invalid.into()), StatusCode::InvalidRequest),
            (None, StatusCode::Success),
            (Some(0), StatusCode::Success),
            (Some(Synchronization::WriteThrough.into()), StatusCode::Success),
            (Some(Synchronization::WriteBack.into()), StatusCode::Success),
            (Some(Synchronization::Flush.into()), StatusCode::Success),
        ] {
            let options = KeyValue { synchronization: number, force: Some(true), ..entry(b"key") };
            let request = client.builder.key_value(message_type, options, 0);
            let (answer, _) = client.ask(&request, b"");
            assert_eq!(answer.status(), status, "{message_type:?} {number:?}");
        }
    }
}

#[test]
fn sizes_are_limited() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let mut put = |options: KeyValue| {
        let request = client.builder.key_value(MessageType::Put, options, 0);
        let (answer, _) = client.ask(&request, b"");
        (answer.status(), answer.status_message().to_owned())
    };
    let sized = |size: usize| Some(vec![7; size].into());
    let success = (StatusCode::Success, String::new());
    let too_long = |reason: &str| (StatusCode::InvalidRequest, reason.to_owned());

    assert_eq!(put(entry(&[1; 4096])), success);
    assert_eq!(put(entry(&[1; 4097])), too_long("key of 4097 bytes exceeds the limit of 4096"));
    let version = |size| KeyValue { new_version: sized(size), ..entry(b"version") };
    assert_eq!(put(version(2048)), success);
    assert_eq!(put(version(2049)), too_long("version of 2049 bytes exceeds the limit of 2048"));
    let db_version = |size| KeyValue { db_version: sized(size), force: Some(true), ..entry(b"version") };
    assert_eq!(put(db_version(2048)), success);
    assert_eq!(put(db_version(2049)), too_long("version of 2049 bytes exceeds the limit of 2048"));
    let tag = |size| KeyValue { tag: sized(size), ..entry(b"tag") };
    assert_eq!(put(tag(1024)), success);
    assert_eq!(put(tag(1025)), too_long("tag of 1025 bytes exceeds the limit of 1024"));
    assert_eq!(put(entry(b"")), too_long("a key is required"));
    assert_eq!(put(KeyValue::default()), too_long("a key is required"));

    let mut delete = |size| {
        let options = KeyValue { db_version: sized(size), ..entry(b"none") };
        let request = client.builder.key_value(MessageType::Delete, options, 0);
        client.ask(&request, b"").0.status()
    };
    assert_eq!(delete(2048), StatusCode::NotFound);
    assert_eq!(delete(2049), StatusCode::InvalidRequest);
}

#[test]
fn keys_are_required_and_limited_for_reading_too() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let long = [1; 4097];
    for message_type in [
        MessageType::Get,
        MessageType::GetVersion,
        MessageType::GetNext,
        MessageType::GetPrevious,
        MessageType::Delete,
    ] {
        for options in [entry(b""), entry(&long)] {
            let request = client.builder.key_value(message_type, options, 0);
            let (answer, _) = client.ask(&request, b"");
            assert_eq!(answer.status(), StatusCode::InvalidRequest);
            assert_eq!(Some(answer.message_type()), message_type.response());
        }
        let request = client.builder.request(message_type, None, 0);
        let (answer, _) = client.ask(&request, b"");
        assert_eq!(answer.status(), StatusCode::InvalidRequest);
    }
}

#[test]
fn a_full_drive_has_no_space() {
    let drive = start_with(Config { capacity: 10_000, ..Config::default() });
    let mut client = Client::connect(&drive);
    assert_eq!(client.put(b"one", &[1; 9000]), StatusCode::Success);
    assert_eq!(client.put(b"two", &[2; 9000]), StatusCode::NoSpace);
    assert_eq!(client.get(b"two").0, StatusCode::NotFound);
    assert_eq!(client.put(b"one", &[3; 9001]), StatusCode::Success);
    let request = client.builder.delete(b"one");
    client.ask(&request, b"");
    assert_eq!(client.put(b"two", &[2; 9000]), StatusCode::Success);
}
