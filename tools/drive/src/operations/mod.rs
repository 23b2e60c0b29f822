//! What the drive does for each type of request.

mod batch;
mod entry;
mod log;
mod media;
mod neighbour;
mod peer;
mod pin;
mod power;
mod range;
mod security;
mod setup;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use crate::access::AccessList;
use crate::batches::Batches;
use crate::device::Device;
use crate::protocol::{Body, Header, MessageType, Permission, Priority, StatusCode};
use crate::settings::Settings;

pub(crate) use batch::is_part;
pub(crate) use log::hello;
pub(crate) use pin::PinRequest;

/// An authentic request.
pub(crate) struct Request<'a> {
    pub device: &'a Device,
    /// The settings as they were when the request came.
    pub settings: &'a Arc<Settings>,
    /// Who asks.
    pub identity: i64,
    /// What is known of who asks.
    pub requester: &'a AccessList,
    /// Whether it came over a connection that strangers cannot read.
    pub secure: bool,
    /// The open batches of its connection.
    pub batches: &'a mut Batches,
    pub header: &'a Header,
    pub body: Body,
    /// The value that followed the message.
    pub value: Cow<'a, [u8]>,
}

impl Request<'_> {
    /// Refuses a request whose sender lacks a permission; `key` is the key it
    /// is about, if it is about one.
    fn authorize(&self, permission: Permission, key: Option<&[u8]>) -> Result<(), Failure> {
        if self.requester.allows(permission, key, self.secure) {
            return Ok(());
        }
        let what = if key.is_some() { " for this key" } else { "" };
        Err(Failure::new(
            StatusCode::NotAuthorized,
            format!("the identity does not have the permission {permission:?}{what}"),
        ))
    }
}

/// The result of a request that worked.
#[derive(Default)]
pub(crate) struct Done {
    pub body: Option<Body>,
    pub value: Bytes,
    /// Whether the answer promises that all changes so far are durable.
    pub durable: bool,
}

/// Why a request did not work.
#[derive(Debug, PartialEq)]
pub(crate) struct Failure {
    pub code: StatusCode,
    pub reason: Cow<'static, str>,
    /// What the answer says besides.
    pub body: Option<Box<Body>>,
    /// Whether the connection has to be closed.
    pub close: bool,
}

impl Failure {
    pub fn new(code: StatusCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: reason.into(), body: None, close: false }
    }

    /// A request that makes no sense or exceeds a limit.
    pub fn invalid(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::InvalidRequest, reason)
    }

    /// The same for a part of a batch: nobody waits for an answer to it, so it
    /// can only be said at the end of the connection.
    pub fn of_part(self) -> Self {
        let reason = format!("part of a batch refused: {}", self.reason);
        Self { close: true, ..Self::new(StatusCode::InvalidBatch, reason) }
    }
}

/// Whether a request may change entries of this drive.
pub(crate) fn may_store(message_type: MessageType) -> bool {
    // PEER2PEERPUSH may take long and has others store, even if it is the drive
    // itself: then that is a request of its own.
    matches!(message_type, MessageType::Put | MessageType::Delete | MessageType::EndBatch)
}

/// Whether a request does nothing but give what is there, so that it may as
/// well be told to come again.
pub(crate) fn only_reads(message_type: MessageType) -> bool {
    matches!(
        message_type,
        MessageType::Get
            | MessageType::GetVersion
            | MessageType::GetNext
            | MessageType::GetPrevious
            | MessageType::GetKeyRange
            | MessageType::GetLog
    )
}

/// Executes a request. A part of a batch has no answer.
pub(crate) fn execute(message_type: MessageType, request: Request<'_>) -> Result<Option<Done>, Failure> {
    // Requests run as they arrive, so there is nothing that could overtake.
    // But nobody may claim more than is theirs. A number that is no priority
    // must not be taken for the default.
    if request.header.priority.is_some_and(|number| Priority::try_from(number).is_err()) {
        return Err(Failure::invalid("unknown priority"));
    }
    if request.header.priority() > request.requester.max_priority {
        return Err(Failure::new(StatusCode::NotAuthorized, "the priority is too high for the identity"));
    }
    if request.header.batch_id.is_some() {
        match message_type {
            MessageType::Put | MessageType::Delete => return batch::add(request).map(|()| None),
            MessageType::StartBatch | MessageType::EndBatch | MessageType::AbortBatch => {}
            other => {
                let reason = format!("{other:?} cannot be a part of a batch");
                return Err(Failure::new(StatusCode::InvalidBatch, reason));
            }
        }
    }
    let done = match message_type {
        MessageType::Put => entry::put(request),
        MessageType::Get => entry::get(request),
        MessageType::GetVersion => entry::get_version(request),
        MessageType::Delete => entry::delete(request),
        MessageType::Noop => Ok(Done::default()),
        MessageType::FlushAllData => Ok(Done { durable: true, ..Done::default() }),
        MessageType::GetNext => neighbour::get_next(request),
        MessageType::GetPrevious => neighbour::get_previous(request),
        MessageType::GetKeyRange => range::get_key_range(request),
        MessageType::StartBatch => batch::start(request),
        MessageType::EndBatch => batch::end(request),
        MessageType::AbortBatch => batch::abort(request),
        MessageType::GetLog => log::get_log(request),
        MessageType::Security => security::security(request),
        MessageType::Setup => setup::setup(request),
        MessageType::SetPowerLevel => power::set_power_level(request),
        MessageType::PeerToPeerPush => peer::push(request),
        MessageType::MediaScan => media::scan(request),
        MessageType::MediaOptimize => media::optimize(request),
        MessageType::PinOperation => Err(Failure::invalid("this needs a PIN instead of an HMAC")),
        other if other.response().is_some() => {
            // The protocol has no status of its own for this. This one at
            // least says that trying again will not help.
            Err(Failure::invalid(format!("{other:?} is not supported")))
        }
        _ => Err(Failure::invalid("unknown message type")),
    };
    done.map(Some)
}
