//! What TLS remembers of a connection, from the handshake on.

use std::{
    io::{BufRead, ErrorKind, Write},
    sync::Mutex,
};

use log::warn;
use rustls::ClientConnection;

use super::Opened;
use crate::{
    error::Errno,
    readahead::ReadAhead,
    sync::{lock, try_lock},
};

/// The most bytes in a record before it is encrypted.
const RECORD: usize = 16 << 10;

/// What encryption adds to a record at the most: header, nonce, type and tag, of any cipher suite.
const OVERHEAD: usize = 64;

/// How many bytes are decrypted under one lock at the most.
const TURN: usize = 64 << 10;

/// How much memory is kept for the next message.
const KEPT: usize = 128 << 10;

/// The TLS of a connection. For its locks see [the module](super).
pub struct Tls {
    state: Mutex<State>,
}

struct State {
    connection: ClientConnection,
    /// The message, or the piece of one, that is encrypted.
    plain: Vec<u8>,
    /// What came from the peer behind the handshake.
    arrived: Vec<u8>,
    /// Why nothing can be decrypted any more. What came before that is still handed out.
    broken: Option<Errno>,
}

impl Tls {
    /// After the handshake, with what was read beyond it.
    pub fn new(mut connection: ClientConnection, arrived: Vec<u8>) -> Self {
        // What is encrypted leaves it at once.
        connection.set_buffer_limit(None);
        Tls { state: Mutex::new(State { connection, plain: Vec::new(), arrived, broken: None }) }
    }

    /// How many bytes so many become at the most, without what TLS has to say by itself.
    #[expect(
        clippy::unused_self,
        reason = "in a build without TLS only a `self` makes the method one that cannot be called"
    )]
    pub fn sealed_size(&self, bytes: usize) -> usize {
        bytes + bytes.div_ceil(RECORD) * OVERHEAD
    }

    /// Encrypts what `fill` appends to a vector, and appends it to `into`. For who has the right to: see
    /// [the module](super).
    pub fn seal(&self, fill: impl FnOnce(&mut Vec<u8>), into: &mut Vec<u8>) -> Result<(), Errno> {
        let mut state = lock(&self.state);
        let State { connection, plain, .. } = &mut *state;
        plain.clear();
        fill(plain);
        // It fails only after something that cannot be decrypted, or where the keys are used up: in TLS 1.2 after more
        // than 2^38 bytes.
        let written = connection.writer().write_all(plain).and_then(|()| take_records(connection, into));
        plain.shrink_to(KEPT);
        written.map_err(|error| {
            warn!("TLS cannot encrypt any more: {error}");
            Errno::PROTO
        })
    }

    /// Decrypts some of what is in `sealed` to the end of `plain`, as far as there is room.
    pub fn open(&self, sealed: &mut ReadAhead, plain: &mut ReadAhead) -> Result<Opened, Errno> {
        let mut state = lock(&self.state);
        let State { connection, broken, .. } = &mut *state;
        let mut opened = 0;
        while opened < TURN {
            let mut reader = connection.reader();
            match reader.fill_buf() {
                Ok([]) => return Ok(if opened > 0 { Opened::More } else { Opened::Closed }),
                Ok(bytes) => {
                    // At least a byte where whoever asks is not served by what there is.
                    let free = plain.free((plain.bytes().len() + 1).min(plain.capacity()), bytes.len())?;
                    let count = bytes.len().min(free.len());
                    free[..count].copy_from_slice(&bytes[..count]);
                    reader.consume(count);
                    plain.filled(count);
                    opened += count;
                    if count == 0 {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if let Some(errno) = broken.filter(|_| opened == 0) {
                        return Err(errno);
                    }
                    if broken.is_some() || sealed.bytes().is_empty() {
                        break;
                    }
                    let mut from = sealed.bytes();
                    let taken = connection.read_tls(&mut from)?;
                    sealed.take(taken);
                    if let Err(error) = connection.process_new_packets() {
                        warn!("what the peer sent is no TLS that could be read: {error}");
                        *broken = Some(Errno::PROTO);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(if opened > 0 { Opened::More } else { Opened::Nothing })
    }

    /// Appends the goodbye to `into`, but where another thread has the state.
    pub fn say_goodbye(&self, into: &mut Vec<u8>) {
        let Some(mut state) = try_lock(&self.state) else { return };
        state.connection.send_close_notify();
        // To a vector this cannot fail.
        let _ = take_records(&mut state.connection, into);
    }

    /// What came from the peer behind the handshake; once.
    pub fn take_arrived(&self) -> Vec<u8> {
        std::mem::take(&mut lock(&self.state).arrived)
    }
}

/// Moves all that is encrypted to `into`.
fn take_records(connection: &mut ClientConnection, into: &mut Vec<u8>) -> std::io::Result<()> {
    while connection.wants_write() {
        connection.write_tls(into)?;
    }
    Ok(())
}
