//! Access control lists: how they are set and what they do.

mod common;

use std::io::ErrorKind;

use common::{Client, start, start_with};
use kinetic_drive::protocol::{
    Acl, Command, Encoded, HmacAlgorithm, KeyValue, LogType, MessageType, Permission, Priority, Scope,
    Security, SecurityType, StatusCode,
};
use kinetic_drive::{Config, Drive, Identity};
use prost::Message as _;

/// A drive that takes keys and PINs over a plain connection.
fn start_trusting() -> Drive {
    start_with(Config { trust_plain: true, ..Config::default() })
}

fn scope(permissions: &[Permission]) -> Scope {
    Scope { permissions: permissions.iter().map(|&p| p.into()).collect(), ..Scope::default() }
}

fn acl(identity: i64, key: &'static str, scopes: Vec<Scope>) -> Acl {
    Acl {
        identity: Some(identity),
        key: Some(key.into()),
        hmac_algorithm: Some(HmacAlgorithm::HmacSha1.into()),
        scopes,
        max_priority: Some(Priority::Highest.into()),
    }
}

/// The list of the identity that sets lists in these tests.
fn root() -> Acl {
    let rights = [
        Permission::Security,
        Permission::Read,
        Permission::Write,
        Permission::Delete,
        Permission::Setup,
        Permission::GetLog,
    ];
    acl(1, "asdfasdf", vec![scope(&rights)])
}

fn ask(client: &mut Client, request: &Encoded) -> (StatusCode, String) {
    let (answer, _) = client.ask(request, b"");
    (answer.status(), answer.status_message().to_owned())
}

fn set(client: &mut Client, acls: Vec<Acl>) -> StatusCode {
    let request = client.builder.set_acls(acls);
    ask(client, &request).0
}

#[test]
fn lists_replace_all_others_at_once() {
    let drive = start_trusting();
    let mut client = Client::connect(&drive);
    let mut other = Client::connect(&drive);
    assert_eq!(other.noop(), StatusCode::Success);
    // The answer is signed with the key that the request was signed with.
    let everything = vec![scope(&[Permission::Read, Permission::Security])];
    assert_eq!(set(&mut client, vec![acl(7, "seven", everything.clone())]), StatusCode::Success);
    for client in [&mut client, &mut other] {
        let request = client.builder.noop();
        client.send(&request, b"");
        assert_eq!(client.receive().unwrap().0.status(), StatusCode::HmacFailure);
        client.sign_as(7, b"seven");
        assert_eq!(client.noop(), StatusCode::Success);
    }
    assert_eq!(set(&mut client, vec![acl(7, "other", everything)]), StatusCode::Success);
    client.sign_as(7, b"other");
    assert_eq!(client.noop(), StatusCode::Success);
}

#[test]
fn each_permission_allows_its_requests_only() {
    let drive = start_trusting();
    let mut client = Client::connect(&drive);
    let one = |identity, permission| acl(identity, "key", vec![scope(&[permission])]);
    let acls = vec![
        root(),
        one(10, Permission::Read),
        one(11, Permission::Write),
        one(12, Permission::Delete),
        one(13, Permission::GetLog),
        one(14, Permission::Range),
    ];
    assert_eq!(set(&mut client, acls), StatusCode::Success);
    assert_eq!(client.put(b"key", b"value"), StatusCode::Success);
    let (no, yes) = (StatusCode::NotAuthorized, StatusCode::Success);
    for (identity, [read, write, delete, log]) in [
        (10, [yes, no, no, no]),
        (11, [no, yes, no, no]),
        (12, [no, no, yes, no]),
        (13, [no, no, no, yes]),
        (14, [no, no, no, no]),
    ] {
        client.sign_as(identity, b"key");
        assert_eq!(client.get(b"key").0, read, "{identity}");
        let request = client.builder.get_version(b"key");
        assert_eq!(ask(&mut client, &request).0, read, "{identity}");
        assert_eq!(client.put(b"key", b"value"), write, "{identity}");
        let request = client.builder.get_log(&[LogType::Capacities]);
        assert_eq!(ask(&mut client, &request).0, log, "{identity}");
        let request = client.builder.set_acls(vec![root()]);
        assert_eq!(ask(&mut client, &request).0, no, "{identity}");
        let request = client.builder.set_cluster_version(3);
        assert_eq!(ask(&mut client, &request).0, no, "{identity}");
        let request = client.builder.delete(b"key");
        assert_eq!(ask(&mut client, &request).0, delete, "{identity}");
        // What needs no permission.
        assert_eq!(client.noop(), yes);
    }
}

#[test]
fn scopes_select_keys() {
    let drive = start_trusting();
    let mut client = Client::connect(&drive);
    let scopes = vec![
        scope(&[Permission::Read]),
        Scope { offset: Some(3), value: Some("test".into()), ..scope(&[Permission::Write]) },
    ];
    assert_eq!(set(&mut client, vec![root(), acl(2, "two", scopes)]), StatusCode::Success);
    client.sign_as(2, b"two");
    assert_eq!(client.put(b"xyztest1", b"value"), StatusCode::Success);
    for key in [&b"test123"[..], b"1234test", b"xyztes", b"x"] {
        assert_eq!(client.put(key, b"value"), StatusCode::NotAuthorized);
        assert_eq!(client.get(key).0, StatusCode::NotFound);
    }
    assert_eq!(client.get(b"xyztest1").0, StatusCode::Success);
}

#[test]
fn one_bad_list_spoils_all() {
    let drive = start_trusting();
    let mut client = Client::connect(&drive);
    let fine = || acl(2, "two", vec![scope(&[Permission::Read])]);
    let spoiled = |change: fn(&mut Acl)| {
        let mut bad = acl(3, "three", vec![scope(&[Permission::Read])]);
        change(&mut bad);
        vec![fine(), bad]
    };
    let invalid = StatusCode::InvalidRequest;
    for (acls, status) in [
        (spoiled(|acl| acl.identity = None), invalid),
        (spoiled(|acl| acl.identity = Some(2)), invalid),
        (spoiled(|acl| acl.key = None), invalid),
        (spoiled(|acl| acl.scopes.clear()), invalid),
        (spoiled(|acl| acl.scopes[0].permissions.clear()), invalid),
        (spoiled(|acl| acl.scopes[0].permissions.push(-1)), invalid),
        (spoiled(|acl| acl.scopes[0].offset = Some(4097)), invalid),
        (spoiled(|acl| acl.max_priority = Some(0)), invalid),
        (spoiled(|acl| acl.hmac_algorithm = Some(2)), StatusCode::NoSuchHmacAlgorithm),
        (spoiled(|acl| acl.hmac_algorithm = None), StatusCode::NoSuchHmacAlgorithm),
        (Vec::new(), invalid),
    ] {
        let request = client.builder.set_acls(acls);
        let (code, message) = ask(&mut client, &request);
        assert_eq!(code, status, "{message}");
        assert!(!message.is_empty());
        assert_eq!(client.noop(), StatusCode::Success);
    }
    client.sign_as(2, b"two");
    assert_eq!(client.noop(), StatusCode::HmacFailure);
}

#[test]
fn identities_are_limited() {
    let drive = start_trusting();
    let mut client = Client::connect(&drive);
    let limits = client.hello.get_log().unwrap().limits.clone().unwrap();
    let max = i64::from(limits.max_identity_count.unwrap());
    let many = |count| {
        let others = (2..=count).map(|identity| acl(identity, "key", vec![scope(&[Permission::Read])]));
        [root()].into_iter().chain(others).collect::<Vec<_>>()
    };
    assert_eq!(set(&mut client, many(max + 1)), StatusCode::InvalidRequest);
    assert_eq!(set(&mut client, many(max)), StatusCode::Success);
    client.sign_as(max, b"key");
    assert_eq!(client.noop(), StatusCode::Success);
}

#[test]
fn plain_connections_have_to_be_trusted() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let request = client.builder.set_acls(vec![root()]);
    let (code, message) = ask(&mut client, &request);
    assert_eq!(code, StatusCode::NotAuthorized);
    assert!(message.contains("--trust-plain"), "{message}");
    let request = client.builder.set_lock_pin(b"", b"1234");
    assert_eq!(ask(&mut client, &request).0, StatusCode::NotAuthorized);
    assert_eq!(client.noop(), StatusCode::Success);
}

/// How the drive takes a request of an old client, which does not say what it
/// is about.
fn security(security: Security) -> StatusCode {
    let drive = start_trusting();
    let mut client = Client::connect(&drive);
    let request = client.builder.security(security);
    ask(&mut client, &request).0
}

#[test]
fn what_is_set_shows_from_the_fields() {
    let pin = || Some("1234".into());
    let lists = || Security { acls: vec![root()], ..Security::default() };
    let lock = || Security { new_lock_pin: pin(), ..Security::default() };
    let erase = || Security { new_erase_pin: pin(), ..Security::default() };
    assert_eq!(security(lists()), StatusCode::Success);
    assert_eq!(security(lock()), StatusCode::Success);
    assert_eq!(security(erase()), StatusCode::Success);
    let invalid = StatusCode::InvalidRequest;
    assert_eq!(security(Security::default()), invalid);
    // More than one thing, or another one than is named.
    assert_eq!(security(Security { new_lock_pin: pin(), ..lists() }), invalid);
    assert_eq!(security(Security { old_erase_pin: pin(), ..lock() }), invalid);
    for (other, named) in [
        (lists(), SecurityType::LockPin),
        (lock(), SecurityType::ErasePin),
        (erase(), SecurityType::Acl),
        (lists(), SecurityType::Invalid),
        (Security::default(), SecurityType::Invalid),
    ] {
        assert_eq!(security(Security { security_type: Some(named.into()), ..other }), invalid);
    }
    assert_eq!(security(Security { security_type: Some(9), ..lock() }), invalid);
    // A PIN that is not there.
    for named in [SecurityType::LockPin, SecurityType::ErasePin] {
        let named = Security { security_type: Some(named.into()), ..Security::default() };
        assert_eq!(security(named), invalid);
    }
}

/// A signed NOOP with a priority.
fn noop_with_priority(client: &mut Client, priority: i32) -> StatusCode {
    let request = client.builder.noop();
    client.builder.sequence = request.sequence;
    let message = kinetic_drive::protocol::Message::decode(&request.message[..]).unwrap();
    let mut command = Command::decode(&message.command_bytes.unwrap()[..]).unwrap();
    command.header.as_mut().unwrap().priority = Some(priority);
    let request = client.builder.command(&command, 0);
    ask(client, &request).0
}

#[test]
fn priorities_are_limited_by_identity() {
    let drive = start_trusting();
    let mut client = Client::connect(&drive);
    for priority in 1..=9 {
        assert_eq!(noop_with_priority(&mut client, priority), StatusCode::Success);
    }
    for priority in [-1, 0, 10] {
        assert_eq!(noop_with_priority(&mut client, priority), StatusCode::InvalidRequest);
    }
    let read = || vec![scope(&[Permission::Read])];
    let low = Acl { max_priority: Some(Priority::LowerNormal.into()), ..acl(2, "two", read()) };
    // Without a limit there is the protocol's default one.
    let usual = Acl { max_priority: None, ..acl(3, "three", read()) };
    assert_eq!(set(&mut client, vec![root(), low, usual]), StatusCode::Success);
    client.sign_as(2, b"two");
    assert_eq!(noop_with_priority(&mut client, 4), StatusCode::Success);
    assert_eq!(noop_with_priority(&mut client, 5), StatusCode::NotAuthorized);
    // A request without a priority has a normal one.
    assert_eq!(client.noop(), StatusCode::NotAuthorized);
    client.sign_as(3, b"three");
    assert_eq!(client.noop(), StatusCode::Success);
    assert_eq!(noop_with_priority(&mut client, 6), StatusCode::NotAuthorized);
}

#[test]
fn times_are_taken_as_advice() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let key_value = KeyValue { key: Some("key".into()), ..KeyValue::default() };
    let request = client.builder.key_value(MessageType::Put, key_value, 0);
    client.builder.sequence = request.sequence;
    let message = kinetic_drive::protocol::Message::decode(&request.message[..]).unwrap();
    let mut command = Command::decode(&message.command_bytes.unwrap()[..]).unwrap();
    let header = command.header.as_mut().unwrap();
    header.timeout = Some(1);
    header.early_exit = Some(true);
    header.time_quanta = Some(0);
    let request = client.builder.command(&command, 0);
    assert_eq!(ask(&mut client, &request).0, StatusCode::Success);
}

#[test]
fn an_identity_needs_a_key_from_the_start() {
    let identities = [(1, &b"key"[..]), (2, b"")];
    let identities = identities.map(|(id, key)| Identity { id, key: key.to_vec() });
    let error = Drive::start(Config { identities: identities.to_vec(), ..Config::default() }).err();
    assert_eq!(error.unwrap().kind(), ErrorKind::InvalidInput);
}
