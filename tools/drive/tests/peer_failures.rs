//! Sending entries to drives that do not take them, or are none.

mod common;
mod peers;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU64;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::{Client, start, start_with, start_with_faults};
use kinetic_drive::protocol::{
    AuthType, Body, Command, MessageType, Peer, PeerOperation, PinOperationType, Push, StatusCode,
};
use kinetic_drive::{Config, Faults, Identity};
use peers::{Outcome, codes, entry, impostor, peer, push, push_within, refused, send, to, two, unsolicited};

#[test]
fn the_other_drive_has_to_know_the_identity() {
    let source = start();
    let mut from = Client::connect(&source);
    from.put(b"1", b"value");
    let identities = |key: &[u8]| vec![Identity { id: 1, key: key.to_vec() }];
    let other = start_with(Config { identities: identities(b"other"), ..Config::default() });
    let (code, codes, _) = push(&mut from, to(other.local_addr(), vec![entry(b"1"), entry(b"1")]));
    // An answer that is signed with another key is nobody's answer.
    assert_eq!(code, StatusCode::RemoteConnectionError);
    assert_eq!(codes, [StatusCode::RemoteConnectionError, StatusCode::NotAttempted]);
    let stranger = start_with(Config { identities: vec![], ..Config::default() });
    let (code, codes, _) = push(&mut from, to(stranger.local_addr(), vec![entry(b"1"), entry(b"1")]));
    assert_eq!(code, StatusCode::NestedOperationErrors);
    assert_eq!(codes, [StatusCode::HmacFailure; 2]);
}

#[test]
fn a_value_too_large_for_the_other_drive_stays() {
    let source = start();
    let mut from = Client::connect(&source);
    from.put(b"1", &[0; 101]);
    from.put(b"2", &[0; 100]);
    let target = start_with(Config { max_value_size: 100, ..Config::default() });
    let (_, codes, _) = push(&mut from, to(target.local_addr(), vec![entry(b"1"), entry(b"2")]));
    assert_eq!(codes, [StatusCode::InvalidRequest, StatusCode::Success]);
}

/// What becomes of three entries that are sent to a drive with faults, or to
/// whatever listens there.
fn push_to(address: SocketAddr, timeout: u64) -> Outcome {
    let source = start();
    let mut from = Client::connect(&source);
    from.put(b"1", b"value");
    let next = to(address, vec![entry(b"1")]);
    let pushes = vec![entry(b"1"), Push { force: Some(true), next: Some(next), ..entry(b"1") }, entry(b"1")];
    let request = push_within(&mut from, timeout, to(address, pushes));
    // The client's own connection is none the worse for it.
    assert_eq!(from.get(b"1").0, StatusCode::Success);
    request
}

const FOR_EVER: u64 = 0;
const REMOTE: StatusCode = StatusCode::RemoteConnectionError;

#[test]
fn nobody_listens() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, codes, all) = push_to(address, FOR_EVER);
    assert_eq!((code, all), (REMOTE, false));
    assert_eq!(codes, [REMOTE, StatusCode::NotAttempted, StatusCode::NotAttempted]);
}

#[test]
fn the_other_drive_breaks_off() {
    for faults in [
        Faults { close_at: NonZeroU64::new(2), ..Faults::default() },
        Faults { reset_at: NonZeroU64::new(2), ..Faults::default() },
        Faults { half_at: NonZeroU64::new(2), ..Faults::default() },
    ] {
        let target = start_with_faults(faults);
        let (code, codes, all) = push_to(target.local_addr(), FOR_EVER);
        assert_eq!((code, all), (REMOTE, false));
        assert_eq!(codes, [StatusCode::Success, REMOTE, StatusCode::NotAttempted]);
    }
    // While it is to send on: the entry itself has been stored.
    let target = start_with_faults(Faults { close_at: NonZeroU64::new(3), ..Faults::default() });
    let (code, codes, _) = push_to(target.local_addr(), FOR_EVER);
    assert_eq!(code, REMOTE);
    assert_eq!(codes, [StatusCode::Success, StatusCode::Success, StatusCode::NotAttempted]);
}

#[test]
fn the_other_drive_says_nothing() {
    let target = start_with_faults(Faults { silent_at: NonZeroU64::new(2), ..Faults::default() });
    let (code, codes, _) = push_to(target.local_addr(), 300);
    assert_eq!(code, StatusCode::Expired);
    // The first may not even have been sent on a busy machine.
    assert_ne!(codes[1], StatusCode::Success);
    assert_eq!(codes[2], StatusCode::NotAttempted);
}

#[test]
fn an_erasure_does_not_wait_for_another_drive() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let drive = start_with(Config { trust_plain: true, ..Config::default() });
    let mut from = Client::connect(&drive);
    from.put(b"1", b"value");
    let request = from.builder.push(to(silent.local_addr().unwrap(), vec![entry(b"1")]));
    from.send(&request, b"");
    // The push is under way, and would be for a minute.
    let _connection = silent.accept().unwrap();
    let mut other = Client::connect(&drive);
    let request = other.builder.pin_operation(PinOperationType::Erase, b"");
    assert_eq!(other.ask(&request, b"").0.status(), StatusCode::Success);
    assert_eq!(other.get(b"1").0, StatusCode::NotFound);
}

/// What becomes of an entry that is sent to something that says only this.
fn push_to_one_that_says(greeting: Vec<u8>) -> (StatusCode, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let other = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // The drive may be gone already.
        let _ = stream.write_all(&greeting);
    });
    let source = start();
    let mut from = Client::connect(&source);
    from.put(b"1", b"value");
    let request = from.builder.push(to(address, vec![entry(b"1")]));
    let (answer, _) = from.ask(&request, b"");
    other.join().unwrap();
    (answer.status(), answer.status_message().to_owned())
}

#[test]
fn something_else_listens() {
    let refusal = unsolicited(StatusCode::ServiceBusy, "go away");
    for (greeting, expected) in [
        (&b"SSH-2.0-OpenSSH_9.2\r\n"[..], "instead of 'F'"),
        (b"F\x00\x00\x00\x00\x00\x00\x00\x00", "without a command"),
        (b"F\xff\xff\xff\xff\x00\x00\x00\x00", "exceeds the limit"),
        (b"F\x00\x00\x00\x00\x00\x00\x00\x01v", "exceeds the limit"),
        (b"F\x00\x00\x00\x09\x00\x00\x00\x00", ""),
        (b"F", ""),
        (b"", ""),
        (&refusal, "ServiceBusy: go away"),
    ] {
        let (code, text) = push_to_one_that_says(greeting.to_vec());
        assert_eq!(code, REMOTE);
        assert!(text.contains("127.0.0.1") && text.contains(expected), "{text}");
    }
}

/// What becomes of three entries; the first is to be sent on. The impostor says
/// something else than a drive would say.
fn push_to_impostor(
    auth_type: AuthType,
    answer: impl Fn(&Command, &mut Command) + Send + 'static,
) -> (StatusCode, PeerOperation) {
    let address = impostor(auth_type, answer);
    let source = start();
    let mut from = Client::connect(&source);
    from.put(b"1", b"value");
    let next = to(address, vec![entry(b"1"), entry(b"1")]);
    let pushes = vec![Push { next: Some(next), ..entry(b"1") }, entry(b"1"), entry(b"1")];
    let request = from.builder.push(to(address, pushes));
    send(&mut from, &request)
}

#[test]
fn an_answer_to_something_else_is_none() {
    let (code, outcome) = push_to_impostor(AuthType::Hmac, |request, answer| {
        let header = answer.header.as_mut().unwrap();
        header.ack_sequence = request.header.as_ref().unwrap().sequence.map(|sequence| sequence + 1);
    });
    assert_eq!(code, REMOTE);
    assert_eq!(codes(&outcome), [REMOTE, StatusCode::NotAttempted, StatusCode::NotAttempted]);
}

#[test]
fn an_answer_that_anyone_can_make_up_is_none() {
    for message_type in [MessageType::PutResponse, MessageType::PinOperationResponse] {
        let (code, outcome) = push_to_impostor(AuthType::Pin, move |_, answer| {
            answer.header.as_mut().unwrap().message_type = Some(message_type.into());
        });
        assert_eq!(code, REMOTE);
        assert_eq!(codes(&outcome), [REMOTE, StatusCode::NotAttempted, StatusCode::NotAttempted]);
    }
}

#[test]
fn what_is_said_of_entries_sent_on_is_bounded() {
    let long = || PeerOperation {
        pushes: vec![Push { key: Some(vec![0; 10_000].into()), ..Push::default() }],
        ..PeerOperation::default()
    };
    for body in [Some(long()), None] {
        let (code, outcome) = push_to_impostor(AuthType::Hmac, move |_, answer| {
            answer.status.as_mut().unwrap().status_message = Some("\u{e4}".repeat(1000));
            let body = body.clone().map(Box::new);
            answer.body = Some(Body { peer_operation: body, ..Body::default() });
        });
        assert_eq!(code, StatusCode::NestedOperationErrors);
        assert_eq!(codes(&outcome), [StatusCode::Success; 3]);
        let next = outcome.pushes[0].next.as_ref().unwrap();
        assert!(!next.all_succeeded());
        assert_eq!(codes(next), [StatusCode::InternalError, StatusCode::NotAttempted]);
        for push in &outcome.pushes {
            assert_eq!(push.status.as_ref().unwrap().status_message().len(), 100);
        }
    }
}

#[test]
fn who_does_not_speak_tls_gets_nothing() {
    let [(_source, mut from), (target, mut there)] = two();
    from.put(b"1", b"value");
    let plain = Peer { tls: Some(true), ..peer(target.local_addr()) };
    let operation = PeerOperation { peer: Some(plain), pushes: vec![entry(b"1")], all_succeeded: None };
    let request = from.builder.push(operation);
    let (answer, _) = from.ask(&request, b"");
    assert_eq!(answer.status(), REMOTE);
    assert_eq!(there.get(b"1").0, StatusCode::NotFound);
}

#[test]
fn nonsense_is_refused_as_a_whole() {
    let drive = start();
    let mut client = Client::connect(&drive);
    client.put(b"1", b"value");
    let invalid = StatusCode::InvalidRequest;
    assert_eq!(refused(&mut client, PeerOperation::default()), invalid);
    let without_port = Peer { port: None, ..peer(drive.local_addr()) };
    let bad = PeerOperation { peer: Some(without_port), pushes: vec![], all_succeeded: None };
    let good = Push { new_key: Some("2".into()), ..entry(b"1") };
    let nested = to(drive.local_addr(), vec![good, Push { next: Some(bad), ..entry(b"1") }]);
    assert_eq!(refused(&mut client, nested), invalid);
    assert_eq!(client.get(b"2").0, StatusCode::NotFound);
    let many = to(drive.local_addr(), vec![entry(b"1"); 1001]);
    assert_eq!(refused(&mut client, many), invalid);
    let request = client.builder.request(MessageType::PeerToPeerPush, None, 0);
    assert_eq!(client.ask(&request, b"").0.status(), invalid);
}

#[test]
fn a_drive_that_stops_does_not_wait_for_others() {
    // It accepts, and says nothing for as long as this test likes.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let source = start();
    let mut from = Client::connect(&source);
    from.put(b"1", b"value");
    let request = from.builder.push(to(listener.local_addr().unwrap(), vec![entry(b"1")]));
    from.send(&request, b"");
    let (mut stream, _) = listener.accept().unwrap();
    let (sender, stopped) = mpsc::channel();
    let stopping = thread::spawn(move || {
        drop(source);
        sender.send(()).unwrap();
    });
    // The push itself might take a minute.
    stopped.recv_timeout(Duration::from_secs(20)).unwrap();
    stopping.join().unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
}
