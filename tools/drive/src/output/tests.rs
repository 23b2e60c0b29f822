//! What leaves an output, in which pieces, and up to which byte.

use std::os::unix::net::{UnixDatagram, UnixStream};
use std::thread;

use super::*;
use crate::protocol::Message;

fn reply(value: &[u8]) -> Reply {
    Reply {
        message: Message { command_bytes: Some(b"command".to_vec()), ..Message::default() },
        value: Bytes::copy_from_slice(value),
        durable: false,
        replaceable: false,
        close: false,
        protocol_error: false,
    }
}

/// The frame of such a reply.
fn frame(value: &[u8]) -> Vec<u8> {
    let pdu = Pdu { message_len: 9, value_len: value.len() as u32 };
    [&pdu.encode()[..], b"\x3a\x07command", value].concat()
}

/// What arrives of `values`, one vector for each write.
fn writes(limit: usize, values: &[Vec<u8>], half: bool) -> Vec<Vec<u8>> {
    // Datagrams keep the boundaries between writes.
    let (sender, receiver) = UnixDatagram::pair().unwrap();
    let reader = thread::spawn(move || {
        let mut writes = Vec::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            match receiver.recv(&mut buffer).unwrap() {
                0 => return writes,
                len => writes.push(buffer[..len].to_vec()),
            }
        }
    });
    let mut output = Output::new(&Faults { fragment: NonZeroUsize::new(limit), ..Faults::default() }, None);
    for value in values {
        output.push(&reply(value));
    }
    if half {
        output.flush_without_half(&sender).unwrap();
    } else {
        output.flush(&sender).unwrap();
        assert_eq!(output.pending(), 0);
    }
    sender.send(&[]).unwrap();
    reader.join().unwrap()
}

fn values() -> Vec<Vec<u8>> {
    let sizes = [0, 10, INLINE_VALUE, INLINE_VALUE + 1, 3, 20_000, 20_000, 0];
    sizes.map(|size| (0..size).map(|n| n as u8).collect()).into()
}

#[test]
fn all_answers_go_out_with_one_write() {
    let expected: Vec<u8> = values().iter().flat_map(|value| frame(value)).collect();
    assert_eq!(writes(usize::MAX, &values(), false), [expected]);
}

#[test]
fn no_write_exceeds_the_limit() {
    let expected: Vec<u8> = values().iter().flat_map(|value| frame(value)).collect();
    for limit in [1, 100, 20_000] {
        let writes = writes(limit, &values(), false);
        assert!(writes.iter().all(|write| write.len() <= limit));
        assert_eq!(writes.concat(), expected);
    }
}

#[test]
fn the_second_half_of_the_last_answer_can_be_withheld() {
    let expected: Vec<u8> = values().iter().flat_map(|value| frame(value)).collect();
    let last = frame(&[]).len();
    let sent = writes(usize::MAX, &values(), true).concat();
    assert_eq!(sent, expected[..expected.len() - last + last / 2]);
}

#[test]
fn more_pieces_than_fit_into_one_write_take_several() {
    let values = vec![vec![5; INLINE_VALUE + 1]; MAX_PIECES];
    let expected: Vec<u8> = values.iter().flat_map(|value| frame(value)).collect();
    assert_eq!(writes(1 << 17, &values, false).concat(), expected);
}

#[test]
fn an_output_can_be_used_again() {
    let (sender, receiver) = UnixDatagram::pair().unwrap();
    let mut output = Output::default();
    let mut buffer = vec![0; 1 << 20];
    for value in values() {
        output.push(&reply(&value));
        output.flush(&sender).unwrap();
        let len = receiver.recv(&mut buffer).unwrap();
        assert_eq!(buffer[..len], frame(&value));
    }
}

#[test]
fn an_idle_output_occupies_nothing() {
    let (sender, receiver) = UnixDatagram::pair().unwrap();
    let mut output = Output::default();
    for value in values() {
        output.push(&reply(&value));
    }
    let pending = output.pending();
    output.rest();
    assert_eq!(output.pending(), pending);
    output.flush(&sender).unwrap();
    assert_eq!(receiver.recv(&mut vec![0; 1 << 20]).unwrap(), pending);
    assert_ne!(output.capacity(), 0);
    output.rest();
    assert_eq!(output.capacity(), 0);
}

#[test]
fn a_client_must_take_answers_in_time() {
    let (sender, _receiver) = UnixStream::pair().unwrap();
    sender.set_write_timeout(Some(Duration::from_millis(1))).unwrap();
    let mut output = Output::new(&Faults::default(), Some(Duration::from_millis(5)));
    output.push(&reply(&vec![1; 16 << 20]));
    let error = output.flush(&sender).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert_ne!(output.pending(), 0);
}

/// What arrives of `values` when the output obeys `faults`, and the output.
fn cut(faults: &Faults, values: &[Vec<u8>]) -> (Vec<u8>, io::Result<()>, Output) {
    let (sender, receiver) = UnixDatagram::pair().unwrap();
    let mut output = Output::new(faults, None);
    for value in values {
        output.push(&reply(value));
    }
    let result = output.flush(&sender);
    assert_eq!(output.pending(), 0);
    sender.send(&[]).unwrap();
    let mut arrived = vec![0; 1 << 20];
    let len = receiver.recv(&mut arrived).unwrap();
    arrived.truncate(len);
    (arrived, result, output)
}

#[test]
fn sending_ends_at_the_very_byte() {
    let whole: Vec<u8> = values().iter().flat_map(|value| frame(value)).collect();
    for at in [0, 1, 9, 20, 8191, 20_000, whole.len()] {
        let faults = Faults { close_at_byte: Some(at as u64), ..Faults::default() };
        let (arrived, result, output) = cut(&faults, &values());
        assert_eq!(arrived, whole[..at]);
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        assert_eq!(output.end(), Some(Ending::Close));
    }
    let faults = Faults { reset_at_byte: Some(whole.len() as u64 + 1), ..Faults::default() };
    let (arrived, result, output) = cut(&faults, &values());
    assert_eq!(arrived, whole);
    result.unwrap();
    assert_eq!(output.end(), None);
}

#[test]
fn silence_is_no_error_and_lasts() {
    let (sender, receiver) = UnixDatagram::pair().unwrap();
    let faults = Faults { silent_at_byte: Some(12), ..Faults::default() };
    let (arrived, result, mut output) = cut(&faults, &values());
    assert_eq!(arrived.len(), 12);
    result.unwrap();
    output.obey(&Faults::default());
    output.push(&reply(b"more"));
    output.flush(&sender).unwrap();
    assert_eq!(output.pending(), 0);
    sender.send(b"end").unwrap();
    assert_eq!(receiver.recv(&mut [0; 100]).unwrap(), 3);
}

#[test]
fn a_header_may_be_wrong_and_half_of_it_is_still_half() {
    let (sender, receiver) = UnixDatagram::pair().unwrap();
    let mut output = Output::default();
    output.push_under(b"987654321", &reply(b"value"));
    output.flush_without_half(&sender).unwrap();
    let mut buffer = [0; 100];
    let len = receiver.recv(&mut buffer).unwrap();
    assert_eq!(buffer[..9], *b"987654321");
    assert_eq!(len, frame(b"value").len() / 2);
}
