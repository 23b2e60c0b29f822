//! Batches: changes that are made all at once or not at all.

use super::{Done, Failure, Request, entry};
use crate::protocol::{Batch, Body, Header, MessageType, StatusCode};

/// Whether a request is an operation of a batch, which has no answer. Its
/// failure, for want of an answer that could tell it, ends the connection.
pub(crate) fn is_part(header: &Header) -> bool {
    header.batch_id.is_some() && matches!(header.message_type(), MessageType::Put | MessageType::Delete)
}

pub(super) fn start(request: Request<'_>) -> Result<Done, Failure> {
    let id = batch_id(&request)?;
    let device = request.device;
    request.batches.start(id, &device.open_batches, device.bounds.max_open_batches)?;
    Ok(Done::default())
}

/// Keeps an operation for the end of its batch. All that does not depend on
/// what is stored is checked now.
pub(super) fn add(mut request: Request<'_>) -> Result<(), Failure> {
    let id = batch_id(&request)?;
    let (change, _) = match request.header.message_type() {
        MessageType::Put => entry::put_change(&mut request)?,
        _ => entry::delete_change(&mut request)?,
    };
    request.batches.add(id, request.header.sequence(), change, &request.device.bounds)
}

/// Commits a batch. Whatever comes of it, the batch is not open any more.
pub(super) fn end(request: Request<'_>) -> Result<Done, Failure> {
    let batch = request.batches.take(batch_id(&request)?)?;
    let count = request.body.batch.and_then(|batch| batch.count);
    if let Some(count) = count
        && count as usize != batch.changes.len()
    {
        let reason = format!("the batch has {} operations, not {count}", batch.changes.len());
        return Err(Failure::new(StatusCode::InvalidBatch, reason));
    }
    match request.device.store.change_all(batch.changes) {
        // The protocol knows no batches that may become durable later.
        Ok(()) => Ok(Done {
            body: Some(body(Batch { sequences: batch.sequences, ..Batch::default() })),
            durable: true,
            ..Done::default()
        }),
        Err((index, refusal)) => {
            let failed_sequence = batch.sequences.get(index).copied();
            let body = body(Batch { failed_sequence, ..Batch::default() });
            Err(Failure { body: Some(Box::new(body)), ..refusal.into() })
        }
    }
}

pub(super) fn abort(request: Request<'_>) -> Result<Done, Failure> {
    request.batches.take(batch_id(&request)?)?;
    Ok(Done::default())
}

fn batch_id(request: &Request<'_>) -> Result<u32, Failure> {
    request.header.batch_id.ok_or_else(|| Failure::invalid("a batch ID is required"))
}

fn body(batch: Batch) -> Body {
    Body { batch: Some(Box::new(batch)), ..Body::default() }
}
