//! Ranges and neighbours of random keys, against a model.

mod common;

use std::collections::BTreeSet;
use std::ops::Bound;

use bytes::Bytes;
use common::random::Random;
use common::{Client, start};
use kinetic_drive::protocol::{KeyValue, MessageType, Range, StatusCode};

/// A short key of few different bytes, so that keys are often the same, next
/// to each other or each other's beginning.
fn random_key(random: &mut Random) -> Vec<u8> {
    let len = 1 + random.below(4);
    (0..len).map(|_| [0, 1, b'a', 0xfe, 0xff][random.below(5)]).collect()
}

/// What the drive is supposed to answer to a range.
fn expected(keys: &BTreeSet<Vec<u8>>, range: &Range) -> Vec<Vec<u8>> {
    let after = |key: &&Vec<u8>| match &range.start_key {
        None => true,
        Some(start) if range.start_key_inclusive() => key[..] >= start[..],
        Some(start) => key[..] > start[..],
    };
    let before = |key: &&Vec<u8>| match &range.end_key {
        None => true,
        Some(end) if range.end_key_inclusive() => key[..] <= end[..],
        Some(end) => key[..] < end[..],
    };
    let mut found: Vec<_> = keys.iter().filter(after).filter(before).cloned().collect();
    if range.reverse() {
        found.reverse();
    }
    found.truncate(range.max_returned() as usize);
    found
}

#[test]
fn the_drive_orders_keys_like_a_sorted_set() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let mut random = Random(0x5eed_0003);
    let mut keys = BTreeSet::new();
    for round in 0..3000 {
        let key = random_key(&mut random);
        match random.below(4) {
            0 => {
                assert_eq!(client.put(&key, &key), StatusCode::Success);
                keys.insert(key);
            }
            1 => {
                let force =
                    KeyValue { key: Some(key.clone().into()), force: Some(true), ..KeyValue::default() };
                let request = client.builder.key_value(MessageType::Delete, force, 0);
                assert_eq!(client.ask(&request, b"").0.status(), StatusCode::Success);
                keys.remove(&key);
            }
            2 => {
                let next = keys.range((Bound::Excluded(key.clone()), Bound::Unbounded)).next();
                let previous = keys.range(..key.clone()).next_back();
                for (request, expected) in
                    [(client.builder.get_next(&key), next), (client.builder.get_previous(&key), previous)]
                {
                    let (answer, value) = client.ask(&request, b"");
                    let found = answer.key_value().map(|found| found.key().to_vec());
                    assert_eq!(found.as_ref(), expected, "round {round}, neighbour of {key:?}");
                    assert_eq!(value, found.unwrap_or_default());
                }
            }
            _ => {
                let mut end = || (random.below(8) > 0).then(|| Bytes::from(random_key(&mut random)));
                let range = Range {
                    start_key: end(),
                    end_key: end(),
                    start_key_inclusive: Some(random.below(2) > 0),
                    end_key_inclusive: Some(random.below(2) > 0),
                    reverse: Some(random.below(2) > 0),
                    max_returned: Some(1 + random.below(100) as u32),
                    ..Range::default()
                };
                let request = client.builder.get_key_range(range.clone());
                let (answer, _) = client.ask(&request, b"");
                assert_eq!(answer.status(), StatusCode::Success);
                assert_eq!(answer.keys(), expected(&keys, &range), "round {round}, {range:?}");
            }
        }
    }
    assert!(keys.len() > 100, "{} keys", keys.len());
}
