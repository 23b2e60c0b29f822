//! What a connection's bytes travel on: TCP as it is, or TLS over it.

mod credentials;
mod tls;

use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream};

use rustix::buffer::spare_capacity;
use rustix::fd::AsFd;
use rustix::io::{ioctl_fionread, read, retry_on_intr};
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

use crate::socket::{self, Deadline};

pub(crate) use credentials::{Acceptor, acceptor};
use tls::Tls;

/// Where bytes come from.
pub(crate) trait Source {
    /// Reads once, and waits for that. None come at the end of the stream.
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// The same to the end of a vector, as far as its capacity goes.
    fn append(&self, vector: &mut Vec<u8>) -> io::Result<usize>;
}

/// Where bytes go.
pub(crate) trait Sink {
    /// Takes the first bytes of these, and says how many. Waits for room, but with [`SendFlags::DONTWAIT`].
    fn send(&self, slices: &[IoSlice<'_>], flags: SendFlags) -> io::Result<usize>;

    /// Brings what was taken on its way, as far as that can be done with these flags. Returns whether it is all.
    fn finish(&self, _flags: SendFlags) -> io::Result<bool> {
        Ok(true)
    }
}

impl<T: AsFd> Source for T {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(retry_on_intr(|| read(self, &mut *buffer))?)
    }

    fn append(&self, vector: &mut Vec<u8>) -> io::Result<usize> {
        Ok(retry_on_intr(|| read(self, spare_capacity(vector)))?)
    }
}

impl<T: AsFd> Sink for T {
    fn send(&self, slices: &[IoSlice<'_>], flags: SendFlags) -> io::Result<usize> {
        let flags = flags | SendFlags::NOSIGNAL;
        Ok(retry_on_intr(|| sendmsg(self, slices, &mut SendAncillaryBuffer::default(), flags))?)
    }
}

/// What a connection's bytes travel on.
///
/// One thread reads. Others may send, one at a time; they do not wait for a reader.
pub(crate) struct Wire {
    tcp: TcpStream,
    tls: Option<Tls>,
}

impl Wire {
    pub fn plain(tcp: TcpStream) -> Self {
        Self { tcp, tls: None }
    }

    /// # Errors
    ///
    /// If TLS cannot be spoken as the acceptor wants it.
    pub fn secure(tcp: TcpStream, acceptor: &Acceptor) -> io::Result<Self> {
        Ok(Self { tcp, tls: Some(Tls::new(acceptor)?) })
    }

    /// The connection without TLS.
    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Whether nobody can read or change what is sent.
    pub fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Agrees on keys with the client. Nothing can be read or sent before.
    ///
    /// # Errors
    ///
    /// "Would block" after the deadline, "unexpected end" if there is nothing more to come, "invalid data" if it is
    /// not TLS, or not as it has to be.
    pub fn shake_hands(&self, deadline: Deadline) -> io::Result<()> {
        self.tls.as_ref().map_or(Ok(()), |tls| tls.shake_hands(&self.tcp, deadline))
    }

    /// How many bytes have arrived and are not read yet, those of TLS among them.
    pub fn unread(&self) -> io::Result<u64> {
        Ok(ioctl_fionread(&self.tcp)? + self.tls.as_ref().map_or(0, Tls::unread))
    }

    /// How many bytes of memory this occupies.
    pub fn capacity(&self) -> usize {
        self.tls.as_ref().map_or(0, Tls::capacity)
    }

    /// Gives memory back that an idle connection does not need.
    pub fn rest(&self) {
        if let Some(tls) = &self.tls {
            tls.rest();
        }
    }

    /// Shuts TCP down, without a word in TLS.
    pub fn shut_down(&self, how: Shutdown) {
        // It may be at its end already.
        let _ = self.tcp.shutdown(how);
    }

    /// Has TLS say that nothing more comes, if the client takes that at once.
    pub fn say_goodbye(&self) {
        if let Some(tls) = &self.tls {
            // If not, it sees the end of TCP.
            let _ = tls.say_goodbye(&self.tcp);
        }
    }

    /// Closes the drive's side, see [`socket::close`].
    pub fn close(&self) -> io::Result<()> {
        socket::close(&self.tcp)
    }

    /// Has the connection reset when it is dropped.
    pub fn reset(&self) -> io::Result<()> {
        socket::reset(&self.tcp)
    }
}

impl Source for Wire {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.tls {
            None => Source::read(&self.tcp, buffer),
            Some(tls) => {
                let mut read = 0;
                tls.read(&self.tcp, buffer.len(), |bytes| {
                    buffer[read..read + bytes.len()].copy_from_slice(bytes);
                    read += bytes.len();
                })
            }
        }
    }

    fn append(&self, vector: &mut Vec<u8>) -> io::Result<usize> {
        match &self.tls {
            None => self.tcp.append(vector),
            Some(tls) => {
                let room = vector.capacity() - vector.len();
                tls.read(&self.tcp, room, |bytes| vector.extend_from_slice(bytes))
            }
        }
    }
}

impl Sink for Wire {
    fn send(&self, slices: &[IoSlice<'_>], flags: SendFlags) -> io::Result<usize> {
        match &self.tls {
            None => self.tcp.send(slices, flags),
            Some(tls) => tls.send(&self.tcp, slices, flags),
        }
    }

    fn finish(&self, flags: SendFlags) -> io::Result<bool> {
        self.tls.as_ref().map_or(Ok(true), |tls| tls.finish(&self.tcp, flags))
    }
}
