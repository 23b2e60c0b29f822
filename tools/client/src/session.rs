//! libkinetic's upper half: a sender thread and a receiver thread for each session.
//!
//! The sender takes requests from a queue and sends each with one call. The receiver polls for 10 ms,
//! receives the nine bytes of a PDU, then message and value with one call into fresh memory.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use kinetic_drive::protocol::{Encoded, PDU_SIZE, Pdu};

use crate::driver::{Driver, Handle};

/// A request on its way to the drive.
pub struct Request {
    /// PDU and message.
    pub encoded: Encoded,
    /// The value, or nothing.
    pub value: Arc<[u8]>,
}

/// An answer of the drive.
pub struct Answer {
    /// The message, still encoded.
    pub message: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
}

/// A connected session. Dropping it closes the handle and then stops the threads, as KTLI does.
pub struct Session {
    handle: Option<Arc<Handle>>,
    requests: Option<Sender<Request>>,
    answers: Receiver<io::Result<Answer>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Session {
    /// Opens a session of `driver`, starts its threads and connects it.
    ///
    /// # Errors
    ///
    /// The driver's `errno`, where it cannot open a handle or connect it.
    pub fn connect(driver: Driver, address: SocketAddr) -> io::Result<Session> {
        Session::connect_to(driver, &address.ip().to_string(), address.port())
    }

    /// The same, to a host that the driver looks up.
    ///
    /// # Errors
    ///
    /// As [`Self::connect`].
    pub fn connect_to(driver: Driver, host: &str, port: u16) -> io::Result<Session> {
        let handle = driver.open()?;
        handle.connect_to(host, port)?;
        Ok(Session::start(handle))
    }

    /// The same over TLS.
    ///
    /// # Errors
    ///
    /// As [`Self::connect`].
    pub fn connect_tls(driver: Driver, address: SocketAddr) -> io::Result<Session> {
        let handle = driver.open()?;
        handle.connect_tls(address)?;
        Ok(Session::start(handle))
    }

    fn start(handle: Handle) -> Session {
        let handle = Arc::new(handle);
        let stop = Arc::new(AtomicBool::new(false));
        let (requests, queue) = mpsc::channel();
        let (results, answers) = mpsc::channel();
        let threads = vec![
            thread::spawn({
                let (handle, results) = (Arc::clone(&handle), results.clone());
                move || send(&handle, &queue, &results)
            }),
            thread::spawn({
                let (handle, stop) = (Arc::clone(&handle), Arc::clone(&stop));
                move || receive(&handle, &stop, &results)
            }),
        ];
        Session { handle: Some(handle), requests: Some(requests), answers, stop, threads }
    }

    /// Queues a request.
    ///
    /// # Errors
    ///
    /// `NotConnected` once sending has failed: [`Self::answer`] tells why.
    pub fn submit(&self, request: Request) -> io::Result<()> {
        let requests = self.requests.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        requests.send(request).map_err(|_| io::ErrorKind::NotConnected.into())
    }

    /// Disconnects: calls in progress return.
    ///
    /// # Errors
    ///
    /// The driver's `errno`.
    pub fn disconnect(&self) -> io::Result<()> {
        self.handle.as_ref().ok_or(io::ErrorKind::NotConnected)?.disconnect()
    }

    /// The next answer, in the order in which they come.
    ///
    /// # Errors
    ///
    /// `TimedOut` where none comes in time; the driver's `errno`, where sending or receiving fails; what is wrong with a PDU
    /// that cannot be read.
    pub fn answer(&self, timeout: Duration) -> io::Result<Answer> {
        self.answers.recv_timeout(timeout).map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.requests = None;
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so itself.
            let _ = thread.join();
        }
        self.handle = None;
    }
}

fn send(handle: &Handle, queue: &Receiver<Request>, results: &Sender<io::Result<Answer>>) {
    for request in queue {
        let Request { encoded, value } = request;
        let pieces: [&[u8]; 3] = [&encoded.pdu, &encoded.message, &value];
        let pieces = if value.is_empty() { &pieces[..2] } else { &pieces[..] };
        if let Err(error) = handle.send(pieces) {
            let _ = results.send(Err(error));
            return;
        }
    }
}

fn receive(handle: &Handle, stop: &AtomicBool, results: &Sender<io::Result<Answer>>) {
    while !stop.load(Ordering::Relaxed) {
        let answer = match handle.poll(10) {
            Ok(true) => one_answer(handle),
            Ok(false) => continue,
            Err(error) => Err(error),
        };
        let failed = answer.is_err();
        if results.send(answer).is_err() || failed {
            return;
        }
    }
}

fn one_answer(handle: &Handle) -> io::Result<Answer> {
    let mut pdu = [0; PDU_SIZE];
    handle.receive([&mut pdu])?;
    let pdu = Pdu::decode(&pdu).map_err(io::Error::other)?;
    let mut message = vec![0; pdu.message_len as usize];
    let mut value = vec![0; pdu.value_len as usize];
    handle.receive([&mut message, &mut value])?;
    Ok(Answer { message, value })
}
