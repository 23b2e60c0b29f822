//! What depends on the rights of an identity, of which clients of a drive as
//! it comes from the factory have all.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;

use super::*;
use crate::access::{Grant, Permissions};
use crate::config::Config;
use crate::protocol::{Batch, KeyValue, Peer, PeerOperation, Push, Range};
use crate::store::{Action, Change, Entry, Expected};

fn device(keys: &[&'static str]) -> Device {
    let device = Device::new(&Config::default(), SocketAddr::from((Ipv4Addr::LOCALHOST, 1))).unwrap();
    for &key in keys {
        let entry = Entry { value: key.into(), version: None, tag: None, algorithm: None };
        let change = Change { key: key.into(), expected: Expected::Any, action: Action::Put(entry) };
        device.store.change(change).unwrap();
    }
    device
}

/// Each permission for the keys that start with these bytes.
fn rights(scopes: &[(Permission, &'static str)]) -> AccessList {
    let grant = |&(permission, prefix): &(Permission, &'static str)| {
        let mut permissions = Permissions::default();
        permissions.insert(permission);
        Grant { value: prefix.into(), offset: 0, permissions, tls_required: false }
    };
    AccessList::new(Bytes::new(), scopes.iter().map(grant).collect(), Priority::Normal)
}

fn ask(
    device: &Device,
    requester: &AccessList,
    batches: &mut Batches,
    header: Header,
    body: Body,
) -> Result<Option<Done>, Failure> {
    let value = Cow::Borrowed(&b"value"[..]);
    let message_type = header.message_type();
    let request = Request {
        device,
        settings: &device.settings(),
        identity: 1,
        requester,
        secure: false,
        batches,
        header: &header,
        body,
        value,
    };
    execute(message_type, request)
}

fn on(key: &'static str) -> Body {
    let key_value = KeyValue { key: Some(key.into()), ..KeyValue::default() };
    Body { key_value: Some(key_value), ..Body::default() }
}

fn header(message_type: MessageType, batch_id: Option<u32>) -> Header {
    Header { message_type: Some(message_type.into()), batch_id, ..Header::default() }
}

#[test]
fn reading_a_neighbour_takes_the_right_to_read_it() {
    let device = device(&["a", "b", "c"]);
    let requester = rights(&[(Permission::Read, "b"), (Permission::Range, "")]);
    let found = |message_type, key| {
        let done = ask(&device, &requester, &mut Batches::new(), header(message_type, None), on(key));
        done.map(|done| done.unwrap().value).map_err(|failure| failure.code)
    };
    // Where the search starts does not matter.
    assert_eq!(found(MessageType::GetNext, "a"), Ok("b".into()));
    assert_eq!(found(MessageType::GetPrevious, "c"), Ok("b".into()));
    assert_eq!(found(MessageType::GetNext, "b"), Err(StatusCode::NotAuthorized));
    assert_eq!(found(MessageType::GetPrevious, "b"), Err(StatusCode::NotAuthorized));
    assert_eq!(found(MessageType::GetNext, "c"), Err(StatusCode::NotFound));
}

#[test]
fn a_range_has_the_keys_of_the_scopes_only() {
    let device = device(&["k0", "k1", "k2", "k3", "k4"]);
    let listed = |requester: &AccessList, max_returned, reverse| {
        let range = Range { max_returned, reverse: Some(reverse), ..Range::default() };
        let body = Body { range: Some(Box::new(range)), ..Body::default() };
        let header = header(MessageType::GetKeyRange, None);
        let done = ask(&device, requester, &mut Batches::new(), header, body);
        done.map(|done| done.unwrap().body.map(|body| body.range.unwrap().keys))
            .map_err(|failure| failure.code)
    };
    let keys = |keys: &[&'static str]| Ok(Some(keys.iter().map(|&key| key.into()).collect::<Vec<Bytes>>()));
    let some = rights(&[
        (Permission::Range, "k0"),
        (Permission::Range, "k1"),
        (Permission::Read, "k2"),
        (Permission::Range, "k3"),
        (Permission::Range, "k4"),
    ]);
    assert_eq!(listed(&some, None, false), keys(&["k0", "k1", "k3", "k4"]));
    // What is left out does not count.
    assert_eq!(listed(&some, Some(3), false), keys(&["k0", "k1", "k3"]));
    assert_eq!(listed(&some, Some(3), true), keys(&["k4", "k3", "k1"]));
    assert_eq!(listed(&rights(&[(Permission::Range, "z")]), None, false), Ok(None));
    assert_eq!(listed(&rights(&[(Permission::Read, "")]), None, false), Err(StatusCode::NotAuthorized));
}

#[test]
fn parts_of_a_batch_take_rights_at_once() {
    let device = device(&["a", "b"]);
    let requester = rights(&[(Permission::Write, "a"), (Permission::Delete, "b")]);
    let mut batches = Batches::new();
    let mut ask =
        |message_type, body| ask(&device, &requester, &mut batches, header(message_type, Some(1)), body);
    assert!(ask(MessageType::StartBatch, Body::default()).is_ok());
    assert!(ask(MessageType::Put, on("a")).unwrap().is_none());
    assert!(ask(MessageType::Delete, on("b")).unwrap().is_none());
    for (message_type, key) in [(MessageType::Put, "b"), (MessageType::Delete, "a")] {
        assert_eq!(ask(message_type, on(key)).err().unwrap().code, StatusCode::NotAuthorized);
    }
    let count = Batch { count: Some(2), ..Batch::default() };
    let done = ask(MessageType::EndBatch, Body { batch: Some(Box::new(count)), ..Body::default() });
    // Whatever the parts said, a batch that is committed stays.
    assert!(done.unwrap().unwrap().durable);
    assert_eq!(device.store.get(b"a").unwrap().unwrap().value, "value");
    assert_eq!(device.store.get(b"b").unwrap(), None);
}

#[test]
fn a_scan_without_time_is_unfinished() {
    let device = device(&["key"]);
    let requester = rights(&[(Permission::Range, "")]);
    let range = Range { start_key: Some("a".into()), ..Range::default() };
    let body = || Body { range: Some(Box::new(range.clone())), ..Body::default() };
    let scan = || ask(&device, &requester, &mut Batches::new(), header(MessageType::MediaScan, None), body());
    assert!(scan().is_ok());
    device.stopping.store(true, Ordering::Relaxed);
    let failure = scan().err().unwrap();
    assert_eq!(failure.code, StatusCode::Expired);
    // All up to here was scanned: nothing, so far.
    let end_key = failure.body.unwrap().range.unwrap().end_key;
    assert_eq!(end_key.as_deref(), Some(&b"a"[..]));
}

#[test]
fn nothing_is_sent_without_time() {
    let device = device(&["key"]);
    let requester = rights(&[(Permission::PeerToPeer, ""), (Permission::Read, "")]);
    let push = Push { key: Some("key".into()), ..Push::default() };
    // Whoever listens there is not even asked.
    let peer = Peer { hostname: Some("127.0.0.1".to_owned()), port: Some(1), tls: None };
    let operation = PeerOperation { peer: Some(peer), pushes: vec![push.clone(), push], all_succeeded: None };
    let body = Body { peer_operation: Some(Box::new(operation)), ..Body::default() };
    device.stopping.store(true, Ordering::Relaxed);
    let header = header(MessageType::PeerToPeerPush, None);
    let failure = ask(&device, &requester, &mut Batches::new(), header, body).err().unwrap();
    assert_eq!(failure.code, StatusCode::Expired);
    let pushes = failure.body.unwrap().peer_operation.unwrap().pushes;
    let codes: Vec<_> = pushes.iter().map(|push| push.status.as_ref().unwrap().code()).collect();
    assert_eq!(codes, [StatusCode::NotAttempted; 2]);
}

#[test]
fn a_scan_ends_in_time_also_if_it_may_list_nothing() {
    let device = device(&[]);
    // Many more than can be looked at in a millisecond.
    let put = |number: u32| {
        let entry = Entry { value: Bytes::new(), version: None, tag: None, algorithm: None };
        let key = number.to_be_bytes().to_vec().into();
        Change { key, expected: Expected::Any, action: Action::Put(entry) }
    };
    device.store.change_all((0..100_000).map(put).collect()).unwrap();
    let scan = |start_key: Option<&'static str>| {
        let requester = rights(&[(Permission::Range, "none")]);
        let header = Header { timeout: Some(1), ..header(MessageType::MediaScan, None) };
        let range = Range { start_key: start_key.map(Bytes::from), ..Range::default() };
        let body = Body { range: Some(Box::new(range)), ..Body::default() };
        ask(&device, &requester, &mut Batches::new(), header, body).err().unwrap()
    };
    let failure = scan(None);
    // Other keys than its own are none of its business.
    assert_eq!((failure.code, failure.body), (StatusCode::Expired, None));
    // It has come no further than where it began.
    let range = scan(Some("\0")).body.unwrap().range.unwrap();
    assert_eq!(range.end_key, Some("\0".into()));
}
