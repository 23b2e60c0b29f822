//! Sending in linked pieces: `KTLI_URING_SEND=chunked`.
//!
//! A message is cut into pieces of [`CHUNK`] bytes, each an operation of its own, linked so that the kernel starts
//! one when the one before is complete, and all submitted with one system call; then all completions are reaped.
//!
//! What keeps the stream whole is `MSG_WAITALL` on every piece. Without it a piece that the full socket cuts short
//! counts as a success, and the next one starts in the gap: bytes were lost at every size. With it a short piece
//! breaks the chain, and the rest is cancelled (ECANCELED), so what has left is always a beginning of the message.

use std::{io, os::fd::BorrowedFd, time::Duration};

use io_uring::{opcode, squeue};

use super::{Completion, File, Kind, Ring, Tag};
use crate::{
    socket::segment::{Batch, Out, Segment, header},
    statistics::Count,
};

/// Size of a piece.
pub const CHUNK: usize = 256 << 10;

/// Entries of the queue of a ring that sends so: 16 MiB with one system call.
pub const ENTRIES: u32 = 64;

/// The pieces of a chain, each as long as [`CHUNK`] but for the last, and each perhaps gathered from several segments.
struct Pieces<'m> {
    segments: Vec<Segment<'m, Out>>,
    /// Where in `segments` each piece ends, and how many bytes it has.
    ends: Vec<(usize, usize)>,
}

impl<'m> Pieces<'m> {
    /// Cuts the start of `batch`, or all of it, into at most `most` pieces.
    fn cut(batch: &Batch<'m, Out>, most: usize) -> Self {
        let mut pieces = Pieces { segments: Vec::new(), ends: Vec::new() };
        let mut bytes = 0;
        for segment in batch.segments() {
            let mut used = 0;
            while used < segment.len() && pieces.ends.len() < most {
                let part = segment.part(used, CHUNK - bytes);
                used += part.len();
                bytes += part.len();
                pieces.segments.push(part);
                if bytes == CHUNK {
                    pieces.ends.push((pieces.segments.len(), CHUNK));
                    bytes = 0;
                }
            }
        }
        if bytes > 0 && pieces.ends.len() < most {
            pieces.ends.push((pieces.segments.len(), bytes));
        }
        pieces
    }

    /// The headers that name them. Valid as long as this is neither moved from nor changed.
    fn headers(&self) -> Vec<libc::msghdr> {
        let mut start = 0;
        self.ends
            .iter()
            .map(|(end, _)| {
                let named = header(&self.segments[start..*end]);
                start = *end;
                named
            })
            .collect()
    }
}

/// A chain in flight. Dropping it, in whatever way, waits for all its completions.
struct Chain<'r> {
    ring: &'r mut Ring,
    /// The first one's tag; the others' follow on it.
    first: Tag,
    results: Vec<Option<io::Result<usize>>>,
    /// A cancellation is on its way.
    cancelling: bool,
}

impl Chain<'_> {
    /// How many are not complete.
    fn outstanding(&self) -> usize {
        self.results.iter().filter(|result| result.is_none()).count()
    }

    fn reap(&mut self) {
        while let Some(completion) = self.ring.reap() {
            self.note(completion);
        }
    }

    fn note(&mut self, completion: Completion) {
        if completion.tag.is(Kind::Cancel) {
            self.cancelling = false;
        } else if let Some(index) = completion.tag.distance(self.first)
            && let Some(result) = self.results.get_mut(index)
        {
            *result = Some(completion.result());
        }
    }

    /// Ends it: cancels the piece that is in flight, which breaks the chain. A cancellation finds nothing in the
    /// moment between two pieces, so it is tried until nothing is outstanding.
    fn settle(&mut self) {
        let mut tries = 0;
        while let Some(index) = self.results.iter().position(Option::is_none) {
            if !self.cancelling {
                tries += 1;
                if tries > 3 {
                    self.ring.counters.pauses.add(1);
                    std::thread::sleep(Duration::from_millis(1));
                }
                self.ring.push_cancel(self.first.plus(index));
                self.cancelling = true;
            }
            self.ring.enter_until_reaped();
            self.reap();
        }
    }
}

impl Drop for Chain<'_> {
    fn drop(&mut self) {
        self.settle();
    }
}

/// Sends the start of `batch`, as much of it as one chain holds. `wait` tells how long the next wait may be, or
/// `None` to give up; then, and when the kernel completes early, what is returned is less. `cut` ends the connection
/// where it is not known what has left.
pub fn send_chain(
    ring: &mut Ring,
    fd: BorrowedFd<'_>,
    batch: &Batch<'_, Out>,
    wait: &mut dyn FnMut() -> Option<Duration>,
    cut: &dyn Fn(),
) -> io::Result<usize> {
    let pieces = Pieces::cut(batch, ring.places());
    let headers = pieces.headers();
    let entries: Vec<squeue::Entry> = headers
        .iter()
        .map(|header| {
            ring.entry(File::Socket, fd, |fd| {
                opcode::SendMsg::new(fd, header)
                    .flags((libc::MSG_WAITALL | libc::MSG_NOSIGNAL) as u32)
                    .build()
            })
        })
        .collect();
    // SAFETY: The headers, the segments they name and the memory of those (`batch` is borrowed) were made before
    // `chain` and are dropped after it, and are not touched meanwhile; and `chain` does not end, not even by a
    // panic, before all completions have been reaped. A transmission only reads.
    let first = unsafe { ring.push_chain(Kind::Send, entries) };
    let mut chain = Chain { ring, first, results: headers.iter().map(|_| None).collect(), cancelling: false };
    let mut failure = None;
    let mut waited = false;
    while chain.outstanding() > 0 {
        // A wait that was in vain was one for room.
        chain.ring.counters.full_waits.add(std::mem::replace(&mut waited, true).into());
        match wait() {
            Some(timeout) => {
                failure = chain.ring.enter(chain.outstanding(), Some(timeout)).err();
                let queued = chain.ring.queued();
                if !chain.ring.is_sqpoll() && queued > 0 && queued < chain.results.len() {
                    // The kernel ran out of memory in the middle of the chain, and has cut it there: the rest
                    // would start beside the beginning. On a dead socket it can do no harm.
                    cut();
                }
            }
            None => chain.settle(),
        }
        chain.reap();
        if failure.is_some() {
            // No error is known that could come here; what has left still counts.
            chain.settle();
        }
    }
    let results = std::mem::take(&mut chain.results);
    let results = results.into_iter().map(|result| result.unwrap_or(Ok(0)));
    match add_up(results.zip(pieces.ends.iter().map(|(_, bytes)| *bytes))) {
        Some(Ok(0)) => failure.map_or(Ok(0), Err),
        Some(sum) => sum,
        None => {
            cut();
            Err(io::Error::from_raw_os_error(libc::EIO))
        }
    }
}

/// How many bytes have left, from each piece's result and length; an error where none have. `None` if there is a
/// gap, which no kernel is known to leave.
fn add_up(pieces: impl Iterator<Item = (io::Result<usize>, usize)>) -> Option<io::Result<usize>> {
    let mut sum = 0;
    let mut error = None;
    let mut broken = false;
    for (result, bytes) in pieces {
        match result {
            Ok(count) if broken && count > 0 => return None,
            Ok(count) => {
                sum += count;
                broken |= count < bytes;
            }
            Err(its) => {
                broken = true;
                if its.raw_os_error() != Some(libc::ECANCELED) {
                    error.get_or_insert(its);
                }
            }
        }
    }
    match error {
        // What has left counts; the error comes again with what follows.
        Some(error) if sum == 0 => Some(Err(error)),
        _ => Some(Ok(sum)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::segment::Outgoing;

    #[test]
    fn pieces_are_equal_but_for_the_last_and_leave_nothing_out() {
        let bytes = vec![0; 3 * CHUNK];
        for (lens, wanted) in [
            (&[1][..], &[1][..]),
            (&[CHUNK - 1], &[CHUNK - 1]),
            (&[CHUNK], &[CHUNK]),
            (&[9, 100, CHUNK], &[CHUNK, 109]),
            (&[CHUNK, 1], &[CHUNK, 1]),
            (&[9, 3 * CHUNK], &[CHUNK, CHUNK, CHUNK, 9]),
        ] {
            let mut batch = Batch::new();
            for len in lens {
                assert!(batch.push(Outgoing::new(&bytes[..*len])));
            }
            let pieces = Pieces::cut(&batch, 100);
            assert_eq!(pieces.ends.iter().map(|(_, bytes)| *bytes).collect::<Vec<_>>(), wanted);
            let named: usize = pieces.segments.iter().map(Segment::len).sum();
            assert_eq!(named, batch.bytes());
            assert_eq!(pieces.ends.last().unwrap().0, pieces.segments.len());
            let first = Pieces::cut(&batch, 1);
            assert_eq!(first.ends.len(), 1);
            assert_eq!(first.ends[0].1, wanted[0]);
        }
    }

    #[test]
    fn what_has_left_is_added_up_to_the_first_gap() {
        let sum = |results: &[(i32, usize)]| {
            let results = results.iter().map(|(result, bytes)| {
                (usize::try_from(*result).map_err(|_| io::Error::from_raw_os_error(-*result)), *bytes)
            });
            add_up(results).map(|sum| sum.map_err(|error| error.raw_os_error().unwrap()))
        };
        let cancelled = (-libc::ECANCELED, 10);
        assert_eq!(sum(&[(10, 10), (4, 4)]), Some(Ok(14)));
        assert_eq!(sum(&[(10, 10), (3, 10), cancelled, cancelled]), Some(Ok(13)));
        assert_eq!(sum(&[cancelled, cancelled]), Some(Ok(0)));
        assert_eq!(sum(&[(-libc::EPIPE, 10), cancelled]), Some(Err(libc::EPIPE)));
        assert_eq!(sum(&[(10, 10), (-libc::EPIPE, 10), cancelled]), Some(Ok(10)));
        assert_eq!(sum(&[(3, 10), (10, 10)]), None);
        assert_eq!(sum(&[cancelled, (1, 10)]), None);
    }
}
