//! A session: an application's thread that sends requests, and loses its connection again and again.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use fastrand::Rng;
use kinetic_drive::protocol::{Encoded, KeyValue, MessageType, RequestBuilder, Synchronization};
use ktli_client::options::with_options;
use ktli_uring::ffi::control::{KTLI_URING_BACKEND_SOCKET, KTLI_URING_BACKEND_URING, ktli_uring_config};

use crate::{
    line::{Asked, Desk, Line, Outstanding},
    shared::Shared,
    tally::{self, Wrong},
    values::Name,
};

/// Keys of a session.
const KEYS: usize = 16;
/// Bytes of outstanding values, from which on no more is sent.
const BYTES: usize = 4 << 20;
/// After how long without an answer a request is sent to see whether the connection is alive.
const PROBE: Duration = Duration::from_millis(200);
/// After how long without an answer a drive that was told to be silent is given up.
const SILENCE: Duration = Duration::from_secs(4);
/// After how long without an answer from any other drive something is wrong.
const HANG: Duration = Duration::from_secs(60);
/// How long to wait for the drive's greeting.
const GREETING: Duration = Duration::from_secs(2);
/// How soon to try again to connect.
const AGAIN: Duration = Duration::from_millis(20);

struct Session {
    shared: Arc<Shared>,
    desk: Arc<Desk>,
    line: Arc<Line>,
    receiver: JoinHandle<()>,
    rng: Rng,
    builder: RequestBuilder,
    /// Requests outstanding at the most, on this connection.
    depth: usize,
    /// The drive's number and how often it was killed, when this connection was made.
    drive: u64,
    kills: u64,
    /// See [`Shared::silences`].
    silences: u64,
}

/// Runs a session until the end, and checks then what is stored.
pub fn run(shared: Arc<Shared>, number: usize, seed: u64) -> io::Result<()> {
    let desk = Arc::new(Desk::new(number, KEYS));
    let (line, receiver) = Line::open(&shared, &desk)?;
    let mut session = Session {
        kills: shared.drive.kills(),
        drive: shared.drive.number(),
        silences: shared.silences(),
        shared,
        desk,
        line,
        receiver,
        rng: Rng::with_seed(seed ^ (number as u64) << 32),
        builder: RequestBuilder::new(0),
        depth: 1,
    };
    while !session.shared.is_ending() {
        if session.connect() {
            session.work();
        }
    }
    while !(session.connect() && session.check()) {}
    session.disconnect();
    session.close()?;
    Ok(())
}

impl Session {
    /// Takes leave of the last connection and makes a new one.
    fn connect(&mut self) -> bool {
        self.disconnect();
        // From here on no answer of the last connection is taken.
        self.line.settle();
        self.await_oblivion();
        let kills = self.shared.drive.kills();
        let mut papers = self.desk.papers();
        papers.model.over(kills != self.kills);
        tally::add(&self.shared.tally.unanswered, papers.outstanding.len() as u64);
        papers.outstanding.clear();
        papers.bytes = 0;
        papers.greeting = None;
        papers.refused = false;
        drop(papers);
        self.kills = kills;
        self.drive = self.shared.drive.number();
        self.silences = self.shared.silences();
        self.depth = [1, 4, 16, 32][self.rng.usize(0..4)];
        if connect(&self.line, &self.shared, &mut self.rng).is_err() {
            thread::sleep(AGAIN);
            return false;
        }
        let begun = Instant::now();
        let mut papers = self.desk.papers();
        while papers.greeting.is_none() && begun.elapsed() < GREETING {
            papers = self.desk.wait(papers, GREETING);
        }
        let Some(connection) = papers.greeting else { return false };
        self.builder.connection_id = connection;
        tally::add(&self.shared.tally.connections, 1);
        // Else it may be the connection of a drive that is killed right now, or of another one.
        self.shared.drive.kills() == self.kills && self.shared.drive.number() == self.drive
    }

    fn disconnect(&self) {
        if let Err(error) = self.line.handle.disconnect() {
            self.shared.tally.wrong(Wrong::Misdeed, format_args!("disconnect fails: {error}"));
        }
    }

    /// Waits until the drive has forgotten the last connection: until then it may still execute what was sent.
    fn await_oblivion(&self) {
        let Some(connection) = self.desk.papers().greeting else { return };
        while self.shared.drive.number() == self.drive {
            match self.shared.drive.connections() {
                Ok(connections) if !connections.contains(&connection) => return,
                // It is being stopped, or has been.
                _ => thread::sleep(AGAIN),
            }
        }
    }

    /// Closes the handle, while its receiver still polls it.
    fn close(self) -> io::Result<()> {
        self.line.handle.close()?;
        self.line.stop();
        self.receiver.join().map_err(|_| io::Error::other("a receiver has panicked"))
    }

    /// The same, and goes on with a new one.
    fn renew(&mut self) -> io::Result<()> {
        self.line.handle.close()?;
        let (line, receiver) = Line::open(&self.shared, &self.desk)?;
        let old = std::mem::replace(&mut self.line, line);
        old.stop();
        let receiver = std::mem::replace(&mut self.receiver, receiver);
        receiver.join().map_err(|_| io::Error::other("a receiver has panicked"))
    }

    /// Sends requests until the connection is over.
    fn work(&mut self) {
        while !self.shared.is_ending() {
            match self.rng.u32(0..20_000) {
                0..3 => return self.shared.tally.fault("disconnected by the session"),
                3..5 => {
                    self.shared.tally.fault("closed by the session");
                    if let Err(error) = self.renew() {
                        self.shared.tally.wrong(Wrong::Misdeed, format_args!("close fails: {error}"));
                    }
                    return;
                }
                5 => {
                    if self.drain() {
                        self.shared.tally.fault("disconnected when idle");
                    }
                    return;
                }
                _ => {}
            }
            if !self.has_room() || self.request().is_err() {
                return;
            }
        }
        self.drain();
    }

    /// Waits until another request may be sent. False when the connection is over.
    fn has_room(&mut self) -> bool {
        let depth = self.depth;
        self.wait(|outstanding, bytes| outstanding < depth && bytes < BYTES)
    }

    /// Waits for all answers. False when the connection is over.
    fn drain(&mut self) -> bool {
        self.wait(|outstanding, _| outstanding == 0)
    }

    fn wait(&mut self, enough: impl Fn(usize, usize) -> bool) -> bool {
        let desk = Arc::clone(&self.desk);
        let mut papers = desk.papers();
        let mut answers = papers.answers;
        let mut since = Instant::now();
        loop {
            if papers.refused {
                return false;
            }
            if enough(papers.outstanding.len(), papers.bytes) {
                return true;
            }
            papers = desk.wait(papers, PROBE);
            if papers.answers != answers {
                answers = papers.answers;
                since = Instant::now();
            } else if since.elapsed() > SILENCE && self.may_be_silent() {
                drop(papers);
                self.shared.tally.fault("silent connections given up");
                return false;
            } else if since.elapsed() > HANG {
                let what = format_args!("session {} gets no answer", desk.session);
                self.shared.tally.wrong(Wrong::Hang, what);
                return false;
            } else if since.elapsed() > PROBE {
                drop(papers);
                // Tells by failing that the connection is over.
                let noop = self.builder.noop();
                if self.send(&noop, Asked::Nothing, &[]).is_err() {
                    return false;
                }
                papers = desk.papers();
            }
        }
    }

    /// Has the drive been told to be silent since the connection was made?
    fn may_be_silent(&self) -> bool {
        let now = self.shared.silences();
        now != self.silences || now % 2 == 1
    }

    /// Sends some request.
    fn request(&mut self) -> io::Result<()> {
        let key = self.rng.usize(0..KEYS);
        match self.rng.u32(0..100) {
            0..55 => self.get(key),
            55..60 => {
                let noop = self.builder.noop();
                self.send(&noop, Asked::Nothing, &[])
            }
            60..65 => self.change(key, None),
            _ => {
                let version = self.desk.papers().model.next_version(key);
                self.change(key, Some(version))
            }
        }
    }

    fn entry(&self, key: usize) -> KeyValue {
        let name = format!("soak/{}/{key}", self.desk.session);
        KeyValue { key: Some(name.into_bytes().into()), force: Some(true), ..KeyValue::default() }
    }

    fn get(&mut self, key: usize) -> io::Result<()> {
        let entry = KeyValue { force: None, ..self.entry(key) };
        let request = self.builder.key_value(MessageType::Get, entry, 0);
        let expected = self.desk.papers().model.expected(key);
        self.send(&request, Asked::Value { key, expected }, &[])
    }

    /// Stores a version, or deletes what is there.
    fn change(&mut self, key: usize, version: Option<u64>) -> io::Result<()> {
        let lasting = self.rng.bool();
        let how = if lasting { Synchronization::WriteThrough } else { Synchronization::WriteBack };
        let entry = KeyValue { synchronization: Some(how.into()), ..self.entry(key) };
        let shared = Arc::clone(&self.shared);
        let (kind, value) = match version {
            Some(version) => {
                (MessageType::Put, shared.values.of(Name { session: self.desk.session, key, version }))
            }
            None => (MessageType::Delete, &[][..]),
        };
        let request = self.builder.key_value(kind, entry, value.len() as u32);
        self.desk.papers().model.sent(key, request.sequence, version, lasting);
        self.send(&request, Asked::Change { key }, value)
    }

    fn send(&mut self, request: &Encoded, asked: Asked, value: &[u8]) -> io::Result<()> {
        let bytes = request.pdu.len() + request.message.len() + value.len();
        let mut papers = self.desk.papers();
        papers.outstanding.insert(request.sequence, Outstanding { asked, bytes: value.len() });
        papers.bytes += value.len();
        drop(papers);
        let mut pieces: Vec<&[u8]> = vec![&request.pdu, &request.message];
        let mut rest = value;
        while !rest.is_empty() {
            let length = if pieces.len() == 5 { rest.len() } else { self.rng.usize(0..=rest.len()) };
            let (piece, others) = rest.split_at(length);
            pieces.push(piece);
            rest = others;
        }
        self.line.handle.send_vector(&pieces)?;
        tally::add(&self.shared.tally.bytes, bytes as u64);
        Ok(())
    }

    /// Reads all keys back. False when the connection is over.
    fn check(&mut self) -> bool {
        (0..KEYS).all(|key| self.get(key).is_ok()) && self.drain()
    }
}

/// Makes a connection, on one engine or the other, some with zero copy.
fn connect(line: &Line, shared: &Shared, rng: &mut Rng) -> io::Result<()> {
    let options = |config: &mut ktli_uring_config| {
        config.backend = if rng.u8(0..4) == 0 { KTLI_URING_BACKEND_SOCKET } else { KTLI_URING_BACKEND_URING };
        config.zero_copy = if rng.u8(0..8) == 0 { 64 << 10 } else { 0 };
    };
    with_options(options, || line.handle.connect(shared.drive.address()))
}
