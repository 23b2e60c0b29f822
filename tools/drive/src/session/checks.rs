//! Whether a request may be executed at all, whatever it asks for.

use crate::access::AccessList;
use crate::batches::Batches;
use crate::operations::Failure;
use crate::protocol::{Header, MessageType, PowerLevel, StatusCode};
use crate::settings::Settings;

/// Whether a request is meant for this connection, and a new one. `last` is the
/// last sequence; it becomes that of the request.
pub(super) fn check_numbers(
    header: &Header,
    connection_id: i64,
    last: &mut Option<u64>,
) -> Result<(), Failure> {
    // A client may leave out the connection ID, but a wrong one means that it
    // has mixed up its connections.
    if header.connection_id.is_some_and(|id| id != connection_id) {
        return Err(Failure::invalid("the connection ID is not this connection's"));
    }
    let sequence = header.sequence();
    // Only growing numbers protect from requests that are sent again by someone
    // who has overheard them.
    if let Some(last) = *last
        && sequence <= last
    {
        return Err(Failure::invalid(format!("sequence {sequence} is not above the last one, {last}")));
    }
    *last = Some(sequence);
    Ok(())
}

/// Whether the connection's batches, if there are any, are still open. The
/// protocol wants it said as soon as possible when they are not, and whatever
/// was to come of them, the client cannot count on it any more.
pub(super) fn check_batches(batches: &mut Batches) -> Result<(), Failure> {
    if batches.drop_discarded() {
        let reason =
            "the drive was locked, unlocked, erased or given new access control lists while a batch was open";
        return Err(Failure { close: true, ..Failure::new(StatusCode::InvalidBatch, reason) });
    }
    Ok(())
}

pub(super) fn check_lock(settings: &Settings) -> Result<(), Failure> {
    if settings.locked() {
        Err(Failure::new(StatusCode::DeviceLocked, "the drive is locked"))
    } else {
        Ok(())
    }
}

/// Whether the drive, as it is, takes a request.
pub(super) fn check_state(header: &Header, settings: &Settings) -> Result<(), Failure> {
    if settings.power_level == PowerLevel::Hibernate && header.message_type() != MessageType::SetPowerLevel {
        return Err(Failure::new(StatusCode::Hibernate, "the drive hibernates"));
    }
    if header.cluster_version() != settings.cluster_version {
        return Err(Failure::new(
            StatusCode::VersionFailure,
            format!("the cluster version is {}", settings.cluster_version),
        ));
    }
    Ok(())
}

pub(super) fn check_hmac<'a>(
    requester: Option<&'a AccessList>,
    command: &[u8],
    hmac: Option<&[u8]>,
) -> Result<&'a AccessList, Failure> {
    let failure = |reason: &'static str| Failure::new(StatusCode::HmacFailure, reason);
    let requester = requester.ok_or_else(|| failure("unknown identity"))?;
    let hmac = hmac.ok_or_else(|| failure("missing HMAC"))?;
    if requester.key.verify(command, hmac) { Ok(requester) } else { Err(failure("wrong HMAC")) }
}
