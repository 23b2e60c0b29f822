//! Sending entries from drive to drive.

mod common;
mod peers;

use common::secure::{SecureClient, start_tls};
use common::{Client, start, start_with, wait_until};
use kinetic_drive::Config;
use kinetic_drive::protocol::{
    Algorithm, LogType, MessageType, Peer, PeerOperation, Permission, Push, StatusCode,
};
use peers::{codes, entry, peer, push, put_versioned, refused, send, set_rights, to, two};

#[test]
fn entries_arrive_as_they_are() {
    let [(_source, mut from), (target, mut there)] = two();
    let large: Vec<u8> = (0..1 << 20).map(|n| (n % 251) as u8).collect();
    put_versioned(&mut from, b"1", b"one", &large);
    assert_eq!(from.put(b"2", b""), StatusCode::Success);
    let renamed = Push { new_key: Some("other".into()), ..entry(b"1") };
    let operation = to(target.local_addr(), vec![entry(b"1"), entry(b"2"), renamed]);
    let all = vec![StatusCode::Success; 3];
    assert_eq!(push(&mut from, operation), (StatusCode::Success, all, true));
    for key in [&b"1"[..], b"other"] {
        let request = there.builder.get(key);
        let (answer, value) = there.ask(&request, b"");
        assert!(value == large);
        let key_value = answer.key_value().unwrap();
        assert_eq!(key_value.db_version(), b"one");
        assert_eq!(key_value.tag(), b"tag");
        assert_eq!(key_value.algorithm(), Algorithm::Crc32);
    }
    assert_eq!(there.get(b"2"), (StatusCode::Success, vec![]));
    // The source counts what it moved.
    let request = from.builder.get_log(&[LogType::Statistics]);
    let (answer, _) = from.ask(&request, b"");
    let statistics = &answer.get_log().unwrap().statistics;
    let line = statistics.iter().find(|line| line.message_type() == MessageType::PeerToPeerPush).unwrap();
    assert_eq!((line.count(), line.bytes()), (1, 2 << 20));
}

#[test]
fn entries_arrive_over_tls() {
    let source = start();
    let mut from = Client::connect(&source);
    let target = start_tls();
    let peer = Peer { tls: Some(true), ..peer(target.tls_addr().unwrap()) };
    let large: Vec<u8> = (0..1 << 20).map(|n| (n % 241) as u8).collect();
    from.put(b"1", &large);
    from.put(b"2", b"small");
    // And from there to itself, over TLS, too.
    let on = PeerOperation { peer: Some(peer.clone()), pushes: vec![entry(b"1")], all_succeeded: None };
    let renamed = Push { new_key: Some("other".into()), next: Some(on), ..entry(b"1") };
    let pushes = vec![entry(b"1"), entry(b"2"), renamed];
    let operation = PeerOperation { peer: Some(peer), pushes, all_succeeded: None };
    let all = vec![StatusCode::Success; 3];
    assert_eq!(push(&mut from, operation), (StatusCode::Success, all, true));
    let mut there = SecureClient::connect(&target);
    for (key, value) in [(&b"1"[..], &large[..]), (b"2", b"small"), (b"other", &large)] {
        let (status, got) = there.get(key);
        assert!(status == StatusCode::Success && got == value, "{key:?}");
    }
    assert_eq!(target.statistics().protocol_errors, 0);
}

#[test]
fn the_answer_repeats_the_request() {
    let [(_source, mut from), (target, _)] = two();
    from.put(b"1", b"value");
    let asked =
        Push { version: Some("".into()), new_key: Some("new".into()), force: Some(true), ..entry(b"1") };
    let request = from.builder.push(to(target.local_addr(), vec![asked.clone()]));
    let (_, mut operation) = send(&mut from, &request);
    assert!(operation.pushes[0].status.take().is_some());
    assert_eq!(operation.pushes, [asked]);
    assert_eq!(operation.peer, Some(peer(target.local_addr())));
}

#[test]
fn versions_are_those_of_the_other_drive() {
    let [(_source, mut from), (target, mut there)] = two();
    put_versioned(&mut from, b"1", b"mine", b"new");
    put_versioned(&mut there, b"1", b"theirs", b"old");
    let (mismatch, fine) = (StatusCode::VersionMismatch, StatusCode::Success);
    for (version, force, expected) in [
        (None, None, mismatch),
        (Some("mine"), Some(false), mismatch),
        (Some("theirs"), None, fine),
        (Some("theirs"), None, mismatch),
        (Some("wrong"), Some(true), fine),
    ] {
        let push_one = Push { version: version.map(Into::into), force, ..entry(b"1") };
        let (_, codes, all) = push(&mut from, to(target.local_addr(), vec![push_one]));
        assert_eq!((codes[0], all), (expected, expected == fine));
        if expected == fine {
            assert_eq!(there.get(b"1").1, b"new");
        } else if version != Some("theirs") {
            assert_eq!(there.get(b"1").1, b"old");
        }
    }
}

#[test]
fn failures_do_not_stop_the_others() {
    let [(_source, mut from), (target, mut there)] = two();
    from.put(b"1", b"value");
    from.put(b"2", b"value");
    let nowhere = Push { new_key: Some(vec![0; 4097].into()), ..entry(b"1") };
    let pushes = vec![entry(b"1"), entry(b"missing"), Push::default(), entry(b""), nowhere, entry(b"2")];
    let (code, codes, all) = push(&mut from, to(target.local_addr(), pushes));
    assert_eq!((code, all), (StatusCode::NestedOperationErrors, false));
    let invalid = StatusCode::InvalidRequest;
    let expected =
        [StatusCode::Success, StatusCode::NotFound, invalid, invalid, invalid, StatusCode::Success];
    assert_eq!(codes, expected);
    assert_eq!(there.get(b"2").0, StatusCode::Success);
    // What needs no connection needs no drive either.
    drop(target);
    let gone = to(from.stream().peer_addr().unwrap(), vec![entry(b"missing")]);
    assert_eq!(push(&mut from, gone).1, [StatusCode::NotFound]);
}

#[test]
fn a_drive_can_send_to_itself() {
    let drive = start();
    let mut client = Client::connect(&drive);
    client.put(b"1", b"value");
    let copy = Push { new_key: Some("2".into()), ..entry(b"1") };
    let (code, _, all) = push(&mut client, to(drive.local_addr(), vec![copy]));
    assert_eq!((code, all), (StatusCode::Success, true));
    assert_eq!(client.get(b"2"), (StatusCode::Success, b"value".to_vec()));
    // Also by its name.
    let peer = Peer { hostname: Some("localhost".into()), ..peer(drive.local_addr()) };
    let copy = Push { new_key: Some("3".into()), ..entry(b"1") };
    let operation = PeerOperation { peer: Some(peer), pushes: vec![copy], all_succeeded: None };
    assert_eq!(push(&mut client, operation).0, StatusCode::Success);
    assert_eq!(push(&mut client, to(drive.local_addr(), vec![])), (StatusCode::Success, vec![], true));
}

#[test]
fn entries_go_on_from_drive_to_drive() {
    let [(_a, mut from), (b, mut at_b)] = two();
    let [(c, mut at_c), (d, mut at_d)] = two();
    from.put(b"1", b"one");
    from.put(b"2", b"two");
    at_b.put(b"b", b"bee");
    let to_d = to(d.local_addr(), vec![entry(b"1"), entry(b"missing")]);
    let to_c = to(c.local_addr(), vec![entry(b"b"), Push { next: Some(to_d), ..entry(b"1") }]);
    let pushes = vec![Push { next: Some(to_c), ..entry(b"1") }, entry(b"2")];
    let request = from.builder.push(to(b.local_addr(), pushes));
    let (code, outcome) = send(&mut from, &request);
    // The first level is fine; that something deeper is not shows all the way.
    assert_eq!(code, StatusCode::NestedOperationErrors);
    assert!(!outcome.all_succeeded());
    assert_eq!(codes(&outcome), [StatusCode::Success; 2]);
    let at_level_2 = outcome.pushes[0].next.as_ref().unwrap();
    assert!(!at_level_2.all_succeeded());
    assert_eq!(codes(at_level_2), [StatusCode::Success; 2]);
    let at_level_3 = at_level_2.pushes[1].next.as_ref().unwrap();
    assert!(!at_level_3.all_succeeded());
    assert_eq!(codes(at_level_3), [StatusCode::Success, StatusCode::NotFound]);
    assert_eq!(at_b.get(b"2").1, b"two");
    assert_eq!(at_c.get(b"b").1, b"bee");
    assert_eq!(at_c.get(b"1").1, b"one");
    assert_eq!(at_d.get(b"1").1, b"one");

    // And when all is fine.
    let next = to(c.local_addr(), vec![Push { force: Some(true), ..entry(b"1") }]);
    let first = Push { next: Some(next), force: Some(true), ..entry(b"1") };
    let (code, _, all) = push(&mut from, to(b.local_addr(), vec![first]));
    assert_eq!((code, all), (StatusCode::Success, true));
}

#[test]
fn nothing_follows_an_entry_that_was_not_stored() {
    let [(_a, mut from), (b, mut at_b)] = two();
    from.put(b"1", b"one");
    put_versioned(&mut at_b, b"1", b"other", b"");
    let next = to(b.local_addr(), vec![Push { new_key: Some("copy".into()), ..entry(b"1") }]);
    let request = from.builder.push(to(b.local_addr(), vec![Push { next: Some(next), ..entry(b"1") }]));
    let (code, outcome) = send(&mut from, &request);
    assert_eq!(code, StatusCode::NestedOperationErrors);
    assert_eq!(codes(&outcome), [StatusCode::VersionMismatch]);
    let next = outcome.pushes[0].next.as_ref().unwrap();
    assert_eq!(codes(next), [StatusCode::NotAttempted]);
    assert!(!next.all_succeeded());
    assert_eq!(at_b.get(b"copy").0, StatusCode::NotFound);
}

#[test]
fn what_another_drive_refuses_to_send_on_is_told() {
    let [(_a, mut from), (b, mut at_b)] = two();
    from.put(b"1", b"one");
    // The identity may store entries there, but not have them sent on.
    let fine = to(b.local_addr(), vec![entry(b"1"), entry(b"2")]);
    let limited = start_with(Config { trust_plain: true, ..Config::default() });
    let mut client = Client::connect(&limited);
    set_rights(&mut client, &[Permission::Write], &[Permission::Write]);
    let operation = to(limited.local_addr(), vec![Push { next: Some(fine), ..entry(b"1") }]);
    let request = from.builder.push(operation);
    let (code, outcome) = send(&mut from, &request);
    assert_eq!(code, StatusCode::NestedOperationErrors);
    assert_eq!(codes(&outcome), [StatusCode::Success]);
    let next = outcome.pushes[0].next.as_ref().unwrap();
    assert_eq!(codes(next), [StatusCode::NotAuthorized, StatusCode::NotAttempted]);
    assert!(!next.all_succeeded());
    assert_eq!(at_b.get(b"1").0, StatusCode::NotFound);
}

#[test]
fn sending_takes_two_permissions() {
    let target = start();
    let (read, p2p) = (Permission::Read, Permission::PeerToPeer);
    let (no, yes) = (StatusCode::NotAuthorized, StatusCode::Success);
    for (of_1, of_all, expected) in [
        // Keys that start with 1, others, and the whole.
        (&[read, p2p][..], &[Permission::Write][..], Some([yes, no])),
        (&[read], &[p2p], Some([yes, no])),
        (&[p2p], &[read], Some([yes, no])),
        (&[p2p], &[p2p], Some([no, no])),
        (&[read], &[read], None),
    ] {
        let source = start_with(Config { trust_plain: true, ..Config::default() });
        let mut from = Client::connect(&source);
        from.put(b"1", b"value");
        from.put(b"2", b"value");
        set_rights(&mut from, of_1, of_all);
        let force = |key| Push { force: Some(true), ..entry(key) };
        let operation = to(target.local_addr(), vec![force(b"1"), force(b"2")]);
        match expected {
            Some(expected) => assert_eq!(push(&mut from, operation).1, expected),
            None => assert_eq!(refused(&mut from, operation), no),
        }
    }
}

#[test]
fn the_cluster_version_goes_along() {
    let [(_source, mut from), (target, mut there)] = two();
    from.put(b"1", b"value");
    let request = from.builder.set_cluster_version(3);
    assert_eq!(from.ask(&request, b"").0.status(), StatusCode::Success);
    from.builder.cluster_version = 3;
    let (_, codes, _) = push(&mut from, to(target.local_addr(), vec![entry(b"1")]));
    assert_eq!(codes, [StatusCode::VersionFailure]);
    let request = there.builder.set_cluster_version(3);
    assert_eq!(there.ask(&request, b"").0.status(), StatusCode::Success);
    let (_, codes, _) = push(&mut from, to(target.local_addr(), vec![entry(b"1")]));
    assert_eq!(codes, [StatusCode::Success]);
}

#[test]
fn what_was_sent_is_told_though_the_budget_is_used_up() {
    let drive = start_with(Config { max_outstanding: 2 << 20, ..Config::default() });
    let mut client = Client::connect(&drive);
    let keys: Vec<_> = (0..25).map(|number| vec![number; 4000]).collect();
    for key in &keys {
        assert_eq!(client.put(key, b"value"), StatusCode::Success);
    }
    // Two values of which the rest never comes.
    let halves = [(); 2].map(|()| {
        let mut client = Client::connect(&drive);
        let request = client.builder.put(b"half", 1 << 20);
        client.send(&request, &[0; 1000]);
        client
    });
    wait_until("nothing is left", || drive.statistics().outstanding == 2 << 20);
    let send = |(number, key): (usize, Vec<u8>)| Push {
        key: Some(key.into()),
        new_key: Some(format!("new {number}").into()),
        ..Push::default()
    };
    let pushes = keys.into_iter().enumerate().map(send).collect();
    let (code, codes, _) = push(&mut client, to(drive.local_addr(), pushes));
    assert_eq!((code, &codes[..]), (StatusCode::Success, &[StatusCode::Success; 25][..]));
    drop(halves);
}
