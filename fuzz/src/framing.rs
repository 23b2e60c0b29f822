//! The caller's place in any stream of bytes, compared with one that is found by reading the stream from its start.
//!
//! The input: whether borders are looked for, how large what is buffered and what goes directly is; the number of
//! steps and the steps; the stream, in which 'P' and two bytes make a PDU with these lengths.

#![no_main]

use ktli_uring::fuzzing::{Framing, Need, PDU};
use libfuzzer_sys::fuzz_target;

const STREAM: usize = 4096;

fuzz_target!(|input: &[u8]| {
    let [on, direct, capacity, steps, rest @ ..] = input else { return };
    // A PDU fits, as in the driver.
    let (direct, capacity) = (usize::from(*direct), PDU + 2 * usize::from(*capacity));
    let (steps, rest) = rest.split_at(usize::from(*steps).min(rest.len()));
    let reader = Reader { on: on % 4 > 0, stream: stream(rest), direct, capacity };
    let mut framing = Framing::new(reader.on, direct, capacity);
    // Taken by the caller; received.
    let (mut taken, mut received) = (0, 0);
    let mut completed = 0;
    for step in steps {
        let amount = usize::from(step >> 2);
        let there = reader.stream.len() - received;
        match step % 4 {
            0 => received += amount.min(there),
            1 => received += (amount << 6).min(there),
            2 => {
                let count = amount.min(received - taken);
                let bytes = &reader.stream[taken..taken + count];
                let result = framing.take(bytes);
                let bad = reader.first_bad(taken, taken + count);
                assert_eq!(result.is_err(), bad);
                if bad {
                    assert!(matches!(framing.need(&[]), Need::Garbage(_)));
                    assert!(framing.take(b"F").is_ok() && framing.body() == 0);
                    return;
                }
                taken += count;
            }
            _ if taken == received => {
                // Straight into the caller's memory, which is done with bytes only.
                let count = amount.min(there).min(framing.body());
                if count > 0 {
                    framing.skip(count);
                }
                received += count;
                taken += count;
            }
            _ => {}
        }
        assert_eq!(framing.need(&reader.stream[taken..received]), reader.need(taken, received));
        let buffered = &reader.stream[taken..received];
        let place = reader.place(taken);
        completed += framing.completed();
        if reader.on {
            assert_eq!(completed, place.index);
            assert_eq!(framing.at_border(), taken == place.start);
            let body = place.body_from(taken);
            assert_eq!(framing.body(), body.map_or(0, |from| place.end() - from));
            assert_eq!(framing.value_size(), body.map_or(0, |_| place.value));
            if reader.legal(&place, received) {
                assert_eq!(framing.is_whole(buffered), received >= place.end());
            }
        } else {
            assert!(framing.is_whole(buffered));
        }
        let announced = if !reader.on {
            0
        } else if let Some(from) = place.body_from(taken) {
            place.value.min(place.end() - from)
        } else if taken == place.start && reader.legal(&place, received) {
            place.value
        } else {
            0
        };
        assert_eq!(framing.announced(buffered), announced);
    }
});

/// The stream that the input describes.
fn stream(mut bytes: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    while stream.len() < STREAM
        && let [first, rest @ ..] = bytes
    {
        bytes = rest;
        match rest {
            [message, value, rest @ ..] if *first == b'P' => {
                bytes = rest;
                stream.push(b'F');
                stream.extend(u32::from(*message).to_be_bytes());
                stream.extend((u32::from(*value) << 1).to_be_bytes());
                stream.resize(stream.len() + usize::from(*message) + 2 * usize::from(*value), b'v');
            }
            _ => stream.push(*first),
        }
    }
    stream
}

struct Reader {
    on: bool,
    stream: Vec<u8>,
    direct: usize,
    capacity: usize,
}

/// A message of the stream, as far as its PDU is there.
struct Place {
    /// How many were before it.
    index: usize,
    start: usize,
    message: usize,
    value: usize,
}

impl Place {
    fn end(&self) -> usize {
        self.start + PDU + self.message + self.value
    }

    /// `at`, if it is behind the PDU.
    fn body_from(&self, at: usize) -> Option<usize> {
        (at >= self.start + PDU).then_some(at)
    }
}

impl Reader {
    /// The lengths that the PDU at `start` announces.
    fn lengths(&self, start: usize) -> Option<(u64, u64)> {
        let pdu = self.stream.get(start..start + PDU)?;
        let word = |at: usize| pdu[at..at + 4].iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        Some((word(1), word(5)))
    }

    fn is_bad(&self, start: usize) -> bool {
        self.stream[start] != b'F'
            || self.lengths(start).is_some_and(|(message, value)| message + value >= 1 << 31)
    }

    /// The message to which the byte at `at` belongs. All messages before it are good.
    fn place(&self, at: usize) -> Place {
        let mut place = Place { index: 0, start: 0, message: 0, value: 0 };
        loop {
            let Some((message, value)) = self.lengths(place.start) else { return place };
            (place.message, place.value) = (message as usize, value as usize);
            if at < place.end() {
                return place;
            }
            place = Place { index: place.index + 1, start: place.end(), message: 0, value: 0 };
        }
    }

    /// Is the PDU of this message there, up to `received`, and good?
    fn legal(&self, place: &Place, received: usize) -> bool {
        received >= place.start + PDU && !self.is_bad(place.start)
    }

    /// Does a PDU that is not one end in this range?
    fn first_bad(&self, from: usize, to: usize) -> bool {
        if !self.on {
            return false;
        }
        let mut start = self.place(from).start;
        while start + PDU <= to {
            if self.is_bad(start) {
                return true;
            }
            let place = self.place(start);
            start = place.end();
        }
        false
    }

    fn need(&self, taken: usize, received: usize) -> Need {
        let at_least = |to: usize| {
            if received >= to { Need::Nothing } else { Need::Buffered(to - taken) }
        };
        if !self.on {
            return at_least(taken + 1);
        }
        let place = self.place(taken);
        let pdu = place.start + PDU;
        if received > place.start && self.stream[place.start] != b'F' {
            return Need::Garbage("its first byte is not 'F'");
        }
        if received < pdu {
            return at_least(pdu);
        }
        if self.is_bad(place.start) {
            return Need::Garbage("it announces 2 GiB or more");
        }
        // What is left of the value decides whether it is large.
        let value = (place.end() - taken.max(pdu)).min(place.value);
        let small = if value < self.direct { place.end() } else { place.end() - value };
        // A large message that is being taken is buffered no more.
        at_least(if small - taken <= self.capacity { small } else { pdu.max(taken) })
    }
}
