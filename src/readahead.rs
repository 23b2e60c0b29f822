//! The read-ahead buffer: bytes that were received and not yet asked for.
//!
//! One system call fills it with as many PDUs and small messages as the socket holds; `poll` and
//! `receive` are then served from memory. Only the receiver's half touches it.

use crate::{
    error::Errno,
    socket::segment::{self, zeroed},
};

/// A buffer with a filled part in the middle.
pub struct ReadAhead {
    memory: Box<[u8]>,
    capacity: usize,
    start: usize,
    end: usize,
}

impl ReadAhead {
    /// An empty buffer that will hold `capacity` bytes. Its memory is taken when it is first needed.
    pub fn new(capacity: usize) -> Self {
        ReadAhead { memory: Box::default(), capacity, start: 0, end: 0 }
    }

    /// The same with bytes in it; for more of them if there are more.
    pub fn with(capacity: usize, bytes: &[u8]) -> Result<Self, Errno> {
        let mut ahead = Self::new(capacity.max(bytes.len() + 1));
        if !bytes.is_empty() {
            ahead.free(bytes.len(), bytes.len())?[..bytes.len()].copy_from_slice(bytes);
            ahead.filled(bytes.len());
        }
        Ok(ahead)
    }

    /// The bytes received and not taken.
    pub fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    /// How many bytes it holds at the most.
    #[cfg(feature = "tls")]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Takes `count` bytes off the front.
    pub fn take(&mut self, count: usize) {
        debug_assert!(count <= self.end - self.start);
        self.start += count;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// The free part, at most `limit` bytes of it, moved so that `need` bytes in all can be buffered.
    pub fn free(&mut self, need: usize, limit: usize) -> Result<&mut [u8], Errno> {
        debug_assert!(need <= self.capacity);
        if self.memory.is_empty() {
            self.memory = zeroed(self.capacity).ok_or(Errno::NOMEM)?;
        }
        // Bytes are moved only when what is needed would not fit behind them, or when little room is
        // left for one receive; at most a part of one message, since whole ones are taken first.
        if self.start > 0
            && (self.start + need > self.capacity || self.capacity - self.end < self.capacity / 4)
        {
            self.memory.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let limit = limit.max(need.saturating_sub(self.end - self.start));
        let to = self.capacity.min(self.end.saturating_add(limit));
        Ok(&mut self.memory[self.end..to])
    }

    /// Gives the memory back to the kernel, as long as nothing is in it. True if that took a system call.
    pub fn give_back(&mut self) -> bool {
        self.start == self.end && segment::give_back_bytes(&mut self.memory)
    }

    /// Takes note of `count` bytes received into the free part.
    pub fn filled(&mut self, count: usize) {
        self.end += count;
        debug_assert!(self.end <= self.capacity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(ahead: &mut ReadAhead, bytes: &[u8]) {
        ahead.free(bytes.len(), usize::MAX).unwrap()[..bytes.len()].copy_from_slice(bytes);
        ahead.filled(bytes.len());
    }

    #[test]
    fn bytes_come_out_as_they_went_in() {
        let mut ahead = ReadAhead::new(16);
        let mut next = 0_u8;
        let mut expect = 0_u8;
        for round in 0..200 {
            let room = 16 - ahead.bytes().len();
            let bytes: Vec<u8> =
                (0..(round * 7 % 11).min(room)).map(|i| next.wrapping_add(i as u8)).collect();
            next = next.wrapping_add(bytes.len() as u8);
            if !bytes.is_empty() {
                let need = ahead.bytes().len() + bytes.len();
                ahead.free(need, usize::MAX).unwrap()[..bytes.len()].copy_from_slice(&bytes);
                ahead.filled(bytes.len());
            }
            let take = (round * 5 % 9).min(ahead.bytes().len());
            for byte in &ahead.bytes()[..take] {
                assert_eq!(*byte, expect);
                expect = expect.wrapping_add(1);
            }
            ahead.take(take);
        }
    }

    #[test]
    fn what_is_needed_always_fits() {
        let mut ahead = ReadAhead::new(16);
        receive(&mut ahead, &[1; 15]);
        ahead.take(14);
        assert_eq!(ahead.free(16, usize::MAX).unwrap().len(), 15);
        assert_eq!(ahead.bytes(), [1]);
    }

    #[test]
    fn a_limit_yields_to_what_is_needed() {
        let mut ahead = ReadAhead::new(64);
        assert_eq!(ahead.free(9, 20).unwrap().len(), 20);
        assert_eq!(ahead.free(40, 20).unwrap().len(), 40);
    }
}
