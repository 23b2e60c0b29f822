//! Runs a script with one driver, and writes down what came of each step and what the driver could know before it.
//!
//! What must hold for any driver is checked here: what is received is what the peer said, what the peer hears is what was
//! accepted, and all of it where nothing has ended; a poll that says 0 has taken its time.

mod peers_part;

use std::{
    io,
    net::TcpListener,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use ktli_client::driver::Handle;

use crate::{
    event::{End, Event, Heard, Outcome, Seen},
    peer::{Line, Peer},
    script::{Script, Shape, Step},
    subject::Subject,
};

/// From how many bytes on `poll` does not wait for a value; see `DIRECT` in src/receive.rs.
const LARGE: usize = 48 << 10;
/// How much the peer says at most that the client has not received.
const UNREAD: usize = 160 << 10;
/// How much is sent at most that the peer has not heard.
const UNHEARD: usize = 64 << 10;

/// A Kinetic message in what the peer says.
#[derive(Clone, Copy)]
struct Frame {
    start: usize,
    message: usize,
    value: usize,
}

impl Frame {
    fn end(&self) -> usize {
        self.start + 9 + self.message + self.value
    }
}

/// One connection after the other, with one driver.
struct World<'p> {
    subject: Subject,
    peer: &'p Peer,
    handle: Option<Handle>,
    closed: bool,
    connected: bool,
    line: Option<Line>,
    end: Option<End>,
    dead: bool,
    /// All that the peer has said on this connection, and what of the last message it has withheld.
    said: Vec<u8>,
    withheld: Vec<u8>,
    frames: Vec<Frame>,
    garbage: Option<usize>,
    /// How much of it was received.
    taken: usize,
    /// All that was accepted on this connection.
    accepted: Vec<u8>,
    seed: u64,
}

/// Runs the script. `at` is the step it is at.
pub fn run(script: &Script, subject: Subject, at: &AtomicUsize) -> Result<Vec<Event>, String> {
    let peer = Peer::listen(script.narrow);
    let mut world = World {
        subject,
        peer: &peer,
        handle: Some(subject.driver().open().map_err(|error| error.to_string())?),
        closed: false,
        connected: false,
        line: None,
        end: None,
        dead: false,
        said: Vec::new(),
        withheld: Vec::new(),
        frames: Vec::new(),
        garbage: None,
        taken: 0,
        accepted: Vec::new(),
        seed: 1,
    };
    let mut events = Vec::new();
    // Whatever the script leaves behind is closed.
    let steps = script.steps.iter().cloned().chain([Step::Close]);
    for (index, step) in steps.enumerate() {
        at.store(index, Ordering::Relaxed);
        let mut seen = world.seen();
        let outcome = world
            .step(&step, &mut seen)
            .map_err(|what| format!("{subject:?}, step {index}, {step:?}: {what}\n{seen:?}"))?;
        world.take_note(&step, &seen, outcome);
        events.push(Event { step, seen, outcome });
    }
    Ok(events)
}

impl World<'_> {
    fn outcome(&self, result: io::Result<usize>) -> Result<Outcome, String> {
        match result {
            Ok(count) => Ok(Outcome::Done(count)),
            Err(error) => match error.raw_os_error() {
                Some(errno) if errno > 0 || self.subject == Subject::Stock => Ok(Outcome::Failed(errno)),
                _ => Err(format!("no errno: {error}")),
            },
        }
    }

    fn seen(&self) -> Seen {
        Seen {
            closed: self.closed,
            connected: self.connected,
            end: self.end,
            unread: self.unread(),
            whole: self.is_whole(),
            garbage: self.garbage.map(|at| at.saturating_sub(self.taken)),
            bytes: 0,
            entries: 0,
            dead: self.dead,
        }
    }

    fn unread(&self) -> usize {
        self.said.len() - self.taken
    }

    /// What is left of PDU, message and value of the message that the client is at.
    fn left(&self) -> Option<[usize; 3]> {
        let frame = self.frames.iter().find(|frame| frame.end() > self.taken)?;
        let mut done = self.taken - frame.start;
        Some([9, frame.message, frame.value].map(|length| {
            let of_this = done.min(length);
            done -= of_this;
            length - of_this
        }))
    }

    /// Is there what `poll` has to wait for?
    fn is_whole(&self) -> bool {
        let Some([pdu, message, value]) = self.left() else { return false };
        let value = if value < LARGE { value } else { 0 };
        self.unread() >= pdu + message + value
    }

    /// So many bytes that do not repeat.
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let seed = &mut self.seed;
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            bytes.extend_from_slice(&(*seed >> 16).to_le_bytes()[..6]);
        }
        bytes.truncate(count);
        bytes
    }

    fn step(&mut self, step: &Step, seen: &mut Seen) -> Result<Outcome, String> {
        if matches!(step, Step::ConnectAgain) && !self.connected {
            return Ok(Outcome::Nothing);
        }
        if self.handle.is_none() && is_call(step) {
            return Ok(Outcome::NotCalled);
        }
        match step {
            Step::Connect => self.connect(),
            Step::ConnectAgain => self.connect_again(),
            Step::ConnectTls => self.connect_tls(),
            Step::ConnectRefused => self.connect_refused(),
            Step::Disconnect { late } => self.disconnect(*late, Handle::disconnect),
            Step::Close => self.close(),
            Step::Open => self.open(),
            Step::Send(pieces) => self.send(pieces, seen),
            Step::SendMany(count) => self.send(&vec![1; *count], seen),
            Step::Poll(timeout) => self.poll(*timeout, seen),
            Step::Receive(shape, late) => self.receive(shape, Duration::from_millis(*late), seen),
            peers => {
                self.of_the_peer(peers)?;
                Ok(Outcome::Nothing)
            }
        }
    }

    fn handle(&self) -> &Handle {
        self.handle.as_ref().expect("only a step that needs it asks for it")
    }

    /// Draws the conclusions from a call's result.
    fn take_note(&mut self, step: &Step, seen: &Seen, outcome: Outcome) {
        // The socket driver knows nothing of what is no PDU.
        let garbage = seen.garbage.filter(|_| self.subject != Subject::Stock);
        self.dead |= match (step, outcome) {
            (Step::Poll(_), Outcome::Done(0)) => self.end.is_some() && !seen.whole || garbage == Some(0),
            // The vector was at fault, not the connection.
            (_, Outcome::Failed(libc::EINVAL)) => false,
            (Step::Receive(..) | Step::Send(_) | Step::SendMany(_), Outcome::Failed(_)) => {
                self.end.is_some() || garbage.is_some()
            }
            _ => false,
        };
    }

    // The client's calls. --------------------------------------------------------------------------

    fn begin(&mut self) {
        self.forget();
        self.line = Some(self.peer.accept());
        self.connected = true;
    }

    /// Nothing is left of the last connection.
    fn forget(&mut self) {
        self.line = None;
        self.connected = false;
        self.end = None;
        self.dead = false;
        self.said.clear();
        self.withheld.clear();
        self.frames.clear();
        self.garbage = None;
        self.taken = 0;
        self.accepted.clear();
    }

    fn connect(&mut self) -> Result<Outcome, String> {
        if self.connected {
            return Ok(Outcome::Nothing);
        }
        let result = self.outcome(self.subject.connect(self.handle(), self.peer.address, false))?;
        if result == Outcome::Done(0) {
            self.begin();
        }
        Ok(result)
    }

    fn connect_again(&mut self) -> Result<Outcome, String> {
        let result = self.outcome(self.subject.connect(self.handle(), self.peer.address, false))?;
        if result == Outcome::Done(0) {
            self.begin();
        }
        // With a driver that takes a second connection nothing could be compared from here on.
        self.disconnect(false, Handle::disconnect)?;
        Ok(result)
    }

    fn connect_tls(&mut self) -> Result<Outcome, String> {
        if self.connected {
            return Ok(Outcome::Nothing);
        }
        let result = self.outcome(self.subject.connect(self.handle(), self.peer.address, true))?;
        if result == Outcome::Done(0) {
            self.begin();
            self.disconnect(false, Handle::disconnect)?;
        } else if result == Outcome::Failed(libc::ETIMEDOUT) {
            // It was connected, and has waited in vain for an answer.
            drop(self.peer.accept());
        }
        Ok(result)
    }

    fn connect_refused(&mut self) -> Result<Outcome, String> {
        if self.connected {
            return Ok(Outcome::Nothing);
        }
        // Somebody has the port, but does not listen there.
        let taken = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = taken.map_err(|error| error.to_string())?;
        self.outcome(self.subject.connect(self.handle(), address, false))
    }

    /// Ends the connection by `call`, while the peer reads what it has not heard yet, and closes.
    fn disconnect(
        &mut self,
        late: bool,
        call: impl FnOnce(&Handle) -> io::Result<()>,
    ) -> Result<Outcome, String> {
        let line = self.line.take();
        let handle = self.handle();
        let (result, heard) = thread::scope(|scope| {
            let (returned, wait) = mpsc::channel::<()>();
            let reader = line.map(|mut line| {
                scope.spawn(move || {
                    if late {
                        let _ = wait.recv_timeout(Duration::from_millis(30));
                    }
                    line.hear(usize::MAX);
                    // And closes, for which the driver waits.
                    line.heard
                })
            });
            let result = call(handle).map(|()| 0);
            drop(returned);
            (result, reader.map(|reader| reader.join().expect("reading does not panic")))
        });
        let result = self.outcome(result)?;
        if result != Outcome::Done(0) {
            return Ok(result);
        }
        let heard = match heard {
            None => Heard::Nobody,
            Some(heard) => {
                self.check_heard(&heard)?;
                if heard.len() == self.accepted.len() { Heard::All } else { Heard::Part }
            }
        };
        self.forget();
        Ok(Outcome::Over(heard))
    }

    fn close(&mut self) -> Result<Outcome, String> {
        let result = if self.subject == Subject::Stock {
            // Its handle is memory that is freed.
            let result = self.disconnect(false, Handle::disconnect)?;
            self.handle = None;
            result
        } else {
            self.disconnect(false, Handle::close)?
        };
        self.closed = true;
        Ok(result)
    }

    fn open(&mut self) -> Result<Outcome, String> {
        if self.closed {
            self.handle = Some(self.subject.driver().open().map_err(|error| error.to_string())?);
            self.closed = false;
        }
        Ok(Outcome::Nothing)
    }

    fn send(&mut self, lengths: &[usize], seen: &mut Seen) -> Result<Outcome, String> {
        seen.bytes = lengths.iter().sum();
        seen.entries = lengths.len();
        let unheard = self.accepted.len() - self.line.as_ref().map_or(0, |line| line.heard.len());
        if unheard + seen.bytes > UNHEARD {
            self.hear()?;
        }
        let content = self.bytes(seen.bytes);
        let mut rest = &content[..];
        let pieces: Vec<&[u8]> = lengths
            .iter()
            .map(|length| {
                let (piece, others) = rest.split_at(*length);
                rest = others;
                piece
            })
            .collect();
        let result = self.outcome(self.handle().send_vector(&pieces))?;
        if let Outcome::Done(count) = result {
            if count != seen.bytes {
                return Err(format!("{count} of {} bytes sent", seen.bytes));
            }
            self.accepted.extend_from_slice(&content);
        }
        Ok(result)
    }

    fn poll(&mut self, timeout: i32, seen: &Seen) -> Result<Outcome, String> {
        // What the peer has said is to be there, or a poll without a time-out would be a matter of luck.
        if let Some(line) = self.line.as_ref().filter(|_| !self.dead) {
            line.settle(self.unread());
        }
        let surely = seen.whole && !self.dead && seen.garbage.is_none();
        let timeout = if timeout < 0 && !surely { 10 } else { timeout };
        let begun = Instant::now();
        let result = self.outcome(self.handle().poll(timeout).map(usize::from))?;
        let took = begun.elapsed();
        if result == Outcome::Done(0) && took < Duration::from_millis(timeout.try_into().unwrap_or(0)) {
            return Err(format!("{timeout} ms took only {took:?}"));
        }
        Ok(result)
    }

    fn receive(&mut self, shape: &Shape, late: Duration, seen: &mut Seen) -> Result<Outcome, String> {
        let lengths = match shape {
            Shape::Pieces(lengths) => lengths.clone(),
            Shape::Many(count) => vec![1; *count],
            Shape::Next => match self.left() {
                Some([0, message, value]) => vec![message, value],
                Some([pdu, ..]) => vec![pdu],
                None => vec![9],
            },
        };
        seen.bytes = lengths.iter().sum();
        seen.entries = lengths.len();
        let later = self.complete(seen.bytes);
        let voice = self.line.as_ref().map(Line::voice).filter(|_| !later.is_empty());
        let mut buffers: Vec<Vec<u8>> = lengths.iter().map(|length| vec![0; *length]).collect();
        let handle = self.handle();
        let result = thread::scope(|scope| {
            if let Some(mut voice) = voice {
                scope.spawn(move || {
                    thread::sleep(late);
                    io::Write::write_all(&mut voice, &later)
                });
            }
            handle.receive_vector(buffers.iter_mut().map(|buffer| &mut buffer[..]))
        });
        let result = self.outcome(result)?;
        match result {
            Outcome::Done(count) => {
                if count != seen.bytes {
                    return Err(format!("{count} of {} bytes received", seen.bytes));
                }
                let expected = self.said.get(self.taken..self.taken + count);
                if expected != Some(&buffers.concat()) {
                    return Err("what was received is not what the peer said".into());
                }
                self.taken += count;
            }
            Outcome::Failed(libc::EINVAL) if self.subject == Subject::Stock => {
                // More pieces than it takes. So that both drivers stand at the same place:
                let mut bytes = vec![0; seen.bytes];
                let _ = self.handle().receive([&mut bytes]);
                self.taken = self.said.len().min(self.taken + seen.bytes);
            }
            // It is refused as a whole, whatever comes before it in the vector.
            Outcome::Failed(libc::EPROTO) => self.taken = self.garbage.unwrap_or(self.taken),
            // Bytes before an end are gone with it.
            Outcome::Failed(_) if self.end.is_some() => self.taken = self.said.len(),
            _ => {}
        }
        Ok(result)
    }

    /// What the peer has to say for so many bytes to be received; nothing where that will fail.
    fn complete(&mut self, bytes: usize) -> Vec<u8> {
        let from = self.said.len();
        if self.connected && self.end.is_none() && !self.dead && self.unread() < bytes {
            let rest = std::mem::take(&mut self.withheld);
            self.said.extend(rest);
            if self.garbage.is_some() {
                let missing = bytes.saturating_sub(self.unread());
                self.said.resize(self.said.len() + missing, 0);
            }
            while self.unread() < bytes {
                let missing = bytes - self.unread();
                self.frame(missing.min(50), missing.saturating_sub(59));
            }
        }
        self.said[from..].to_vec()
    }
}

/// Is it one of the driver's functions?
fn is_call(step: &Step) -> bool {
    use Step::*;
    matches!(
        step,
        Connect
            | ConnectAgain
            | ConnectTls
            | ConnectRefused
            | Disconnect { .. }
            | Close
            | Send(_)
            | SendMany(_)
            | Poll(_)
            | Receive(..)
    )
}
