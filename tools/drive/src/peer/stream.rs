//! A connection on which nothing takes longer than there is patience.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::anyone;
use crate::patience::Patience;

/// How long a call waits at most before it looks whether the drive stops.
const STEP: Duration = Duration::from_millis(100);

/// How long to try to reach one address.
const REACH: Duration = Duration::from_secs(3);

/// A connection to another drive. Reading and writing fail when the time is
/// over, or when the drive stops.
pub(super) enum Stream<'a> {
    Plain(Patient<'a>),
    /// Over TLS, for which both shake hands when it is first used.
    Secure(Box<StreamOwned<ClientConnection, Patient<'a>>>),
}

impl<'a> Stream<'a> {
    /// Connects to the first of some addresses that can be reached.
    pub fn connect(addresses: &[SocketAddr], tls: bool, patience: &'a Patience<'a>) -> io::Result<Self> {
        let (patient, address) = Patient::connect(addresses, patience)?;
        if !tls {
            return Ok(Self::Plain(patient));
        }
        let config = anyone::client_config(rustls::DEFAULT_VERSIONS).map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::new(config), ServerName::IpAddress(address.ip().into()))
            .map_err(io::Error::other)?;
        Ok(Self::Secure(Box::new(StreamOwned::new(connection, patient))))
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Secure(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Secure(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Secure(stream) => stream.flush(),
        }
    }
}

/// TCP that waits as long as there is patience.
pub(super) struct Patient<'a> {
    socket: TcpStream,
    patience: &'a Patience<'a>,
}

impl<'a> Patient<'a> {
    fn connect(addresses: &[SocketAddr], patience: &'a Patience<'a>) -> io::Result<(Self, SocketAddr)> {
        let mut result = Err(io::Error::other("the peer has no address"));
        for address in addresses {
            let left = patience.left().min(REACH);
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            result = TcpStream::connect_timeout(address, left).map(|socket| (socket, *address));
            if result.is_ok() {
                break;
            }
        }
        let (socket, address) = result?;
        // A value follows its message without waiting for anything.
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(STEP))?;
        socket.set_write_timeout(Some(STEP))?;
        Ok((Self { socket, patience }, address))
    }

    /// Repeats a call until it says something else than that it has to wait.
    fn repeat<T>(&mut self, mut call: impl FnMut(&mut TcpStream) -> io::Result<T>) -> io::Result<T> {
        loop {
            if self.patience.is_over() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            match call(&mut self.socket) {
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
                    ) => {}
                result => return result,
            }
        }
    }
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.repeat(|socket| socket.read(buffer))
    }
}

impl Write for Patient<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.repeat(|socket| socket.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
