//! The loop that serves one connection.

use std::borrow::Cow;
use std::io::{self, Read};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;

use crate::config::Bounds;
use crate::faults::{Faults, Reaction};
use crate::input::Input;
use crate::operations::Failure;
use crate::output::Output;
use crate::protocol::{FrameError, PDU_SIZE, Pdu, StatusCode};
use crate::session::Session;

/// Values from this size on, in bytes, that have not arrived as a whole are
/// read to their final place instead of through the buffer.
const DIRECT_VALUE: usize = 64 << 10;

/// How many bytes of answers are collected at most before they are sent.
const FLUSH_AT: usize = 256 << 10;

/// How long a client may go on sending after the drive closed its side.
const LINGER: Duration = Duration::from_secs(1);

/// How a connection comes to its end.
enum End {
    /// The client closed it.
    Eof,
    /// The drive closes it.
    Close,
    /// The drive resets it.
    Reset,
}

/// What to do after a request.
enum Next {
    Continue,
    End(End),
}

struct Connection<'a> {
    stream: &'a TcpStream,
    session: Session,
    bounds: Bounds,
    faults: Faults,
    output: Output,
    /// How many requests there were so far.
    requests: u64,
}

/// Serves a connection to its end. What is left to do is to drop `stream`,
/// with which the connection ends for the client, too.
pub(crate) fn serve(stream: &TcpStream, session: Session, bounds: Bounds, faults: Faults) -> io::Result<()> {
    // Answers are put together to large writes already.
    stream.set_nodelay(true)?;
    let mut connection =
        Connection { stream, session, bounds, faults, output: Output::new(faults.piece()), requests: 0 };
    match connection.run()? {
        End::Eof => Ok(()),
        End::Close => close(stream),
        End::Reset => Ok(set_socket_linger(stream, Some(Duration::ZERO))?),
    }
}

impl Connection<'_> {
    fn run(&mut self) -> io::Result<End> {
        let mut input = Input::new();
        self.output.push(&self.session.hello());
        loop {
            while let Some(header) = input.header() {
                let pdu = match self.frame(header) {
                    Ok(pdu) => pdu,
                    Err(error) => return self.refuse(error),
                };
                let message_end = pdu.value_offset();
                let used = if let Some(frame) = input.bytes().get(..pdu.frame_len()) {
                    let (frame, value) = frame.split_at(message_end);
                    let next = self.request(frame, Cow::Borrowed(value))?;
                    if let Next::End(end) = next {
                        return Ok(end);
                    }
                    pdu.frame_len()
                } else if pdu.value_len as usize >= DIRECT_VALUE && input.bytes().len() >= message_end {
                    self.flush()?;
                    let Some(value) = input.read_value(self.stream, pdu)? else {
                        return Ok(End::Eof);
                    };
                    let next = self.request(input.bytes(), Cow::Owned(value))?;
                    if let Next::End(end) = next {
                        return Ok(end);
                    }
                    message_end
                } else {
                    break;
                };
                input.consume(used);
            }
            // Nobody may wait for an answer while the drive waits for input.
            self.flush()?;
            if !input.fill(self.stream)? {
                return Ok(End::Eof);
            }
        }
    }

    fn frame(&self, header: &[u8; PDU_SIZE]) -> Result<Pdu, FrameError> {
        let pdu = Pdu::decode(header)?;
        pdu.check(self.bounds.max_message_size, self.bounds.max_value_size)?;
        Ok(pdu)
    }

    /// Handles a request. `frame` is its frame up to the value.
    fn request(&mut self, frame: &[u8], value: Cow<'_, [u8]>) -> io::Result<Next> {
        self.requests += 1;
        let reaction = self.faults.reaction(self.requests);
        match reaction {
            Reaction::Answer | Reaction::AnswerHalf => {}
            Reaction::Ignore => return Ok(Next::Continue),
            Reaction::Close => {
                self.flush()?;
                return Ok(Next::End(End::Close));
            }
            Reaction::Reset => {
                self.flush()?;
                return Ok(Next::End(End::Reset));
            }
        }
        let Some(reply) = self.session.handle(&frame[PDU_SIZE..], value) else {
            return Ok(Next::Continue);
        };
        self.output.push(&reply);
        if reaction == Reaction::AnswerHalf {
            self.make_durable()?;
            self.output.flush_without_half(self.stream)?;
            return Ok(Next::End(End::Close));
        }
        if reply.close {
            self.flush()?;
            return Ok(Next::End(End::Close));
        }
        if self.output.pending() >= FLUSH_AT {
            self.flush()?;
        }
        Ok(Next::Continue)
    }

    /// Sends all answers.
    fn flush(&mut self) -> io::Result<()> {
        self.make_durable()?;
        self.output.flush(self.stream)
    }

    /// Makes changes durable if one of the answers promises it. That is done
    /// once for all of them: a client that sends many durable changes at a
    /// time does not wait for the medium with each.
    fn make_durable(&mut self) -> io::Result<()> {
        if self.output.take_durable() { self.session.make_durable() } else { Ok(()) }
    }

    /// Says why the stream cannot be understood any further.
    fn refuse(&mut self, error: FrameError) -> io::Result<End> {
        let code = match error {
            FrameError::Magic(_) => StatusCode::ConnectionTerminated,
            FrameError::MessageTooLarge { .. } | FrameError::ValueTooLarge { .. } => {
                StatusCode::InvalidRequest
            }
        };
        let failure = Failure::new(code, error.to_string());
        self.output.push(&self.session.farewell(failure));
        self.flush()?;
        Ok(End::Close)
    }
}

/// Closes the drive's side, then reads until the client closes its own. If the
/// drive left bytes unread, the kernel would reset the connection, and the
/// client might lose the last answers.
fn close(mut stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    let deadline = Instant::now() + LINGER;
    let mut discarded = vec![0; 16 << 10];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        stream.set_read_timeout(Some(left))?;
        if stream.read(&mut discarded)? == 0 {
            return Ok(());
        }
    }
}
