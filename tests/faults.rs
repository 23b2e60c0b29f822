//! The driver meets a drive that misbehaves: over both engines, through its C interface.

mod common;

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    num::NonZeroUsize,
    thread,
};

use common::{Client, PATIENCE, SILENCE, Wire, at, drive, greeted, value, with_each_backend};
use kinetic_drive::{
    Drive, Faults,
    protocol::{Encoded, RequestBuilder, StatusCode},
};

const CONNRESET: Option<i32> = Some(104);

#[test]
fn answers_in_fragments_are_put_together() {
    with_each_backend(|| {
        for (fragment, size) in [(1, 300), (7, 5000), (1000, 1 << 20)] {
            let drive = drive(Faults { fragment: NonZeroUsize::new(fragment), ..Faults::default() });
            let mut client = Client::connect(&drive);
            let value = value(size, 1);
            client.put(b"key", &value);
            client.get(b"key");
            client.expect(1);
            assert!(client.expect(2) == value);
        }
    });
}

#[test]
fn a_drive_that_goes_away_leaves_a_silent_session() {
    with_each_backend(|| {
        for faults in [
            Faults { close_at: at(4), ..Faults::default() },
            Faults { reset_at: at(4), ..Faults::default() },
            // The first half of an answer never reaches the caller: a receive that fails would hang it.
            Faults { half_at: at(4), ..Faults::default() },
        ] {
            let drive = drive(faults);
            let mut client = Client::connect(&drive);
            for sequence in 1..4 {
                client.noop();
                client.expect(sequence);
            }
            client.noop();
            client.expect_silence();
            // The sender finds out.
            client.noop();
            let error = client.session.answer(PATIENCE).err().unwrap();
            assert!(error.raw_os_error().is_some(), "{error}");
        }
    });
}

#[test]
fn a_silent_drive_does_not_end_the_session() {
    with_each_backend(|| {
        let drive = drive(Faults { silent_at: at(2), ..Faults::default() });
        let mut client = Client::connect(&drive);
        client.noop();
        client.expect(1);
        client.noop();
        client.expect_silence();
        client.noop();
        client.expect_silence();
    });
}

/// A drive with a large value, which behaves like this on new connections.
fn drive_with_large_value(faults: Faults) -> Drive {
    let drive = drive(Faults::default());
    Client::connect(&drive).put_and_wait(b"large", &value(1 << 20, 1));
    drive.set_faults(faults);
    drive
}

#[test]
fn an_end_between_messages_or_inside_a_small_one_leaves_a_silent_session() {
    with_each_backend(|| {
        let greeted = greeted();
        for byte in [greeted, greeted + 1, greeted + 9, greeted + 20] {
            for faults in [
                Faults { close_at_byte: Some(byte), ..Faults::default() },
                Faults { reset_at_byte: Some(byte), ..Faults::default() },
            ] {
                let drive = drive(faults);
                let mut wire = Wire::connect(&drive);
                // The drive may have gone.
                let _ = wire.noop();
                wire.expect_death();
            }
        }
        // Not even a greeting.
        for byte in [0, 1, 20] {
            let drive = drive(Faults { close_at_byte: Some(byte), ..Faults::default() });
            let handle = ktli_client::driver::URING.open().unwrap();
            handle.connect(drive.local_addr()).unwrap();
            Wire { handle, builder: RequestBuilder::new(1) }.expect_death();
        }
    });
}

#[test]
fn an_end_inside_a_large_value_fails_the_receive() {
    with_each_backend(|| {
        for reset in [false, true] {
            let byte = Some(greeted() + (600 << 10));
            let faults = if reset {
                Faults { reset_at_byte: byte, ..Faults::default() }
            } else {
                Faults { close_at_byte: byte, ..Faults::default() }
            };
            let drive = drive_with_large_value(faults);
            let mut wire = Wire::connect(&drive);
            let get = wire.builder.get(b"large");
            wire.send(&get, b"").unwrap();
            assert_eq!(wire.receive().unwrap_err().raw_os_error(), CONNRESET);
            wire.expect_death();
        }
    });
}

#[test]
fn silence_inside_a_message_is_waited_out_until_the_session_is_disconnected() {
    with_each_backend(|| {
        // Inside a small message: nothing is announced.
        let byte = Some(greeted() + 20);
        let drive = drive(Faults { silent_at_byte: byte, ..Faults::default() });
        let mut wire = Wire::connect(&drive);
        wire.noop().unwrap();
        assert!(!wire.handle.poll(SILENCE.as_millis() as i32).unwrap());
        wire.noop().unwrap();
        wire.handle.disconnect().unwrap();

        // Inside a large value: it is being received.
        let byte = Some(greeted() + (600 << 10));
        let drive = drive_with_large_value(Faults { silent_at_byte: byte, ..Faults::default() });
        let mut wire = Wire::connect(&drive);
        let get = wire.builder.get(b"large");
        wire.send(&get, b"").unwrap();
        thread::scope(|scope| {
            let receiver = scope.spawn(|| wire.receive());
            thread::sleep(SILENCE);
            assert!(!receiver.is_finished());
            wire.handle.disconnect().unwrap();
            receiver.join().unwrap().unwrap_err();
        });
    });
}

#[test]
fn a_connection_that_is_ended_while_it_is_polled_ends_quietly() {
    with_each_backend(|| {
        for reset in [false, true] {
            let drive = drive(Faults::default());
            let mut wire = Wire::connect(&drive);
            thread::scope(|scope| {
                let poller = scope.spawn(|| wire.handle.poll(1000));
                if reset { drive.reset_connection(1) } else { drive.close_connection(1) }.unwrap();
                assert!(!poller.join().unwrap().unwrap());
            });
            wire.expect_death();
        }
    });
}

/// What a drive with these faults sends on its first connection after the greeting, for these requests.
fn sent_by(faults: &Faults, requests: &[(Encoded, Vec<u8>)]) -> Vec<u8> {
    let drive = drive(faults.clone());
    let mut stream = TcpStream::connect(drive.local_addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    for (request, value) in requests {
        request.append_to(&mut bytes);
        bytes.extend(value);
    }
    stream.write_all(&bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut sent = Vec::new();
    stream.read_to_end(&mut sent).unwrap();
    let greeted = 9 + u32::from_be_bytes(sent[1..5].try_into().unwrap()) as usize;
    sent.split_off(greeted)
}

#[test]
fn copies_strays_and_early_answers_arrive_unchanged_and_in_order() {
    let [one, every] = [at(3), at(2)];
    let text = || Some("a status that nobody asked for".to_owned());
    let mut builder = RequestBuilder::new(1);
    let mut requests = Vec::new();
    for size in [0, 100, 20_000, 200_000] {
        let value = value(size, 1);
        requests.push((builder.put(b"key", size as u32), value));
        requests.push((builder.get(b"key"), Vec::new()));
        requests.push((builder.noop(), Vec::new()));
    }
    with_each_backend(|| {
        for faults in [
            Faults { duplicate_at: one, ..Faults::default() },
            Faults { duplicate_every: every, ..Faults::default() },
            Faults { unknown_at: one, ..Faults::default() },
            Faults { status_at: one, status_text: text(), ..Faults::default() },
            Faults { early: true, ..Faults::default() },
            Faults { early_at: at(10), ..Faults::default() },
            Faults { delay_ms: Some(1), jitter_ms: Some(2), ..Faults::default() },
            Faults {
                duplicate_every: every,
                unknown_at: one,
                status_at: one,
                early: true,
                jitter_ms: Some(1),
                fragment: NonZeroUsize::new(1000),
                seed: 7,
                ..Faults::default()
            },
        ] {
            let expected = sent_by(&faults, &requests);
            let drive = drive(faults.clone());
            let wire = Wire::connect(&drive);
            let mut arrived = Vec::new();
            thread::scope(|scope| {
                scope.spawn(|| {
                    for (request, value) in &requests {
                        wire.send(request, value).unwrap();
                    }
                });
                while arrived.len() < expected.len() {
                    let (header, [message, value]) = wire.receive().unwrap();
                    arrived.extend(header.into_iter().chain(message).chain(value));
                }
            });
            assert!(arrived == expected, "{faults:?}");
            // The same seed, the same bytes; and no more than these.
            assert!(!wire.handle.poll(20).unwrap());
        }
    });
}

#[test]
fn answers_in_another_order_arrive_once_each() {
    with_each_backend(|| {
        let drive = drive(Faults { reorder: at(16), ..Faults::default() });
        let mut client = Client::connect(&drive);
        let values: Vec<_> = (0..64).map(|index| value(index * index * 40, index as u64)).collect();
        for (index, value) in values.iter().enumerate() {
            client.put(&[index as u8], value);
        }
        for _ in &values {
            client.receive();
        }
        let first = client.builder.sequence;
        for index in 0..64 {
            client.get(&[index]);
        }
        let mut missing: Vec<_> = values.into_iter().map(Some).collect();
        for _ in 0..64 {
            let (answer, value) = client.receive();
            let index = (answer.ack_sequence().unwrap() - first) as usize;
            assert!(missing[index].take() == Some(value), "answer {index}");
        }
    });
}

#[test]
fn an_idle_session_gets_a_status_that_nobody_asked_for() {
    with_each_backend(|| {
        let drive = drive(Faults::default());
        let mut client = Client::connect(&drive);
        client.expect_silence();
        drive.send_status(None, StatusCode::Hibernate, "good night").unwrap();
        let (status, value) = client.receive();
        assert!(status.unsolicited && value.is_empty());
        assert_eq!((status.status(), status.status_message()), (StatusCode::Hibernate, "good night"));
        client.noop();
        client.expect(1);
    });
}

#[test]
fn a_drive_that_stops_reading_for_a_while_gets_everything_in_the_end() {
    with_each_backend(|| {
        let drive = drive(Faults { stop_reading_at: at(2), stop_reading_ms: Some(700), ..Faults::default() });
        let mut client = Client::connect(&drive);
        let value = value(1 << 20, 1);
        // More than the sockets buffer.
        for index in 0..48 {
            client.put(&[index], &value);
        }
        client.get(&[47]);
        for sequence in 1..=48 {
            client.expect(sequence);
        }
        assert!(client.expect(49) == value);
    });
}

#[test]
fn an_answer_comes_while_its_request_is_being_sent() {
    with_each_backend(|| {
        let drive = drive(Faults { early: true, ..Faults::default() });
        let mut client = Client::connect(&drive);
        for size in [1, 4096, 16 << 20] {
            let value = value(size, 1);
            let sequence = client.builder.sequence;
            client.put(b"key", &value);
            client.get(b"key");
            client.expect(sequence);
            assert!(client.expect(sequence + 1) == value, "{size} bytes");
        }
    });
}
