//! Any bytes over a real connection.

#![no_main]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::LazyLock;

use kinetic_drive::protocol::{Answer, DEFAULT_KEY, HmacKey, PDU_SIZE, Pdu};
use kinetic_drive::{Config, Drive};
use libfuzzer_sys::fuzz_target;

static DRIVE: LazyLock<Drive> = LazyLock::new(|| Drive::start(Config::default()).expect("a free port"));

fuzz_target!(|input: &[u8]| {
    let mut stream = TcpStream::connect(DRIVE.local_addr()).expect("the drive listens");
    // The drive may close before it has read all.
    let _ = stream.write_all(input).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answers = Vec::new();
    // It may also reset what was sent after its end.
    let _ = stream.read_to_end(&mut answers);
    let key = HmacKey::new(DEFAULT_KEY);
    let mut rest = &answers[..];
    let mut count = 0;
    while let Some(header) = rest.first_chunk::<PDU_SIZE>() {
        let pdu = Pdu::decode(header).expect("the drive sends frames");
        let Some(message) = rest.get(PDU_SIZE..pdu.value_offset()) else {
            break;
        };
        let answer = Answer::decode(message, &key).expect("the drive sends answers");
        assert!(count > 0 || answer.unsolicited, "the drive speaks first");
        count += 1;
        rest = rest.get(pdu.frame_len()..).unwrap_or_default();
    }
});
