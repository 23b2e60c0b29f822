//! Requests on one key.

use std::borrow::Cow;
use std::mem;

use bytes::Bytes;

use super::{Done, Failure, Request};
use crate::device::Device;
use crate::protocol::{Body, KeyValue, Permission, StatusCode, Synchronization};
use crate::store::{Action, Change, Entry, Expected, Refusal};

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound => not_found(),
            Refusal::VersionMismatch => {
                Failure::new(StatusCode::VersionMismatch, "the stored version is another one")
            }
            Refusal::NoSpace => Failure::new(StatusCode::NoSpace, "the drive is full"),
            Refusal::Corrupt => Failure::new(StatusCode::PermanentDataError, "the stored data is damaged"),
            Refusal::Failed => Failure::new(StatusCode::InternalError, "the store failed"),
        }
    }
}

pub(super) fn not_found() -> Failure {
    Failure::new(StatusCode::NotFound, "no such key")
}

pub(super) fn put(mut request: Request<'_>) -> Result<Done, Failure> {
    let (change, durable) = put_change(&mut request)?;
    request.device.store.change(change)?;
    Ok(Done { durable, ..with_body(KeyValue::default()) })
}

/// The change a PUT asks for, if it may ask for it, and whether its answer
/// promises that the change is durable.
pub(super) fn put_change(request: &mut Request<'_>) -> Result<(Change, bool), Failure> {
    let bounds = &request.device.bounds;
    let mut key_value = request.body.key_value.take().unwrap_or_default();
    let key = take_key(request.device, &mut key_value)?;
    request.authorize(Permission::Write, Some(&key))?;
    check_size("version", &key_value.new_version, bounds.max_version_size)?;
    check_size("tag", &key_value.tag, bounds.max_tag_size)?;
    let expected = expected(request.device, &mut key_value)?;
    let durable = durable(&key_value)?;
    let entry = Entry {
        // A value with an allocation of its own is stored as it is. Others are
        // still in the connection's buffer.
        value: match mem::take(&mut request.value) {
            Cow::Owned(value) => value.into(),
            Cow::Borrowed(value) => Bytes::copy_from_slice(value),
        },
        version: key_value.new_version.take(),
        tag: key_value.tag.take(),
        algorithm: key_value.algorithm,
    };
    Ok((Change { key, expected, action: Action::Put(entry) }, durable))
}

pub(super) fn get(mut request: Request<'_>) -> Result<Done, Failure> {
    let mut key_value = request.body.key_value.take().unwrap_or_default();
    let key = take_key(request.device, &mut key_value)?;
    request.authorize(Permission::Read, Some(&key))?;
    let entry = request.device.store.get(&key)?.ok_or_else(not_found)?;
    Ok(with_entry(key, entry, key_value.metadata_only()))
}

pub(super) fn get_version(mut request: Request<'_>) -> Result<Done, Failure> {
    let mut key_value = request.body.key_value.take().unwrap_or_default();
    let key = take_key(request.device, &mut key_value)?;
    request.authorize(Permission::Read, Some(&key))?;
    let entry = request.device.store.get(&key)?.ok_or_else(not_found)?;
    Ok(with_body(KeyValue { db_version: entry.version, ..KeyValue::default() }))
}

pub(super) fn delete(mut request: Request<'_>) -> Result<Done, Failure> {
    let (change, durable) = delete_change(&mut request)?;
    request.device.store.change(change)?;
    Ok(Done { durable, ..with_body(KeyValue::default()) })
}

/// The change a DELETE asks for, if it may ask for it, and whether its answer
/// promises that the change is durable.
pub(super) fn delete_change(request: &mut Request<'_>) -> Result<(Change, bool), Failure> {
    let mut key_value = request.body.key_value.take().unwrap_or_default();
    let key = take_key(request.device, &mut key_value)?;
    request.authorize(Permission::Delete, Some(&key))?;
    let expected = expected(request.device, &mut key_value)?;
    let durable = durable(&key_value)?;
    Ok((Change { key, expected, action: Action::Delete }, durable))
}

/// The answer that gives an entry.
pub(super) fn with_entry(key: Bytes, entry: Entry, metadata_only: bool) -> Done {
    let done = with_body(KeyValue {
        key: Some(key),
        db_version: entry.version,
        tag: entry.tag,
        algorithm: entry.algorithm,
        ..KeyValue::default()
    });
    let value = if metadata_only { Bytes::new() } else { entry.value };
    Done { value, ..done }
}

/// Clients expect a key/value body in the answer even if it is empty.
fn with_body(key_value: KeyValue) -> Done {
    Done { body: Some(Body { key_value: Some(key_value), ..Body::default() }), ..Done::default() }
}

pub(super) fn take_key(device: &Device, request: &mut KeyValue) -> Result<Bytes, Failure> {
    check_size("key", &request.key, device.bounds.max_key_size)?;
    match request.key.take() {
        Some(key) if !key.is_empty() => Ok(key),
        _ => Err(Failure::invalid("a key is required")),
    }
}

pub(super) fn check_size(what: &str, bytes: &Option<Bytes>, max: usize) -> Result<(), Failure> {
    match bytes.as_ref().map_or(0, Bytes::len) {
        len if len <= max => Ok(()),
        len => Err(Failure::invalid(format!("{what} of {len} bytes exceeds the limit of {max}"))),
    }
}

/// Takes out of `request` which version it may replace.
fn expected(device: &Device, request: &mut KeyValue) -> Result<Expected, Failure> {
    check_size("version", &request.db_version, device.bounds.max_version_size)?;
    Ok(if request.force() {
        Expected::Any
    } else {
        Expected::Version(request.db_version.take().unwrap_or_default())
    })
}

/// Whether the answer to a change promises that it is durable. That is the
/// safe way to take a request that does not say, or that says something the
/// protocol has no name for: libkinetic sends a zero if it is not told.
fn durable(request: &KeyValue) -> Result<bool, Failure> {
    match request.synchronization.map(Synchronization::try_from) {
        None | Some(Ok(Synchronization::WriteThrough | Synchronization::Flush) | Err(_)) => Ok(true),
        Some(Ok(Synchronization::WriteBack)) => Ok(false),
        Some(Ok(Synchronization::Invalid)) => Err(Failure::invalid("invalid synchronization")),
    }
}
