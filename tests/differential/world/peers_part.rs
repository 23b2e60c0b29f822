//! The peer's part in a script: what it says, withholds and hears, and how it ends the connection.

use std::{thread, time::Duration};

use super::{Frame, UNREAD, World};
use crate::{
    event::End,
    peer::{FITS, Line},
    script::Step,
};

impl World<'_> {
    /// Adds a Kinetic message to what is said.
    pub(super) fn frame(&mut self, message: usize, value: usize) {
        self.frames.push(Frame { start: self.said.len(), message, value });
        self.said.push(b'F');
        self.said.extend_from_slice(&(message as u32).to_be_bytes());
        self.said.extend_from_slice(&(value as u32).to_be_bytes());
        let body = self.bytes(message + value);
        self.said.extend(body);
    }

    pub(super) fn of_the_peer(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Silence(time) => thread::sleep(Duration::from_millis(*time)),
            Step::Hear => self.hear()?,
            _ if self.line.is_none() || self.end == Some(End::Whole) => {}
            Step::Cut | Step::Reset => {
                self.hear()?;
                if let Some(line) = self.line.take() {
                    match step {
                        // How much of more than that would be lost is a matter of luck.
                        Step::Reset if self.unread() < FITS && !self.dead => line.reset(),
                        _ => drop(line),
                    }
                }
                self.end = Some(End::Whole);
            }
            _ if self.end.is_some() => {}
            Step::Fin => {
                self.line.as_ref().map(Line::fin);
                self.end = Some(End::Half);
            }
            Step::Rest => {
                let rest = std::mem::take(&mut self.withheld);
                self.say(&rest);
            }
            _ if self.garbage.is_some() || self.unread() > UNREAD => {}
            Step::Say { message, value, withheld } => {
                let from = self.said.len();
                let rest = std::mem::take(&mut self.withheld);
                self.said.extend(rest);
                self.frame(*message, *value);
                let length = 9 + message + value;
                let withheld = (*withheld).min(length - 1);
                self.withheld = self.said.split_off(self.said.len() - withheld);
                let now = self.said.split_off(from);
                self.say(&now);
            }
            Step::Garbage { lengths } => {
                let mut bytes = std::mem::take(&mut self.withheld);
                self.garbage = Some(self.said.len() + bytes.len());
                bytes.extend(if *lengths { *b"F\x7f\xff\xff\xff\x7f\xff\xff\xff" } else { *b"HTTP/1.1 " });
                self.say(&bytes);
            }
            _ => {}
        }
        Ok(())
    }

    fn say(&mut self, bytes: &[u8]) {
        self.said.extend_from_slice(bytes);
        if let Some(line) = &self.line {
            line.say(bytes);
        }
    }

    /// The peer reads all that was accepted; all of it has to come, but on a connection that the driver has given up.
    pub(super) fn hear(&mut self) -> Result<(), String> {
        let Some(mut line) = self.line.take() else { return Ok(()) };
        if !self.dead {
            line.hear(self.accepted.len());
            self.check_heard(&line.heard)?;
            if line.heard.len() < self.accepted.len() {
                return Err(format!("{} of {} bytes heard", line.heard.len(), self.accepted.len()));
            }
        }
        self.line = Some(line);
        Ok(())
    }

    pub(super) fn check_heard(&self, heard: &[u8]) -> Result<(), String> {
        if self.accepted.starts_with(heard) {
            Ok(())
        } else {
            Err(format!("what the peer heard is not what was accepted ({} bytes)", heard.len()))
        }
    }
}
