//! What the drive reports about itself.

mod common;

use common::{Client, start, start_with};
use kinetic_drive::protocol::{
    Acl, Body, Device, GetLog, HmacAlgorithm, LogType, MessageType, Permission, Priority, Scope, StatusCode,
};
use kinetic_drive::{Config, Messages};
use log::LevelFilter;

const SETTINGS: &[u8] = b"com.ktli-uring.settings";
const STATISTICS: &[u8] = b"com.ktli-uring.statistics";

fn log(client: &mut Client, types: &[LogType]) -> GetLog {
    let request = client.builder.get_log(types);
    let (answer, value) = client.ask(&request, b"");
    assert_eq!(answer.status(), StatusCode::Success);
    assert_eq!(answer.message_type(), MessageType::GetLogResponse);
    assert!(value.is_empty());
    answer.get_log().unwrap().clone()
}

/// One of the drive's own logs.
fn device_log(client: &mut Client, name: &[u8]) -> (StatusCode, String) {
    let request = client.builder.device_log(name);
    let (answer, value) = client.ask(&request, b"");
    if answer.status() == StatusCode::Success {
        let log = answer.get_log().unwrap();
        assert_eq!(log.types, [i32::from(LogType::Device)]);
        assert_eq!(log.device.as_ref().unwrap().name.as_deref(), Some(name));
    }
    (answer.status(), String::from_utf8(value).unwrap())
}

#[test]
fn only_what_is_asked_for_is_told() {
    let drive = start();
    let mut client = Client::connect(&drive);
    client.noop();
    let all = [
        LogType::Utilizations,
        LogType::Temperatures,
        LogType::Capacities,
        LogType::Configuration,
        LogType::Statistics,
        LogType::Messages,
        LogType::Limits,
    ];
    for asked in all {
        let log = log(&mut client, &[asked]);
        let told = [
            !log.utilizations.is_empty(),
            !log.temperatures.is_empty(),
            log.capacity.is_some(),
            log.configuration.is_some(),
            !log.statistics.is_empty(),
            log.messages.is_some(),
            log.limits.is_some(),
        ];
        // There is no thermometer.
        let expected = all.map(|other| other == asked && other != LogType::Temperatures);
        assert_eq!(told, expected);
    }
    assert_eq!(log(&mut client, &all).types, [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn the_processor_is_used_in_part() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let log = log(&mut client, &[LogType::Utilizations]);
    let [cpu] = &log.utilizations[..] else { panic!("{log:?}") };
    assert_eq!(cpu.name.as_deref(), Some("CPU"));
    assert!((0.0..=1.0).contains(&cpu.value.unwrap()));
}

#[test]
fn statistics_have_all_that_clients_print() {
    let drive = start();
    let mut client = Client::connect(&drive);
    client.put(b"key", b"value");
    let request = client.builder.request(MessageType::ManageApplet, None, 0);
    assert_eq!(client.ask(&request, b"").0.status(), StatusCode::InvalidRequest);
    let log = log(&mut client, &[LogType::Statistics]);
    // libkinetic has no name for applets: it would read beyond its table.
    assert!(log.statistics.iter().all(|line| line.message_type.unwrap() <= 48), "{log:?}");
    assert!(log.statistics.iter().any(|line| line.message_type() == MessageType::Put && line.bytes() == 5));
}

#[test]
fn every_limit_of_administration_is_told() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let limits = log(&mut client, &[LogType::Limits]).limits.unwrap();
    assert_eq!(limits.max_identity_count, Some(64));
    assert_eq!(limits.max_pin_size, Some(64));
}

#[test]
fn a_drive_without_messages_says_so_to_clients_in_c() {
    let drive = start();
    let mut client = Client::connect(&drive);
    assert_eq!(log(&mut client, &[LogType::Messages]).messages, Some(vec![0]));
}

/// A logger that prints nothing.
struct Silent;

impl log::Log for Silent {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        false
    }
    fn log(&self, record: &log::Record<'_>) {
        panic!("{record:?}");
    }
    fn flush(&self) {}
}

#[test]
fn messages_are_what_was_logged() {
    let messages = Messages::new();
    messages.install(Silent, LevelFilter::Off).unwrap();
    let drive = start_with(Config { messages, ..Config::default() });
    let mut client = Client::connect(&drive);
    let request = client.builder.set_cluster_version(4711);
    assert_eq!(client.ask(&request, b"").0.status(), StatusCode::Success);
    client.builder.cluster_version = 4711;
    let messages = log(&mut client, &[LogType::Messages]).messages.unwrap();
    let text = String::from_utf8(messages).unwrap();
    assert!(text.contains("INFO cluster version set to 4711\n"), "{text}");
    assert!(text.ends_with("\n\0"));
    assert_eq!(text.matches('\0').count(), 1);
}

#[test]
fn settings_are_told_without_secrets() {
    let drive = start_with(Config { trust_plain: true, ..Config::default() });
    let mut client = Client::connect(&drive);
    let (code, text) = device_log(&mut client, SETTINGS);
    assert_eq!(code, StatusCode::Success);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "cluster version: 0",
            "lock PIN: empty",
            "erase PIN: empty",
            "epoch: 0",
            "identity 1: priority up to Highest",
            "identity 1: Read Write Delete Range Setup PeerToPeer GetLog Security PowerManagement ManageApplet",
        ]
    );
    let request = client.builder.set_lock_pin(b"", b"sesame");
    assert_eq!(client.ask(&request, b"").0.status(), StatusCode::Success);
    let request = client.builder.set_acls(vec![Acl {
        identity: Some(1),
        key: Some("asdfasdf".into()),
        hmac_algorithm: Some(HmacAlgorithm::HmacSha1.into()),
        scopes: vec![Scope {
            offset: Some(2),
            value: Some("\"x\n".into()),
            permissions: vec![Permission::GetLog.into()],
            tls_required: Some(true),
        }],
        max_priority: Some(Priority::High.into()),
    }]);
    assert_eq!(client.ask(&request, b"").0.status(), StatusCode::Success);
    let (_, text) = device_log(&mut client, SETTINGS);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "cluster version: 0",
            "lock PIN: set",
            "erase PIN: empty",
            "epoch: 1",
            "identity 1: priority up to High",
            r#"identity 1: GetLog, keys with "\"x\n" at 2, TLS only"#,
        ]
    );
}

#[test]
fn statistics_are_told_as_text() {
    let drive = start();
    let mut client = Client::connect(&drive);
    client.put(b"key", b"value");
    client.get(b"key");
    let (code, text) = device_log(&mut client, STATISTICS);
    assert_eq!(code, StatusCode::Success);
    assert!(text.contains("Put: count 1, bytes 5\n"), "{text}");
}

#[test]
fn there_is_one_device_log_at_a_time() {
    let drive = start();
    let mut client = Client::connect(&drive);
    for name in [&b""[..], b"com.ktli-uring", b"com.ktli-uring.settings\0"] {
        assert_eq!(device_log(&mut client, name).0, StatusCode::NotFound);
    }
    let mut ask = |types: &[LogType], device| {
        let types = types.iter().map(|&log_type| log_type.into()).collect();
        let log = GetLog { types, device, ..GetLog::default() };
        let body = Body { get_log: Some(Box::new(log)), ..Body::default() };
        let request = client.builder.request(MessageType::GetLog, Some(body), 0);
        let (answer, value) = client.ask(&request, b"");
        (answer.status(), answer.get_log().cloned(), value)
    };
    let named = || Some(Device { name: Some(SETTINGS.to_vec()) });
    assert_eq!(ask(&[LogType::Device], None).0, StatusCode::NotFound);
    // Asked for twice, it is told once.
    let (code, log, value) = ask(&[LogType::Device; 2], named());
    assert_eq!((code, log.unwrap().types.len()), (StatusCode::Success, 1));
    assert!(value.starts_with(b"cluster version"));
    // With others it can be.
    let (code, log, value) = ask(&[LogType::Limits, LogType::Device], named());
    assert_eq!(code, StatusCode::Success);
    assert!(log.unwrap().limits.is_some() && value.starts_with(b"cluster version"));
    // A name alone asks for nothing.
    let (code, log, value) = ask(&[LogType::Limits], named());
    assert_eq!(code, StatusCode::Success);
    assert!(log.unwrap().device.is_none() && value.is_empty());
}

#[test]
fn a_log_does_not_grow_with_the_request() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let types = [LogType::Capacities, LogType::Limits].repeat(10_000);
    assert_eq!(log(&mut client, &types).types, [2, 6]);
}

#[test]
fn a_log_has_at_most_a_megabyte() {
    let drive = start_with(Config { trust_plain: true, ..Config::default() });
    let mut client = Client::connect(&drive);
    let acl = |count, value: Vec<u8>| Acl {
        identity: Some(1),
        key: Some("asdfasdf".into()),
        hmac_algorithm: Some(HmacAlgorithm::HmacSha1.into()),
        scopes: vec![
            Scope {
                value: Some(value.into()),
                permissions: vec![Permission::GetLog.into(), Permission::Security.into()],
                ..Scope::default()
            };
            count
        ],
        max_priority: None,
    };
    // Four bytes of the log for each of the value's.
    let request = client.builder.set_acls(vec![acl(64, vec![0xff; 10_000])]);
    assert_eq!(client.ask(&request, b"").0.status(), StatusCode::Success);
    let (code, text) = device_log(&mut client, SETTINGS);
    assert_eq!((code, text.len()), (StatusCode::Success, 1_000_000));
    let request = client.builder.set_acls(vec![acl(65, vec![])]);
    assert_eq!(client.ask(&request, b"").0.status(), StatusCode::InvalidRequest);
}
