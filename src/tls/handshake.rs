//! From a connected socket to TLS: runs on the thread that calls `connect`.

use std::{
    ffi::CStr,
    io,
    net::IpAddr,
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use log::{debug, warn};
use rustls::{ClientConfig, ClientConnection, Error, pki_types::ServerName};
use socket2::Socket;

use super::{Agreed, kernel, settings, state::Tls};
use crate::{
    error::Errno,
    socket::{
        calls::{self, Interest},
        segment::{Batch, Incoming, Outgoing},
    },
};

/// How often it looks whether somebody disconnects.
const LOOK: Duration = Duration::from_millis(50);

/// How much is read at a time.
const READ: usize = 16 << 10;

/// Size of a record's header.
const HEADER: usize = 5;

/// With whom to speak TLS, and how.
pub struct Plan {
    config: Arc<ClientConfig>,
    /// The drive's name, for its certificate; `None` where it is none that a certificate could have.
    name: Option<ServerName<'static>>,
    /// The kernel is to take over.
    in_kernel: bool,
}

impl Plan {
    /// As the `KTLI_URING_TLS_` variables say, with the drive of this name; `in_kernel` if that can be had.
    ///
    /// Fails, with a line in the log, where one of them has a value that cannot be used.
    pub fn new(host: &CStr, in_kernel: bool) -> Result<Plan, Errno> {
        let in_kernel = in_kernel && kernel::check().is_ok();
        let settings = settings::read(in_kernel)?;
        let name = host.to_str().ok().and_then(|host| ServerName::try_from(host.to_owned()).ok());
        if name.is_none() && settings.checks_names {
            warn!("TLS: {host:?} is no name that a certificate could have");
            return Err(Errno::INVAL);
        }
        Ok(Plan { config: settings.config, name, in_kernel })
    }

    /// Agrees on keys with whoever is on the other side of the socket, until the deadline.
    ///
    /// Fails with EACCES where what the drive shows of itself is refused, with EPROTO where it does not speak TLS, or no
    /// TLS that this speaks, ETIMEDOUT, and ECONNABORTED when `abort` is set.
    pub fn shake_hands(
        self,
        socket: &Socket,
        deadline: Instant,
        abort: &AtomicBool,
    ) -> Result<Agreed, Errno> {
        let peer = socket.peer_addr().ok().and_then(|peer| peer.as_socket());
        let address =
            || ServerName::IpAddress(peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip()).into());
        let name = self.name.unwrap_or_else(address);
        let connection = ClientConnection::new(self.config, name).map_err(|error| refused(&error))?;
        let exact = self.in_kernel;
        let mut handshake = Handshake { socket, deadline, abort, connection, exact, arrived: Vec::new() };
        match handshake.run() {
            Ok(()) => {
                let Handshake { connection, arrived, .. } = handshake;
                let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
                debug!("TLS: {:?}, {suite:?}", connection.protocol_version());
                let kept = if exact && arrived.is_empty() {
                    kernel::hand_over(connection, socket)?
                } else {
                    Err(connection)
                };
                Ok(match kept {
                    Ok(kernel) => Agreed::Kernel(kernel),
                    Err(connection) => Agreed::Here(Box::new(Tls::new(connection, arrived))),
                })
            }
            Err(Errno::TIMEDOUT) => {
                warn!("TLS: the drive has not agreed on keys in time");
                Err(Errno::TIMEDOUT)
            }
            Err(errno) => Err(errno),
        }
    }
}

struct Handshake<'s> {
    socket: &'s Socket,
    deadline: Instant,
    abort: &'s AtomicBool,
    connection: ClientConnection,
    /// Nothing is read beyond the handshake. It takes two system calls for each record.
    exact: bool,
    /// What was read and not used.
    arrived: Vec<u8>,
}

impl Handshake<'_> {
    fn run(&mut self) -> Result<(), Errno> {
        loop {
            self.send()?;
            if !self.connection.is_handshaking() {
                return Ok(());
            }
            self.receive()?;
            if let Err(error) = self.process() {
                // The peer may want to know why; it does not matter whether it hears of it.
                let _ = self.send();
                return Err(refused(&error));
            }
        }
    }

    /// Uses what was read, up to the end of the handshake. What is behind it belongs to the receiver.
    fn process(&mut self) -> Result<(), Error> {
        if self.exact && self.missing() > 0 {
            return Ok(());
        }
        while self.connection.is_handshaking() && !self.arrived.is_empty() {
            let mut from = &self.arrived[..];
            // Reading from memory does not fail, and nothing is decrypted yet for which there could be no room.
            let taken =
                self.connection.read_tls(&mut from).map_err(|error| Error::General(error.to_string()))?;
            self.arrived.drain(..taken);
            self.connection.process_new_packets()?;
        }
        Ok(())
    }

    /// How many bytes the record that is being read lacks: first of its header, then of what that announces.
    fn missing(&self) -> usize {
        let wanted = match self.arrived[..] {
            [20..=23, 3, _, high, low, ..] => HEADER + usize::from(u16::from_be_bytes([high, low])),
            // No TLS: rustls is to see it at once.
            [_, _, _, _, _, ..] => 0,
            _ => HEADER,
        };
        wanted.saturating_sub(self.arrived.len())
    }

    /// Sends what TLS has to say.
    fn send(&mut self) -> Result<(), Errno> {
        let mut bytes = Vec::new();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut bytes)?;
        }
        let mut left = &bytes[..];
        while !left.is_empty() {
            let mut batch = Batch::new();
            batch.push(Outgoing::new(left));
            match calls::send(self.socket.as_fd(), &batch) {
                Ok(count) => left = &left[count..],
                Err(error) => self.wait(error, false)?,
            }
        }
        Ok(())
    }

    /// Receives something.
    fn receive(&mut self) -> Result<(), Errno> {
        let start = self.arrived.len();
        self.arrived.resize(start + if self.exact { self.missing() } else { READ }, 0);
        let result = loop {
            let mut batch = Batch::new();
            batch.push(Incoming::new(&mut self.arrived[start..]));
            match calls::receive(self.socket.as_fd(), &batch) {
                Ok(0) => {
                    warn!(
                        "TLS: the peer has closed the connection before there was agreement: is this its port for TLS?"
                    );
                    break Err(Errno::PROTO);
                }
                Ok(count) => break Ok(count),
                Err(error) => {
                    if let Err(errno) = self.wait(error, true) {
                        break Err(errno);
                    }
                }
            }
        };
        self.arrived.truncate(start + result.as_ref().map_or(0, |count| *count));
        result.map(drop)
    }

    /// Waits for the socket where `error` says that this helps.
    fn wait(&self, error: io::Error, read: bool) -> Result<(), Errno> {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => {}
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                warn!("TLS: {error} before there was agreement: is this the peer's port for TLS?");
                return Err(Errno::PROTO);
            }
            _ => return Err(error.into()),
        }
        if self.abort.load(Ordering::Acquire) {
            return Err(Errno::CONNABORTED);
        }
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Errno::TIMEDOUT);
        }
        calls::wait([Interest { fd: self.socket.as_fd(), read, write: !read }], Some(left.min(LOOK)))?;
        Ok(())
    }
}

/// Takes a failure of TLS to its errno, with a line in the log.
fn refused(error: &Error) -> Errno {
    warn!("TLS: {error}");
    match error {
        Error::InvalidCertificate(_) | Error::NoCertificatesPresented => Errno(libc::EACCES),
        _ => Errno::PROTO,
    }
}
