//! Requests on one key.

use std::borrow::Cow;

use bytes::Bytes;

use super::{Done, Failure};
use crate::device::Device;
use crate::protocol::{Body, KeyValue, StatusCode};
use crate::store::{Entry, Expected, Refusal};

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound => not_found(),
            Refusal::VersionMismatch => {
                Failure::new(StatusCode::VersionMismatch, "the stored version is another one")
            }
            Refusal::NoSpace => Failure::new(StatusCode::NoSpace, "the drive is full"),
        }
    }
}

fn not_found() -> Failure {
    Failure::new(StatusCode::NotFound, "no such key")
}

pub(super) fn put(device: &Device, body: Body, value: Cow<'_, [u8]>) -> Result<Done, Failure> {
    let bounds = &device.bounds;
    let mut request = body.key_value.unwrap_or_default();
    let key = take_key(device, &mut request)?;
    check_size("version", &request.new_version, bounds.max_version_size)?;
    check_size("tag", &request.tag, bounds.max_tag_size)?;
    let entry = Entry {
        // A value with an allocation of its own is stored as it is. Others are
        // still in the connection's buffer.
        value: match value {
            Cow::Owned(value) => value.into(),
            Cow::Borrowed(value) => Bytes::copy_from_slice(value),
        },
        version: request.new_version.take(),
        tag: request.tag.take(),
        algorithm: request.algorithm,
    };
    device.store.put(key, entry, expected(&request))?;
    Ok(with_body(KeyValue::default()))
}

pub(super) fn get(device: &Device, body: Body) -> Result<Done, Failure> {
    let mut request = body.key_value.unwrap_or_default();
    let key = take_key(device, &mut request)?;
    let entry = device.store.get(&key).ok_or_else(not_found)?;
    let done = with_body(KeyValue {
        key: Some(key),
        db_version: entry.version,
        tag: entry.tag,
        algorithm: entry.algorithm,
        ..KeyValue::default()
    });
    let value = if request.metadata_only() { Bytes::new() } else { entry.value };
    Ok(Done { value, ..done })
}

pub(super) fn get_version(device: &Device, body: Body) -> Result<Done, Failure> {
    let mut request = body.key_value.unwrap_or_default();
    let key = take_key(device, &mut request)?;
    let entry = device.store.get(&key).ok_or_else(not_found)?;
    Ok(with_body(KeyValue { db_version: entry.version, ..KeyValue::default() }))
}

pub(super) fn delete(device: &Device, body: Body) -> Result<Done, Failure> {
    let mut request = body.key_value.unwrap_or_default();
    let key = take_key(device, &mut request)?;
    device.store.delete(&key, expected(&request))?;
    Ok(with_body(KeyValue::default()))
}

/// Clients expect a key/value body in the answer even if it is empty.
fn with_body(key_value: KeyValue) -> Done {
    Done { body: Some(Body { key_value: Some(key_value), ..Body::default() }), value: Bytes::new() }
}

fn take_key(device: &Device, request: &mut KeyValue) -> Result<Bytes, Failure> {
    check_size("key", &request.key, device.bounds.max_key_size)?;
    match request.key.take() {
        Some(key) if !key.is_empty() => Ok(key),
        _ => Err(Failure::invalid("a key is required")),
    }
}

fn check_size(what: &str, bytes: &Option<Bytes>, max: usize) -> Result<(), Failure> {
    match bytes.as_ref().map_or(0, Bytes::len) {
        len if len <= max => Ok(()),
        len => Err(Failure::invalid(format!("{what} of {len} bytes exceeds the limit of {max}"))),
    }
}

fn expected(request: &KeyValue) -> Expected<'_> {
    if request.force() { Expected::Any } else { Expected::Version(request.db_version()) }
}
