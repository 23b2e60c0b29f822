//! Reading the entry next to a key.

use bytes::Bytes;

use super::{Done, Failure, Request, entry};
use crate::protocol::Permission;
use crate::store::{Entry, Refusal, Store};

/// How the store answers the search for an entry.
type Found = Result<Option<(Bytes, Entry)>, Refusal>;

pub(super) fn get_next(request: Request<'_>) -> Result<Done, Failure> {
    get(request, Store::after)
}

pub(super) fn get_previous(request: Request<'_>) -> Result<Done, Failure> {
    get(request, Store::before)
}

fn get(mut request: Request<'_>, find: fn(&Store, &[u8]) -> Found) -> Result<Done, Failure> {
    let mut key_value = request.body.key_value.take().unwrap_or_default();
    let key = entry::take_key(request.device, &mut key_value)?;
    let (key, entry) = find(&request.device.store, &key)?.ok_or_else(entry::not_found)?;
    // It is the entry found that is read, wherever the search started.
    request.authorize(Permission::Read, Some(&key))?;
    Ok(entry::with_entry(key, entry, key_value.metadata_only()))
}
