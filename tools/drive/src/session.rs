//! What the drive says to each message of a connection.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use crate::device::Device;
use crate::operations::{self, Done, Failure};
use crate::protocol::{
    AuthType, Body, Command, Header, HmacAuth, HmacKey, Message, MessageType, Status, StatusCode,
};

/// What the drive sends.
pub(crate) struct Reply {
    pub message: Message,
    pub value: Bytes,
    /// Whether the connection is to be closed after it.
    pub close: bool,
}

/// The drive's side of a connection, without the I/O.
pub(crate) struct Session {
    device: Arc<Device>,
    connection_id: i64,
}

/// Who a request claims to come from, and the key to sign the answer with.
struct Requester<'a> {
    identity: Option<i64>,
    key: Option<&'a HmacKey>,
}

impl Session {
    pub fn new(device: Arc<Device>, connection_id: i64) -> Self {
        Self { device, connection_id }
    }

    /// What the drive says before it is asked anything.
    pub fn hello(&self) -> Reply {
        let body = operations::hello(&self.device);
        self.unsolicited(StatusCode::Success, None, Some(body))
    }

    /// What the drive says before it closes the connection.
    pub fn farewell(&self, failure: Failure) -> Reply {
        let reason = failure.reason.into_owned();
        let mut reply = self.unsolicited(failure.code, Some(reason), None);
        reply.close = true;
        reply
    }

    /// Executes a request. `value` is the value that follows the message.
    pub fn handle(&self, message: &[u8], value: Cow<'_, [u8]>) -> Reply {
        self.answer(message, value).unwrap_or_else(|failure| self.farewell(failure))
    }

    /// Answers a request, or says why the connection has to be closed. That is
    /// the case if there is no telling which request an answer would be for.
    fn answer(&self, message: &[u8], value: Cow<'_, [u8]>) -> Result<Reply, Failure> {
        let message =
            Message::decode(message).map_err(|error| terminated(format!("undecodable message: {error}")))?;
        match message.auth_type.map(AuthType::try_from) {
            Some(Ok(AuthType::Hmac)) => {}
            Some(Ok(AuthType::Pin)) => {
                return Err(terminated("PIN operations are only allowed over TLS"));
            }
            _ => return Err(terminated("unknown authentication type")),
        }
        let command_bytes = message.command_bytes.ok_or_else(|| terminated("message without a command"))?;
        let command = Command::decode(&command_bytes[..])
            .map_err(|error| terminated(format!("undecodable command: {error}")))?;
        let header = command
            .header
            .ok_or_else(|| Failure::new(StatusCode::HeaderRequired, "command without a header"))?;

        let auth = message.hmac_auth.unwrap_or_default();
        let known = auth.identity.map(|id| self.device.identities.get(&id));
        let requester = Requester { identity: auth.identity, key: known.flatten() };
        let outcome = self
            .check_hmac(&requester, &command_bytes, auth.hmac.as_deref())
            .and_then(|()| self.check_header(&header));
        let outcome = match outcome {
            Ok(()) => {
                refuse_batch(&header)?;
                let message_type = header.message_type();
                let received = value.len();
                let body = command.body.unwrap_or_default();
                let outcome = operations::execute(&self.device, message_type, body, value);
                let sent = outcome.as_ref().map_or(0, |done| done.value.len());
                self.device.counters.count(message_type, received + sent);
                outcome
            }
            Err(failure) => Err(failure),
        };
        Ok(self.reply(&header, &requester, outcome))
    }

    fn check_hmac(
        &self,
        requester: &Requester<'_>,
        command: &[u8],
        hmac: Option<&[u8]>,
    ) -> Result<(), Failure> {
        let failure = |reason: &'static str| Failure::new(StatusCode::HmacFailure, reason);
        let key = requester.key.ok_or_else(|| failure("unknown identity"))?;
        let hmac = hmac.ok_or_else(|| failure("missing HMAC"))?;
        if key.verify(command, hmac) { Ok(()) } else { Err(failure("wrong HMAC")) }
    }

    fn check_header(&self, header: &Header) -> Result<(), Failure> {
        // A client may leave out the connection ID, but a wrong one means that
        // it has mixed up its connections.
        if header.connection_id.is_some_and(|id| id != self.connection_id) {
            return Err(Failure::new(
                StatusCode::InvalidRequest,
                "the connection ID is not this connection's",
            ));
        }
        if header.cluster_version() != Device::CLUSTER_VERSION {
            return Err(Failure::new(
                StatusCode::VersionFailure,
                format!("the cluster version is {}", Device::CLUSTER_VERSION),
            ));
        }
        Ok(())
    }

    fn reply(&self, request: &Header, requester: &Requester<'_>, outcome: Result<Done, Failure>) -> Reply {
        let (code, reason, done) = match outcome {
            Ok(done) => (StatusCode::Success, None, done),
            Err(failure) => (failure.code, Some(failure.reason.into_owned()), Done::default()),
        };
        let message_type = request.message_type().response();
        let command_bytes = Command {
            header: Some(Header {
                connection_id: Some(self.connection_id),
                ack_sequence: Some(request.sequence()),
                message_type: Some(message_type.unwrap_or(MessageType::Invalid).into()),
                ..Header::default()
            }),
            body: done.body,
            status: Some(status(code, reason)),
        }
        .encode_to_vec();
        // Without a key there is nothing to sign with; the client has to make
        // do with the status.
        let hmac = requester.key.map(|key| key.sign(&command_bytes).to_vec());
        Reply {
            message: Message {
                auth_type: Some(AuthType::Hmac.into()),
                hmac_auth: Some(HmacAuth { identity: requester.identity, hmac }),
                pin_auth: None,
                command_bytes: Some(command_bytes),
            },
            value: done.value,
            close: false,
        }
    }

    /// A message nobody asked for. It has no acknowledged sequence: that is
    /// how clients tell it from an answer.
    fn unsolicited(&self, code: StatusCode, reason: Option<String>, body: Option<Body>) -> Reply {
        let command_bytes = Command {
            header: Some(Header {
                cluster_version: Some(Device::CLUSTER_VERSION),
                connection_id: Some(self.connection_id),
                ..Header::default()
            }),
            body,
            status: Some(status(code, reason)),
        }
        .encode_to_vec();
        Reply {
            message: Message {
                auth_type: Some(AuthType::UnsolicitedStatus.into()),
                hmac_auth: None,
                pin_auth: None,
                command_bytes: Some(command_bytes),
            },
            value: Bytes::new(),
            close: false,
        }
    }
}

/// Operations of a batch are not answered one by one, so one outside a batch
/// can only be refused by closing the connection.
fn refuse_batch(header: &Header) -> Result<(), Failure> {
    let in_batch =
        matches!(header.message_type(), MessageType::Put | MessageType::Delete) && header.batch_id.is_some();
    if in_batch {
        return Err(Failure::new(StatusCode::InvalidBatch, "no such batch"));
    }
    Ok(())
}

fn terminated(reason: impl Into<Cow<'static, str>>) -> Failure {
    Failure::new(StatusCode::ConnectionTerminated, reason)
}

fn status(code: StatusCode, reason: Option<String>) -> Status {
    Status { code: Some(code.into()), status_message: reason, detailed_message: None }
}
