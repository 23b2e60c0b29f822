//! Where a connection's thread and everybody else meet.
//!
//! While the thread waits for input it leaves its [`Output`] here, with nothing in it. So whoever has something to
//! send can do it at once, and the thread waits for that when input arrives: messages never get into each other.
//! While the thread is busy it takes what was left here before it waits again. That takes a lock twice for each
//! read, which nobody else wants as a rule, and no system call.

use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::faults::{Ending, writable};
use crate::output::Output;
use crate::session::Reply;

/// How many messages can wait for a connection's thread.
const MAIL: usize = 64;

/// How long a thread has to end its connection by itself.
const GRACE: Duration = Duration::from_secs(1);

/// How a connection is ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is closed.
    Close,
    /// It is reset.
    Reset,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// It was sent.
    Sent,
    /// The connection's thread sends it before it waits for input the next time.
    Queued,
    /// The connection is at its end.
    Lost,
}

/// How a connection does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub requests: u64,
    pub sent: u64,
    pub idle: bool,
}

/// What a thread that wants to wait for input finds.
pub(crate) enum Parked {
    /// It can wait.
    Idle,
    /// These messages are to be sent first.
    Mail(Vec<Reply>),
    /// It is to end the connection.
    Over(Verdict),
}

/// Where a connection's thread and everybody else meet.
#[derive(Default)]
pub(crate) struct Desk {
    state: Mutex<State>,
    /// The thread has left for good.
    left: Condvar,
}

#[derive(Default)]
struct State {
    output: Option<Output>,
    mail: Vec<Reply>,
    verdict: Option<Verdict>,
    /// The thread has left for good.
    over: bool,
    requests: u64,
    sent: u64,
}

// The thread's side.

impl Desk {
    /// Leaves the output here if nothing speaks against waiting for input. It must be flushed.
    pub fn park(&self, output: &mut Output, requests: u64) -> Parked {
        let mut state = self.lock();
        (state.requests, state.sent) = (requests, output.sent());
        if let Some(verdict) = state.verdict {
            return Parked::Over(verdict);
        }
        if !state.mail.is_empty() {
            return Parked::Mail(std::mem::take(&mut state.mail));
        }
        state.output = Some(std::mem::take(output));
        Parked::Idle
    }

    /// Takes the output back. A verdict is why there may be no input.
    pub fn resume(&self, output: &mut Output) -> Option<Verdict> {
        let mut state = self.lock();
        if let Some(parked) = state.output.take() {
            *output = parked;
        }
        state.verdict
    }

    /// Whether the connection is to end.
    pub fn is_over(&self) -> bool {
        self.lock().verdict.is_some()
    }

    /// The thread sends nothing any more. Returns the verdict if there is one, which may be why.
    pub fn leave(&self) -> Option<Verdict> {
        let mut state = self.lock();
        state.over = true;
        state.mail.clear();
        self.left.notify_all();
        state.verdict
    }
}

// Everybody else's side. `stream` is the connection's.

impl Desk {
    /// Sends a message as soon as possible.
    pub fn send(&self, stream: &TcpStream, reply: Reply) -> Delivery {
        let mut state = self.lock();
        if state.over || state.verdict.is_some() {
            return Delivery::Lost;
        }
        // A client that takes nothing must not hold up whoever sends this.
        if let Some(output) = state.output.as_mut().filter(|_| writable(stream)) {
            output.push(&reply);
            let result = output.flush(stream);
            let end = output.end();
            state.sent = output.sent();
            if let Err(error) = result {
                log::debug!("sending from outside: {error}");
                state.verdict =
                    Some(if end == Some(Ending::Reset) { Verdict::Reset } else { Verdict::Close });
                wake(stream);
            }
            return Delivery::Sent;
        }
        if state.mail.len() >= MAIL {
            return Delivery::Lost;
        }
        state.mail.push(reply);
        Delivery::Queued
    }

    /// Has the thread end the connection when it has handled what it has read. If that takes it long, most likely
    /// because the client takes no answers, it is made to end.
    pub fn end(&self, stream: &TcpStream, verdict: Verdict) {
        let mut state = self.lock();
        state.verdict = Some(verdict);
        wake(stream);
        let waited = self.left.wait_timeout_while(state, GRACE, |state| !state.over);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if !state.over {
            // It may be at its end already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// How the connection does, as of its last look for input.
    pub fn progress(&self) -> Progress {
        let state = self.lock();
        Progress { requests: state.requests, sent: state.sent, idle: state.output.is_some() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever panics with the lock held ends the connection, or has not changed anything yet.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets a blocked read come to its end. The client notices nothing.
fn wake(stream: &TcpStream) {
    // It may be at its end already.
    let _ = stream.shutdown(Shutdown::Read);
}
