//! How a connection comes to its end, and what the drive says then.

use std::fmt::Display;
use std::io;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::{Connection, End};
use crate::operations::Failure;
use crate::protocol::{FrameError, StatusCode};
use crate::session::Reply;
use crate::socket::{self, Deadline};

impl Connection<'_> {
    pub(super) fn deadline(&self, start: Instant) -> Deadline {
        Deadline::new(start, self.device.bounds.stall_timeout)
    }

    /// The client has closed its side, or the drive stops, which closes the
    /// drive's own receiving side.
    pub(super) fn eof(&mut self) -> io::Result<End> {
        if self.device.stopping.load(Ordering::Relaxed) { self.stop() } else { Ok(End::Eof) }
    }

    /// Says that the drive stops.
    pub(super) fn stop(&mut self) -> io::Result<End> {
        self.farewell(Failure::new(StatusCode::Shutdown, "the drive stops"))
    }

    /// Says why the stream cannot be understood any further.
    pub(super) fn refuse(&mut self, error: FrameError) -> io::Result<End> {
        let code = match error {
            FrameError::Magic(_) => StatusCode::ConnectionTerminated,
            FrameError::MessageTooLarge { .. } | FrameError::ValueTooLarge { .. } => {
                StatusCode::InvalidRequest
            }
        };
        self.protocol_error(&error);
        self.farewell(Failure::new(code, error.to_string()))
    }

    /// Says that the client was too slow with a request.
    pub(super) fn stalled(&mut self) -> io::Result<End> {
        self.device.counters.count_stall();
        let limit = self.device.bounds.stall_timeout.unwrap_or_default();
        let reason = format!("the request was not complete within {} s", limit.as_secs_f64());
        log::info!("{}: {reason}", self.peer);
        self.farewell(Failure::new(StatusCode::ConnectionTerminated, reason))
    }

    /// Ends a connection whose client was too slow with taking answers. There
    /// is no way to say so: it would have to take it. Other errors remain.
    pub(super) fn stalled_output(&self, error: io::Error) -> io::Result<End> {
        if !socket::is_over(&error) {
            return Err(error);
        }
        self.device.counters.count_stall();
        log::info!("{}: answers were not taken in time", self.peer);
        Ok(End::Reset)
    }

    pub(super) fn farewell(&mut self, failure: Failure) -> io::Result<End> {
        self.settle()?;
        self.output.push(&self.session.farewell(failure));
        self.flush()?;
        Ok(End::Close)
    }

    /// Takes note of a reply with which the connection ends.
    pub(super) fn ended_by(&self, reply: &Reply) {
        if reply.protocol_error {
            self.protocol_error(&reply.reason());
        } else {
            log::info!("{}: {}", self.peer, reply.reason());
        }
    }

    pub(super) fn protocol_error(&self, reason: &dyn Display) {
        self.device.counters.count_protocol_error();
        log::info!("{}: {reason}", self.peer);
    }
}
