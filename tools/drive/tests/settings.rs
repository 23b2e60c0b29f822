//! What lasts of the settings when the drive ends.

mod common;

use common::directory::TempDir;
use common::program::Program;
use common::{Client, start_with};
use kinetic_drive::protocol::{
    Acl, Encoded, HmacAlgorithm, Permission, PinOperationType, PowerLevel, Scope, StatusCode,
};
use kinetic_drive::{Config, Drive, Identity};

/// Starts the program.
fn start(dir: &TempDir) -> Program {
    Program::start(dir, &["--trust-plain"])
}

/// Ends a program at once, and starts another one with what it left.
fn kill_and_start(mut program: Program, dir: &TempDir) -> Program {
    program.kill();
    start(dir)
}

fn ask(client: &mut Client, request: &Encoded) -> StatusCode {
    client.ask(request, b"").0.status()
}

fn by_pin(client: &mut Client, operation: PinOperationType, pin: &[u8]) -> StatusCode {
    let request = client.builder.pin_operation(operation, pin);
    ask(client, &request)
}

/// One identity with all rights that are needed here; for reading, TLS.
fn lists() -> Vec<Acl> {
    let scope = |permissions: &[Permission], tls| Scope {
        permissions: permissions.iter().map(|&p| p.into()).collect(),
        tls_required: Some(tls),
        ..Scope::default()
    };
    vec![Acl {
        identity: Some(7),
        key: Some("seven".into()),
        hmac_algorithm: Some(HmacAlgorithm::HmacSha1.into()),
        scopes: vec![
            scope(&[Permission::Read], true),
            scope(&[Permission::Write, Permission::Setup, Permission::PowerManagement], false),
        ],
        max_priority: None,
    }]
}

#[test]
fn settings_outlive_a_kill() {
    let dir = TempDir::new("settings");
    let program = start(&dir);
    let mut client = Client::connect_to(program.address);
    assert_eq!(client.put(b"key", b"value"), StatusCode::Success);
    let request = client.builder.set_lock_pin(b"", b"lock");
    assert_eq!(ask(&mut client, &request), StatusCode::Success);
    let request = client.builder.set_erase_pin(b"", b"erase");
    assert_eq!(ask(&mut client, &request), StatusCode::Success);
    let request = client.builder.set_cluster_version(5);
    assert_eq!(ask(&mut client, &request), StatusCode::Success);
    client.builder.cluster_version = 5;
    let request = client.builder.set_acls(lists());
    assert_eq!(ask(&mut client, &request), StatusCode::Success);
    client.sign_as(7, b"seven");
    let request = client.builder.set_power_level(PowerLevel::Hibernate);
    assert_eq!(ask(&mut client, &request), StatusCode::Success);

    let program = kill_and_start(program, &dir);
    let mut client = Client::connect_to(program.address);
    assert_eq!(client.hello.command.header.as_ref().unwrap().cluster_version, Some(5));
    client.builder.cluster_version = 5;
    // Identity 1 is what the program starts with, but something else is stored.
    let request = client.builder.noop();
    client.send(&request, b"");
    assert_eq!(client.receive().unwrap().0.status(), StatusCode::HmacFailure);
    client.sign_as(7, b"seven");
    // It does not sleep any more.
    assert_eq!(client.get(b"key"), (StatusCode::Success, b"value".to_vec()));
    assert_eq!(by_pin(&mut client, PinOperationType::Lock, b""), StatusCode::NotAuthorized);
    assert_eq!(by_pin(&mut client, PinOperationType::Lock, b"lock"), StatusCode::Success);

    let program = kill_and_start(program, &dir);
    let mut client = Client::connect_to(program.address);
    client.builder.cluster_version = 5;
    client.sign_as(7, b"seven");
    assert_eq!(client.noop(), StatusCode::DeviceLocked);
    assert_eq!(by_pin(&mut client, PinOperationType::Unlock, b"lock"), StatusCode::Success);
    assert_eq!(client.get(b"key").0, StatusCode::Success);

    let program = kill_and_start(program, &dir);
    let mut client = Client::connect_to(program.address);
    client.builder.cluster_version = 5;
    client.sign_as(7, b"seven");
    assert_eq!(client.noop(), StatusCode::Success);
    assert_eq!(by_pin(&mut client, PinOperationType::Erase, b"erase"), StatusCode::Success);

    let program = kill_and_start(program, &dir);
    let mut client = Client::connect_to(program.address);
    assert_eq!(client.get(b"key").0, StatusCode::NotFound);
    let request = client.builder.set_erase_pin(b"", b"again");
    assert_eq!(ask(&mut client, &request), StatusCode::Success);
}

/// A drive of this directory that comes with an identity.
fn drive(dir: &TempDir, id: i64, trust_plain: bool) -> Drive {
    let identities = vec![Identity { id, key: b"key".to_vec() }];
    start_with(Config { identities, trust_plain, dir: Some(dir.0.clone()), ..Config::default() })
}

#[test]
fn identities_count_until_others_are_stored() {
    let dir = TempDir::new("identities");
    for id in [2, 3] {
        let drive = drive(&dir, id, false);
        let mut client = Client::connect(&drive);
        client.sign_as(id, b"key");
        assert_eq!(client.noop(), StatusCode::Success);
    }
    {
        // Also when only something else is stored: it is all or nothing.
        let drive = drive(&dir, 4, false);
        let mut client = Client::connect(&drive);
        client.sign_as(4, b"key");
        let request = client.builder.set_cluster_version(0);
        assert_eq!(ask(&mut client, &request), StatusCode::Success);
    }
    let drive = drive(&dir, 5, false);
    let mut client = Client::connect(&drive);
    client.sign_as(5, b"key");
    assert_eq!(client.noop(), StatusCode::HmacFailure);
    client.sign_as(4, b"key");
    assert_eq!(client.noop(), StatusCode::Success);
}

#[test]
fn what_needs_tls_needs_trust() {
    let dir = TempDir::new("trust");
    {
        let drive = drive(&dir, 1, true);
        let mut client = Client::connect(&drive);
        client.sign_as(1, b"key");
        let request = client.builder.set_acls(lists());
        assert_eq!(ask(&mut client, &request), StatusCode::Success);
        client.sign_as(7, b"seven");
        assert_eq!(client.get(b"key").0, StatusCode::NotFound);
    }
    let drive = drive(&dir, 1, false);
    let mut client = Client::connect(&drive);
    client.sign_as(7, b"seven");
    assert_eq!(client.get(b"key").0, StatusCode::NotAuthorized);
    assert_eq!(client.put(b"key", b""), StatusCode::Success);
}
