//! The server: listening, and a thread for each connection.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::config::{Config, MAX_VALUE_SIZE_CEILING};
use crate::connection;
use crate::device::Device;
use crate::session::Session;

/// The stack of a connection's thread in bytes; a thousand of them should not
/// matter.
const STACK_SIZE: usize = 256 << 10;

/// How long to wait after a connection could not be accepted, most likely
/// because there are too many files open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// A running drive. It stops when it is dropped: connections are closed, and
/// entries are gone, or all of them durable if they are kept in a directory.
/// The directory is free again then.
pub struct Drive {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    listener: TcpListener,
    device: Arc<Device>,
    stopping: AtomicBool,
    connections: Mutex<HashMap<i64, Open>>,
}

/// An open connection.
struct Open {
    stream: Arc<TcpStream>,
    thread: JoinHandle<()>,
}

impl Drive {
    /// Starts a drive. It serves connections when this returns.
    ///
    /// # Errors
    ///
    /// If the address cannot be listened on, if no thread can be started, if
    /// the configuration's `max_value_size` is too large, or if its `dir` is in
    /// use, has other content than a drive's entries, or cannot be used.
    pub fn start(config: Config) -> io::Result<Self> {
        if config.max_value_size > MAX_VALUE_SIZE_CEILING {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("values may have at most {MAX_VALUE_SIZE_CEILING} bytes"),
            ));
        }
        let listener = TcpListener::bind(config.address)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            listener,
            device: Arc::new(Device::new(&config, address)?),
            stopping: AtomicBool::new(false),
            connections: Mutex::new(HashMap::new()),
        });
        let acceptor = thread::Builder::new().name("accept".to_owned()).stack_size(STACK_SIZE).spawn({
            let shared = Arc::clone(&shared);
            move || accept_all(&shared)
        })?;
        Ok(Self { address, shared, acceptor: Some(acceptor) })
    }

    /// The address the drive listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the drive stops by itself, which it never does unless its
    /// listening socket fails for good.
    pub fn wait(mut self) {
        if let Some(acceptor) = self.acceptor.take() {
            // A panic of that thread has been reported by itself already.
            let _ = acceptor.join();
        }
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Linux lets a blocked accept fail when its socket is shut down.
        let _ = rustix::net::shutdown(&self.shared.listener, rustix::net::Shutdown::Both);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        let connections = std::mem::take(&mut *self.shared.connections());
        for open in connections.values() {
            // It may be closed by the client already.
            let _ = open.stream.shutdown(Shutdown::Both);
        }
        for open in connections.into_values() {
            let _ = open.thread.join();
        }
        // Threads whose connection has ended by itself were not joined. They
        // are about to end, but have to do so before the store can be closed,
        // which happens when this returns.
        while Arc::strong_count(&self.shared) > 1 {
            thread::yield_now();
        }
    }
}

impl Shared {
    fn connections(&self) -> MutexGuard<'_, HashMap<i64, Open>> {
        // The map is whole at any time, so poison does not matter.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept_all(shared: &Arc<Shared>) {
    // Zero is what clients send that do not know their ID yet.
    let mut connection_id = 1;
    loop {
        let accepted = shared.listener.accept();
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let result = accepted.and_then(|(stream, peer)| {
            log::debug!("connection {connection_id} from {peer}");
            start_connection(shared, stream, connection_id)
        });
        if let Err(error) = result {
            log::warn!("connection {connection_id} failed: {error}");
            thread::sleep(ACCEPT_PAUSE);
        }
        connection_id += 1;
    }
}

fn start_connection(shared: &Arc<Shared>, stream: TcpStream, id: i64) -> io::Result<()> {
    let mut connections = shared.connections();
    if connections.len() >= shared.device.bounds.max_connections {
        log::warn!("connection {id} is one too many");
        return Ok(());
    }
    let stream = Arc::new(stream);
    let thread = thread::Builder::new().name(format!("connection {id}")).stack_size(STACK_SIZE).spawn({
        let shared = Arc::clone(shared);
        let stream = Arc::clone(&stream);
        move || run_connection(&shared, stream, id)
    })?;
    // The new thread cannot remove this before it is there, because this one
    // still holds the lock.
    connections.insert(id, Open { stream, thread });
    Ok(())
}

fn run_connection(shared: &Arc<Shared>, stream: Arc<TcpStream>, id: i64) {
    // Even after a panic the connection has to be closed.
    struct Remove<'a>(&'a Shared, i64);
    impl Drop for Remove<'_> {
        fn drop(&mut self) {
            self.0.connections().remove(&self.1);
        }
    }
    let _remove = Remove(shared, id);

    let device = &shared.device;
    let session = Session::new(Arc::clone(device), id);
    match connection::serve(&stream, session, device.bounds, device.faults) {
        Ok(()) => log::debug!("connection {id} ended"),
        Err(error) => log::debug!("connection {id} ended: {error}"),
    }
}
