//! Requests on their way in.

use std::io;

use crate::protocol::{PDU_SIZE, Pdu};
use crate::socket::{self, Deadline};
use crate::wire::Source;

/// The size of a new connection's buffer in bytes. It is small because most of
/// a thousand connections may be idle.
const FIRST_SIZE: usize = 16 << 10;

/// How much is read at a time at most, in bytes, unless a message is longer.
pub(crate) const FULL_SIZE: usize = 256 << 10;

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

    /// Reads once, as much as there is room for. Returns how many bytes came,
    /// none at the end of the stream.
    pub fn fill(&mut self, stream: &impl Source) -> io::Result<usize> {
        self.make_room();
        let count = stream.read(&mut self.buffer[self.end..])?;
        self.end += count;
        Ok(count)
    }

    /// Moves what is left to the front, and enlarges a buffer that is full.
    /// So its size is never more than twice of what has arrived.
    fn make_room(&mut self) {
        let filled = self.end == self.buffer.len();
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            self.shrink_to(FULL_SIZE);
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

    /// Gives memory back that an idle connection does not need.
    pub fn rest(&mut self) {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            self.shrink_to(FIRST_SIZE);
        }
    }

    /// Makes an empty buffer that is larger than `len` that small.
    fn shrink_to(&mut self, len: usize) {
        if self.buffer.len() > len {
            self.buffer.truncate(len);
            self.buffer.shrink_to_fit();
        }
    }

    /// How many bytes of memory this occupies.
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Takes the value of the frame at the front out of the buffer, as far as
    /// it is there, and reads the rest of it to its final place. The message
    /// stays in the buffer. `None` if the stream ends early.
    ///
    /// The frame must be longer than what is in the buffer.
    ///
    /// # Errors
    ///
    /// "Would block" after the deadline, besides what the stream says.
    pub fn read_value(
        &mut self,
        stream: &impl Source,
        pdu: Pdu,
        deadline: Deadline,
    ) -> io::Result<Option<Vec<u8>>> {
        let len = pdu.value_len as usize;
        let arrived = &self.buffer[self.start + pdu.value_offset()..self.end];
        let mut value = Vec::new();
        value.try_reserve_exact(reserve(arrived.len(), len))?;
        value.extend_from_slice(arrived);
        self.end = self.start + pdu.value_offset();
        while value.len() < len {
            if value.len() == value.capacity() {
                value.try_reserve_exact(reserve(value.len(), len) - value.len())?;
            }
            // This reads to the uninitialised end of the vector.
            match stream.append(&mut value) {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) if socket::is_over(&error) => {}
                Err(error) => return Err(error),
            }
            if value.len() < len {
                deadline.check()?;
            }
        }
        self.give_back(&mut value, len);
        Ok(Some(value))
    }

    /// Takes what is beyond `len` back into the buffer. An allocator may give
    /// a vector more memory than it was asked for, and then the next frame's
    /// first bytes were read along with the value.
    fn give_back(&mut self, value: &mut Vec<u8>, len: usize) {
        let excess = &value[len..];
        if !excess.is_empty() {
            self.buffer.truncate(self.end);
            self.buffer.extend_from_slice(excess);
            self.end = self.buffer.len();
            value.truncate(len);
        }
    }

    /// Reads the value of the frame at the front and forgets it. The message
    /// stays in the buffer. Returns whether the stream had all of the value.
    ///
    /// The frame must be longer than what is in the buffer.
    ///
    /// # Errors
    ///
    /// "Would block" after the deadline, besides what the stream says.
    pub fn skip_value(&mut self, stream: &impl Source, pdu: Pdu, deadline: Deadline) -> io::Result<bool> {
        let message_end = self.start + pdu.value_offset();
        let mut left = pdu.value_len as usize - (self.end - message_end);
        self.end = message_end;
        let scratch_end = self.buffer.len().max(message_end + FIRST_SIZE);
        self.buffer.resize(scratch_end, 0);
        while left > 0 {
            let scratch = &mut self.buffer[message_end..];
            let step = scratch.len().min(left);
            match stream.read(&mut scratch[..step]) {
                Ok(0) => return Ok(false),
                Ok(count) => left -= count,
                Err(error) if socket::is_over(&error) => {}
                Err(error) => return Err(error),
            }
            if left > 0 {
                deadline.check()?;
            }
        }
        Ok(true)
    }
}

/// How many bytes to reserve for a value of `len` bytes after `arrived` of
/// them: a length alone must not make the drive allocate it.
fn reserve(arrived: usize, len: usize) -> usize {
    len.min(FIRST_RESERVE.max(arrived.saturating_mul(RESERVE_FACTOR)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;

    /// A stream that has these bytes and ends.
    fn stream(bytes: impl Into<Vec<u8>>) -> UnixStream {
        let bytes = bytes.into();
        let (reader, mut writer) = UnixStream::pair().unwrap();
        thread::spawn(move || writer.write_all(&bytes));
        reader
    }

    /// A stream that has these bytes, and nothing after them, but goes on.
    fn silent_stream(bytes: &[u8]) -> (UnixStream, UnixStream) {
        let (reader, mut writer) = UnixStream::pair().unwrap();
        writer.write_all(bytes).unwrap();
        reader.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        (reader, writer)
    }

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|n| (n % 251) as u8).collect()
    }

    /// Reads until at least `len` bytes are there.
    fn fill_to(input: &mut Input, stream: &UnixStream, len: usize) {
        while input.bytes().len() < len {
            assert_ne!(input.fill(stream).unwrap(), 0);
        }
    }

    #[test]
    fn the_buffer_grows_with_what_arrives_only() {
        let stream = stream(vec![7; 600 << 10]);
        let mut input = Input::new();
        let mut arrived = 0;
        while input.fill(&stream).unwrap() > 0 {
            let now = input.bytes().len();
            assert!(now > arrived);
            arrived = now;
            assert!(input.capacity() <= FIRST_SIZE.max(2 * arrived));
        }
        assert_eq!(arrived, 600 << 10);
        input.consume(arrived);
        assert_eq!(input.bytes(), b"");
    }

    #[test]
    fn lengths_alone_allocate_nothing() {
        let pdu = Pdu { message_len: 1 << 20, value_len: 64 << 20 };
        let stream = stream(pdu.encode());
        let mut input = Input::new();
        fill_to(&mut input, &stream, PDU_SIZE);
        assert_eq!(input.fill(&stream).unwrap(), 0);
        assert_eq!(input.capacity(), FIRST_SIZE);
    }

    #[test]
    fn a_large_buffer_shrinks_when_it_is_empty() {
        let (reader, mut writer) = UnixStream::pair().unwrap();
        let mut input = Input::new();
        let sender = thread::spawn(move || {
            writer.write_all(&vec![1; 2 << 20]).unwrap();
            writer
        });
        fill_to(&mut input, &reader, 2 << 20);
        let mut writer = sender.join().unwrap();
        assert!(input.capacity() >= 2 << 20);
        // As long as there is something in it, it stays.
        input.consume(1);
        input.rest();
        assert!(input.capacity() >= 2 << 20);
        input.consume((2 << 20) - 1);
        writer.write_all(b"next").unwrap();
        fill_to(&mut input, &reader, 4);
        assert!(input.capacity() <= FULL_SIZE);
        assert_eq!(input.bytes(), b"next");
        input.consume(4);
        input.rest();
        assert_eq!(input.capacity(), FIRST_SIZE);
        writer.write_all(b"more").unwrap();
        fill_to(&mut input, &reader, 4);
        assert_eq!(input.bytes(), b"more");
    }

    #[test]
    fn a_partial_request_moves_to_the_front() {
        let expected = bytes(FIRST_SIZE + 100);
        let stream = stream(expected.clone());
        let mut input = Input::new();
        fill_to(&mut input, &stream, FIRST_SIZE);
        input.consume(FIRST_SIZE - 10);
        fill_to(&mut input, &stream, 110);
        assert_eq!(input.bytes(), &expected[FIRST_SIZE - 10..]);
    }

    #[test]
    fn a_value_reserves_little_until_it_arrives() {
        assert_eq!(reserve(0, 64 << 20), FIRST_RESERVE);
        assert_eq!(reserve(0, 100), 100);
        assert_eq!(reserve(FIRST_RESERVE, 64 << 20), 8 * FIRST_RESERVE);
        assert_eq!(reserve(FIRST_RESERVE, 3 * FIRST_RESERVE), 3 * FIRST_RESERVE);
        assert_eq!(reserve(64 << 20, 64 << 20), 64 << 20);
    }

    /// A frame with a value of 1 MiB, and what comes next.
    fn large_frame() -> (Pdu, Vec<u8>) {
        let pdu = Pdu { message_len: 2, value_len: 1 << 20 };
        (pdu, [&pdu.encode()[..], b"ms", &bytes(1 << 20), b"next"].concat())
    }

    #[test]
    fn a_value_ends_where_its_frame_ends() {
        let (pdu, frame) = large_frame();
        let stream = stream(frame);
        let mut input = Input::new();
        fill_to(&mut input, &stream, 11);
        let value = input.read_value(&stream, pdu, Deadline::never()).unwrap().unwrap();
        assert!(value == bytes(1 << 20));
        assert_eq!(value.capacity(), value.len());
        assert_eq!(&input.bytes()[PDU_SIZE..], b"ms");
        input.consume(11);
        fill_to(&mut input, &stream, 4);
        assert_eq!(input.bytes(), b"next");
    }

    #[test]
    fn what_was_read_beyond_a_value_comes_next() {
        let (pdu, frame) = large_frame();
        let stream = stream(&frame[..11]);
        let mut input = Input::new();
        fill_to(&mut input, &stream, 11);
        let mut value = frame[pdu.value_offset()..].to_vec();
        input.give_back(&mut value, 1 << 20);
        assert!(value == bytes(1 << 20));
        assert_eq!(&input.bytes()[PDU_SIZE..], b"msnext");
    }

    #[test]
    fn a_skipped_value_leaves_its_message_and_what_follows() {
        let (pdu, frame) = large_frame();
        let stream = stream(frame);
        let mut input = Input::new();
        fill_to(&mut input, &stream, 11);
        assert!(input.skip_value(&stream, pdu, Deadline::never()).unwrap());
        assert!(input.capacity() <= 2 * FIRST_SIZE);
        assert_eq!(&input.bytes()[PDU_SIZE..], b"ms");
        input.consume(11);
        fill_to(&mut input, &stream, 4);
        assert_eq!(input.bytes(), b"next");
    }

    #[test]
    fn a_value_may_be_cut_short() {
        let pdu = Pdu { message_len: 0, value_len: 100 };
        let begin = [&pdu.encode()[..], b"short"].concat();
        for skip in [false, true] {
            let stream = stream(begin.clone());
            let mut input = Input::new();
            fill_to(&mut input, &stream, PDU_SIZE);
            if skip {
                assert!(!input.skip_value(&stream, pdu, Deadline::never()).unwrap());
            } else {
                assert_eq!(input.read_value(&stream, pdu, Deadline::never()).unwrap(), None);
            }
        }
    }

    #[test]
    fn a_value_must_come_in_time() {
        let pdu = Pdu { message_len: 0, value_len: 100 };
        let begin = [&pdu.encode()[..], b"short"].concat();
        let soon = || Deadline::new(Instant::now(), Some(Duration::from_millis(5)));
        for skip in [false, true] {
            let (stream, _writer) = silent_stream(&begin);
            let mut input = Input::new();
            fill_to(&mut input, &stream, PDU_SIZE);
            let result = if skip {
                input.skip_value(&stream, pdu, soon()).map(|_| ())
            } else {
                input.read_value(&stream, pdu, soon()).map(|_| ())
            };
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
    }
}
