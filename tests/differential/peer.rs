//! The drive's side of a connection, played step by step.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::AsRawFd,
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, SockRef, Socket, Type};

/// How long what has to come may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// So many bytes fit into a socket whose client does not read: all that `poll` waits for, and less than the first window.
pub const FITS: usize = 50 << 10;

pub struct Peer {
    listener: Socket,
    pub address: SocketAddr,
}

impl Peer {
    pub fn listen(narrow: bool) -> Peer {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        // Both are inherited by what it accepts. The first is large enough for all that a script lets it say, so that
        // writing never waits for a client that does not read.
        listener.set_send_buffer_size(1 << 20).unwrap();
        if narrow {
            listener.set_recv_buffer_size(4096).unwrap();
        }
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(16).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        Peer { listener, address }
    }

    /// The other end of the connection that was made last.
    pub fn accept(&self) -> Line {
        let stream: TcpStream = self.listener.accept().unwrap().0.into();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Line { stream, heard: Vec::new() }
    }
}

/// A connection, as the peer sees it.
pub struct Line {
    stream: TcpStream,
    /// All that it has read.
    pub heard: Vec<u8>,
}

impl Line {
    /// Another hand on the same connection, to say something later.
    pub fn voice(&self) -> TcpStream {
        self.stream.try_clone().unwrap()
    }

    pub fn say(&self, bytes: &[u8]) {
        // Fails where a client of this script has gone.
        let _ = (&self.stream).write_all(bytes);
    }

    /// Waits until all that was said, an end included, is in the client's socket, or as much as surely fits there of the
    /// `unread` bytes that the client has not received.
    pub fn settle(&self, unread: usize) {
        let begun = Instant::now();
        loop {
            let mut unacknowledged: libc::c_int = 0;
            // SAFETY: The request stores an int, and the descriptor is open.
            let result =
                unsafe { libc::ioctl(self.stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut unacknowledged) };
            let there = unread.saturating_sub(usize::try_from(unacknowledged).unwrap_or(0));
            if result != 0 || unacknowledged == 0 || there >= FITS || begun.elapsed() > PATIENCE {
                return;
            }
            thread::sleep(Duration::from_micros(20));
        }
    }

    /// Reads until it has heard so many bytes, or there is an end.
    pub fn hear(&mut self, bytes: usize) {
        let mut buffer = vec![0; 65_536];
        while self.heard.len() < bytes {
            match self.stream.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => self.heard.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    pub fn fin(&self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }

    pub fn reset(self) {
        self.settle(0);
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}
