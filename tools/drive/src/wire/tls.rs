//! TLS over TCP, the drive's side.
//!
//! The connection's thread reads and, while it does not, sends; while it waits for bytes, others may send in its
//! place. So the state of TLS has a lock, which nobody holds while waiting for bytes to arrive. Whoever sends holds it
//! while the client takes them, as nobody else has anything to send then, and the only reader is the sender itself.
//!
//! What TLS itself has to say to what it reads (an alert, new keys) goes with what is sent next, or at once where that
//! needs no waiting.

use std::io::{self, BufRead, IoSlice, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::net::SendFlags;
use rustls::ServerConnection;

use super::{Acceptor, Sink, Source};
use crate::socket::{self, Deadline};

/// How many bytes to read from TCP at a time: a few records.
const READ_SIZE: usize = 64 << 10;

/// How many bytes to encrypt before they are sent.
const SEND_SIZE: usize = 64 << 10;

/// How much of the buffer is kept for what is sent next.
const KEPT: usize = 2 * SEND_SIZE;

pub(super) struct Tls {
    state: Mutex<State>,
    /// Only the connection's thread takes this, and before the state.
    arrived: Mutex<Buffer>,
    /// How many bytes of memory both buffers occupy.
    capacity: AtomicUsize,
}

struct State {
    connection: ServerConnection,
    /// What is to be sent by TCP.
    leaving: Buffer,
}

/// Bytes in order, the first of which are used already.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
        if self.is_empty() {
            self.start = 0;
            self.bytes.clear();
        }
    }
}

impl State {
    /// Collects what TLS has to send.
    fn collect(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.leaving.bytes)?;
        }
        Ok(())
    }

    /// Sends until nothing is left. Returns whether that is so; if not, there is no room.
    fn flush(&mut self, tcp: &TcpStream, flags: SendFlags) -> io::Result<bool> {
        self.collect()?;
        while !self.leaving.is_empty() {
            match tcp.send(&[IoSlice::new(self.leaving.rest())], flags) {
                Ok(count) => self.leaving.consume(count),
                Err(error) if socket::is_over(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        self.leaving.bytes.shrink_to(KEPT);
        Ok(true)
    }

    /// Decrypts the first of these bytes; returns how many.
    fn decrypt(&mut self, tcp: &TcpStream, mut bytes: &[u8]) -> io::Result<usize> {
        let count = self.connection.read_tls(&mut bytes)?;
        let processed = self.connection.process_new_packets();
        // An alert, if it was wrong. It does not matter whether the client hears of it.
        let flushed = self.flush(tcp, SendFlags::DONTWAIT);
        processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        flushed?;
        Ok(count)
    }
}

impl Tls {
    pub fn new(acceptor: &Acceptor) -> io::Result<Self> {
        let mut connection = acceptor.connection()?;
        // The size of what is encrypted at a time is limited here.
        connection.set_buffer_limit(None);
        Ok(Self {
            state: Mutex::new(State { connection, leaving: Buffer::default() }),
            arrived: Mutex::default(),
            capacity: AtomicUsize::new(0),
        })
    }

    pub fn shake_hands(&self, tcp: &TcpStream, deadline: Deadline) -> io::Result<()> {
        let mut arrived = lock(&self.arrived);
        loop {
            let mut state = lock(&self.state);
            while state.connection.is_handshaking() && !arrived.is_empty() {
                let count = state.decrypt(tcp, arrived.rest())?;
                arrived.consume(count);
            }
            if !state.flush(tcp, SendFlags::empty())? {
                deadline.check()?;
                continue;
            }
            if !state.connection.is_handshaking() {
                return Ok(());
            }
            drop(state);
            match self.fill(&mut arrived, tcp) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if socket::is_over(&error) => {}
                Err(error) => return Err(error),
            }
            deadline.check()?;
        }
    }

    /// Reads up to `most` bytes; `take` gets them in pieces. None come at the end of the stream: frames say where they
    /// end, so that nothing is lost where the end is not announced.
    pub fn read(&self, tcp: &TcpStream, most: usize, mut take: impl FnMut(&[u8])) -> io::Result<usize> {
        let mut arrived = lock(&self.arrived);
        loop {
            let mut state = lock(&self.state);
            let mut read = 0;
            while read < most {
                let mut reader = state.connection.reader();
                let count = match reader.fill_buf() {
                    Ok([]) => return Ok(read),
                    Ok(bytes) => {
                        let count = bytes.len().min(most - read);
                        take(&bytes[..count]);
                        count
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        // What was handed out must not be lost with an error.
                        if read > 0 || arrived.is_empty() {
                            break;
                        }
                        let count = state.decrypt(tcp, arrived.rest())?;
                        arrived.consume(count);
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                reader.consume(count);
                read += count;
            }
            if read > 0 || most == 0 {
                return Ok(read);
            }
            drop(state);
            if self.fill(&mut arrived, tcp)? == 0 {
                log::debug!("a TLS connection ended without saying so");
                return Ok(0);
            }
        }
    }

    /// Reads from TCP; the buffer has to be empty.
    fn fill(&self, arrived: &mut Buffer, tcp: &TcpStream) -> io::Result<usize> {
        arrived.bytes.reserve_exact(READ_SIZE);
        self.capacity.store(arrived.bytes.capacity(), Ordering::Relaxed);
        tcp.append(&mut arrived.bytes)
    }

    pub fn send(&self, tcp: &TcpStream, slices: &[IoSlice<'_>], flags: SendFlags) -> io::Result<usize> {
        let mut state = lock(&self.state);
        if !state.flush(tcp, flags)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut taken = 0;
        for slice in slices {
            let bytes = &slice[..slice.len().min(SEND_SIZE - taken)];
            state.connection.writer().write_all(bytes)?;
            taken += bytes.len();
        }
        state.flush(tcp, flags)?;
        Ok(taken)
    }

    pub fn finish(&self, tcp: &TcpStream, flags: SendFlags) -> io::Result<bool> {
        lock(&self.state).flush(tcp, flags)
    }

    pub fn say_goodbye(&self, tcp: &TcpStream) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.connection.send_close_notify();
        state.flush(tcp, SendFlags::DONTWAIT)?;
        Ok(())
    }

    /// How many bytes were read from TCP and not handed out, encrypted or not.
    pub fn unread(&self) -> u64 {
        let arrived = lock(&self.arrived).rest().len();
        // What is wrong shows when it is read.
        let decrypted = lock(&self.state).connection.process_new_packets();
        (arrived + decrypted.map_or(0, |state| state.plaintext_bytes_to_read())) as u64
    }

    pub fn capacity(&self) -> usize {
        self.capacity.load(Ordering::Relaxed)
    }

    pub fn rest(&self) {
        let mut arrived = lock(&self.arrived);
        if arrived.is_empty() {
            *arrived = Buffer::default();
            self.capacity.store(0, Ordering::Relaxed);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panics with it ends the connection.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
