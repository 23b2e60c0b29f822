//! Who may ask, and what happens to those who may not.

mod common;

use common::{Client, start};
use hmac::{Hmac, KeyInit, Mac};
use kinetic_drive::protocol::{
    AuthType, Body, Command, Encoded, Header, HmacAuth, HmacKey, KeyValue, Message, MessageType, Pdu,
    PinAuth, StatusCode,
};
use prost::Message as _;
use sha1::Sha1;

fn encode(message: &Message, sequence: u64) -> Encoded {
    let message = message.encode_to_vec();
    let pdu = Pdu { message_len: message.len() as u32, value_len: 0 };
    Encoded { pdu: pdu.encode(), message, sequence }
}

/// A request whose message was changed after it had been signed.
fn tampered(request: &Encoded, change: impl FnOnce(&mut Message)) -> Encoded {
    let mut message = Message::decode(&request.message[..]).unwrap();
    change(&mut message);
    encode(&message, request.sequence)
}

fn put_unauthenticated(change: impl FnOnce(&mut Message)) {
    let drive = start();
    let mut client = Client::connect(&drive);
    let request = client.builder.put(b"key", 0);
    let (answer, _) = client.ask(&tampered(&request, change), b"");
    assert_eq!(answer.status(), StatusCode::HmacFailure);
    assert_eq!(answer.message_type(), MessageType::PutResponse);
    assert!(!answer.status_message().is_empty());
    // Nothing was stored, and the connection still works.
    assert_eq!(client.get(b"key").0, StatusCode::NotFound);
}

#[test]
fn a_wrong_hmac_fails() {
    put_unauthenticated(|message| {
        let hmac = message.hmac_auth.as_mut().unwrap().hmac.as_mut().unwrap();
        hmac[19] ^= 1;
    });
}

#[test]
fn a_short_hmac_fails() {
    put_unauthenticated(|message| {
        let hmac = message.hmac_auth.as_mut().unwrap().hmac.as_mut().unwrap();
        hmac.truncate(10);
    });
}

#[test]
fn a_missing_hmac_fails() {
    put_unauthenticated(|message| message.hmac_auth.as_mut().unwrap().hmac = None);
    put_unauthenticated(|message| message.hmac_auth = None);
}

#[test]
fn an_hmac_without_the_length_fails() {
    // An easy mistake: the HMAC has to cover the command's length, too.
    put_unauthenticated(|message| {
        let command = message.command_bytes.as_ref().unwrap();
        let mut mac = Hmac::<Sha1>::new_from_slice(b"asdfasdf").unwrap();
        mac.update(command);
        let hmac = mac.finalize().into_bytes().to_vec();
        message.hmac_auth.as_mut().unwrap().hmac = Some(hmac);
    });
}

#[test]
fn a_changed_command_fails() {
    put_unauthenticated(|message| {
        let bytes = message.command_bytes.as_mut().unwrap();
        let mut command = Command::decode(&bytes[..]).unwrap();
        let key_value = command.body.as_mut().unwrap().key_value.as_mut().unwrap();
        key_value.force = Some(true);
        *bytes = command.encode_to_vec();
    });
}

#[test]
fn a_wrong_key_fails() {
    let drive = start();
    let mut client = Client::connect(&drive);
    client.builder.key = HmacKey::new(b"asdfasdF");
    assert_eq!(client.noop(), StatusCode::HmacFailure);
}

#[test]
fn an_unknown_identity_fails() {
    put_unauthenticated(|message| message.hmac_auth.as_mut().unwrap().identity = Some(2));
    put_unauthenticated(|message| message.hmac_auth.as_mut().unwrap().identity = None);
}

#[test]
fn pin_authentication_is_refused() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let command = Command {
        header: Some(Header {
            connection_id: Some(client.builder.connection_id),
            message_type: Some(MessageType::PinOperation.into()),
            ..Header::default()
        }),
        ..Command::default()
    };
    let message = Message {
        auth_type: Some(AuthType::Pin.into()),
        hmac_auth: None,
        pin_auth: Some(PinAuth { pin: Some(b"1234".to_vec()) }),
        command_bytes: Some(command.encode_to_vec()),
    };
    client.send(&encode(&message, 1), b"");
    let farewell = client.expect_farewell();
    assert_eq!(farewell.status(), StatusCode::ConnectionTerminated);
}

/// Sends a message with which the connection has to end.
fn end_with(change: impl FnOnce(&mut Message)) -> StatusCode {
    let drive = start();
    let mut client = Client::connect(&drive);
    let request = client.builder.noop();
    client.send(&tampered(&request, change), b"");
    let farewell = client.expect_farewell();
    assert_eq!(Client::connect(&drive).noop(), StatusCode::Success);
    farewell.status()
}

#[test]
fn unknown_authentication_ends_the_connection() {
    for auth_type in [None, Some(-1), Some(3), Some(77)] {
        assert_eq!(end_with(|message| message.auth_type = auth_type), StatusCode::ConnectionTerminated);
    }
}

#[test]
fn a_message_without_a_command_ends_the_connection() {
    assert_eq!(end_with(|message| message.command_bytes = None), StatusCode::ConnectionTerminated);
}

fn sign(message: &mut Message, command: Vec<u8>) {
    message.hmac_auth =
        Some(HmacAuth { identity: Some(1), hmac: Some(HmacKey::new(b"asdfasdf").sign(&command).to_vec()) });
    message.command_bytes = Some(command);
}

#[test]
fn a_command_without_a_header_ends_the_connection() {
    assert_eq!(
        end_with(|message| sign(message, Command::default().encode_to_vec())),
        StatusCode::HeaderRequired
    );
}

#[test]
fn an_undecodable_command_ends_the_connection() {
    assert_eq!(end_with(|message| sign(message, vec![0xff; 30])), StatusCode::ConnectionTerminated);
}

#[test]
fn a_put_of_an_unknown_batch_ends_the_connection() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let command = Command {
        header: Some(Header {
            connection_id: Some(client.builder.connection_id),
            message_type: Some(MessageType::Put.into()),
            batch_id: Some(1),
            ..Header::default()
        }),
        body: Some(Body {
            key_value: Some(KeyValue { key: Some("key".into()), ..KeyValue::default() }),
            ..Body::default()
        }),
        status: None,
    };
    let request = client.builder.command(&command, 0);
    client.send(&request, b"");
    assert_eq!(client.expect_farewell().status(), StatusCode::InvalidBatch);
    let mut client = Client::connect(&drive);
    assert_eq!(client.get(b"key").0, StatusCode::NotFound);
}

/// A request whose body cannot be decoded: field 1, which is a message, is a number.
fn undecodable_body(client: &mut Client) -> (Vec<u8>, u64) {
    let header = Header {
        connection_id: Some(client.builder.connection_id),
        sequence: Some(client.builder.sequence),
        message_type: Some(MessageType::Put.into()),
        ..Header::default()
    };
    let command = Command { header: Some(header), ..Command::default() };
    // Field 2 of the command: the body, of two bytes.
    let bytes = [command.encode_to_vec(), vec![0x12, 2, 0x08, 1]].concat();
    client.builder.sequence += 1;
    (bytes, client.builder.sequence - 1)
}

fn message(command: Vec<u8>, hmac: Vec<u8>) -> Message {
    Message {
        auth_type: Some(AuthType::Hmac.into()),
        hmac_auth: Some(HmacAuth { identity: Some(1), hmac: Some(hmac) }),
        pin_auth: None,
        command_bytes: Some(command),
    }
}

#[test]
fn bodies_of_strangers_are_not_decoded() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let (command, sequence) = undecodable_body(&mut client);
    let (answer, _) = client.ask(&encode(&message(command, vec![0; 20]), sequence), b"");
    assert_eq!(answer.status(), StatusCode::HmacFailure);
    // From someone who is known, it is looked at.
    let (command, sequence) = undecodable_body(&mut client);
    let hmac = HmacKey::new(b"asdfasdf").sign(&command).to_vec();
    client.send(&encode(&message(command, hmac), sequence), b"");
    assert_eq!(client.expect_farewell().status(), StatusCode::ConnectionTerminated);
}
