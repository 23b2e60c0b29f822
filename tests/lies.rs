//! The driver meets a drive that lies about lengths, or sends what is no PDU: over both engines.

mod common;

use std::io;

use common::{Client, Wire, at, drive, value, with_each_backend};
use kinetic_drive::{Drive, Faults};

const CONNRESET: Option<i32> = Some(104);
const PROTO: Option<i32> = Some(71);

/// A drive that sends three answers, the second of which it lies about, and the client's connection. The second has a
/// value of five bytes.
fn three_answers(faults: Faults) -> (Drive, Wire) {
    let drive = drive(Faults::default());
    Client::connect(&drive).put_and_wait(b"key", b"value");
    drive.set_faults(faults);
    let mut wire = Wire::connect(&drive);
    wire.noop().unwrap();
    let get = wire.builder.get(b"key");
    wire.send(&get, b"").unwrap();
    wire.noop().unwrap();
    wire.receive().unwrap();
    (drive, wire)
}

fn lie(message: i32, value: i32) -> Faults {
    Faults { lie_at: at(2), lie_message: Some(message), lie_value: Some(value), ..Faults::default() }
}

/// The driver has found out that it is not Kinetic what comes: nothing is announced any more, and both halves say why.
fn expect_refusal(wire: &mut Wire) {
    let errno = |result: io::Result<usize>| result.unwrap_err().raw_os_error();
    for _ in 0..3 {
        assert!(!wire.handle.poll(20).unwrap());
    }
    assert_eq!(errno(wire.handle.receive([&mut [0; 9]])), PROTO);
    assert_eq!(errno(wire.noop()), PROTO);
    wire.expect_death();
}

#[test]
fn a_wrong_first_byte_is_refused() {
    with_each_backend(|| {
        let (_drive, mut wire) = three_answers(Faults { bad_magic_at: at(2), ..Faults::default() });
        expect_refusal(&mut wire);
    });
}

#[test]
fn two_gibibytes_and_more_are_refused() {
    with_each_backend(|| {
        // Just below 0, which is just below 4 GiB; and both lengths together.
        for faults in [lie(0, -6), lie(i32::MAX, 0), lie(i32::MAX / 2, i32::MAX / 2 + 2)] {
            let (_drive, mut wire) = three_answers(faults);
            expect_refusal(&mut wire);
        }
    });
}

#[test]
fn what_follows_a_length_that_is_wrong_is_refused() {
    with_each_backend(|| {
        for (message, value) in [(10, 0), (-10, 0), (0, 1), (0, -5), (5, -5)] {
            let (_drive, mut wire) = three_answers(lie(message, value));
            // The message is what its PDU says; the driver cannot know better.
            let (header, [got, value_got]) = wire.receive().unwrap();
            let claimed = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().unwrap()) as usize;
            assert_eq!((got.len(), value_got.len()), (claimed(1), claimed(5)));
            assert_eq!(value_got.len() as i32, 5 + value);
            if (message, value) == (5, -5) {
                // Only the border between the two is wrong: the stream is in step.
                assert_eq!(got[got.len() - 5..], *b"value");
                wire.receive().unwrap();
            } else {
                expect_refusal(&mut wire);
            }
        }
    });
}

#[test]
fn a_small_message_that_never_comes_is_not_announced() {
    with_each_backend(|| {
        // It takes in the next answer, and then some.
        let (drive, mut wire) = three_answers(lie(5000, 0));
        assert!(!wire.handle.poll(300).unwrap());
        drive.close_connection(drive.connections().last().unwrap().id).unwrap();
        wire.expect_death();
    });
}

#[test]
fn a_large_value_that_never_comes_fails_when_the_drive_goes() {
    with_each_backend(|| {
        let (_drive, mut wire) = three_answers(Faults { close_at: at(4), ..lie(0, 1 << 20) });
        wire.noop().unwrap();
        assert_eq!(wire.receive().unwrap_err().raw_os_error(), CONNRESET);
        wire.expect_death();
    });
}

#[test]
fn a_large_value_that_is_larger_than_it_should_be_swallows_what_follows_and_no_more() {
    with_each_backend(|| {
        let drive = drive(Faults::default());
        let large = value(1 << 20, 1);
        Client::connect(&drive).put_and_wait(b"large", &large);
        drive.set_faults(Faults { lie_at: at(1), lie_value: Some(9), ..Faults::default() });
        let mut wire = Wire::connect(&drive);
        let get = wire.builder.get(b"large");
        wire.send(&get, b"").unwrap();
        wire.noop().unwrap();
        let (_, [_, got]) = wire.receive().unwrap();
        assert!(got[..1 << 20] == large);
        assert_eq!(got[1 << 20], b'F');
        assert_eq!(got.len(), (1 << 20) + 9);
        expect_refusal(&mut wire);
    });
}
