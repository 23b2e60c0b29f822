//! What the drive says to each message of a connection.

mod checks;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use crate::batches::Batches;
use crate::device::Device;
use crate::operations::{self, Done, Failure, PinRequest, Request};
use crate::protocol::{AuthType, Body, Command, Header, HmacAuth, Message, MessageType, Status, StatusCode};
use crate::statistics::Seen;
use checks::{check_batches, check_hmac, check_lock, check_numbers, check_state};

/// How long a command with a PIN may be, in bytes. It says next to nothing.
const MAX_PIN_COMMAND: usize = 4096;

/// What the drive sends.
#[derive(Clone)]
pub(crate) struct Reply {
    pub message: Message,
    pub value: Bytes,
    /// Whether all changes so far have to be durable before it is sent.
    pub durable: bool,
    /// Whether it may be replaced by one that says `SERVICE_BUSY`: that of a
    /// request that has only read.
    pub replaceable: bool,
    /// Whether the connection is to be closed after it.
    pub close: bool,
    /// Whether that is because of what the client sent.
    pub protocol_error: bool,
}

impl Reply {
    /// How many bytes this is, without a frame around it and what signs it.
    pub fn len(&self) -> usize {
        self.message.command_bytes.as_ref().map_or(0, Vec::len) + self.value.len()
    }

    /// What its status says to people.
    pub fn reason(&self) -> String {
        let command = self.message.command_bytes.as_deref().and_then(|bytes| Command::decode(bytes).ok());
        command.and_then(|command| command.status?.status_message).unwrap_or_default()
    }
}

/// The drive's side of a connection, without the I/O.
pub(crate) struct Session {
    device: Arc<Device>,
    connection_id: i64,
    /// Whether requests may do what the protocol allows over TLS only.
    secure: bool,
    /// The sequence of the last request that was authentic.
    last_sequence: Option<u64>,
    batches: Batches,
    /// The types of the latest requests.
    seen: Seen,
}

impl Session {
    /// The session of a plain connection.
    pub fn new(device: Arc<Device>, connection_id: i64) -> Self {
        let secure = device.trust_plain;
        Self {
            device,
            connection_id,
            secure,
            last_sequence: None,
            batches: Batches::new(),
            seen: Seen::default(),
        }
    }

    /// The same session over TLS.
    pub fn over_tls(self) -> Self {
        Self { secure: true, ..self }
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

    /// Executes a request. `value` is the value that follows the message, or
    /// why it was not kept; then the request is only checked and answered with
    /// that. There is no reply to a part of a batch.
    pub fn handle(&mut self, message: &[u8], value: Result<Cow<'_, [u8]>, Failure>) -> Option<Reply> {
        self.answer(message, value).unwrap_or_else(|failure| {
            let protocol_error = !self.batches.were_discarded();
            Some(Reply { protocol_error, ..self.farewell(failure) })
        })
    }

    /// The types of the requests since this was called last.
    pub fn take_seen(&mut self) -> Seen {
        std::mem::take(&mut self.seen)
    }

    /// The answer to the same request that says `failure` instead of one that
    /// is [replaceable](Reply::replaceable).
    pub fn instead(&self, reply: Reply, failure: Failure) -> Reply {
        let signer = reply.message.hmac_auth.as_ref().and_then(|auth| auth.identity);
        let command = reply.message.command_bytes.as_deref().and_then(|bytes| Command::decode(bytes).ok());
        let Some(command) = command else { return reply };
        let answered = command.header.as_ref().and_then(|header| header.message_type().request());
        let message_type = answered.unwrap_or(MessageType::Invalid);
        self.device.counters.take_back(message_type, reply.value.len(), failure.code);
        let command = Command {
            body: None,
            status: Some(status(failure.code, Some(failure.reason.into_owned()))),
            ..command
        };
        let command_bytes = command.encode_to_vec();
        let settings = self.device.settings();
        let signer = signer.and_then(|id| settings.identities().get(&id).map(|access| (id, &access.key)));
        let hmac_auth = signer
            .map(|(id, key)| HmacAuth { identity: Some(id), hmac: Some(key.sign(&command_bytes).to_vec()) });
        Reply {
            message: Message { hmac_auth, command_bytes: Some(command_bytes), ..reply.message },
            value: Bytes::new(),
            ..reply
        }
    }

    /// Makes all changes so far durable.
    ///
    /// # Errors
    ///
    /// If the medium fails. Then no answer may be sent that promises it.
    pub fn make_durable(&self) -> io::Result<()> {
        self.device.store.sync()
    }

    /// Answers a request, or says why the connection has to be closed. That is
    /// the case if there is no telling which request an answer would be for.
    fn answer(
        &mut self,
        message: &[u8],
        value: Result<Cow<'_, [u8]>, Failure>,
    ) -> Result<Option<Reply>, Failure> {
        let message =
            Message::decode(message).map_err(|error| terminated(format!("undecodable message: {error}")))?;
        match message.auth_type.map(AuthType::try_from) {
            Some(Ok(AuthType::Hmac)) => self.by_identity(message, value),
            Some(Ok(AuthType::Pin)) => self.by_pin(message).map(Some),
            _ => Err(terminated("unknown authentication type")),
        }
    }

    /// Answers a request that is signed with an identity's key.
    fn by_identity(
        &mut self,
        message: Message,
        value: Result<Cow<'_, [u8]>, Failure>,
    ) -> Result<Option<Reply>, Failure> {
        let command_bytes = message.command_bytes.ok_or_else(no_command)?;
        let auth = message.hmac_auth.unwrap_or_default();
        let storing = self.device.storing();
        let settings = self.device.settings();
        let requester = auth.identity.and_then(|id| settings.identities().get(&id));
        let authentic = check_hmac(requester, &command_bytes, auth.hmac.as_deref());
        let (header, body) = match authentic {
            Ok(_) => decode_command(&command_bytes)?,
            // Decoded, a body can take a hundred times its bytes, which is
            // nothing to grant to strangers.
            Err(_) => (decode_header(&command_bytes)?, Body::default()),
        };
        let message_type = header.message_type();
        // Others may take long, or change the settings, which would wait for
        // themselves.
        let storing = Some(storing).filter(|_| operations::may_store(message_type));
        let checked = authentic
            .and_then(|requester| {
                check_numbers(&header, self.connection_id, &mut self.last_sequence)?;
                check_batches(&mut self.batches)?;
                Ok(requester)
            })
            .and_then(|requester| check_lock(&settings).map(|()| requester))
            .and_then(|requester| check_state(&header, &settings).map(|()| requester));
        let received = value.as_ref().map_or(0, |value| value.len());
        let outcome = match checked.and_then(|requester| Ok((requester, value?))) {
            Ok((requester, value)) => {
                let request = Request {
                    device: &self.device,
                    settings: &settings,
                    identity: auth.identity(),
                    requester,
                    secure: self.secure,
                    batches: &mut self.batches,
                    header: &header,
                    body,
                    value,
                };
                operations::execute(message_type, request)
            }
            Err(failure) => Err(failure),
        };
        drop(storing);
        let outcome = if operations::is_part(&header) { outcome.map_err(Failure::of_part) } else { outcome };
        self.count(&header, received, &outcome);
        let signature = |command: &[u8]| {
            // Without a key there is nothing to sign with; the client has to
            // make do with the status.
            let hmac = requester.map(|requester| requester.key.sign(command).to_vec());
            Some(HmacAuth { identity: auth.identity, hmac })
        };
        Ok(match outcome {
            Ok(None) => None,
            Ok(Some(done)) => Some(self.reply(&header, StatusCode::Success, None, done, signature)),
            Err(failure) if failure.close => return Err(failure),
            Err(failure) => {
                let done = Done { body: failure.body.map(|body| *body), ..Done::default() };
                Some(self.reply(&header, failure.code, Some(failure.reason.into_owned()), done, signature))
            }
        })
    }

    /// Answers a request that comes with a PIN. The answer is not signed, as
    /// there is nobody's key to sign it with.
    fn by_pin(&mut self, message: Message) -> Result<Reply, Failure> {
        if !self.secure {
            return Err(terminated("PINs are for TLS only, or for a drive that is run with --trust-plain"));
        }
        let command_bytes = message.command_bytes.ok_or_else(no_command)?;
        // Whoever has no PIN is a stranger, too.
        if command_bytes.len() > MAX_PIN_COMMAND {
            let len = command_bytes.len();
            return Err(terminated(format!(
                "command of {len} bytes with a PIN, more than {MAX_PIN_COMMAND}"
            )));
        }
        let (header, body) = decode_command(&command_bytes)?;
        let pin = message.pin_auth.and_then(|auth| auth.pin).unwrap_or_default();
        let settings = self.device.settings();
        let outcome = PinRequest::authenticate(&header, &body, &pin, &settings).and_then(|request| {
            check_numbers(&header, self.connection_id, &mut self.last_sequence)?;
            check_state(&header, &settings)?;
            request.execute(&self.device, &settings)?;
            Ok(Some(Done::default()))
        });
        self.count(&header, 0, &outcome);
        Ok(match outcome {
            Ok(_) => self.reply(&header, StatusCode::Success, None, Done::default(), |_| None),
            Err(failure) => {
                let reason = failure.reason.into_owned();
                self.reply(&header, failure.code, Some(reason), Done::default(), |_| None)
            }
        })
    }

    fn count(&mut self, header: &Header, received: usize, outcome: &Result<Option<Done>, Failure>) {
        let message_type = header.message_type();
        let (sent, failure) = match outcome {
            Ok(done) => (done.as_ref().map_or(0, |done| done.value.len()), None),
            Err(failure) => (0, Some(failure.code)),
        };
        self.seen.insert(message_type);
        self.device.counters.count(message_type, received, sent, failure);
        log::trace!(
            "connection {}: {message_type:?} {}: {:?}, {received} bytes received, {sent} sent",
            self.connection_id,
            header.sequence(),
            failure.unwrap_or(StatusCode::Success),
        );
    }

    fn reply(
        &self,
        request: &Header,
        code: StatusCode,
        reason: Option<String>,
        done: Done,
        signature: impl FnOnce(&[u8]) -> Option<HmacAuth>,
    ) -> Reply {
        let message_type = request.message_type().response();
        // A client that is wrong about the cluster version is told the right
        // one.
        let cluster_version =
            (code == StatusCode::VersionFailure).then(|| self.device.settings().cluster_version);
        let command_bytes = Command {
            header: Some(Header {
                cluster_version,
                connection_id: Some(self.connection_id),
                ack_sequence: Some(request.sequence()),
                message_type: Some(message_type.unwrap_or(MessageType::Invalid).into()),
                ..Header::default()
            }),
            body: done.body,
            status: Some(status(code, reason)),
        }
        .encode_to_vec();
        let hmac_auth = signature(&command_bytes);
        let auth_type = if hmac_auth.is_some() { AuthType::Hmac } else { AuthType::Pin };
        Reply {
            message: Message {
                auth_type: Some(auth_type.into()),
                hmac_auth,
                pin_auth: None,
                command_bytes: Some(command_bytes),
            },
            value: done.value,
            durable: done.durable,
            replaceable: code == StatusCode::Success && operations::only_reads(request.message_type()),
            close: false,
            protocol_error: false,
        }
    }

    /// A message nobody asked for. It has no acknowledged sequence: that is
    /// how clients tell it from an answer.
    fn unsolicited(&self, code: StatusCode, reason: Option<String>, body: Option<Body>) -> Reply {
        let command_bytes = Command {
            header: Some(Header {
                cluster_version: Some(self.device.settings().cluster_version),
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
            durable: false,
            replaceable: false,
            close: false,
            protocol_error: false,
        }
    }
}

/// The header and the body of a command.
fn decode_command(bytes: &[u8]) -> Result<(Header, Body), Failure> {
    let command = Command::decode(bytes).map_err(undecodable)?;
    Ok((command.header.ok_or_else(no_header)?, command.body.unwrap_or_default()))
}

/// The header of a command; the body is only skipped.
fn decode_header(bytes: &[u8]) -> Result<Header, Failure> {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Headed {
        #[prost(message, optional, tag = "1")]
        header: Option<Header>,
    }
    Headed::decode(bytes).map_err(undecodable)?.header.ok_or_else(no_header)
}

fn no_command() -> Failure {
    terminated("message without a command")
}

fn undecodable(error: prost::DecodeError) -> Failure {
    terminated(format!("undecodable command: {error}"))
}

fn no_header() -> Failure {
    Failure::new(StatusCode::HeaderRequired, "command without a header")
}

fn terminated(reason: impl Into<Cow<'static, str>>) -> Failure {
    Failure::new(StatusCode::ConnectionTerminated, reason)
}

fn status(code: StatusCode, reason: Option<String>) -> Status {
    Status { code: Some(code.into()), status_message: reason, detailed_message: None }
}
