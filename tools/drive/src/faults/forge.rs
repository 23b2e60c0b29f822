//! Messages that an honest drive would not send.

use bytes::Bytes;
use prost::Message as _;

use crate::device::Device;
use crate::operations;
use crate::protocol::{
    AuthType, Body, Command, Header, HmacAuth, KeyValue, Message, MessageType, Status, StatusCode,
};
use crate::session::Reply;

/// How far the sequence of an unknown acknowledgement is from the request's: further than any client counts.
pub(crate) const NEVER_ASKED: u64 = 1 << 40;

/// Says that the request in `message` has worked, without having looked whether it would. `ahead` is added to its
/// sequence. `None` if the message cannot be decoded, if it has no answer, or if there is no key to sign one with.
pub(crate) fn acknowledgement(device: &Device, connection: i64, message: &[u8], ahead: u64) -> Option<Reply> {
    let message = Message::decode(message).ok()?;
    let request = Command::decode(&message.command_bytes?[..]).ok()?.header?;
    let identity = message.hmac_auth?.identity?;
    let settings = device.settings();
    let key = &settings.identities().get(&identity)?.key;
    if operations::is_part(&request) {
        // A part of a batch has no answer.
        return None;
    }
    let message_type = request.message_type().response()?;
    let key_value = matches!(message_type, MessageType::PutResponse | MessageType::DeleteResponse);
    let command_bytes = Command {
        header: Some(Header {
            connection_id: Some(connection),
            ack_sequence: Some(request.sequence().wrapping_add(ahead)),
            message_type: Some(message_type.into()),
            ..Header::default()
        }),
        // As in a true answer.
        body: key_value.then(|| Body { key_value: Some(KeyValue::default()), ..Body::default() }),
        status: Some(Status { code: Some(StatusCode::Success.into()), ..Status::default() }),
    }
    .encode_to_vec();
    let hmac = key.sign(&command_bytes).to_vec();
    let hmac_auth = Some(HmacAuth { identity: Some(identity), hmac: Some(hmac) });
    Some(reply(AuthType::Hmac, hmac_auth, command_bytes))
}

/// A status that nobody asked for. `code` need not be one of the protocol's.
pub(crate) fn status(device: &Device, connection: i64, code: i32, text: &str) -> Reply {
    let command_bytes = Command {
        header: Some(Header {
            cluster_version: Some(device.settings().cluster_version),
            connection_id: Some(connection),
            ..Header::default()
        }),
        body: None,
        status: Some(Status { code: Some(code), status_message: Some(text.to_owned()), ..Status::default() }),
    }
    .encode_to_vec();
    reply(AuthType::UnsolicitedStatus, None, command_bytes)
}

fn reply(auth_type: AuthType, hmac_auth: Option<HmacAuth>, command_bytes: Vec<u8>) -> Reply {
    let command_bytes = Some(command_bytes);
    Reply {
        message: Message { auth_type: Some(auth_type.into()), hmac_auth, pin_auth: None, command_bytes },
        value: Bytes::new(),
        durable: false,
        replaceable: false,
        close: false,
        protocol_error: false,
    }
}
