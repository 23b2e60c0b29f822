//! The loop that serves one connection.

mod claims;
mod ends;
mod faulty;
mod waiting;

use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::budget::{Claim, LARGE};
use crate::config::MAX_VALUE_SIZE_CEILING;
use crate::desk::Desk;
use crate::device::Device;
use crate::faults::{Course, Ending};
use crate::input::{FULL_SIZE, Input};
use crate::operations::Failure;
use crate::output::Output;
use crate::protocol::{FrameError, PDU_SIZE, Pdu};
use crate::session::Session;
use crate::socket::{self, Deadline};
use crate::wire::Wire;

/// How many bytes of answers are collected at most before they are sent.
const FLUSH_AT: usize = 256 << 10;

/// How a connection comes to its end.
enum End {
    /// The client closed it.
    Eof,
    /// The drive closes it.
    Close,
    /// The same as if it died: TLS does not hear of it.
    Cut,
    /// The drive resets it.
    Reset,
}

/// What to do after a request.
enum Next {
    Continue,
    End(End),
}

/// A value, or why it was not kept.
type Value<'a> = Result<Cow<'a, [u8]>, Failure>;

struct Connection<'a> {
    id: i64,
    stream: &'a Wire,
    peer: SocketAddr,
    device: &'a Device,
    desk: &'a Desk,
    session: Session,
    course: Course<'a>,
    output: Output,
    /// How many requests there were so far.
    requests: u64,
    /// Since when the requests at hand are there.
    since: Instant,
    /// Since when a part of a frame is there.
    begun: Option<Instant>,
    /// For a frame whose message is too long for an ordinary buffer.
    frame_claim: Option<Claim<'a>>,
    /// For large answers that are not sent yet.
    answer_claims: Vec<Claim<'a>>,
    /// How many bytes of buffers the statistics know of.
    counted: usize,
}

/// Serves connection number `id` to its end. What is left to do is to drop
/// `stream`, with which the connection ends for the client, too.
pub(crate) fn serve(
    id: i64,
    stream: &Wire,
    peer: SocketAddr,
    desk: &Desk,
    device: &Device,
    session: Session,
) -> io::Result<()> {
    let stall_timeout = device.bounds.stall_timeout;
    socket::prepare(stream.tcp(), stall_timeout)?;
    if let Err(error) = stream.shake_hands(Deadline::new(Instant::now(), stall_timeout)) {
        desk.leave();
        return no_tls(stream, peer, device, error);
    }
    let course = Course::new(&device.faults, id);
    let output = Output::new(course.plan(), stall_timeout);
    let mut connection = Connection {
        id,
        stream,
        peer,
        device,
        desk,
        session,
        course,
        output,
        requests: 0,
        since: Instant::now(),
        begun: None,
        frame_claim: None,
        answer_claims: Vec::new(),
        counted: 0,
    };
    let result = connection.run();
    let verdict = desk.leave();
    // An end that is meant shows as an error, too.
    let end = match (result, connection.output.end(), verdict) {
        (Err(_), Some(Ending::Close), _) => End::Cut,
        (Err(_), Some(Ending::Reset), _) => End::Reset,
        (Err(_), _, Some(verdict)) => verdict.into(),
        (Err(error), ..) if is_wrong_tls(stream, &error) => {
            drop(connection);
            return no_tls(stream, peer, device, error);
        }
        (result, ..) => result.or_else(|error| connection.stalled_output(error))?,
    };
    drop(connection);
    match end {
        End::Eof => {
            stream.say_goodbye();
            Ok(())
        }
        End::Close => {
            stream.say_goodbye();
            stream.close()
        }
        End::Cut => stream.close(),
        End::Reset => stream.reset(),
    }
}

/// Whether a connection has failed because the client does not speak TLS as it has to.
fn is_wrong_tls(stream: &Wire, error: &io::Error) -> bool {
    stream.is_secure() && error.kind() == io::ErrorKind::InvalidData
}

/// Ends a connection for which there is no TLS, or no more. There is no way to tell the client more than TLS has done.
fn no_tls(stream: &Wire, peer: SocketAddr, device: &Device, error: io::Error) -> io::Result<()> {
    if is_wrong_tls(stream, &error) {
        device.counters.count_protocol_error();
        log::info!("{peer}: TLS: {error}");
        // So that the client gets the alert.
        return stream.close();
    }
    if socket::is_over(&error) {
        device.counters.count_stall();
        log::info!("{peer}: no agreement on TLS in time");
    }
    Err(error)
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.device.counters.count_buffers(&mut self.counted, 0);
    }
}

impl Connection<'_> {
    fn run(&mut self) -> io::Result<End> {
        let mut input = Input::new();
        // How many bytes are still to be read before the drive stops; with TLS, some that nobody gets are among
        // them, and it is the end of the stream that comes then.
        let mut last_bytes = None;
        self.output.push(&self.session.hello());
        loop {
            if let Next::End(end) = self.frames(&mut input)? {
                return Ok(end);
            }
            // Nobody may wait for an answer while the drive waits for input.
            self.settle()?;
            self.flush()?;
            let buffers = input.capacity() + self.output.capacity() + self.stream.capacity();
            self.device.counters.count_buffers(&mut self.counted, buffers);
            if self.device.stopping.load(Ordering::Relaxed) {
                let left = *last_bytes.get_or_insert(self.stream.unread()?);
                if left == 0 {
                    return self.stop();
                }
            }
            if let Some(begun) = self.begun
                && self.deadline(begun).check().is_err()
            {
                return self.stalled();
            }
            let stream = self.stream;
            let filled = match self.wait(|| input.fill(stream))? {
                Ok(filled) => filled,
                Err(end) => return Ok(end),
            };
            match filled {
                Ok(0) => return self.eof(),
                Ok(count) => {
                    self.since = Instant::now();
                    last_bytes = last_bytes.map(|left| left.saturating_sub(count as u64));
                }
                Err(error) if socket::is_over(&error) => {
                    input.rest();
                    self.output.rest();
                    self.stream.rest();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Handles the frames that have arrived as a whole, and those whose value
    /// has its own way in.
    fn frames(&mut self, input: &mut Input) -> io::Result<Next> {
        while let Some(header) = input.header() {
            let pdu = match self.frame(header) {
                Ok(pdu) => pdu,
                Err(error) => return self.refuse(error).map(Next::End),
            };
            if self.is_special(self.requests + 1) {
                self.answer_early(input, pdu)?;
            }
            let message_end = pdu.value_offset();
            let used = if let Some(frame) = input.bytes().get(..pdu.frame_len()) {
                // An answer may have to wait for bytes of the budget, so the
                // request must not keep any.
                self.frame_claim = None;
                let (frame, value) = frame.split_at(message_end);
                let value = self.check_value(pdu).map(|()| Cow::Borrowed(value));
                let next = self.request(frame, value)?;
                if let Next::End(_) = next {
                    return Ok(next);
                }
                pdu.frame_len()
            } else if message_end > FULL_SIZE && self.frame_claim.is_none() {
                // Without its message, there is nothing to answer to.
                let kept = if self.check_value(pdu).is_ok() { pdu.frame_len() } else { message_end };
                self.frame_claim = self.claim(kept)?;
                if self.frame_claim.is_none() {
                    return self.farewell(claims::busy(kept)).map(Next::End);
                }
                continue;
            } else if self.has_own_way(pdu) && input.bytes().len() >= message_end {
                let next = self.large_request(input, pdu)?;
                if let Next::End(_) = next {
                    return Ok(next);
                }
                message_end
            } else {
                break;
            };
            input.consume(used);
            self.begun = None;
        }
        if !input.bytes().is_empty() {
            self.begun.get_or_insert(self.since);
        }
        Ok(Next::Continue)
    }

    /// Handles the request at the front, whose value has not arrived as a
    /// whole: it is read to its final place instead of through the buffer, or
    /// not kept at all.
    fn large_request(&mut self, input: &mut Input, pdu: Pdu) -> io::Result<Next> {
        self.settle()?;
        self.flush()?;
        let mut claim = self.frame_claim.take();
        let mut checked = self.check_value(pdu);
        if checked.is_ok() && claim.is_none() {
            claim = self.claim(pdu.value_len as usize)?;
            if claim.is_none() {
                checked = Err(claims::busy(pdu.value_len as usize));
            }
        }
        let deadline = self.deadline(self.begun.unwrap_or(self.since));
        let stream = self.stream;
        let waited = self.wait(|| match checked {
            Ok(()) => {
                let value = input.read_value(stream, pdu, deadline);
                value.map(|value| value.map(|value| Ok(Cow::Owned(value))))
            }
            Err(failure) => {
                let skipped = input.skip_value(stream, pdu, deadline);
                skipped.map(|whole| whole.then_some(Err(failure)))
            }
        })?;
        let result = match waited {
            Ok(result) => result,
            Err(end) => return Ok(Next::End(end)),
        };
        let value = match result {
            Ok(Some(value)) => value,
            Ok(None) => return self.eof().map(Next::End),
            Err(error) if socket::is_over(&error) => return self.stalled().map(Next::End),
            Err(error) => return Err(error),
        };
        self.since = Instant::now();
        // As above. The value belongs to the store from here on.
        drop(claim);
        self.request(input.bytes(), value)
    }

    fn frame(&self, header: &[u8; PDU_SIZE]) -> Result<Pdu, FrameError> {
        let pdu = Pdu::decode(header)?;
        pdu.check(self.device.bounds.max_message_size, MAX_VALUE_SIZE_CEILING)?;
        Ok(pdu)
    }

    /// Refuses a value that is too long for this drive, but not so long that
    /// the connection has to end.
    fn check_value(&self, pdu: Pdu) -> Result<(), Failure> {
        let max = self.device.bounds.max_value_size;
        pdu.check(u32::MAX, max).map_err(|error| Failure::invalid(error.to_string()))
    }

    /// Whether a value that has not arrived as a whole is not to go through
    /// the buffer.
    fn has_own_way(&self, pdu: Pdu) -> bool {
        pdu.value_len as usize >= LARGE || pdu.value_len > self.device.bounds.max_value_size
    }

    /// Handles a request. `frame` is its frame up to the value.
    fn request(&mut self, frame: &[u8], value: Value<'_>) -> io::Result<Next> {
        self.requests += 1;
        if self.is_special(self.requests) {
            return self.faulty_request(frame, value);
        }
        let Some(mut reply) = self.session.handle(&frame[PDU_SIZE..], value) else {
            return Ok(Next::Continue);
        };
        if reply.replaceable && reply.len() >= LARGE {
            let claim;
            (reply, claim) = self.claim_answer(reply)?;
            self.answer_claims.extend(claim);
        }
        self.output.push(&reply);
        if reply.close {
            self.ended_by(&reply);
            self.flush()?;
            return Ok(Next::End(End::Close));
        }
        if self.output.pending() >= FLUSH_AT {
            self.flush()?;
            self.since = Instant::now();
        }
        Ok(Next::Continue)
    }

    /// Sends all answers.
    fn flush(&mut self) -> io::Result<()> {
        self.make_durable()?;
        let seen = self.session.take_seen();
        if !seen.is_empty() {
            self.device.counters.took(seen, self.since.elapsed());
        }
        self.output.flush(self.stream)?;
        self.answer_claims.clear();
        Ok(())
    }

    /// Makes changes durable if one of the answers promises it. That is done
    /// once for all of them: a client that sends many durable changes at a
    /// time does not wait for the medium with each.
    fn make_durable(&mut self) -> io::Result<()> {
        if self.output.take_durable() { self.session.make_durable() } else { Ok(()) }
    }
}
