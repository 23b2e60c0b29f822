//! Answers on their way out.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message as _;
use rustix::fd::AsFd;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

use crate::faults::{Cut, Ending, Faults};
use crate::protocol::{PDU_SIZE, Pdu};
use crate::session::Reply;
use crate::socket::Deadline;

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
    pub fn flush(&mut self, socket: impl AsFd) -> io::Result<()> {
        self.send(socket, self.pending)?;
        self.inline.clear();
        self.inline.shrink_to(KEPT);
        Ok(())
    }

    /// Sends everything except for the second half of the last answer.
    pub fn flush_without_half(&mut self, socket: impl AsFd) -> io::Result<()> {
        let withheld = self.last - self.last / 2;
        self.send(socket, self.pending - withheld)
    }

    /// Sends the first `len` bytes that are not sent yet, as far as faults allow.
    fn send(&mut self, socket: impl AsFd, len: usize) -> io::Result<()> {
        let Some(cut) = self.cut else { return self.send_all(socket, len) };
        let left = usize::try_from(cut.at.saturating_sub(self.sent)).unwrap_or(usize::MAX);
        self.send_all(socket, len.min(left))?;
        match self.end() {
            None => Ok(()),
            Some(ending) => {
                self.pieces.clear();
                self.pending = 0;
                if ending == Ending::Silence { Ok(()) } else { Err(io::ErrorKind::ConnectionAborted.into()) }
            }
        }
    }

    fn send_all(&mut self, socket: impl AsFd, mut len: usize) -> io::Result<()> {
        let mut deadline = None;
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
            let result = retry_on_intr(|| {
                sendmsg(
                    socket.as_fd(),
                    &slices[..count],
                    &mut SendAncillaryBuffer::default(),
                    SendFlags::NOSIGNAL,
                )
            });
            let sent = match result {
                Err(Errno::AGAIN) => 0,
                result => result?,
            };
            self.advance(sent);
            len -= sent;
            // Only a socket that did not take everything has made this wait
            // for so long that it is time to look at the clock.
            if sent < offered {
                let timeout = self.stall_timeout;
                deadline.get_or_insert_with(|| Deadline::new(Instant::now(), timeout)).check()?;
            }
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

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixDatagram, UnixStream};
    use std::thread;

    use super::*;
    use crate::protocol::Message;

    fn reply(value: &[u8]) -> Reply {
        Reply {
            message: Message { command_bytes: Some(b"command".to_vec()), ..Message::default() },
            value: Bytes::copy_from_slice(value),
            durable: false,
            close: false,
        }
    }

    /// The frame of such a reply.
    fn frame(value: &[u8]) -> Vec<u8> {
        let pdu = Pdu { message_len: 9, value_len: value.len() as u32 };
        [&pdu.encode()[..], b"\x3a\x07command", value].concat()
    }

    /// What arrives of `values`, one vector for each write.
    fn writes(limit: usize, values: &[Vec<u8>], half: bool) -> Vec<Vec<u8>> {
        // Datagrams keep the boundaries between writes.
        let (sender, receiver) = UnixDatagram::pair().unwrap();
        let reader = thread::spawn(move || {
            let mut writes = Vec::new();
            let mut buffer = vec![0; 1 << 20];
            loop {
                match receiver.recv(&mut buffer).unwrap() {
                    0 => return writes,
                    len => writes.push(buffer[..len].to_vec()),
                }
            }
        });
        let mut output =
            Output::new(&Faults { fragment: NonZeroUsize::new(limit), ..Faults::default() }, None);
        for value in values {
            output.push(&reply(value));
        }
        if half {
            output.flush_without_half(&sender).unwrap();
        } else {
            output.flush(&sender).unwrap();
            assert_eq!(output.pending(), 0);
        }
        sender.send(&[]).unwrap();
        reader.join().unwrap()
    }

    fn values() -> Vec<Vec<u8>> {
        let sizes = [0, 10, INLINE_VALUE, INLINE_VALUE + 1, 3, 20_000, 20_000, 0];
        sizes.map(|size| (0..size).map(|n| n as u8).collect()).into()
    }

    #[test]
    fn all_answers_go_out_with_one_write() {
        let expected: Vec<u8> = values().iter().flat_map(|value| frame(value)).collect();
        assert_eq!(writes(usize::MAX, &values(), false), [expected]);
    }

    #[test]
    fn no_write_exceeds_the_limit() {
        let expected: Vec<u8> = values().iter().flat_map(|value| frame(value)).collect();
        for limit in [1, 100, 20_000] {
            let writes = writes(limit, &values(), false);
            assert!(writes.iter().all(|write| write.len() <= limit));
            assert_eq!(writes.concat(), expected);
        }
    }

    #[test]
    fn the_second_half_of_the_last_answer_can_be_withheld() {
        let expected: Vec<u8> = values().iter().flat_map(|value| frame(value)).collect();
        let last = frame(&[]).len();
        let sent = writes(usize::MAX, &values(), true).concat();
        assert_eq!(sent, expected[..expected.len() - last + last / 2]);
    }

    #[test]
    fn more_pieces_than_fit_into_one_write_take_several() {
        let values = vec![vec![5; INLINE_VALUE + 1]; MAX_PIECES];
        let expected: Vec<u8> = values.iter().flat_map(|value| frame(value)).collect();
        assert_eq!(writes(1 << 17, &values, false).concat(), expected);
    }

    #[test]
    fn an_output_can_be_used_again() {
        let (sender, receiver) = UnixDatagram::pair().unwrap();
        let mut output = Output::default();
        let mut buffer = vec![0; 1 << 20];
        for value in values() {
            output.push(&reply(&value));
            output.flush(&sender).unwrap();
            let len = receiver.recv(&mut buffer).unwrap();
            assert_eq!(buffer[..len], frame(&value));
        }
    }

    #[test]
    fn an_idle_output_occupies_nothing() {
        let (sender, receiver) = UnixDatagram::pair().unwrap();
        let mut output = Output::default();
        for value in values() {
            output.push(&reply(&value));
        }
        let pending = output.pending();
        output.rest();
        assert_eq!(output.pending(), pending);
        output.flush(&sender).unwrap();
        assert_eq!(receiver.recv(&mut vec![0; 1 << 20]).unwrap(), pending);
        assert_ne!(output.capacity(), 0);
        output.rest();
        assert_eq!(output.capacity(), 0);
    }

    #[test]
    fn a_client_must_take_answers_in_time() {
        let (sender, _receiver) = UnixStream::pair().unwrap();
        sender.set_write_timeout(Some(Duration::from_millis(1))).unwrap();
        let mut output = Output::new(&Faults::default(), Some(Duration::from_millis(5)));
        output.push(&reply(&vec![1; 16 << 20]));
        let error = output.flush(&sender).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert_ne!(output.pending(), 0);
    }

    /// What arrives of `values` when the output obeys `faults`, and the output.
    fn cut(faults: &Faults, values: &[Vec<u8>]) -> (Vec<u8>, io::Result<()>, Output) {
        let (sender, receiver) = UnixDatagram::pair().unwrap();
        let mut output = Output::new(faults, None);
        for value in values {
            output.push(&reply(value));
        }
        let result = output.flush(&sender);
        assert_eq!(output.pending(), 0);
        sender.send(&[]).unwrap();
        let mut arrived = vec![0; 1 << 20];
        let len = receiver.recv(&mut arrived).unwrap();
        arrived.truncate(len);
        (arrived, result, output)
    }

    #[test]
    fn sending_ends_at_the_very_byte() {
        let whole: Vec<u8> = values().iter().flat_map(|value| frame(value)).collect();
        for at in [0, 1, 9, 20, 8191, 20_000, whole.len()] {
            let faults = Faults { close_at_byte: Some(at as u64), ..Faults::default() };
            let (arrived, result, output) = cut(&faults, &values());
            assert_eq!(arrived, whole[..at]);
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
            assert_eq!(output.end(), Some(Ending::Close));
        }
        let faults = Faults { reset_at_byte: Some(whole.len() as u64 + 1), ..Faults::default() };
        let (arrived, result, output) = cut(&faults, &values());
        assert_eq!(arrived, whole);
        result.unwrap();
        assert_eq!(output.end(), None);
    }

    #[test]
    fn silence_is_no_error_and_lasts() {
        let (sender, receiver) = UnixDatagram::pair().unwrap();
        let faults = Faults { silent_at_byte: Some(12), ..Faults::default() };
        let (arrived, result, mut output) = cut(&faults, &values());
        assert_eq!(arrived.len(), 12);
        result.unwrap();
        output.obey(&Faults::default());
        output.push(&reply(b"more"));
        output.flush(&sender).unwrap();
        assert_eq!(output.pending(), 0);
        sender.send(b"end").unwrap();
        assert_eq!(receiver.recv(&mut [0; 100]).unwrap(), 3);
    }

    #[test]
    fn a_header_may_be_wrong_and_half_of_it_is_still_half() {
        let (sender, receiver) = UnixDatagram::pair().unwrap();
        let mut output = Output::default();
        output.push_under(b"987654321", &reply(b"value"));
        output.flush_without_half(&sender).unwrap();
        let mut buffer = [0; 100];
        let len = receiver.recv(&mut buffer).unwrap();
        assert_eq!(buffer[..9], *b"987654321");
        assert_eq!(len, frame(b"value").len() / 2);
    }
}
