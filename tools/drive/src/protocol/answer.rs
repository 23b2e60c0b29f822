//! Decoding what a drive sends.

use std::fmt;

use bytes::Bytes;
use prost::Message as _;

use super::{AuthType, Batch, Command, GetLog, HmacKey, KeyValue, Message, MessageType, StatusCode};

/// A message from the drive, decoded and authenticated.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The whole command, for what the methods do not give.
    pub command: Command,
    /// Whether the drive speaks without having been asked: in the first
    /// message of a connection and before it closes one.
    pub unsolicited: bool,
}

impl Answer {
    /// Decodes the message part of a frame and checks its HMAC.
    ///
    /// Four kinds of messages carry no HMAC: unsolicited ones, answers to
    /// [`MessageType::PinOperation`], and two refusals, which have no body: of
    /// an identity the drive does not know ([`StatusCode::HmacFailure`]), and
    /// of anything else that came with a PIN ([`StatusCode::InvalidRequest`]).
    /// Anyone can make them up. So whoever relies on an answer has to look
    /// whether it is [to what was asked](Self::message_type).
    ///
    /// # Errors
    ///
    /// If the bytes are no message, if the message has no command, or if it is
    /// not signed with `key` though it has to be.
    pub fn decode(message: &[u8], key: &HmacKey) -> Result<Self, AnswerError> {
        let message = Message::decode(message).map_err(AnswerError::Undecodable)?;
        let command_bytes = message.command_bytes.as_deref().ok_or(AnswerError::NoCommand)?;
        let command = Command::decode(command_bytes).map_err(AnswerError::Undecodable)?;
        let auth_type = message.auth_type.and_then(|n| AuthType::try_from(n).ok());
        let unsolicited = match auth_type {
            Some(AuthType::UnsolicitedStatus) => true,
            Some(AuthType::Hmac | AuthType::Pin) => false,
            _ => return Err(AnswerError::AuthType(message.auth_type)),
        };
        let answer = Self { command, unsolicited };
        let hmac = message.hmac_auth.and_then(|auth| auth.hmac);
        let refusal = |code| answer.status() == code && answer.command.body.is_none();
        let authentic = match (hmac, auth_type) {
            (Some(hmac), _) => key.verify(command_bytes, &hmac),
            (None, Some(AuthType::Hmac)) => refusal(StatusCode::HmacFailure),
            (None, Some(AuthType::Pin)) => {
                answer.message_type() == MessageType::PinOperationResponse
                    || refusal(StatusCode::InvalidRequest)
            }
            (None, _) => true,
        };
        if authentic { Ok(answer) } else { Err(AnswerError::Hmac) }
    }

    /// The number the drive gave to this connection.
    pub fn connection_id(&self) -> Option<i64> {
        self.command.header.as_ref()?.connection_id
    }

    /// The sequence of the request this answers.
    pub fn ack_sequence(&self) -> Option<u64> {
        self.command.header.as_ref()?.ack_sequence
    }

    /// What this answers.
    pub fn message_type(&self) -> MessageType {
        let number = self.command.header.as_ref().and_then(|h| h.message_type);
        number.and_then(|n| MessageType::try_from(n).ok()).unwrap_or(MessageType::Invalid)
    }

    /// How the request went.
    pub fn status(&self) -> StatusCode {
        let number = self.command.status.as_ref().and_then(|s| s.code);
        number.and_then(|n| StatusCode::try_from(n).ok()).unwrap_or(StatusCode::Invalid)
    }

    /// What the drive says about the status; empty if it says nothing.
    pub fn status_message(&self) -> &str {
        let status = self.command.status.as_ref();
        status.and_then(|s| s.status_message.as_deref()).unwrap_or("")
    }

    /// The entry, without its value.
    pub fn key_value(&self) -> Option<&KeyValue> {
        self.command.body.as_ref()?.key_value.as_ref()
    }

    /// The keys of a range, in the order asked for.
    pub fn keys(&self) -> &[Bytes] {
        let range = self.command.body.as_ref().and_then(|body| body.range.as_deref());
        range.map_or(&[], |range| &range.keys)
    }

    /// What is said about a batch at its end.
    pub fn batch(&self) -> Option<&Batch> {
        self.command.body.as_ref()?.batch.as_deref()
    }

    /// The logs.
    pub fn get_log(&self) -> Option<&GetLog> {
        self.command.body.as_ref()?.get_log.as_deref()
    }
}

/// Why bytes are no acceptable answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerError {
    /// The message or its command is no protobuf of the right shape.
    Undecodable(prost::DecodeError),
    /// The message has no command.
    NoCommand,
    /// The message claims this kind of authentication, which no answer uses.
    AuthType(Option<i32>),
    /// The HMAC is wrong or missing.
    Hmac,
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undecodable(error) => write!(f, "undecodable answer: {error}"),
            Self::NoCommand => f.write_str("answer without a command"),
            Self::AuthType(Some(number)) => {
                write!(f, "answer with authentication type {number}")
            }
            Self::AuthType(None) => f.write_str("answer without an authentication type"),
            Self::Hmac => f.write_str("answer with a wrong or missing HMAC"),
        }
    }
}

impl std::error::Error for AnswerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Undecodable(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Body, Header, HmacAuth, Status};
    use super::*;

    fn message(auth_type: AuthType, status: StatusCode, key: Option<&HmacKey>) -> Vec<u8> {
        let command_bytes = Command {
            header: Some(Header { ack_sequence: Some(7), ..Header::default() }),
            body: None,
            status: Some(Status { code: Some(status.into()), ..Status::default() }),
        }
        .encode_to_vec();
        Message {
            auth_type: Some(auth_type.into()),
            hmac_auth: key
                .map(|key| HmacAuth { identity: Some(1), hmac: Some(key.sign(&command_bytes).to_vec()) }),
            pin_auth: None,
            command_bytes: Some(command_bytes),
        }
        .encode_to_vec()
    }

    #[test]
    fn only_signed_answers_are_accepted() {
        let key = HmacKey::new(b"asdfasdf");
        let other = HmacKey::new(b"other");
        let signed = message(AuthType::Hmac, StatusCode::Success, Some(&key));
        let answer = Answer::decode(&signed, &key).unwrap();
        assert_eq!(answer.ack_sequence(), Some(7));
        assert_eq!(answer.status(), StatusCode::Success);
        assert_eq!(Answer::decode(&signed, &other), Err(AnswerError::Hmac));

        let unsigned = message(AuthType::Hmac, StatusCode::Success, None);
        assert_eq!(Answer::decode(&unsigned, &key), Err(AnswerError::Hmac));
        let stranger = message(AuthType::Hmac, StatusCode::HmacFailure, None);
        assert!(Answer::decode(&stranger, &key).is_ok());
        let unsolicited = message(AuthType::UnsolicitedStatus, StatusCode::Success, None);
        assert!(Answer::decode(&unsolicited, &key).unwrap().unsolicited);
    }

    #[test]
    fn nobody_else_can_say_that_a_request_has_worked() {
        let key = HmacKey::new(b"asdfasdf");
        let unsigned = |auth_type: AuthType, message_type: MessageType, status: StatusCode, body| {
            let header = Header { message_type: Some(message_type.into()), ..Header::default() };
            let status = Status { code: Some(status.into()), ..Status::default() };
            let command = Command { header: Some(header), body, status: Some(status) };
            let message = Message {
                auth_type: Some(auth_type.into()),
                command_bytes: Some(command.encode_to_vec()),
                ..Message::default()
            };
            let answer = Answer::decode(&message.encode_to_vec(), &key);
            assert!(answer.is_ok() || answer == Err(AnswerError::Hmac));
            answer.is_ok()
        };
        let (put, pin) = (MessageType::PutResponse, MessageType::PinOperationResponse);
        let (hmac_failure, invalid) = (StatusCode::HmacFailure, StatusCode::InvalidRequest);
        assert!(unsigned(AuthType::Pin, pin, StatusCode::Success, None));
        assert!(!unsigned(AuthType::Pin, put, StatusCode::Success, None));
        assert!(unsigned(AuthType::Pin, put, invalid, None));
        assert!(unsigned(AuthType::Hmac, put, hmac_failure, None));
        // A body can say more than the status.
        assert!(!unsigned(AuthType::Pin, put, invalid, Some(Body::default())));
        assert!(!unsigned(AuthType::Hmac, put, hmac_failure, Some(Body::default())));
    }

    #[test]
    fn other_messages_are_refused() {
        let key = HmacKey::new(b"asdfasdf");
        assert_eq!(Answer::decode(b"", &key), Err(AnswerError::NoCommand));
        let invalid = message(AuthType::Invalid, StatusCode::Success, None);
        assert_eq!(Answer::decode(&invalid, &key), Err(AnswerError::AuthType(Some(-1))));
        assert!(matches!(Answer::decode(b"\xff\xff\xff", &key), Err(AnswerError::Undecodable(_))));
    }
}
