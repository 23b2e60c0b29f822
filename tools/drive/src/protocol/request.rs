//! Building signed requests.

use std::fmt;

use bytes::Bytes;
use prost::Message as _;

use super::secret::size;
use super::{
    AuthType, Batch, Body, Command, DEFAULT_IDENTITY, DEFAULT_KEY, GetLog, Header, HmacAuth, HmacKey,
    KeyValue, LogType, Message, MessageType, PDU_SIZE, Pdu, Range,
};

/// A request ready to be sent: first `pdu`, then `message`, then the value the
/// caller promised, if any. Debug output does not have the message, which may
/// contain keys and PINs.
#[derive(Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The frame header.
    pub pdu: [u8; PDU_SIZE],
    /// The message.
    pub message: Vec<u8>,
    /// The sequence of the request, which its answer will acknowledge.
    pub sequence: u64,
}

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoded")
            .field("pdu", &self.pdu)
            .field("message", &size(Some(&self.message)))
            .field("sequence", &self.sequence)
            .finish()
    }
}

impl Encoded {
    /// Any message, as it is.
    #[must_use]
    pub fn new(message: &Message, value_len: u32, sequence: u64) -> Self {
        let message = message.encode_to_vec();
        let pdu = Pdu { message_len: message.len() as u32, value_len };
        Self { pdu: pdu.encode(), message, sequence }
    }

    /// Appends the header and the message to `buffer`.
    pub fn append_to(&self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(&self.pdu);
        buffer.extend_from_slice(&self.message);
    }
}

/// Builds the signed requests of one connection, each with the next sequence.
#[derive(Clone, Debug)]
pub struct RequestBuilder {
    /// The connection ID the drive gave in its first message.
    pub connection_id: i64,
    /// The sequence of the next request.
    pub sequence: u64,
    /// The cluster version put into requests.
    pub cluster_version: i64,
    /// The identity requests are signed as.
    pub identity: i64,
    /// The key requests are signed with.
    pub key: HmacKey,
}

impl RequestBuilder {
    /// A builder for requests of the drive's default identity, starting with
    /// sequence 1.
    #[must_use]
    pub fn new(connection_id: i64) -> Self {
        Self::with_identity(connection_id, DEFAULT_IDENTITY, DEFAULT_KEY)
    }

    /// A builder for requests of any identity, starting with sequence 1.
    #[must_use]
    pub fn with_identity(connection_id: i64, identity: i64, key: &[u8]) -> Self {
        Self { connection_id, sequence: 1, cluster_version: 0, identity, key: HmacKey::new(key) }
    }

    /// Stores an entry with neither version nor tag. The caller sends
    /// `value_len` bytes of value after the message.
    pub fn put(&mut self, key: &[u8], value_len: u32) -> Encoded {
        self.key_value(MessageType::Put, entry(key), value_len)
    }

    /// Reads an entry.
    pub fn get(&mut self, key: &[u8]) -> Encoded {
        self.key_value(MessageType::Get, entry(key), 0)
    }

    /// Reads the first entry after `key`.
    pub fn get_next(&mut self, key: &[u8]) -> Encoded {
        self.key_value(MessageType::GetNext, entry(key), 0)
    }

    /// Reads the last entry before `key`.
    pub fn get_previous(&mut self, key: &[u8]) -> Encoded {
        self.key_value(MessageType::GetPrevious, entry(key), 0)
    }

    /// Lists keys.
    pub fn get_key_range(&mut self, range: Range) -> Encoded {
        let body = Body { range: Some(Box::new(range)), ..Body::default() };
        self.request(MessageType::GetKeyRange, Some(body), 0)
    }

    /// Reads the version of an entry.
    pub fn get_version(&mut self, key: &[u8]) -> Encoded {
        self.key_value(MessageType::GetVersion, entry(key), 0)
    }

    /// Removes an entry that has no version.
    pub fn delete(&mut self, key: &[u8]) -> Encoded {
        self.key_value(MessageType::Delete, entry(key), 0)
    }

    /// Opens a batch. The ID must not be that of another open batch of this
    /// connection.
    pub fn start_batch(&mut self, batch_id: u32) -> Encoded {
        self.request_in_batch(batch_id, MessageType::StartBatch, None, 0)
    }

    /// Stores an entry with neither version nor tag at the end of a batch.
    /// There is no answer. The caller sends `value_len` bytes of value after
    /// the message.
    pub fn put_in_batch(&mut self, batch_id: u32, key: &[u8], value_len: u32) -> Encoded {
        self.key_value_in_batch(batch_id, MessageType::Put, entry(key), value_len)
    }

    /// Removes an entry that has no version at the end of a batch. There is no
    /// answer.
    pub fn delete_in_batch(&mut self, batch_id: u32, key: &[u8]) -> Encoded {
        self.key_value_in_batch(batch_id, MessageType::Delete, entry(key), 0)
    }

    /// Commits a batch of `count` operations.
    pub fn end_batch(&mut self, batch_id: u32, count: u32) -> Encoded {
        let batch = Batch { count: Some(count), ..Batch::default() };
        let body = Body { batch: Some(Box::new(batch)), ..Body::default() };
        self.request_in_batch(batch_id, MessageType::EndBatch, Some(body), 0)
    }

    /// Drops a batch.
    pub fn abort_batch(&mut self, batch_id: u32) -> Encoded {
        self.request_in_batch(batch_id, MessageType::AbortBatch, None, 0)
    }

    /// Does nothing, but is answered.
    pub fn noop(&mut self) -> Encoded {
        self.request(MessageType::Noop, None, 0)
    }

    /// Makes earlier changes persistent.
    pub fn flush(&mut self) -> Encoded {
        self.request(MessageType::FlushAllData, None, 0)
    }

    /// Reads logs.
    pub fn get_log(&mut self, types: &[LogType]) -> Encoded {
        let log =
            GetLog { types: types.iter().map(|&log_type| log_type.into()).collect(), ..GetLog::default() };
        let body = Body { get_log: Some(Box::new(log)), ..Body::default() };
        self.request(MessageType::GetLog, Some(body), 0)
    }

    /// Any request on one key, with all its options. The caller sends
    /// `value_len` bytes of value after the message.
    pub fn key_value(&mut self, message_type: MessageType, key_value: KeyValue, value_len: u32) -> Encoded {
        let body = Body { key_value: Some(key_value), ..Body::default() };
        self.request(message_type, Some(body), value_len)
    }

    /// Any request on one key as a part of a batch, with all its options.
    /// There is no answer. The caller sends `value_len` bytes of value after
    /// the message.
    pub fn key_value_in_batch(
        &mut self,
        batch_id: u32,
        message_type: MessageType,
        key_value: KeyValue,
        value_len: u32,
    ) -> Encoded {
        let body = Body { key_value: Some(key_value), ..Body::default() };
        self.request_in_batch(batch_id, message_type, Some(body), value_len)
    }

    /// Any request. The caller sends `value_len` bytes of value after the
    /// message.
    pub fn request(&mut self, message_type: MessageType, body: Option<Body>, value_len: u32) -> Encoded {
        self.with_header(Header::default(), message_type, body, value_len)
    }

    /// Any request that names a batch. The caller sends `value_len` bytes of
    /// value after the message.
    pub fn request_in_batch(
        &mut self,
        batch_id: u32,
        message_type: MessageType,
        body: Option<Body>,
        value_len: u32,
    ) -> Encoded {
        let header = Header { batch_id: Some(batch_id), ..Header::default() };
        self.with_header(header, message_type, body, value_len)
    }

    /// A request with the rest of `header` filled in.
    fn with_header(
        &mut self,
        header: Header,
        message_type: MessageType,
        body: Option<Body>,
        value_len: u32,
    ) -> Encoded {
        let command = Command {
            header: Some(Header {
                cluster_version: Some(self.cluster_version),
                connection_id: Some(self.connection_id),
                sequence: Some(self.sequence),
                message_type: Some(message_type.into()),
                ..header
            }),
            body,
            status: None,
        };
        self.command(&command, value_len)
    }

    /// Any command, as it is, under the next sequence's name: the caller has
    /// filled in the header itself. The caller sends `value_len` bytes of
    /// value after the message.
    pub fn command(&mut self, command: &Command, value_len: u32) -> Encoded {
        let sequence = self.sequence;
        self.sequence += 1;
        let command_bytes = command.encode_to_vec();
        let message = Message {
            auth_type: Some(AuthType::Hmac.into()),
            hmac_auth: Some(HmacAuth {
                identity: Some(self.identity),
                hmac: Some(self.key.sign(&command_bytes).to_vec()),
            }),
            pin_auth: None,
            command_bytes: Some(command_bytes),
        };
        Encoded::new(&message, value_len, sequence)
    }
}

fn entry(key: &[u8]) -> KeyValue {
    KeyValue { key: Some(Bytes::copy_from_slice(key)), ..KeyValue::default() }
}
