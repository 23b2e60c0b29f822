//! Messages of every kind, most of them signed, so that they get past the HMAC.
//!
//! The input is a list of messages: a byte that says what the next bytes are,
//! two bytes with their length, the bytes.

#![no_main]

use kinetic_drive::fuzzing::Connection;
use kinetic_drive::protocol::{
    AuthType, Body, Command, DEFAULT_IDENTITY, DEFAULT_KEY, Header, HmacAuth, HmacKey, Message, Peer,
    PeerOperation, PinAuth,
};
use libfuzzer_sys::fuzz_target;
use prost::Message as _;

fuzz_target!(|input: &[u8]| {
    let key = HmacKey::new(DEFAULT_KEY);
    let mut connection = Connection::new();
    let mut sequence = 0;
    let mut rest = input;
    while let [kind, low, high, tail @ ..] = rest {
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(tail.len());
        let (bytes, tail) = tail.split_at(len);
        rest = tail;
        sequence += 1;
        let message = match kind % 4 {
            0 => bytes.to_vec(),
            1 => Command::decode(bytes)
                .map_or_else(|_| signed(&key, bytes.to_vec()), |command| harmless(&key, command)),
            2 => command(&key, sequence, bytes),
            _ => pin(sequence, bytes),
        };
        let value = vec![b'v'; usize::from(kind >> 2)];
        let Some(said) = connection.send(&message, &value) else {
            continue;
        };
        let command = said.message.command_bytes.expect("what the drive says has a command");
        let command = Command::decode(&command[..]).expect("what the drive says can be decoded");
        assert!(command.status.and_then(|status| status.code).is_some(), "what the drive says has a status");
        if said.close {
            return;
        }
    }
});

/// A command with this connection's header: the first byte is its type, the
/// second its batch, and the rest its body.
fn command(key: &HmacKey, sequence: u64, bytes: &[u8]) -> Vec<u8> {
    let [message_type, batch, body @ ..] = bytes else {
        return signed(key, bytes.to_vec());
    };
    let header = Header {
        cluster_version: Some(0),
        connection_id: Some(Connection::ID),
        sequence: Some(sequence),
        message_type: Some((*message_type).into()),
        batch_id: (*batch > 0).then_some((*batch).into()),
        ..Header::default()
    };
    match Body::decode(body) {
        Ok(body) => harmless(key, Command { header: Some(header), body: Some(body), status: None }),
        Err(_) => signed(
            key,
            [Command { header: Some(header), ..Command::default() }.encode_to_vec(), body.to_vec()].concat(),
        ),
    }
}

/// A request with a PIN: the first byte is the operation, the rest the PIN.
fn pin(sequence: u64, bytes: &[u8]) -> Vec<u8> {
    let (operation, pin) = bytes.split_first().unwrap_or((&0, b""));
    let header = Header {
        connection_id: Some(Connection::ID),
        sequence: Some(sequence),
        message_type: Some(36),
        ..Header::default()
    };
    // Body { pinOp = 8 { pinOpType = 1: operation } }
    let body = Body::decode(&[0x42, 2, 8, operation & 0x7f][..]).expect("a PIN operation");
    let command = Command { header: Some(header), body: Some(body), status: None };
    Message {
        auth_type: Some(AuthType::Pin.into()),
        hmac_auth: None,
        pin_auth: Some(PinAuth { pin: Some(pin.to_vec()) }),
        command_bytes: Some(command.encode_to_vec()),
    }
    .encode_to_vec()
}

/// Signs a command. It does not make the drive connect to other machines: what
/// is to be pushed to peers goes to a port of this one where nobody listens.
fn harmless(key: &HmacKey, mut command: Command) -> Vec<u8> {
    if let Some(operation) = command.body.as_mut().and_then(|body| body.peer_operation.as_mut()) {
        redirect(operation);
    }
    signed(key, command.encode_to_vec())
}

fn redirect(operation: &mut PeerOperation) {
    operation.peer = Some(Peer { hostname: Some("127.0.0.1".to_owned()), port: Some(1), tls: None });
    operation.pushes.iter_mut().filter_map(|push| push.next.as_mut()).for_each(redirect);
}

fn signed(key: &HmacKey, command: Vec<u8>) -> Vec<u8> {
    Message {
        auth_type: Some(AuthType::Hmac.into()),
        hmac_auth: Some(HmacAuth {
            identity: Some(DEFAULT_IDENTITY),
            hmac: Some(key.sign(&command).to_vec()),
        }),
        pin_auth: None,
        command_bytes: Some(command),
    }
    .encode_to_vec()
}
