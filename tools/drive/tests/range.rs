//! GETKEYRANGE.

mod common;

use common::{Client, start};
use kinetic_drive::protocol::{Answer, Body, MessageType, Range, StatusCode};

/// Asks for a range and expects an answer that fits into a message.
fn ask(client: &mut Client, range: Range) -> Answer {
    let request = client.builder.get_key_range(range);
    let (answer, value) = client.ask(&request, b"");
    assert_eq!(answer.message_type(), MessageType::GetKeyRangeResponse);
    assert_eq!(value, b"");
    answer
}

/// The keys of a range, which has to be given.
fn keys(client: &mut Client, range: Range) -> Vec<Vec<u8>> {
    let answer = ask(client, range);
    assert_eq!(answer.status(), StatusCode::Success, "{}", answer.status_message());
    answer.keys().iter().map(|key| key.to_vec()).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "as a range has its ends")]
fn key(key: impl AsRef<[u8]>) -> Option<bytes::Bytes> {
    Some(key.as_ref().to_vec().into())
}

/// A client of a drive with the keys k0 to k4.
fn five(drive: &kinetic_drive::Drive) -> Client {
    let mut client = Client::connect(drive);
    for key in ["k0", "k1", "k2", "k3", "k4"] {
        assert_eq!(client.put(key.as_bytes(), b"value"), StatusCode::Success);
    }
    client
}

#[test]
fn the_ends_are_in_the_range_if_asked_for() {
    let drive = start();
    let mut client = five(&drive);
    for (start, end, expected) in [
        (Some(true), Some(true), &["k1", "k2", "k3"][..]),
        (Some(true), Some(false), &["k1", "k2"]),
        (Some(false), Some(true), &["k2", "k3"]),
        (Some(false), Some(false), &["k2"]),
        (None, None, &["k2"]),
    ] {
        let range = Range {
            start_key: key("k1"),
            end_key: key("k3"),
            start_key_inclusive: start,
            end_key_inclusive: end,
            ..Range::default()
        };
        let mut expected: Vec<_> = expected.iter().map(|key| key.as_bytes().to_vec()).collect();
        assert_eq!(keys(&mut client, range.clone()), expected);
        expected.reverse();
        assert_eq!(keys(&mut client, Range { reverse: Some(true), ..range }), expected);
    }
}

#[test]
fn ends_need_not_exist() {
    let drive = start();
    let mut client = five(&drive);
    let range = |start: Option<&str>, end: Option<&str>| Range {
        start_key: start.and_then(key),
        end_key: end.and_then(key),
        ..Range::default()
    };
    let all = keys(&mut client, range(None, None));
    assert_eq!(all.len(), 5);
    assert_eq!(all[4], b"k4");
    assert_eq!(keys(&mut client, range(Some("k0a"), Some("k2a"))), all[1..3]);
    assert_eq!(keys(&mut client, range(Some("k2"), None)), all[3..]);
    assert_eq!(keys(&mut client, range(None, Some("k2"))), all[..2]);
    assert_eq!(keys(&mut client, range(Some("a"), Some("z"))), all);
    // The empty key is before all others.
    assert_eq!(keys(&mut client, range(Some(""), None)), all);
    assert_eq!(ask(&mut client, range(None, Some(""))).keys(), [&b""[..]; 0]);
}

#[test]
fn a_range_without_keys_is_left_out() {
    let drive = start();
    let mut client = five(&drive);
    for (start, end) in [("k3", "k1"), ("k1", "k1"), ("k1a", "k1b"), ("l", "z")] {
        for inclusive in [Some(true), Some(false)] {
            for reverse in [Some(true), Some(false)] {
                if (start, inclusive) == ("k1", Some(true)) {
                    continue;
                }
                let range = Range {
                    start_key: key(start),
                    end_key: key(end),
                    start_key_inclusive: inclusive,
                    end_key_inclusive: inclusive,
                    reverse,
                    ..Range::default()
                };
                let answer = ask(&mut client, range);
                assert_eq!(answer.status(), StatusCode::Success);
                assert_eq!(answer.command.body, None);
            }
        }
    }
    for (start, end, count) in [(true, true, 1), (true, false, 0), (false, true, 0)] {
        let range = Range {
            start_key: key("k1"),
            end_key: key("k1"),
            start_key_inclusive: Some(start),
            end_key_inclusive: Some(end),
            ..Range::default()
        };
        assert_eq!(keys(&mut client, range).len(), count);
    }
}

#[test]
fn a_maximum_counts_from_where_the_search_starts() {
    let drive = start();
    let mut client = five(&drive);
    let range = Range {
        start_key: key("k1"),
        end_key: key("k4"),
        end_key_inclusive: Some(true),
        max_returned: Some(2),
        ..Range::default()
    };
    assert_eq!(keys(&mut client, range.clone()), [b"k2", b"k3"]);
    let range = Range { reverse: Some(true), ..range };
    assert_eq!(keys(&mut client, range.clone()), [b"k4", b"k3"]);
    assert_eq!(keys(&mut client, Range { max_returned: Some(5), ..range }), [b"k4", b"k3", b"k2"]);
}

#[test]
fn there_are_no_more_keys_than_the_limit() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let limits = client.hello.get_log().unwrap().limits.clone().unwrap();
    assert_eq!(limits.max_key_range_count, Some(800));
    for number in 0..801 {
        client.put(format!("{number:03}").as_bytes(), b"");
    }
    for max_returned in [None, Some(0), Some(800)] {
        let range = keys(&mut client, Range { max_returned, ..Range::default() });
        assert_eq!(range.len(), 800);
        assert_eq!(range[799], b"799");
    }
    for max_returned in [801, u32::MAX] {
        let answer = ask(&mut client, Range { max_returned: Some(max_returned), ..Range::default() });
        assert_eq!(answer.status(), StatusCode::InvalidRequest);
        assert_eq!(answer.status_message(), format!("{max_returned} keys exceed the limit of 800"));
        assert_eq!(answer.command.body, None);
    }
}

#[test]
fn long_keys_come_in_several_answers() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let mut all = Vec::new();
    for number in 0..300_u32 {
        let mut key = number.to_be_bytes().to_vec();
        key.resize(4096, b'x');
        assert_eq!(client.put(&key, b""), StatusCode::Success);
        all.push(key);
    }
    for reverse in [false, true] {
        let mut received = Vec::new();
        let mut answers = 0;
        loop {
            let last = received.last().and_then(key);
            let (start_key, end_key) = if reverse { (None, last) } else { (last, None) };
            let range = Range { start_key, end_key, reverse: Some(reverse), ..Range::default() };
            let request = client.builder.get_key_range(range);
            client.send(&request, b"");
            let (answer, message_len) = client.receive_sized().unwrap();
            assert!(message_len <= 1 << 20, "message of {message_len} bytes");
            if answer.keys().is_empty() {
                break;
            }
            answers += 1;
            received.extend(answer.keys().iter().map(|key| key.to_vec()));
        }
        // As many as fit: 255 and 45.
        assert_eq!(answers, 2);
        assert!(received.iter().eq(all.iter()));
        all.reverse();
    }
}

#[test]
fn ranges_are_required_and_their_ends_are_limited() {
    let drive = start();
    let mut client = Client::connect(&drive);
    for body in [None, Some(Body::default())] {
        let request = client.builder.request(MessageType::GetKeyRange, body, 0);
        let (answer, _) = client.ask(&request, b"");
        assert_eq!(answer.status(), StatusCode::InvalidRequest);
        assert_eq!(answer.status_message(), "a range is required");
    }
    let end = |len| key(vec![1; len]);
    for (range, reason) in [
        (Range { start_key: end(4096), end_key: end(4096), ..Range::default() }, ""),
        (
            Range { start_key: end(4097), ..Range::default() },
            "start key of 4097 bytes exceeds the limit of 4096",
        ),
        (Range { end_key: end(4097), ..Range::default() }, "end key of 4097 bytes exceeds the limit of 4096"),
    ] {
        let answer = ask(&mut client, range);
        assert_eq!(answer.status_message(), reason);
        let invalid = !reason.is_empty();
        assert_eq!(answer.status() == StatusCode::InvalidRequest, invalid);
    }
}
