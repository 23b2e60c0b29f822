//! Where a connection's thread and everybody else meet.
//!
//! While the thread waits for input it leaves its [`Output`] here, with nothing in it. So whoever has something to
//! send can do it at once, and the thread waits for that when input arrives: messages never get into each other.
//! What the socket does not take at once stays for the thread, so nobody but the thread waits for the client.
//! While the thread is busy it takes what was left here before it waits again. That takes a lock twice for each
//! read, which nobody else wants as a rule, and no system call.

use std::collections::VecDeque;
use std::io;
use std::net::Shutdown;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::faults::Ending;
use crate::output::Output;
use crate::session::Reply;
use crate::wire::Wire;

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
    /// The connection's thread sends it, or what is left of it, before it waits for input the next time.
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
    Mail(VecDeque<Reply>),
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
    mail: VecDeque<Reply>,
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
    pub fn send(&self, stream: &Wire, reply: Reply) -> Delivery {
        let mut state = self.lock();
        if state.over || state.verdict.is_some() {
            return Delivery::Lost;
        }
        state.mail.push_back(reply);
        let State { output, mail, verdict, sent, .. } = &mut *state;
        if let Some(output) = output {
            let result = send_all(mail, output, stream);
            *sent = output.sent();
            match result {
                Ok(true) => return Delivery::Sent,
                Ok(false) => {}
                Err(error) => {
                    log::debug!("sending from outside: {error}");
                    let reset = output.end() == Some(Ending::Reset);
                    *verdict = Some(if reset { Verdict::Reset } else { Verdict::Close });
                    wake(stream);
                    return Delivery::Sent;
                }
            }
        }
        if mail.len() > MAIL {
            mail.pop_back();
            return Delivery::Lost;
        }
        Delivery::Queued
    }

    /// Has the thread end the connection when it has handled what it has read. If that takes it long, most likely
    /// because the client takes no answers, it is made to end.
    pub fn end(&self, stream: &Wire, verdict: Verdict) {
        let mut state = self.lock();
        state.verdict = Some(verdict);
        wake(stream);
        let waited = self.left.wait_timeout_while(state, GRACE, |state| !state.over);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if !state.over {
            stream.shut_down(Shutdown::Both);
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

/// Sends mail as long as the socket takes it without waiting. Returns whether that was all.
fn send_all(mail: &mut VecDeque<Reply>, output: &mut Output, stream: &Wire) -> io::Result<bool> {
    loop {
        if !output.flush_at_once(stream)? {
            return Ok(false);
        }
        let Some(reply) = mail.pop_front() else { return Ok(true) };
        output.push(&reply);
    }
}

/// Lets a blocked read come to its end. The client notices nothing.
fn wake(stream: &Wire) {
    stream.shut_down(Shutdown::Read);
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::sync::mpsc;
    use std::thread;

    use bytes::Bytes;
    use rustix::net::sockopt;

    use super::*;
    use crate::faults::Faults;
    use crate::protocol::Message;

    #[test]
    fn a_message_that_does_not_fit_waits_for_nobody_but_its_thread() {
        const LEN: usize = 4 << 20;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        sockopt::set_socket_send_buffer_size(&stream, 64 << 10).unwrap();
        let stream = Wire::plain(stream);
        let reply = |n| Reply {
            message: Message::default(),
            value: Bytes::from(vec![n; LEN]),
            durable: false,
            protocol_error: false,
            replaceable: false,
            close: false,
        };
        let desk = Desk::default();
        let mut output = Output::new(&Faults::default(), None);
        assert!(matches!(desk.park(&mut output, 0), Parked::Idle));
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| sender.send([1, 2, 3].map(|n| desk.send(&stream, reply(n)))).unwrap());
            let Ok(delivered) = receiver.recv_timeout(Duration::from_secs(20)) else {
                // So that the other thread, and with it the test, comes to its end.
                drop(client);
                panic!("somebody waits for the client");
            };
            assert_eq!(delivered, [Delivery::Queued; 3]);

            // The client takes everything, in order, when the thread sends it.
            let reading = scope.spawn(move || {
                let mut bytes = Vec::new();
                client.read_to_end(&mut bytes).unwrap();
                bytes
            });
            assert_eq!(desk.resume(&mut output), None);
            output.flush(&stream).unwrap();
            let Parked::Mail(replies) = desk.park(&mut output, 0) else { panic!("there is mail") };
            for reply in &replies {
                output.push(reply);
            }
            output.flush(&stream).unwrap();
            assert!(matches!(desk.park(&mut output, 0), Parked::Idle));
            stream.shut_down(Shutdown::Both);
            let expected = [1, 2, 3].map(|n| [&reply(n).pdu().encode()[..], &vec![n; LEN]].concat());
            assert!(reading.join().unwrap() == expected.concat());
        });
    }
}
