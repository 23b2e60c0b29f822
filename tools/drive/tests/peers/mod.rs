//! Requests to send entries, and what comes back.

#![allow(dead_code, reason = "no test needs all of it")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use kinetic_drive::Drive;
use kinetic_drive::protocol::{
    Acl, Algorithm, AuthType, Body, Command, DEFAULT_KEY, Encoded, Header, HmacAlgorithm, HmacAuth, HmacKey,
    KeyValue, Message, MessageType, PDU_SIZE, Pdu, Peer, PeerOperation, Permission, Push, Scope, Status,
    StatusCode,
};
use prost::Message as _;

use crate::common::{Client, start};

pub fn peer(address: SocketAddr) -> Peer {
    Peer { hostname: Some(address.ip().to_string()), port: Some(address.port().into()), tls: None }
}

pub fn to(address: SocketAddr, pushes: Vec<Push>) -> PeerOperation {
    PeerOperation { peer: Some(peer(address)), pushes, all_succeeded: None }
}

pub fn entry(key: &'static [u8]) -> Push {
    Push { key: Some(key.into()), ..Push::default() }
}

/// The status of the whole, of each entry, and whether all went well.
pub type Outcome = (StatusCode, Vec<StatusCode>, bool);

pub fn codes(operation: &PeerOperation) -> Vec<StatusCode> {
    operation.pushes.iter().map(|push| push.status.as_ref().unwrap().code()).collect()
}

pub fn send(client: &mut Client, request: &Encoded) -> (StatusCode, PeerOperation) {
    let (answer, value) = client.ask(request, b"");
    assert_eq!(answer.message_type(), MessageType::PeerToPeerPushResponse);
    assert!(value.is_empty());
    let operation = answer.command.body.clone().and_then(|body| body.peer_operation);
    (answer.status(), *operation.expect("a body with what became of the entries"))
}

pub fn push(client: &mut Client, operation: PeerOperation) -> Outcome {
    let request = client.builder.push(operation);
    let (code, operation) = send(client, &request);
    (code, codes(&operation), operation.all_succeeded())
}

/// A push that may take so many milliseconds.
pub fn push_within(client: &mut Client, timeout: u64, operation: PeerOperation) -> Outcome {
    let header = Header {
        connection_id: Some(client.builder.connection_id),
        sequence: Some(client.builder.sequence),
        message_type: Some(MessageType::PeerToPeerPush.into()),
        timeout: Some(timeout),
        ..Header::default()
    };
    let body = Body { peer_operation: Some(Box::new(operation)), ..Body::default() };
    let command = Command { header: Some(header), body: Some(body), status: None };
    let request = client.builder.command(&command, 0);
    let (code, operation) = send(client, &request);
    (code, codes(&operation), operation.all_succeeded())
}

/// A push that is refused as a whole.
pub fn refused(client: &mut Client, operation: PeerOperation) -> StatusCode {
    let request = client.builder.push(operation);
    let (answer, _) = client.ask(&request, b"");
    assert!(answer.command.body.is_none());
    assert!(!answer.status_message().is_empty());
    answer.status()
}

/// Two drives, each with a client.
pub fn two() -> [(Drive, Client); 2] {
    [(); 2].map(|()| {
        let drive = start();
        let client = Client::connect(&drive);
        (drive, client)
    })
}

pub fn put_versioned(client: &mut Client, key: &'static [u8], version: &'static [u8], value: &[u8]) {
    let key_value = KeyValue {
        key: Some(key.into()),
        new_version: Some(version.into()),
        tag: Some("tag".into()),
        algorithm: Some(Algorithm::Crc32.into()),
        force: Some(true),
        ..KeyValue::default()
    };
    let request = client.builder.key_value(MessageType::Put, key_value, value.len() as u32);
    assert_eq!(client.ask(&request, value).0.status(), StatusCode::Success);
}

/// Leaves the default identity these rights only: some for keys that start
/// with "1", some for all keys.
pub fn set_rights(client: &mut Client, of_1: &[Permission], of_all: &[Permission]) {
    let scope = |value: &'static str, permissions: &[Permission]| Scope {
        value: Some(value.into()),
        permissions: permissions.iter().map(|&p| p.into()).collect(),
        ..Scope::default()
    };
    let request = client.builder.set_acls(vec![Acl {
        identity: Some(1),
        key: Some("asdfasdf".into()),
        hmac_algorithm: Some(HmacAlgorithm::HmacSha1.into()),
        scopes: vec![scope("1", of_1), scope("", of_all)],
        max_priority: None,
    }]);
    assert_eq!(client.ask(&request, b"").0.status(), StatusCode::Success);
}

/// A frame around a command, signed only if it has to be.
fn frame(command: &Command, auth_type: AuthType) -> Vec<u8> {
    let command_bytes = command.encode_to_vec();
    let hmac = HmacKey::new(DEFAULT_KEY).sign(&command_bytes).to_vec();
    let message = Message {
        auth_type: Some(auth_type.into()),
        hmac_auth: (auth_type == AuthType::Hmac).then_some(HmacAuth { identity: Some(1), hmac: Some(hmac) }),
        pin_auth: None,
        command_bytes: Some(command_bytes),
    };
    let mut frame = Vec::new();
    Encoded::new(&message, 0, 0).append_to(&mut frame);
    frame
}

/// What a drive says first, or instead of an answer.
pub fn unsolicited(code: StatusCode, text: &str) -> Vec<u8> {
    let status =
        Status { code: Some(code.into()), status_message: Some(text.to_owned()), detailed_message: None };
    let header = Header { connection_id: Some(1), ..Header::default() };
    frame(&Command { header: Some(header), body: None, status: Some(status) }, AuthType::UnsolicitedStatus)
}

/// Something that speaks like a drive on one connection, and answers what
/// `answer` makes of a SUCCESS without a body.
pub fn impostor(auth_type: AuthType, answer: impl Fn(&Command, &mut Command) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(&unsolicited(StatusCode::Success, "")).unwrap();
        let mut header = [0; PDU_SIZE];
        // Until the other side has enough of it.
        while stream.read_exact(&mut header).is_ok() {
            let pdu = Pdu::decode(&header).unwrap();
            let mut rest = vec![0; pdu.frame_len() - PDU_SIZE];
            stream.read_exact(&mut rest).unwrap();
            let message = Message::decode(&rest[..pdu.message_len as usize]).unwrap();
            let request = Command::decode(&message.command_bytes.unwrap()[..]).unwrap();
            let asked = request.header.as_ref().unwrap();
            let header = Header {
                ack_sequence: asked.sequence,
                message_type: asked.message_type.map(|number| number - 1),
                ..Header::default()
            };
            let status = Status { code: Some(StatusCode::Success.into()), ..Status::default() };
            let mut reply = Command { header: Some(header), body: None, status: Some(status) };
            answer(&request, &mut reply);
            stream.write_all(&frame(&reply, auth_type)).unwrap();
        }
    });
    address
}
