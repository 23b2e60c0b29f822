//! How a value is cut for the database.
//!
//! The database keeps a large value in a page of its own, whose size is a
//! power of two. A value of a power of two, the usual case, is just too large
//! for a page of its size, and would waste almost half of the next. So a value
//! is cut: the pieces fill one page each, and what is left over is kept with
//! the record.

use bytes::Bytes;

use crate::store::entry::size;

/// The longest value, or rest of one, that is kept in the record, in bytes.
/// So small entries take one search instead of two.
const MAX_REST: usize = 1024;

/// The size of the smallest page in bytes.
const MIN_PAGE: usize = 4096;

/// What the database needs of each page: its own header, the end of the value,
/// and a key of 12 bytes.
const PAGE_OVERHEAD: usize = 4 + 4 + 12;

/// What is stored under a key, except for the pieces of its value.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Record {
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub version: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub tag: Option<Bytes>,
    #[prost(int32, optional, tag = "3")]
    pub algorithm: Option<i32>,
    /// The length of the whole value in bytes.
    #[prost(uint64, tag = "4")]
    pub value_len: u64,
    /// Under which number the value's pieces are stored, if there are any.
    #[prost(uint64, tag = "5")]
    pub pieces: u64,
    /// The end of the value, behind the pieces.
    #[prost(bytes = "bytes", tag = "6")]
    pub rest: Bytes,
}

impl Record {
    /// Whether a part of the value is stored outside of the record.
    pub fn has_pieces(&self) -> bool {
        self.value_len > self.rest.len() as u64
    }

    /// How many bytes of the capacity the entry takes under a key of `key_len`
    /// bytes.
    pub fn size(&self, key_len: usize) -> u64 {
        size(key_len, self.value_len, &self.version, &self.tag)
    }
}

/// Cuts a value into pieces and a rest.
pub(super) fn cut(value: &Bytes) -> (Vec<Bytes>, Bytes) {
    let mut pieces = Vec::new();
    let mut rest = value.clone();
    while rest.len() > MAX_REST {
        let len = rest.len();
        let largest = (len + PAGE_OVERHEAD + 1).next_power_of_two() / 2;
        pieces.push(rest.split_to(len.min(largest.max(MIN_PAGE) - PAGE_OVERHEAD)));
    }
    (pieces, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_fill_pages_and_make_up_the_value() {
        for len in [0, 1, 1024, 1025, 4075, 4076, 4077, 4096, 5100, 5101, 8192, 100_000, 1 << 20, 64 << 20] {
            let value: Bytes = (0..len).map(|n| (n % 251) as u8).collect::<Vec<_>>().into();
            let (pieces, rest) = cut(&value);
            assert!(rest.len() <= MAX_REST);
            assert_eq!([pieces.concat(), rest.to_vec()].concat(), value, "{len}");
            // Only the last one may leave some of its page empty.
            for piece in pieces.iter().rev().skip(1) {
                assert!((piece.len() + PAGE_OVERHEAD).is_power_of_two(), "{len}: {}", piece.len());
            }
            let pages: usize = pieces.iter().map(|p| (p.len() + PAGE_OVERHEAD).next_power_of_two()).sum();
            assert!(pages <= len + MIN_PAGE, "{len}: {pages}");
            assert!(pieces.len() <= 16);
        }
        assert_eq!(cut(&vec![0; 1 << 20].into()).0.len(), 1);
    }
}
