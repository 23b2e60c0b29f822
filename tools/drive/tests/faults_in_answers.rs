//! Faults in what is sent: order, copies, strays, lies, delays.

mod common;

use std::io::Read;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use common::{Client, start_with_faults};
use kinetic_drive::Faults;
use kinetic_drive::protocol::StatusCode;

const fn at(n: u64) -> Option<NonZeroU64> {
    NonZeroU64::new(n)
}

/// Sends `count` NOOPs with a single write, which arrives as a whole.
fn send_noops(client: &mut Client, count: usize) {
    let mut batch = Vec::new();
    for _ in 0..count {
        client.builder.noop().append_to(&mut batch);
    }
    client.send_raw(&batch);
}

/// The sequences of the next answers, `None` for an unsolicited status.
fn sequences(client: &mut Client, count: usize) -> Vec<Option<u64>> {
    let mut next = || client.receive().unwrap().0;
    (0..count)
        .map(|_| {
            let answer = next();
            assert_eq!(answer.unsolicited, answer.ack_sequence().is_none());
            answer.ack_sequence()
        })
        .collect()
}

fn known(sequences: &[u64]) -> Vec<Option<u64>> {
    sequences.iter().map(|&sequence| Some(sequence)).collect()
}

/// Everything that is sent up to the end, when the client sends no more.
fn rest(client: &Client) -> Vec<u8> {
    client.stream().shutdown(std::net::Shutdown::Write).unwrap();
    let mut bytes = Vec::new();
    client.stream().read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn answers_trade_places_within_their_group_only() {
    let drive = start_with_faults(Faults { reorder: at(8), ..Faults::default() });
    let mut client = Client::connect(&drive);
    send_noops(&mut client, 64);
    let order = sequences(&mut client, 64);
    assert!(!order.is_sorted());
    for (group, sequences) in order.chunks(8).enumerate() {
        let mut sorted = sequences.to_vec();
        sorted.sort();
        let first = 8 * group as u64 + 1;
        assert_eq!(sorted, known(&(first..first + 8).collect::<Vec<_>>()));
    }
}

#[test]
fn a_group_that_is_not_full_is_not_waited_for() {
    let drive = start_with_faults(Faults { reorder: at(100), ..Faults::default() });
    let mut client = Client::connect(&drive);
    assert_eq!(client.noop(), StatusCode::Success);
    send_noops(&mut client, 3);
    let mut order = sequences(&mut client, 3);
    order.sort();
    assert_eq!(order, known(&[2, 3, 4]));
    // Nor while the rest of a large value is.
    let value = vec![1; 1 << 20];
    let mut bytes = Vec::new();
    client.builder.noop().append_to(&mut bytes);
    client.builder.put(b"key", value.len() as u32).append_to(&mut bytes);
    client.send_raw(&bytes);
    assert_eq!(sequences(&mut client, 1), known(&[5]));
    client.send_raw(&value);
    assert_eq!(sequences(&mut client, 1), known(&[6]));
}

#[test]
fn what_is_answered_before_an_end_is_shuffled_but_not_lost() {
    for faults in
        [Faults { close_at: at(6), ..Faults::default() }, Faults { half_at: at(6), ..Faults::default() }]
    {
        let drive = start_with_faults(Faults { reorder: at(100), ..faults });
        let mut client = Client::connect(&drive);
        send_noops(&mut client, 6);
        let mut order = sequences(&mut client, 5);
        order.sort();
        assert_eq!(order, known(&[1, 2, 3, 4, 5]));
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let answers = |seed| {
        let drive = start_with_faults(Faults {
            reorder: at(16),
            jitter_ms: Some(1),
            duplicate_every: at(5),
            unknown_at: at(7),
            status_at: at(9),
            seed,
            ..Faults::default()
        });
        let both = [(); 2].map(|()| {
            let mut client = Client::connect(&drive);
            send_noops(&mut client, 64);
            rest(&client)
        });
        assert_ne!(both[0], both[1]);
        both
    };
    let first = answers(1);
    assert_eq!(first, answers(1));
    let other = answers(2);
    assert_ne!(first, other);
    // It is the order that differs.
    let sorted = |mut bytes: Vec<u8>| {
        bytes.sort_unstable();
        bytes
    };
    assert_eq!(first.map(sorted), other.map(sorted));
}

#[test]
fn answers_are_duplicated() {
    let drive =
        start_with_faults(Faults { duplicate_at: at(1), duplicate_every: at(3), ..Faults::default() });
    let mut client = Client::connect(&drive);
    send_noops(&mut client, 6);
    assert_eq!(sequences(&mut client, 9), known(&[1, 1, 2, 3, 3, 4, 5, 6, 6]));
    // With its value.
    assert_eq!(client.put(b"key", &vec![5; 20_000]), StatusCode::Success);
    assert_eq!(client.noop(), StatusCode::Success);
    let (_, value) = client.get(b"key");
    assert_eq!(value, vec![5; 20_000]);
    let (again, value) = client.receive().unwrap();
    assert_eq!((again.ack_sequence(), value), (Some(9), vec![5; 20_000]));
}

#[test]
fn a_sequence_is_acknowledged_that_was_never_asked() {
    let drive = start_with_faults(Faults { unknown_at: at(2), ..Faults::default() });
    let mut client = Client::connect(&drive);
    send_noops(&mut client, 3);
    assert_eq!(sequences(&mut client, 4), known(&[1, 2, 2 + (1 << 40), 3]));
}

#[test]
fn a_status_comes_unasked() {
    let drive = start_with_faults(Faults { status_at: at(2), ..Faults::default() });
    let mut client = Client::connect(&drive);
    send_noops(&mut client, 3);
    assert_eq!(sequences(&mut client, 2), known(&[1, 2]));
    let (status, value) = client.receive().unwrap();
    assert!(status.unsolicited && value.is_empty());
    assert_eq!((status.status(), status.status_message()), (StatusCode::InternalError, ""));
    assert_eq!(sequences(&mut client, 1), known(&[3]));

    let drive = start_with_faults(Faults {
        status_at: at(1),
        status_code: Some(99),
        status_text: Some("nobody knows".to_owned()),
        ..Faults::default()
    });
    let mut client = Client::connect(&drive);
    assert_eq!(client.noop(), StatusCode::Success);
    let status = client.receive().unwrap().0.command.status.unwrap();
    assert_eq!((status.code, status.status_message.as_deref()), (Some(99), Some("nobody knows")));
}

/// What is sent in answer to a NOOP, a GET of five bytes and a NOOP.
fn three_answers(faults: Faults) -> Vec<u8> {
    let drive = start_with_faults(Faults::default());
    let mut client = Client::connect(&drive);
    assert_eq!(client.put(b"key", b"value"), StatusCode::Success);
    drive.set_faults(faults);
    let mut client = Client::connect(&drive);
    send_noops(&mut client, 1);
    let get = client.builder.get(b"key");
    client.send(&get, b"");
    send_noops(&mut client, 1);
    rest(&client)
}

#[test]
fn a_header_lies_and_nothing_else_changes() {
    let honest = three_answers(Faults::default());
    let first = 9 + u32::from_be_bytes(honest[1..5].try_into().unwrap()) as usize;
    let message_len = u32::from_be_bytes(honest[first + 1..first + 5].try_into().unwrap());
    let lengths =
        |message: u32, value: u32| [&b"F"[..], &message.to_be_bytes(), &value.to_be_bytes()].concat();
    assert_eq!(honest[first..first + 9], lengths(message_len, 5));
    for (message, value, expected) in [
        (Some(10), None, lengths(message_len + 10, 5)),
        (Some(-10), None, lengths(message_len - 10, 5)),
        (None, Some(1), lengths(message_len, 6)),
        (None, Some(-5), lengths(message_len, 0)),
        (None, Some(-6), lengths(message_len, u32::MAX)),
        (Some(i32::MAX), Some(i32::MAX), lengths(message_len + i32::MAX as u32, 5 + i32::MAX as u32)),
    ] {
        let faults = Faults { lie_at: at(2), lie_message: message, lie_value: value, ..Faults::default() };
        let mut expected_all = honest.clone();
        expected_all[first..first + 9].copy_from_slice(&expected);
        assert_eq!(three_answers(faults), expected_all);
    }
    let mut expected = honest;
    expected[first] = !b'F';
    assert_eq!(three_answers(Faults { bad_magic_at: at(2), ..Faults::default() }), expected);
}

#[test]
fn answers_are_delayed_one_by_one() {
    let drive = start_with_faults(Faults { delay_ms: Some(40), jitter_ms: Some(10), ..Faults::default() });
    let mut client = Client::connect(&drive);
    let begun = Instant::now();
    send_noops(&mut client, 3);
    assert_eq!(sequences(&mut client, 1), known(&[1]));
    assert!(begun.elapsed() >= Duration::from_millis(40));
    assert_eq!(sequences(&mut client, 2), known(&[2, 3]));
    assert!(begun.elapsed() >= Duration::from_millis(120));
}

#[test]
fn a_drive_that_delays_for_an_hour_can_be_stopped() {
    let drive = start_with_faults(Faults { delay_ms: Some(3_600_000), ..Faults::default() });
    let mut client = Client::connect(&drive);
    send_noops(&mut client, 1);
    // Until the answer is what is waited for.
    while drive.connections()[0].idle {
        std::thread::yield_now();
    }
    drop(drive);
    client.expect_end();
}

#[test]
fn a_group_whose_last_request_has_no_answer_is_a_group_too() {
    const ROUNDS: u64 = 16;
    let drive = start_with_faults(Faults { reorder: at(4), ..Faults::default() });
    let mut client = Client::connect(&drive);
    let mut bytes = Vec::new();
    for batch in 0..ROUNDS as u32 {
        client.builder.start_batch(batch).append_to(&mut bytes);
        for _ in 0..3 {
            client.builder.delete_in_batch(batch, b"key").append_to(&mut bytes);
        }
        client.builder.abort_batch(batch).append_to(&mut bytes);
        for _ in 0..3 {
            client.builder.noop().append_to(&mut bytes);
        }
    }
    client.send_raw(&bytes);
    for round in 0..ROUNDS {
        let first = 8 * round + 1;
        assert_eq!(sequences(&mut client, 1), known(&[first]));
        let mut others = sequences(&mut client, 4);
        others.sort();
        assert_eq!(others, known(&[first + 4, first + 5, first + 6, first + 7]));
    }
}

#[test]
fn a_group_is_divided_where_it_would_take_too_much_memory() {
    const VALUE: usize = 8 << 10;
    let drive = start_with_faults(Faults { reorder: at(1000), ..Faults::default() });
    let mut client = Client::connect(&drive);
    assert_eq!(client.put(b"key", &[5; VALUE]), StatusCode::Success);
    let mut bytes = Vec::new();
    for _ in 0..500 {
        client.builder.get(b"key").append_to(&mut bytes);
    }
    client.send_raw(&bytes);
    // So many are 256 KiB, and no answer is further than that from its place.
    let most = (256 << 10) / VALUE as u64;
    for place in 2..502 {
        let (answer, value) = client.receive().unwrap();
        let sequence = answer.ack_sequence().unwrap();
        assert!(sequence.abs_diff(place) <= most, "{sequence} is number {place}");
        assert_eq!(value, [5; VALUE]);
    }
}
