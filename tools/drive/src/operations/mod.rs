//! What the drive does for each type of request.

mod entry;
mod log;

use std::borrow::Cow;

use bytes::Bytes;

use crate::device::Device;
use crate::protocol::{Body, MessageType, StatusCode};

pub(crate) use log::hello;

/// The result of a request that worked.
#[derive(Default)]
pub(crate) struct Done {
    pub body: Option<Body>,
    pub value: Bytes,
}

/// Why a request did not work.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub code: StatusCode,
    pub reason: Cow<'static, str>,
}

impl Failure {
    pub fn new(code: StatusCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: reason.into() }
    }

    /// A request that makes no sense or exceeds a limit.
    fn invalid(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::InvalidRequest, reason)
    }
}

/// Executes an authenticated request.
pub(crate) fn execute(
    device: &Device,
    message_type: MessageType,
    body: Body,
    value: Cow<'_, [u8]>,
) -> Result<Done, Failure> {
    match message_type {
        MessageType::Put => entry::put(device, body, value),
        MessageType::Get => entry::get(device, body),
        MessageType::GetVersion => entry::get_version(device, body),
        MessageType::Delete => entry::delete(device, body),
        // All there is to flush is in memory already.
        MessageType::Noop | MessageType::FlushAllData => Ok(Done::default()),
        MessageType::GetLog => log::get_log(device, body),
        other if other.response().is_some() => {
            // The protocol has no status of its own for this. This one at
            // least says that trying again will not help.
            Err(Failure::invalid(format!("{other:?} is not supported")))
        }
        _ => Err(Failure::invalid("unknown message type")),
    }
}
