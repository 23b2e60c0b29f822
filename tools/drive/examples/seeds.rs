//! Writes inputs for the fuzz targets to start with, one of each kind of request: `seeds session|stream FOLDER`.
//!
//! What libFuzzer finds by itself is how to change them; that a batch has a start, operations and an end, or that
//! an access list has scopes, would take it long to find.

use std::path::Path;
use std::{env, fs, io};

use kinetic_drive::protocol::{
    Acl, AuthType, Batch, Body, Command, DEFAULT_IDENTITY, DEFAULT_KEY, GetLog, Header, HmacAuth, HmacKey,
    KeyValue, Message, MessageType, Pdu, Peer, PeerOperation, PowerManagement, Push, Range, Scope, Security,
    Setup,
};
use prost::Message as _;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [target, folder] = &arguments[..] else {
        return Err(io::Error::other("usage: seeds session|stream FOLDER"));
    };
    let encode = match &target[..] {
        "session" => session,
        "stream" => stream,
        other => return Err(io::Error::other(format!("no such target: {other}"))),
    };
    for (number, conversation) in conversations().iter().enumerate() {
        fs::write(Path::new(folder).join(format!("seed-{number}")), encode(conversation))?;
    }
    Ok(())
}

/// A request: its type, its batch if it belongs to one, its body.
type Request = (MessageType, Option<u8>, Body);

fn conversations() -> Vec<Vec<Request>> {
    use MessageType as T;
    let key_value = |key: &'static str| Body {
        key_value: Some(KeyValue {
            key: Some(key.into()),
            new_version: Some("v1".into()),
            db_version: Some("".into()),
            tag: Some("tag".into()),
            algorithm: Some(1),
            force: Some(true),
            synchronization: Some(2),
            metadata_only: Some(false),
        }),
        ..Body::default()
    };
    let range = |reverse| Body {
        range: Some(Box::new(Range {
            start_key: Some("a".into()),
            end_key: Some("z".into()),
            start_key_inclusive: Some(true),
            end_key_inclusive: Some(true),
            max_returned: Some(10),
            reverse: Some(reverse),
            keys: Vec::new(),
        })),
        ..Body::default()
    };
    let security = |security_type| Body {
        security: Some(Box::new(Security {
            acls: vec![Acl {
                identity: Some(1),
                key: Some(DEFAULT_KEY.into()),
                hmac_algorithm: Some(1),
                scopes: vec![Scope {
                    offset: Some(0),
                    value: Some("k".into()),
                    permissions: vec![0, 1, 2, 3, 4, 5, 7, 8, 9],
                    tls_required: Some(false),
                }],
                max_priority: Some(9),
            }],
            old_lock_pin: Some("".into()),
            new_lock_pin: Some("1".into()),
            old_erase_pin: Some("".into()),
            new_erase_pin: Some("2".into()),
            security_type: Some(security_type),
        })),
        ..Body::default()
    };
    let log = |types: Vec<i32>| Body {
        get_log: Some(Box::new(GetLog { types, ..GetLog::default() })),
        ..Body::default()
    };
    let batch =
        Body { batch: Some(Box::new(Batch { count: Some(2), ..Batch::default() })), ..Body::default() };
    let setup = Body {
        setup: Some(Box::new(Setup { new_cluster_version: Some(1), setup_type: Some(2) })),
        ..Body::default()
    };
    let power =
        |level| Body { power: Some(Box::new(PowerManagement { level: Some(level) })), ..Body::default() };
    let push = Body {
        peer_operation: Some(Box::new(PeerOperation {
            peer: Some(Peer { hostname: Some("127.0.0.1".to_owned()), port: Some(1), tls: Some(false) }),
            pushes: vec![Push { key: Some("k1".into()), new_key: Some("k2".into()), ..Push::default() }],
            all_succeeded: None,
        })),
        ..Body::default()
    };
    let put = || (T::Put, None, key_value("k1"));
    vec![
        vec![put(), (T::Get, None, key_value("k1")), (T::GetVersion, None, key_value("k1"))],
        vec![put(), (T::GetNext, None, key_value("a")), (T::GetPrevious, None, key_value("z"))],
        vec![put(), (T::GetKeyRange, None, range(false)), (T::GetKeyRange, None, range(true))],
        vec![put(), (T::Delete, None, key_value("k1")), (T::FlushAllData, None, Body::default())],
        vec![
            (T::StartBatch, Some(1), Body::default()),
            (T::Put, Some(1), key_value("k1")),
            (T::Delete, Some(1), key_value("k2")),
            (T::EndBatch, Some(1), batch),
        ],
        vec![(T::StartBatch, Some(1), Body::default()), (T::AbortBatch, Some(1), Body::default())],
        vec![(T::GetLog, None, log((0..=6).collect())), (T::GetLog, None, log(vec![7]))],
        vec![(T::Setup, None, setup), (T::Noop, None, Body::default())],
        vec![(T::Security, None, security(1)), put()],
        vec![(T::Security, None, security(2)), (T::Security, None, security(3))],
        vec![put(), (T::PeerToPeerPush, None, push)],
        vec![
            (T::SetPowerLevel, None, power(2)),
            (T::SetPowerLevel, None, power(1)),
            (T::Noop, None, Body::default()),
        ],
        vec![(T::MediaScan, None, range(false)), (T::MediaOptimize, None, range(false))],
    ]
}

/// As the target `session` reads it.
fn session(conversation: &[Request]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (message_type, batch, body) in conversation {
        let mut request = vec![*message_type as u8, batch.unwrap_or(0)];
        request.extend(body.encode_to_vec());
        // A command whose header the target writes, with a short value.
        bytes.push(2 | 5 << 2);
        bytes.extend((request.len() as u16).to_le_bytes());
        bytes.extend(request);
    }
    bytes
}

/// As it goes over the wire. The connection's ID is left out, as clients may.
fn stream(conversation: &[Request]) -> Vec<u8> {
    let key = HmacKey::new(DEFAULT_KEY);
    let mut bytes = Vec::new();
    for ((message_type, batch, body), sequence) in conversation.iter().zip(1..) {
        let header = Header {
            sequence: Some(sequence),
            message_type: Some((*message_type).into()),
            batch_id: batch.map(Into::into),
            ..Header::default()
        };
        let command =
            Command { header: Some(header), body: Some(body.clone()), status: None }.encode_to_vec();
        let hmac = key.sign(&command).to_vec();
        let message = Message {
            auth_type: Some(AuthType::Hmac.into()),
            hmac_auth: Some(HmacAuth { identity: Some(DEFAULT_IDENTITY), hmac: Some(hmac) }),
            pin_auth: None,
            command_bytes: Some(command),
        }
        .encode_to_vec();
        let value = b"value";
        bytes.extend(Pdu { message_len: message.len() as u32, value_len: value.len() as u32 }.encode());
        bytes.extend(message);
        bytes.extend(value);
    }
    bytes
}
