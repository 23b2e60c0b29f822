//! Requests on their way in.

use std::io::{self, Read};

use crate::protocol::{PDU_SIZE, Pdu};

/// The size of a new connection's buffer in bytes. It is small because most of
/// a thousand connections may be idle.
const FIRST_SIZE: usize = 16 << 10;

/// How much is read at a time at most, in bytes, unless a message is longer.
const FULL_SIZE: usize = 256 << 10;

/// The least to reserve for a value in bytes.
const FIRST_RESERVE: usize = 64 << 10;

/// How much memory a value may reserve for each byte that has arrived.
const RESERVE_FACTOR: usize = 8;

/// Bytes read from a connection but not used yet.
pub(crate) struct Input {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    pub fn new() -> Self {
        Self { buffer: vec![0; FIRST_SIZE], start: 0, end: 0 }
    }

    /// The bytes not used yet.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The frame header at the front, if it is there already.
    pub fn header(&self) -> Option<&[u8; PDU_SIZE]> {
        self.bytes().first_chunk()
    }

    /// Drops `count` bytes from the front.
    pub fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end);
    }

    /// Reads once, as much as there is room for. Returns whether there was
    /// anything, which is not so at the end of the stream.
    pub fn fill(&mut self, mut stream: impl Read) -> io::Result<bool> {
        self.make_room();
        let count = retry(|| stream.read(&mut self.buffer[self.end..]))?;
        self.end += count;
        Ok(count > 0)
    }

    /// Moves what is left to the front, and enlarges a buffer that is full.
    /// So its size is never more than twice of what has arrived.
    fn make_room(&mut self) {
        let filled = self.end == self.buffer.len();
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        } else if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let len = self.buffer.len();
        if self.end == len || (filled && len < FULL_SIZE) {
            self.buffer.resize(2 * len, 0);
        }
    }

    /// Takes the value of the frame at the front out of the buffer, as far as
    /// it is there, and reads the rest of it to its final place. The message
    /// stays in the buffer. `None` if the stream ends early.
    ///
    /// The frame must be longer than what is in the buffer.
    pub fn read_value(&mut self, mut stream: impl Read, pdu: Pdu) -> io::Result<Option<Vec<u8>>> {
        let len = pdu.value_len as usize;
        let arrived = &self.buffer[self.start + pdu.value_offset()..self.end];
        let mut value = Vec::new();
        value.try_reserve_exact(reserve(arrived.len(), len))?;
        value.extend_from_slice(arrived);
        self.end = self.start + pdu.value_offset();
        while value.len() < len {
            let step = reserve(value.len(), len) - value.len();
            value.try_reserve_exact(step)?;
            // This reads to the uninitialised end of the vector.
            let count = stream.by_ref().take(step as u64).read_to_end(&mut value)?;
            if count < step {
                return Ok(None);
            }
        }
        Ok(Some(value))
    }
}

/// How many bytes to reserve for a value of `len` bytes after `arrived` of
/// them: a length alone must not make the drive allocate it.
fn reserve(arrived: usize, len: usize) -> usize {
    len.min(FIRST_RESERVE.max(arrived.saturating_mul(RESERVE_FACTOR)))
}

/// Repeats a call that was interrupted by a signal.
fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buffer_grows_with_what_arrives_only() {
        let stream = vec![7; 600 << 10];
        let mut stream = &stream[..];
        let mut input = Input::new();
        let mut arrived = 0;
        while input.fill(&mut stream).unwrap() {
            let now = input.bytes().len();
            assert!(now > arrived);
            arrived = now;
            assert!(input.buffer.len() <= FIRST_SIZE.max(2 * arrived));
        }
        assert_eq!(arrived, 600 << 10);
        input.consume(arrived);
        assert_eq!(input.bytes(), b"");
    }

    #[test]
    fn a_partial_request_moves_to_the_front() {
        let stream: Vec<u8> = (0..FIRST_SIZE + 100).map(|n| n as u8).collect();
        let mut rest = &stream[..];
        let mut input = Input::new();
        input.fill(&mut rest).unwrap();
        input.consume(FIRST_SIZE - 10);
        input.fill(&mut rest).unwrap();
        assert_eq!(input.bytes(), &stream[FIRST_SIZE - 10..]);
    }

    #[test]
    fn a_value_reserves_little_until_it_arrives() {
        assert_eq!(reserve(0, 64 << 20), FIRST_RESERVE);
        assert_eq!(reserve(0, 100), 100);
        assert_eq!(reserve(FIRST_RESERVE, 64 << 20), 8 * FIRST_RESERVE);
        assert_eq!(reserve(FIRST_RESERVE, 3 * FIRST_RESERVE), 3 * FIRST_RESERVE);
        assert_eq!(reserve(64 << 20, 64 << 20), 64 << 20);
    }

    #[test]
    fn a_value_ends_where_its_frame_ends() {
        let pdu = Pdu { message_len: 2, value_len: 1 << 20 };
        let mut stream = pdu.encode().to_vec();
        stream.extend_from_slice(b"ms");
        stream.extend((0..1 << 20).map(|n| (n % 251) as u8));
        stream.extend_from_slice(b"next");
        let mut rest = &stream[..];
        let mut input = Input::new();
        input.fill(&mut rest).unwrap();
        let value = input.read_value(&mut rest, pdu).unwrap().unwrap();
        assert_eq!(value[..], stream[11..11 + (1 << 20)]);
        assert_eq!(rest, b"next");
        assert_eq!(&input.bytes()[PDU_SIZE..], b"ms");
    }

    #[test]
    fn a_value_may_be_cut_short() {
        let pdu = Pdu { message_len: 0, value_len: 100 };
        let mut input = Input::new();
        input.fill(&pdu.encode()[..]).unwrap();
        assert_eq!(input.read_value(&b"short"[..], pdu).unwrap(), None);
    }
}
