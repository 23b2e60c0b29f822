//! What the fuzz targets need to see of the library.
//!
//! Only there with the feature `fuzzing`; nothing here is stable.

use crate::{
    iovec::Cursor,
    socket::segment::{BATCH, Batch, In, Out, Segment},
};

pub use crate::{
    config::{
        BUFFER, Backend, CONNECT_TIMEOUT, DEFAULTS, LINGER, Options, Range, SEND_TIMEOUT, SPIN, SQPOLL_CPU,
        SQPOLL_IDLE, SendStrategy, ZERO_COPY,
    },
    features::{Features, NEEDED},
    framing::{Framing, Need, PDU},
    receive::{DIRECT, READ_AHEAD},
};

/// The bytes that go out when the pieces are sent, in operations that are offered `offered` bytes at the most and
/// take `taken` of those. The last operations take everything.
///
/// # Panics
///
/// If an operation is offered too much or, with bytes left, nothing.
pub fn gather(pieces: &[&[u8]], operations: &[(usize, usize)]) -> Vec<u8> {
    let entries: Vec<Segment<'_, Out>> = pieces.iter().map(|piece| Segment::<Out>::new(piece)).collect();
    let mut cursor = Cursor::new(&entries, pieces.iter().map(|piece| piece.len()).sum());
    let mut sent = Vec::new();
    walk(&mut cursor, operations, |piece, count| {
        piece.part(0, count).append_to(&mut sent);
    });
    sent
}

/// The other way: fills the pieces from `bytes`, of which there must be enough.
///
/// # Panics
///
/// As [`gather`] does.
pub fn scatter(pieces: &mut [&mut [u8]], operations: &[(usize, usize)], bytes: &[u8]) {
    let total = pieces.iter().map(|piece| piece.len()).sum();
    let entries: Vec<Segment<'_, In>> = pieces.iter_mut().map(|piece| Segment::<In>::new(piece)).collect();
    let mut cursor = Cursor::new(&entries, total);
    let mut done = 0;
    walk(&mut cursor, operations, |piece, count| {
        done += piece.fill_from(&bytes[done..done + count]);
    });
    assert_eq!(done, total);
}

/// Calls `each` for each piece of each operation, with how much of it is taken.
fn walk<'m, D>(
    cursor: &mut Cursor<'_, 'm, D>,
    operations: &[(usize, usize)],
    mut each: impl FnMut(&Segment<'m, D>, usize),
) {
    let mut operations = operations.iter();
    while cursor.left() > 0 {
        let (offered, taken) = *operations.next().unwrap_or(&(usize::MAX, usize::MAX));
        let left = cursor.left();
        let mut batch = Batch::new();
        cursor.fill(offered, &mut batch);
        let pieces = batch.segments();
        assert_eq!(pieces.iter().map(Segment::len).sum::<usize>(), batch.bytes());
        assert!(pieces.iter().all(|piece| piece.len() > 0));
        assert!(batch.bytes() <= offered.min(left));
        // A batch that is not full has all that was asked for.
        assert!(pieces.len() == BATCH || batch.bytes() == offered.min(left));
        assert_eq!(batch.header().msg_iovlen, pieces.len() as _);
        let taken = taken.min(batch.bytes());
        let mut rest = taken;
        for piece in pieces {
            let count = rest.min(piece.len());
            each(piece, count);
            rest -= count;
        }
        cursor.advance(taken);
        assert_eq!(cursor.left(), left - taken);
    }
    assert!(!has_pieces(cursor));
}

fn has_pieces<D>(cursor: &Cursor<'_, '_, D>) -> bool {
    let mut any = false;
    cursor.pieces(usize::MAX, |_| {
        any = true;
        true
    });
    any
}
