//! Waiting for input, and what others want of the connection meanwhile.

use std::io;

use super::{Connection, End};
use crate::desk::{Parked, Verdict};

impl From<Verdict> for End {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Close => Self::Close,
            Verdict::Reset => Self::Reset,
        }
    }
}

impl Connection<'_> {
    /// Waits for input with `read`, or finds out that the connection is to end.
    /// All answers must have been sent; afterwards there may be something that
    /// others wanted to send.
    pub(super) fn wait<T>(&mut self, read: impl FnOnce() -> T) -> io::Result<Result<T, End>> {
        loop {
            match self.desk.park(&mut self.output, self.requests) {
                Parked::Idle => break,
                Parked::Over(verdict) => return Ok(Err(verdict.into())),
                Parked::Mail(replies) => {
                    for reply in &replies {
                        self.output.push(reply);
                    }
                    self.output.flush(self.stream)?;
                }
            }
        }
        let result = read();
        match self.desk.resume(&mut self.output) {
            Some(verdict) => Ok(Err(verdict.into())),
            None => Ok(Ok(result)),
        }
    }
}
