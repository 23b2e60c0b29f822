//! A cursor over a caller's vector of pieces: pure arithmetic, no input or output.
//!
//! The vector belongs to the caller and is never changed; the cursor only remembers how far it is.

use crate::socket::segment::{Batch, Segment};

/// A position in a vector of segments.
pub struct Cursor<'v, 'm, D> {
    /// The entries that are not used up; the first one perhaps in part.
    entries: &'v [Segment<'m, D>],
    /// How many bytes of the first entry are used up.
    used: usize,
    /// How many bytes there are from here to the end.
    left: usize,
}

impl<'v, 'm, D> Cursor<'v, 'm, D> {
    /// A cursor at the start of `entries`, which hold `total` bytes in all.
    pub fn new(entries: &'v [Segment<'m, D>], total: usize) -> Self {
        debug_assert_eq!(entries.iter().map(Segment::len).sum::<usize>(), total);
        Cursor { entries, used: 0, left: total }
    }

    /// How many bytes there are from here to the end.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Calls `each` for the pieces of the next `limit` bytes, in order, until it returns false.
    pub fn pieces(&self, limit: usize, mut each: impl FnMut(Segment<'m, D>) -> bool) {
        let mut used = self.used;
        let mut limit = limit;
        for entry in self.entries {
            if limit == 0 {
                return;
            }
            let piece = entry.part(used, limit);
            used = 0;
            limit -= piece.len();
            if piece.len() > 0 && !each(piece) {
                return;
            }
        }
    }

    /// Adds the pieces of the next `limit` bytes to `batch`, as many as it has places for.
    pub fn fill(&self, limit: usize, batch: &mut Batch<'m, D>) {
        self.pieces(limit, |piece| batch.push(piece));
    }

    /// Moves on by `bytes`, which must not be more than are left.
    pub fn advance(&mut self, bytes: usize) {
        assert!(bytes <= self.left, "a cursor cannot move past its end");
        self.left -= bytes;
        let mut bytes = bytes;
        while let Some(first) = self.entries.first() {
            let rest = first.len() - self.used;
            if bytes < rest {
                self.used += bytes;
                return;
            }
            bytes -= rest;
            self.used = 0;
            self.entries = &self.entries[1..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::segment::Out;

    fn gather(cursor: &Cursor<'_, '_, Out>, limit: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        cursor.pieces(limit, |piece| {
            piece.append_to(&mut bytes);
            true
        });
        bytes
    }

    #[test]
    fn every_split_gives_the_same_bytes() {
        let entries = [
            Segment::<Out>::new(b"abc"),
            Segment::<Out>::EMPTY,
            Segment::<Out>::new(b"d"),
            Segment::<Out>::new(b"efghij"),
        ];
        for first in 0..=10 {
            for second in 0..=(10 - first) {
                let mut cursor = Cursor::new(&entries, 10);
                let mut got = gather(&cursor, first);
                cursor.advance(first);
                got.extend(gather(&cursor, second));
                cursor.advance(second);
                assert_eq!(cursor.left(), 10 - first - second);
                got.extend(gather(&cursor, cursor.left()));
                assert_eq!(got, b"abcdefghij");
            }
        }
    }

    #[test]
    #[should_panic(expected = "past its end")]
    fn moving_past_the_end_is_refused() {
        Cursor::new(&[Segment::<Out>::new(b"ab")], 2).advance(3);
    }
}
