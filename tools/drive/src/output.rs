//! Answers on their way out.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message as _;
use rustix::net::SendFlags;

use crate::faults::{Cut, Ending, Faults};
use crate::protocol::{PDU_SIZE, Pdu};
use crate::session::Reply;
use crate::socket::{self, Deadline};
use crate::wire::Sink;

/// Values up to this many bytes are copied next to their messages: that costs
/// less than a piece of their own in a vectored write.
const INLINE_VALUE: usize = 8 << 10;

/// The most pieces in one vectored write.
const MAX_PIECES: usize = 64;

/// How much of the buffer is kept when all is sent, in bytes.
const KEPT: usize = 512 << 10;

/// Answers that are not sent yet, in order.
#[derive(Default)]
pub(crate) struct Output {
    /// Messages and small values, one after the other.
    inline: Vec<u8>,
    /// What to send: pieces of `inline`, and large values between them.
    pieces: VecDeque<Piece>,
    /// How many bytes all pieces have.
    pending: usize,
    /// How many bytes the last answer has.
    last: usize,
    /// Whether one of the answers promises that changes are durable.
    durable: bool,
    /// How many bytes were sent so far.
    sent: u64,
    /// The most bytes per write; `None` if there is no limit.
    limit: Option<usize>,
    /// How long the client may take for what is sent at a time.
    stall_timeout: Option<Duration>,
    /// Where sending comes to its end on purpose.
    cut: Option<Cut>,
}

enum Piece {
    /// The bytes of `inline` in this range.
    Inline { start: usize, end: usize },
    /// A value shared with the store.
    Value(Bytes),
}

impl Output {
    /// No answers yet, sent as `faults` say. The client has to take what is
    /// sent at a time within `stall_timeout`.
    pub fn new(faults: &Faults, stall_timeout: Option<Duration>) -> Self {
        let mut output = Self { stall_timeout, ..Self::default() };
        output.obey(faults);
        output
    }

    /// How many bytes of memory this occupies, without values that are shared
    /// with the store.
    pub fn capacity(&self) -> usize {
        self.inline.capacity() + self.pieces.capacity() * size_of::<Piece>()
    }

    /// Gives memory back that an idle connection does not need.
    pub fn rest(&mut self) {
        if self.pending == 0 {
            self.inline = Vec::new();
            self.pieces = VecDeque::new();
        }
    }

    /// Sends as `faults` say from now on. Silence that has begun lasts.
    pub fn obey(&mut self, faults: &Faults) {
        self.limit = faults.fragment.map(NonZeroUsize::get);
        if self.end() != Some(Ending::Silence) {
            self.cut = faults.cut(self.sent);
        }
    }

    /// How many bytes were sent so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// The end that sending has come to on purpose.
    pub fn end(&self) -> Option<Ending> {
        self.cut.filter(|cut| self.sent >= cut.at).map(|cut| cut.ending)
    }

    /// Whether sending comes to its end with what is not sent yet.
    pub fn ends_with_pending(&self) -> bool {
        self.cut.is_some_and(|cut| self.sent + self.pending as u64 >= cut.at)
    }

    /// How many bytes are not sent yet.
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Whether changes have to be made durable before the answers are sent.
    /// It is taken to be done afterwards.
    pub fn take_durable(&mut self) -> bool {
        std::mem::take(&mut self.durable)
    }

    /// Adds an answer.
    pub fn push(&mut self, reply: &Reply) {
        self.push_under(&reply.pdu().encode(), reply);
    }

    /// Adds an answer under a header that may be wrong.
    pub fn push_under(&mut self, header: &[u8; PDU_SIZE], reply: &Reply) {
        let start = self.inline.len();
        self.inline.extend_from_slice(header);
        reply.message.encode_raw(&mut self.inline);
        let separate = reply.value.len() > INLINE_VALUE;
        if !separate {
            self.inline.extend_from_slice(&reply.value);
        }
        let end = self.inline.len();
        match self.pieces.back_mut() {
            Some(Piece::Inline { end: last, .. }) => *last = end,
            _ => self.pieces.push_back(Piece::Inline { start, end }),
        }
        if separate {
            self.pieces.push_back(Piece::Value(reply.value.clone()));
        }
        self.durable |= reply.durable;
        self.last = end - start + if separate { reply.value.len() } else { 0 };
        self.pending += self.last;
    }

    /// Sends everything. Where that comes to its end on purpose, what is left
    /// is dropped.
    ///
    /// # Errors
    ///
    /// "Would block" if the client does not take it in time, and "connection
    /// aborted" if it comes to its end on purpose and that is not just silence,
    /// besides what the socket says.
    pub fn flush(&mut self, socket: &impl Sink) -> io::Result<()> {
        self.send(socket, self.pending, SendFlags::empty())?;
        self.clear();
        Ok(())
    }

    /// Sends what the socket takes without waiting for the client. The rest
    /// stays, to be sent by a later flush of either kind. Returns whether
    /// nothing did.
    ///
    /// # Errors
    ///
    /// As [`Self::flush`], except that nothing takes too long.
    pub fn flush_at_once(&mut self, socket: &impl Sink) -> io::Result<bool> {
        self.send(socket, self.pending, SendFlags::DONTWAIT)?;
        if self.pending > 0 {
            return Ok(false);
        }
        self.clear();
        socket.finish(SendFlags::DONTWAIT)
    }

    /// Sends everything except for the second half of the last answer.
    pub fn flush_without_half(&mut self, socket: &impl Sink) -> io::Result<()> {
        let withheld = self.last - self.last / 2;
        self.send(socket, self.pending - withheld, SendFlags::empty())
    }

    /// Has the buffer used again when all is sent.
    fn clear(&mut self) {
        self.inline.clear();
        self.inline.shrink_to(KEPT);
    }

    /// Sends the first `len` bytes that are not sent yet, as far as faults allow.
    fn send(&mut self, socket: &impl Sink, len: usize, flags: SendFlags) -> io::Result<()> {
        let Some(cut) = self.cut else { return self.send_all(socket, len, flags) };
        let left = usize::try_from(cut.at.saturating_sub(self.sent)).unwrap_or(usize::MAX);
        self.send_all(socket, len.min(left), flags)?;
        match self.end() {
            None => Ok(()),
            Some(ending) => {
                self.pieces.clear();
                self.pending = 0;
                if ending == Ending::Silence { Ok(()) } else { Err(io::ErrorKind::ConnectionAborted.into()) }
            }
        }
    }

    fn send_all(&mut self, socket: &impl Sink, mut len: usize, flags: SendFlags) -> io::Result<()> {
        let timeout = self.stall_timeout;
        let mut deadline = None;
        let mut check = || deadline.get_or_insert_with(|| Deadline::new(Instant::now(), timeout)).check();
        while len > 0 {
            let mut slices = [IoSlice::new(&[]); MAX_PIECES];
            let mut count = 0;
            let most = len.min(self.limit.unwrap_or(usize::MAX));
            let mut room = most;
            for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
                let bytes = match piece {
                    Piece::Inline { start, end } => &self.inline[*start..*end],
                    Piece::Value(value) => value,
                };
                let bytes = &bytes[..bytes.len().min(room)];
                *slice = IoSlice::new(bytes);
                count += 1;
                room -= bytes.len();
                if room == 0 {
                    break;
                }
            }
            let offered = most - room;
            let sent = match socket.send(&slices[..count], flags) {
                Err(error) if socket::is_over(&error) => 0,
                result => result?,
            };
            self.advance(sent);
            len -= sent;
            // Only a socket that did not take everything has made this wait
            // for so long that it is time to look at the clock.
            if sent < offered {
                if flags.contains(SendFlags::DONTWAIT) {
                    return Ok(());
                }
                check()?;
            }
        }
        while !socket.finish(flags)? && !flags.contains(SendFlags::DONTWAIT) {
            check()?;
        }
        Ok(())
    }

    /// Forgets the first `sent` bytes.
    fn advance(&mut self, mut sent: usize) {
        self.pending -= sent;
        self.sent += sent as u64;
        while sent > 0 {
            let Some(piece) = self.pieces.front_mut() else {
                return;
            };
            let len = match piece {
                Piece::Inline { start, end } => *end - *start,
                Piece::Value(value) => value.len(),
            };
            if sent >= len {
                self.pieces.pop_front();
                sent -= len;
            } else {
                match piece {
                    Piece::Inline { start, .. } => *start += sent,
                    Piece::Value(value) => *value = value.slice(sent..),
                }
                return;
            }
        }
    }
}

impl Reply {
    /// The header that this is sent under.
    pub fn pdu(&self) -> Pdu {
        Pdu { message_len: self.message.encoded_len() as u32, value_len: self.value.len() as u32 }
    }
}
