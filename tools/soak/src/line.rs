//! A handle of the driver, and its receiver's thread, which polls it from first to last as libkinetic's does: before it is
//! connected, between two connections, and for a while after it was closed.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use kinetic_drive::protocol::{Answer, DEFAULT_KEY, HmacKey, PDU_SIZE, Pdu, StatusCode};
use ktli_client::driver::{Handle, URING};

use crate::{
    model::{Model, State},
    shared::Shared,
    tally::{self, Tally, Wrong},
    values::Name,
};

/// How long the receiver polls at a time, in milliseconds: as long as libkinetic's.
const POLL: i32 = 10;

/// What was asked for, and for which key.
pub enum Asked {
    Nothing,
    Change { key: usize },
    Value { key: usize, expected: Vec<State> },
}

/// A request without an answer.
pub struct Outstanding {
    pub asked: Asked,
    pub bytes: usize,
}

/// What a session's threads share.
pub struct Desk {
    pub session: usize,
    papers: Mutex<Papers>,
    changed: Condvar,
}

pub struct Papers {
    pub model: Model,
    /// By their sequences, which never come again: so no late answer is taken for another.
    pub outstanding: HashMap<u64, Outstanding>,
    /// Bytes of all of them.
    pub bytes: usize,
    /// The number that the drive gave the connection.
    pub greeting: Option<i64>,
    /// How many answers came.
    pub answers: u64,
    /// The drive has refused something: what it stores is not known until the connection is over.
    pub refused: bool,
}

impl Desk {
    pub fn new(session: usize, keys: usize) -> Desk {
        let papers = Papers {
            model: Model::new(keys),
            outstanding: HashMap::new(),
            bytes: 0,
            greeting: None,
            answers: 0,
            refused: false,
        };
        Desk { session, papers: Mutex::new(papers), changed: Condvar::new() }
    }

    pub fn papers(&self) -> MutexGuard<'_, Papers> {
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the receiver to change something, at most so long.
    pub fn wait<'p>(&self, papers: MutexGuard<'p, Papers>, time: Duration) -> MutexGuard<'p, Papers> {
        self.changed.wait_timeout(papers, time).unwrap_or_else(PoisonError::into_inner).0
    }
}

pub struct Line {
    pub handle: Handle,
    /// Held while a message is received, since no other connection must begin between its PDU and its value.
    receiving: Mutex<()>,
    stop: AtomicBool,
}

impl Line {
    /// Opens a handle and starts its receiver.
    pub fn open(shared: &Arc<Shared>, desk: &Arc<Desk>) -> io::Result<(Arc<Line>, JoinHandle<()>)> {
        let handle = URING.open()?;
        let line = Arc::new(Line { handle, receiving: Mutex::new(()), stop: AtomicBool::new(false) });
        let thread = thread::Builder::new().stack_size(256 << 10).spawn({
            let (line, shared, desk) = (Arc::clone(&line), Arc::clone(shared), Arc::clone(desk));
            move || line.receive(&shared, &desk)
        })?;
        shared.uses(desk.session, &line);
        Ok((line, thread))
    }

    /// Waits until the receiver has done with what came on a connection that is over.
    pub fn settle(&self) {
        drop(self.receiving.lock());
    }

    /// Lets the receiver end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    fn receive(&self, shared: &Shared, desk: &Desk) {
        let key = HmacKey::new(DEFAULT_KEY);
        while !self.stop.load(Ordering::Acquire) {
            match self.handle.poll(POLL) {
                Ok(false) => {}
                Ok(true) => {
                    let _receiving = self.receiving.lock();
                    if let Ok((message, value)) = self.message(&shared.tally) {
                        desk.take(shared, &key, &message, &value);
                    }
                }
                Err(error) => {
                    shared.tally.wrong(Wrong::Misdeed, format_args!("poll fails: {error}"));
                    thread::sleep(Duration::from_millis(10));
                }
            }
        }
    }

    /// The message that comes next. Fails where the connection ends.
    fn message(&self, tally: &Tally) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let [pdu] = self.handle.receive_fresh([PDU_SIZE])?;
        let pdu = Pdu::decode(pdu.first_chunk().expect("nine bytes")).map_err(|error| {
            tally.wrong(Wrong::Garbage, format_args!("a PDU: {error}"));
            io::Error::other(error)
        })?;
        let [message, value] =
            self.handle.receive_fresh([pdu.message_len as usize, pdu.value_len as usize])?;
        Ok((message, value))
    }
}

impl Desk {
    /// Takes an answer.
    fn take(&self, shared: &Shared, key: &HmacKey, message: &[u8], value: &[u8]) {
        let tally = &shared.tally;
        tally::add(&tally.bytes, (PDU_SIZE + message.len() + value.len()) as u64);
        let answer = match Answer::decode(message, key) {
            Ok(answer) => answer,
            Err(error) => {
                return tally.wrong(Wrong::Garbage, format_args!("session {}: {error}", self.session));
            }
        };
        let mut papers = self.papers();
        if answer.unsolicited {
            if papers.greeting.is_none() && answer.status() == StatusCode::Success {
                papers.greeting = answer.connection_id();
            }
        } else {
            match answer
                .ack_sequence()
                .and_then(|sequence| Some((sequence, papers.outstanding.remove(&sequence)?)))
            {
                None => tally::add(&tally.unasked, 1),
                Some((sequence, outstanding)) => {
                    papers.bytes -= outstanding.bytes;
                    papers.answers += 1;
                    tally::add(&tally.requests, 1);
                    shared.beat(self.session);
                    self.compare(shared, &mut papers, sequence, outstanding.asked, &answer, value);
                }
            }
        }
        drop(papers);
        self.changed.notify_all();
    }

    /// Compares an answer with what has to be.
    fn compare(
        &self,
        shared: &Shared,
        papers: &mut Papers,
        sequence: u64,
        asked: Asked,
        answer: &Answer,
        value: &[u8],
    ) {
        let (tally, session) = (&shared.tally, self.session);
        let status = answer.status();
        let found = match (&asked, status) {
            (Asked::Nothing, StatusCode::Success) => return,
            // What is to be deleted may not be there.
            (Asked::Change { key }, StatusCode::Success | StatusCode::NotFound) => {
                return papers.model.answered(*key, sequence);
            }
            (Asked::Value { .. }, StatusCode::Success) => true,
            (Asked::Value { .. }, StatusCode::NotFound) => false,
            _ => {
                papers.refused = true;
                return tally.fault("requests refused");
            }
        };
        let Asked::Value { key, expected } = asked else { return };
        if papers.refused {
            return;
        }
        tally::add(&tally.compared, 1);
        let is = |state: &State| match state {
            Some(version) => found && shared.values.of(Name { session, key, version: *version }) == value,
            None => !found,
        };
        if let Some(state) = expected.iter().find(|state| is(state)) {
            return papers.model.found(key, *state);
        }
        let what =
            || format!("session {session}, key {key}, sequence {sequence}: expected one of {expected:?}");
        let latest = papers.model.latest(key);
        let length = value.len();
        match (0..=latest).rev().map(Some).find(is) {
            _ if !found => tally.wrong(Wrong::Lost, format_args!("{}, nothing is there", what())),
            Some(Some(version)) => tally.wrong(Wrong::Lost, format_args!("{}, found {version}", what())),
            _ => tally.wrong(Wrong::Garbage, format_args!("{}, found {length} other bytes", what())),
        }
    }
}
