//! A connection on which nothing takes longer than there is patience.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::patience::Patience;

/// How long a call waits at most before it looks whether the drive stops.
const STEP: Duration = Duration::from_millis(100);

/// How long to try to reach one address.
const REACH: Duration = Duration::from_secs(3);

/// A connection to another drive. Reading and writing fail when the time is
/// over, or when the drive stops.
pub(super) struct Stream<'a> {
    socket: TcpStream,
    patience: &'a Patience<'a>,
}

impl<'a> Stream<'a> {
    /// Connects to the first of some addresses that can be reached.
    pub fn connect(addresses: &[SocketAddr], patience: &'a Patience<'a>) -> io::Result<Self> {
        let mut result = Err(io::Error::other("the peer has no address"));
        for address in addresses {
            let left = patience.left().min(REACH);
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            result = TcpStream::connect_timeout(address, left);
            if result.is_ok() {
                break;
            }
        }
        let socket = result?;
        // A value follows its message without waiting for anything.
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(STEP))?;
        socket.set_write_timeout(Some(STEP))?;
        Ok(Self { socket, patience })
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

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.repeat(|socket| socket.read(buffer))
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.repeat(|socket| socket.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
