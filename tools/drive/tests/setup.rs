//! The cluster version, firmware and the power level.

mod common;

use common::{Client, start};
use kinetic_drive::protocol::{
    Body, Encoded, LogType, MessageType, PowerLevel, PowerManagement, Setup, SetupType, StatusCode,
};

fn ask(client: &mut Client, request: &Encoded) -> (StatusCode, String) {
    let (answer, _) = client.ask(request, b"");
    (answer.status(), answer.status_message().to_owned())
}

fn setup(client: &mut Client, setup: Setup, value: &[u8]) -> (StatusCode, String) {
    let body = Body { setup: Some(Box::new(setup)), ..Body::default() };
    let request = client.builder.request(MessageType::Setup, Some(body), value.len() as u32);
    let (answer, _) = client.ask(&request, value);
    (answer.status(), answer.status_message().to_owned())
}

#[test]
fn the_cluster_version_can_be_changed() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let mut other = Client::connect(&drive);
    for version in [7, -1, i64::MAX, 0, 3] {
        let request = client.builder.set_cluster_version(version);
        let (answer, _) = client.ask(&request, b"");
        assert_eq!(answer.status(), StatusCode::Success);
        assert_eq!(answer.message_type(), MessageType::SetupResponse);
        client.builder.cluster_version = version;
        assert_eq!(client.noop(), StatusCode::Success);
    }
    // Others have to know, too.
    let request = other.builder.noop();
    let (answer, _) = other.ask(&request, b"");
    assert_eq!(answer.status(), StatusCode::VersionFailure);
    assert_eq!(answer.command.header.unwrap().cluster_version, Some(3));
    // Changing it takes the present one.
    let request = other.builder.set_cluster_version(0);
    assert_eq!(ask(&mut other, &request).0, StatusCode::VersionFailure);
    let third = Client::connect(&drive);
    assert_eq!(third.hello.command.header.unwrap().cluster_version, Some(3));
}

#[test]
fn what_is_set_up_shows_from_the_fields() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let version = |version| Setup { new_cluster_version: Some(version), setup_type: None };
    assert_eq!(setup(&mut client, version(5), b"").0, StatusCode::Success);
    client.builder.cluster_version = 5;
    let (code, message) = setup(&mut client, Setup::default(), b"firmware");
    assert_eq!(code, StatusCode::InvalidRequest);
    assert!(message.contains("firmware"));
    for nonsense in [
        Setup::default(),
        Setup { setup_type: Some(SetupType::ClusterVersion.into()), ..Setup::default() },
        Setup { setup_type: Some(SetupType::Invalid.into()), ..version(6) },
        Setup { setup_type: Some(3), ..version(6) },
    ] {
        assert_eq!(setup(&mut client, nonsense, b"").0, StatusCode::InvalidRequest);
        assert_eq!(client.noop(), StatusCode::Success);
    }
}

#[test]
fn firmware_is_refused() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let firmware = Setup { setup_type: Some(SetupType::Firmware.into()), ..Setup::default() };
    let (code, message) = setup(&mut client, firmware, &vec![7; 100_000]);
    assert_eq!(code, StatusCode::InvalidRequest);
    assert!(message.contains("not supported"), "{message}");
    assert_eq!(client.noop(), StatusCode::Success);
}

#[test]
fn a_sleeping_drive_only_wakes_up() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let mut other = Client::connect(&drive);
    let level =
        |client: &Client| client.hello.get_log().unwrap().configuration.clone().unwrap().power_level();
    assert_eq!(level(&client), PowerLevel::Operational);
    let sleep = client.builder.set_power_level(PowerLevel::Hibernate);
    let (answer, _) = client.ask(&sleep, b"");
    assert_eq!(answer.status(), StatusCode::Success);
    assert_eq!(answer.message_type(), MessageType::SetPowerLevelResponse);
    let mut third = Client::connect(&drive);
    assert_eq!(level(&third), PowerLevel::Hibernate);
    for client in [&mut client, &mut other, &mut third] {
        assert_eq!(client.noop(), StatusCode::Hibernate);
        assert_eq!(client.put(b"key", b"value"), StatusCode::Hibernate);
        let request = client.builder.get_log(&[LogType::Limits]);
        assert_eq!(ask(client, &request).0, StatusCode::Hibernate);
    }
    let again = third.builder.set_power_level(PowerLevel::Hibernate);
    assert_eq!(ask(&mut third, &again).0, StatusCode::Success);
    let wake = third.builder.set_power_level(PowerLevel::Operational);
    assert_eq!(ask(&mut third, &wake).0, StatusCode::Success);
    assert_eq!(client.get(b"key").0, StatusCode::NotFound);
}

#[test]
fn other_power_levels_are_refused() {
    let drive = start();
    let mut client = Client::connect(&drive);
    for level in [PowerLevel::Shutdown, PowerLevel::Fail, PowerLevel::Invalid] {
        let request = client.builder.set_power_level(level);
        assert_eq!(ask(&mut client, &request).0, StatusCode::InvalidRequest);
    }
    for level in [None, Some(0), Some(5)] {
        let body = Body { power: Some(Box::new(PowerManagement { level })), ..Body::default() };
        let request = client.builder.request(MessageType::SetPowerLevel, Some(body), 0);
        assert_eq!(ask(&mut client, &request).0, StatusCode::InvalidRequest);
    }
    let request = client.builder.request(MessageType::SetPowerLevel, None, 0);
    assert_eq!(ask(&mut client, &request).0, StatusCode::InvalidRequest);
    assert_eq!(client.noop(), StatusCode::Success);
}
