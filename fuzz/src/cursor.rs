//! Vectors of any pieces, sent and received in operations that take any part of them: every byte once, in order.
//!
//! The input is the number of pieces, their lengths, and then the operations: how much is offered, how much is taken.

#![no_main]

use ktli_uring::fuzzing::{gather, scatter};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((count, rest)) = input.split_first() else { return };
    let (lengths, rest) = rest.split_at(usize::from(*count).min(rest.len()));
    // Mostly short ones, so that a batch is full before much memory is.
    let lengths: Vec<usize> = lengths
        .iter()
        .map(|&length| if length < 0xf0 { usize::from(length % 16) } else { usize::from(length) << 4 })
        .collect();
    let operations: Vec<(usize, usize)> =
        rest.chunks_exact(2).map(|pair| (size(pair[0]), size(pair[1]))).collect();
    let total: usize = lengths.iter().sum();
    let bytes: Vec<u8> = (0..total).map(|at| (at ^ at >> 8) as u8).collect();

    let mut pieces = Vec::new();
    let mut from = &bytes[..];
    for length in &lengths {
        let (piece, rest) = from.split_at(*length);
        pieces.push(piece);
        from = rest;
    }
    assert_eq!(gather(&pieces, &operations), bytes);

    let mut received: Vec<Vec<u8>> = lengths.iter().map(|length| vec![0; *length]).collect();
    let mut into: Vec<&mut [u8]> = received.iter_mut().map(|piece| &mut piece[..]).collect();
    scatter(&mut into, &operations, &bytes);
    assert_eq!(received.concat(), bytes);
});

/// From nothing to more than there is.
fn size(byte: u8) -> usize {
    if byte < 0x80 { usize::from(byte) } else { 1 << (byte & 0x1f) }
}
