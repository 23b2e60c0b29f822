//! Locking, unlocking and erasing with PINs.

mod common;

use common::{Client, start, start_with};
use kinetic_drive::protocol::{
    Acl, Command, Encoded, HmacAlgorithm, LogType, Message, MessageType, Pdu, Permission, PinOperation,
    PinOperationType, PowerLevel, Scope, StatusCode,
};
use kinetic_drive::{Config, Drive, Identity};
use prost::Message as _;

/// A drive that takes keys and PINs over a plain connection.
fn start_trusting() -> Drive {
    start_with(Config { trust_plain: true, ..Config::default() })
}

fn ask(client: &mut Client, request: &Encoded) -> StatusCode {
    client.ask(request, b"").0.status()
}

fn by_pin(client: &mut Client, operation: PinOperationType, pin: &[u8]) -> StatusCode {
    let request = client.builder.pin_operation(operation, pin);
    ask(client, &request)
}

fn set_lock_pin(client: &mut Client, old: &[u8], new: &[u8]) -> StatusCode {
    let request = client.builder.set_lock_pin(old, new);
    ask(client, &request)
}

fn set_erase_pin(client: &mut Client, old: &[u8], new: &[u8]) -> StatusCode {
    let request = client.builder.set_erase_pin(old, new);
    ask(client, &request)
}

#[test]
fn a_locked_drive_refuses_everything_else() {
    let drive = start_trusting();
    let mut client = Client::connect(&drive);
    let mut other = Client::connect(&drive);
    assert_eq!(client.put(b"key", b"value"), StatusCode::Success);
    assert_eq!(set_lock_pin(&mut client, b"", b"1234"), StatusCode::Success);
    assert_eq!(by_pin(&mut client, PinOperationType::Lock, b"123"), StatusCode::NotAuthorized);
    assert_eq!(client.noop(), StatusCode::Success);
    assert_eq!(by_pin(&mut client, PinOperationType::Lock, b"1234"), StatusCode::Success);

    // A client has to get in to unlock the drive.
    let mut third = Client::connect(&drive);
    for client in [&mut client, &mut other, &mut third] {
        assert_eq!(client.noop(), StatusCode::DeviceLocked);
        assert_eq!(client.put(b"other", b"value"), StatusCode::DeviceLocked);
        assert_eq!(client.get(b"key"), (StatusCode::DeviceLocked, vec![]));
        assert_eq!(set_lock_pin(client, b"1234", b""), StatusCode::DeviceLocked);
        let request = client.builder.get_log(&[LogType::Limits]);
        assert_eq!(ask(client, &request), StatusCode::DeviceLocked);
        let request = client.builder.set_power_level(PowerLevel::Hibernate);
        assert_eq!(ask(client, &request), StatusCode::DeviceLocked);
        assert_eq!(by_pin(client, PinOperationType::Lock, b"1234"), StatusCode::DeviceLocked);
        assert_eq!(by_pin(client, PinOperationType::Unlock, b"12345"), StatusCode::NotAuthorized);
        assert_eq!(client.noop(), StatusCode::DeviceLocked);
    }
    // Strangers are not told.
    third.sign_as(99, b"wrong");
    assert_eq!(third.noop(), StatusCode::HmacFailure);

    assert_eq!(by_pin(&mut third, PinOperationType::Unlock, b"1234"), StatusCode::Success);
    assert_eq!(by_pin(&mut third, PinOperationType::Unlock, b"1234"), StatusCode::DeviceAlreadyUnlocked);
    assert_eq!(client.get(b"key"), (StatusCode::Success, b"value".to_vec()));
    assert_eq!(other.get(b"other").0, StatusCode::NotFound);
}

#[test]
fn a_pin_is_changed_by_who_knows_the_old_one() {
    let drive = start_trusting();
    let mut client = Client::connect(&drive);
    assert_eq!(set_lock_pin(&mut client, b"guess", b"1"), StatusCode::NotAuthorized);
    assert_eq!(set_lock_pin(&mut client, b"", b"1"), StatusCode::Success);
    assert_eq!(set_lock_pin(&mut client, b"", b"2"), StatusCode::NotAuthorized);
    assert_eq!(set_erase_pin(&mut client, b"1", b"2"), StatusCode::NotAuthorized);
    assert_eq!(set_erase_pin(&mut client, b"", b"2"), StatusCode::Success);
    assert_eq!(set_erase_pin(&mut client, b"1", b"3"), StatusCode::NotAuthorized);
    assert_eq!(set_erase_pin(&mut client, b"2", b"3"), StatusCode::Success);
    assert_eq!(by_pin(&mut client, PinOperationType::Lock, b"3"), StatusCode::NotAuthorized);
    assert_eq!(by_pin(&mut client, PinOperationType::Erase, b"1"), StatusCode::NotAuthorized);
    assert_eq!(by_pin(&mut client, PinOperationType::Lock, b"1"), StatusCode::Success);
    assert_eq!(by_pin(&mut client, PinOperationType::Unlock, b"1"), StatusCode::Success);
    assert_eq!(set_lock_pin(&mut client, b"1", b""), StatusCode::Success);
    assert_eq!(by_pin(&mut client, PinOperationType::Lock, b""), StatusCode::Success);
}

#[test]
fn pins_are_limited() {
    let drive = start_trusting();
    let mut client = Client::connect(&drive);
    let limits = client.hello.get_log().unwrap().limits.clone().unwrap();
    let max = limits.max_pin_size.unwrap() as usize;
    let longest = vec![b'1'; max];
    for set in [set_lock_pin, set_erase_pin] {
        assert_eq!(set(&mut client, b"", &vec![b'1'; max + 1]), StatusCode::InvalidRequest);
        assert_eq!(set(&mut client, b"", &longest), StatusCode::Success);
        assert_eq!(set(&mut client, &longest, b"short"), StatusCode::Success);
    }
}

/// A drive whose every setting differs from those it came with, and a client
/// of its only identity.
fn changed_drive() -> (Drive, Client) {
    let identities = vec![Identity { id: 5, key: b"five".to_vec() }];
    let drive = start_with(Config { identities, trust_plain: true, capacity: 5000, ..Config::default() });
    let mut client = Client::connect(&drive);
    client.sign_as(5, b"five");
    for key in [b"1", b"2"] {
        assert_eq!(client.put(key, &[0; 1000]), StatusCode::Success);
    }
    assert_eq!(set_lock_pin(&mut client, b"", b"lock"), StatusCode::Success);
    assert_eq!(set_erase_pin(&mut client, b"", b"erase"), StatusCode::Success);
    let request = client.builder.set_cluster_version(9);
    assert_eq!(ask(&mut client, &request), StatusCode::Success);
    client.builder.cluster_version = 9;
    let request = client.builder.set_acls(vec![Acl {
        identity: Some(6),
        key: Some("six".into()),
        hmac_algorithm: Some(HmacAlgorithm::HmacSha1.into()),
        scopes: vec![Scope { permissions: vec![Permission::Read.into()], ..Scope::default() }],
        max_priority: None,
    }]);
    assert_eq!(ask(&mut client, &request), StatusCode::Success);
    client.sign_as(6, b"six");
    assert_eq!(client.get(b"1").0, StatusCode::Success);
    (drive, client)
}

#[test]
fn an_erased_drive_is_as_new() {
    for (operation, locked) in [
        (PinOperationType::Erase, false),
        (PinOperationType::SecureErase, false),
        (PinOperationType::Erase, true),
        (PinOperationType::SecureErase, true),
    ] {
        let (drive, mut client) = changed_drive();
        if locked {
            assert_eq!(by_pin(&mut client, PinOperationType::Lock, b"lock"), StatusCode::Success);
        }
        assert_eq!(by_pin(&mut client, operation, b"lock"), StatusCode::NotAuthorized);
        assert_eq!(by_pin(&mut client, operation, b"erase"), StatusCode::Success);

        assert_eq!(client.noop(), StatusCode::HmacFailure);
        client.sign_as(5, b"five");
        assert_eq!(client.noop(), StatusCode::VersionFailure);
        client.builder.cluster_version = 0;
        for key in [b"1", b"2"] {
            assert_eq!(client.get(key).0, StatusCode::NotFound);
        }
        let request = client.builder.get_log(&[LogType::Capacities]);
        let (answer, _) = client.ask(&request, b"");
        assert_eq!(answer.get_log().unwrap().capacity.as_ref().unwrap().portion_full, Some(0.0));
        for key in [b"1", b"2", b"3"] {
            assert_eq!(client.put(key, &[0; 1000]), StatusCode::Success);
        }
        assert_eq!(set_lock_pin(&mut client, b"", b"x"), StatusCode::Success);
        assert_eq!(set_erase_pin(&mut client, b"", b"y"), StatusCode::Success);
        drop(drive);
    }
}

#[test]
fn a_new_drive_can_be_erased_without_a_pin() {
    let drive = start_trusting();
    let mut client = Client::connect(&drive);
    assert_eq!(client.put(b"key", b"value"), StatusCode::Success);
    assert_eq!(by_pin(&mut client, PinOperationType::Erase, b"guess"), StatusCode::NotAuthorized);
    assert_eq!(client.get(b"key").0, StatusCode::Success);
    assert_eq!(by_pin(&mut client, PinOperationType::Erase, b""), StatusCode::Success);
    assert_eq!(client.get(b"key").0, StatusCode::NotFound);
}

#[test]
fn plain_connections_have_to_be_trusted() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let request = client.builder.pin_operation(PinOperationType::Lock, b"");
    client.send(&request, b"");
    let farewell = client.expect_farewell();
    assert_eq!(farewell.status(), StatusCode::ConnectionTerminated);
    assert!(farewell.status_message().contains("--trust-plain"));
    assert_eq!(Client::connect(&drive).noop(), StatusCode::Success);
}

/// A request with a PIN whose command was changed; it is not signed.
fn changed(request: &Encoded, change: impl FnOnce(&mut Command)) -> Encoded {
    let mut message = Message::decode(&request.message[..]).unwrap();
    let mut command = Command::decode(&message.command_bytes.unwrap()[..]).unwrap();
    change(&mut command);
    message.command_bytes = Some(command.encode_to_vec());
    Encoded::new(&message, 0, request.sequence)
}

#[test]
fn pins_and_hmacs_are_for_different_requests() {
    let drive = start_trusting();
    let mut client = Client::connect(&drive);
    let lock = client.builder.pin_operation(PinOperationType::Lock, b"");
    let as_noop = changed(&lock, |c| c.header.as_mut().unwrap().message_type = Some(30));
    let (answer, _) = client.ask(&as_noop, b"");
    assert_eq!(answer.status(), StatusCode::InvalidRequest);
    assert_eq!(answer.message_type(), MessageType::NoopResponse);
    let request = client.builder.request(MessageType::PinOperation, None, 0);
    let (answer, _) = client.ask(&request, b"");
    assert_eq!(answer.status(), StatusCode::InvalidRequest);
    assert_eq!(answer.message_type(), MessageType::PinOperationResponse);
    assert!(answer.status_message().contains("PIN"));
    assert_eq!(client.noop(), StatusCode::Success);
}

#[test]
fn unknown_pin_operations_are_refused() {
    let drive = start_trusting();
    let mut client = Client::connect(&drive);
    for number in [None, Some(-1), Some(0), Some(5)] {
        let lock = client.builder.pin_operation(PinOperationType::Lock, b"");
        let request = changed(&lock, |command| {
            let operation = PinOperation { pin_operation_type: number };
            command.body.as_mut().unwrap().pin_operation = Some(Box::new(operation));
        });
        assert_eq!(ask(&mut client, &request), StatusCode::InvalidRequest);
    }
    let lock = client.builder.pin_operation(PinOperationType::Lock, b"");
    assert_eq!(ask(&mut client, &changed(&lock, |c| c.body = None)), StatusCode::InvalidRequest);
    assert_eq!(client.noop(), StatusCode::Success);
}

#[test]
fn requests_with_a_pin_have_headers_like_others() {
    let drive = start_trusting();
    let mut client = Client::connect(&drive);
    assert_eq!(set_lock_pin(&mut client, b"", b"1234"), StatusCode::Success);

    // A wrong PIN does not use the sequence up, like a wrong HMAC.
    let sequence = client.builder.sequence;
    assert_eq!(by_pin(&mut client, PinOperationType::Lock, b""), StatusCode::NotAuthorized);
    client.builder.sequence = sequence - 1;
    assert_eq!(by_pin(&mut client, PinOperationType::Lock, b"1234"), StatusCode::InvalidRequest);
    client.builder.sequence = sequence;
    assert_eq!(client.noop(), StatusCode::Success);

    let lock = client.builder.pin_operation(PinOperationType::Lock, b"1234");
    let stray = changed(&lock, |c| c.header.as_mut().unwrap().connection_id = Some(77));
    client.send(&stray, b"");
    assert_eq!(client.receive().unwrap().0.status(), StatusCode::InvalidRequest);

    client.builder.cluster_version = 1;
    let request = client.builder.pin_operation(PinOperationType::Lock, b"1234");
    let (answer, _) = client.ask(&request, b"");
    assert_eq!(answer.status(), StatusCode::VersionFailure);
    assert_eq!(answer.command.header.unwrap().cluster_version, Some(0));
    client.builder.cluster_version = 0;
    assert_eq!(client.noop(), StatusCode::Success);

    let lock = client.builder.pin_operation(PinOperationType::Lock, b"1234");
    client.send(&changed(&lock, |c| c.header = None), b"");
    assert_eq!(client.expect_farewell().status(), StatusCode::HeaderRequired);
}

#[test]
fn a_sleeping_drive_is_neither_locked_nor_erased() {
    let drive = start_trusting();
    let mut client = Client::connect(&drive);
    let request = client.builder.set_power_level(PowerLevel::Hibernate);
    assert_eq!(ask(&mut client, &request), StatusCode::Success);
    assert_eq!(by_pin(&mut client, PinOperationType::Lock, b""), StatusCode::Hibernate);
    assert_eq!(by_pin(&mut client, PinOperationType::Erase, b""), StatusCode::Hibernate);
}

/// A client with an open batch of one operation.
fn with_open_batch(drive: &Drive) -> Client {
    let mut client = Client::connect(drive);
    let request = client.builder.start_batch(1);
    assert_eq!(ask(&mut client, &request), StatusCode::Success);
    let request = client.builder.put_in_batch(1, b"of the batch", 0);
    client.send(&request, b"");
    // What comes before an answer has been received.
    assert_eq!(client.noop(), StatusCode::Success);
    client
}

#[test]
fn no_batch_outlives_a_lock_or_an_erasure() {
    for operation in [PinOperationType::Lock, PinOperationType::Erase] {
        let drive = start_trusting();
        let mut client = Client::connect(&drive);
        let mut own = with_open_batch(&drive);
        let mut other = with_open_batch(&drive);
        assert_eq!(by_pin(&mut own, operation, b""), StatusCode::Success);
        if operation == PinOperationType::Lock {
            // Also who has a batch can unlock the drive.
            assert_eq!(by_pin(&mut own, PinOperationType::Unlock, b""), StatusCode::Success);
        }
        for client in [&mut own, &mut other] {
            let request = client.builder.end_batch(1, 1);
            client.send(&request, b"");
            let farewell = client.expect_farewell();
            assert_eq!(farewell.status(), StatusCode::InvalidBatch);
        }
        // It was not the clients' fault.
        assert_eq!(drive.statistics().protocol_errors, 0);
        assert_eq!(client.get(b"of the batch").0, StatusCode::NotFound);
        // There is room for new ones.
        let mut again = with_open_batch(&drive);
        let request = again.builder.end_batch(1, 1);
        assert_eq!(ask(&mut again, &request), StatusCode::Success);
        assert_eq!(client.get(b"of the batch").0, StatusCode::Success);
    }
}

#[test]
fn commands_with_a_pin_are_short() {
    let drive = start_trusting();
    let mut client = Client::connect(&drive);
    let request = client.builder.pin_operation(PinOperationType::Unlock, b"");
    let mut message = Message::decode(&request.message[..]).unwrap();
    // A field that nobody knows, of 5,000 bytes.
    let command = message.command_bytes.as_mut().unwrap();
    command.extend([0xfa, 0x07, 0x88, 0x27]);
    command.extend([0; 5000]);
    let message = message.encode_to_vec();
    let pdu = Pdu { message_len: message.len() as u32, value_len: 0 };
    client.send_raw(&[&pdu.encode()[..], &message].concat());
    let answer = client.expect_farewell();
    assert!(answer.status_message().contains("with a PIN"), "{}", answer.status_message());
}
