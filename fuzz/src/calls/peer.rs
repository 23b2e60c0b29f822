//! The peer: a bare socket, which never waits.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use socket2::{Domain, SockRef, Socket, Type};

static LISTENER: LazyLock<TcpListener> =
    LazyLock::new(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"));

/// Has a port and does not listen.
static DEAF: LazyLock<Socket> = LazyLock::new(|| {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
    socket
});

/// The port of [`Peer::accept`].
pub fn port() -> u16 {
    LISTENER.local_addr().expect("it is bound").port()
}

/// A port where nobody listens.
pub fn deaf_port() -> u16 {
    DEAF.local_addr().expect("it is bound").as_socket().expect("an IPv4 address").port()
}

pub struct Peer(TcpStream);

impl Peer {
    /// The connection that was just made.
    pub fn accept() -> Peer {
        let (stream, _) = LISTENER.accept().expect("there is one");
        stream.set_nonblocking(true).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        Peer(stream)
    }

    /// Writes as much as the socket takes; how much that is, or `None` when the driver has gone.
    pub fn write(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut done = 0;
        while done < bytes.len() {
            match self.0.write(&bytes[done..]) {
                Ok(count) => done += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        Some(done)
    }

    /// What has come.
    pub fn read(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Ends with an error: there is no more for now, or the driver has gone.
        let _ = self.0.read_to_end(&mut bytes);
        bytes
    }

    /// Reads all the while; what came of the work, and what came.
    pub fn read_while<T>(&mut self, work: impl FnOnce() -> T) -> (T, Vec<u8>) {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let reading = scope.spawn(|| {
                let mut bytes = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    bytes.extend(self.read());
                    thread::sleep(Duration::from_micros(50));
                }
                bytes
            });
            let result = work();
            over.store(true, Ordering::Relaxed);
            (result, reading.join().expect("reading does not panic"))
        })
    }

    /// Sends no more.
    pub fn shut_down(&mut self) {
        let _ = self.0.shutdown(Shutdown::Write);
    }

    /// Closes; what it has not read makes that a reset.
    #[expect(clippy::unused_self, reason = "the drop does it")]
    pub fn close(self) {}

    pub fn reset(self) {
        SockRef::from(&self.0).set_linger(Some(Duration::ZERO)).expect("a socket");
    }

    /// Reads until the driver closes, and closes, too.
    pub fn finish(mut self) -> JoinHandle<Vec<u8>> {
        self.0.set_nonblocking(false).expect("a socket");
        self.0.set_read_timeout(Some(Duration::from_secs(15))).expect("a socket");
        thread::spawn(move || self.read())
    }
}
