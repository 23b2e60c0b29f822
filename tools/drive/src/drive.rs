//! The server: listening, and a thread for each connection.

mod live;

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::config::{Config, MAX_VALUE_SIZE_CEILING, least_outstanding};
use crate::connection;
use crate::control::Control;
use crate::desk::Desk;
use crate::device::Device;
use crate::faults::Faults;
use crate::operations::Failure;
use crate::output::Output;
use crate::protocol::StatusCode;
use crate::running::{Running, Token};
use crate::session::Session;
use crate::statistics::Statistics;
use crate::wire::{Acceptor, Wire, acceptor};

pub use live::{ConnectionInfo, Delivered};

/// The stack of a connection's thread in bytes; a thousand of them should not
/// matter.
const STACK_SIZE: usize = 256 << 10;

/// How long to wait after a connection could not be accepted, most likely
/// because there are too many files open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// A running drive. It stops when it is dropped: connections are closed,
/// whatever they are doing, and entries are gone, or all of them durable if
/// they are kept in a directory. The directory is free again then.
/// [`Drive::stop`] is the gentle way.
pub struct Drive {
    address: SocketAddr,
    tls_address: Option<SocketAddr>,
    shared: Arc<Shared>,
    running: Arc<Running>,
    acceptors: Vec<JoinHandle<()>>,
    control: Option<Control>,
}

pub(crate) struct Shared {
    doors: Vec<Door>,
    device: Arc<Device>,
    /// Whether the doors are closed.
    deaf: AtomicBool,
    /// The number of the next connection. The first is 1: zero is what clients
    /// send that do not know theirs yet.
    next_id: AtomicI64,
    connections: Mutex<HashMap<i64, Open>>,
}

/// Where clients come in.
struct Door {
    listener: TcpListener,
    /// What starts TLS, if it is spoken here.
    tls: Option<Acceptor>,
}

/// An open connection.
struct Open {
    /// It belongs to the connection's thread: a socket that was closed only
    /// when the drive hears of its end would be late.
    stream: Weak<Wire>,
    desk: Arc<Desk>,
}

impl Drive {
    /// Starts a drive. It serves connections when this returns.
    ///
    /// # Errors
    ///
    /// If an address or the control socket cannot be listened on, if no thread
    /// can be started, if the certificate for TLS cannot be used, if the configuration's `max_value_size` is too large,
    /// its `max_outstanding` too small or the key of an identity empty, or if
    /// its `dir` is in use, has other content than a drive's entries, or cannot
    /// be used.
    pub fn start(config: Config) -> io::Result<Self> {
        check(&config)?;
        let listener = TcpListener::bind(config.address)?;
        let address = listener.local_addr()?;
        let mut doors = vec![Door { listener, tls: None }];
        let mut tls_address = None;
        if let Some(tls) = &config.tls {
            let acceptor = acceptor(tls)?;
            let listener = TcpListener::bind(tls.address)?;
            tls_address = Some(listener.local_addr()?);
            doors.push(Door { listener, tls: Some(acceptor) });
        }
        let tls_port = tls_address.map_or(0, |address| address.port());
        let shared = Arc::new(Shared {
            doors,
            device: Arc::new(Device::new(&config, address)?.with_tls_port(tls_port)),
            deaf: AtomicBool::new(false),
            next_id: AtomicI64::new(1),
            connections: Mutex::new(HashMap::new()),
        });
        let running = Arc::new(Running::new());
        let control = config.control.as_deref().map(|path| Control::start(path, &shared)).transpose()?;
        // If one of the threads cannot be started, the others end with this.
        let mut drive = Self { address, tls_address, shared, running, acceptors: Vec::new(), control };
        for door in 0..drive.shared.doors.len() {
            let accept = thread::Builder::new().name("accept".to_owned()).stack_size(STACK_SIZE);
            drive.acceptors.push(accept.spawn({
                let shared = Arc::clone(&drive.shared);
                let running = Arc::clone(&drive.running);
                move || accept_all(&shared, &shared.doors[door], &running)
            })?);
        }
        Ok(drive)
    }

    /// The address the drive listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The address the drive serves TLS on, if it does.
    #[must_use]
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.tls_address
    }

    /// What the drive has done so far. This may be called at any time from any
    /// thread.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let open = self.shared.connections().len();
        let device = &self.shared.device;
        device.counters.report(open, device.budget.used())
    }

    /// Waits until the drive stops by itself, which it never does unless its
    /// listening sockets fail for good.
    pub fn wait(mut self) {
        for acceptor in self.acceptors.drain(..) {
            // A panic of that thread has been reported by itself already.
            let _ = acceptor.join();
        }
    }

    /// Stops the drive. From now on nobody can connect. Each connection
    /// executes the requests that it has received as a whole, sends their
    /// answers, then an unsolicited status `SHUTDOWN`, and closes. Connections
    /// that are not done after `grace` are closed as they are. The store is
    /// closed when this returns.
    ///
    /// A request that is on its way while its connection closes may meet a
    /// reset instead of an answer.
    ///
    /// # Errors
    ///
    /// If the store cannot make all changes durable, or could not at some time
    /// before: then changes are lost whose answers did not promise that they
    /// last.
    pub fn stop(mut self, grace: Duration) -> io::Result<()> {
        self.shared.device.stopping.store(true, Ordering::SeqCst);
        self.stop_accepting();
        // A read that waits returns now. What has arrived can still be read.
        self.shared.shut_down_all(Shutdown::Read);
        // Last, so that whatever a command does, connections end meanwhile.
        self.control = None;
        self.running.wait(Some(grace));
        self.shared.device.store.sync()
    }

    fn stop_accepting(&mut self) {
        self.shared.deaf.store(true, Ordering::SeqCst);
        // Linux lets a blocked accept fail when its socket is shut down.
        for door in &self.shared.doors {
            let _ = rustix::net::shutdown(&door.listener, rustix::net::Shutdown::Both);
        }
        for acceptor in self.acceptors.drain(..) {
            let _ = acceptor.join();
        }
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        self.stop_accepting();
        self.shared.shut_down_all(Shutdown::Both);
        self.control = None;
        // Only now, so that nobody says goodbye.
        self.shared.device.stopping.store(true, Ordering::SeqCst);
        self.running.wait(None);
    }
}

fn check(config: &Config) -> io::Result<()> {
    let invalid = |reason| Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    if config.max_value_size > MAX_VALUE_SIZE_CEILING {
        return invalid(format!("values may have at most {MAX_VALUE_SIZE_CEILING} bytes"));
    }
    // The protocol has no lists with such a key, so that the settings could not
    // be read again once they are stored.
    if let Some(identity) = config.identities.iter().find(|identity| identity.key.is_empty()) {
        return invalid(format!("identity {} has an empty key", identity.id));
    }
    let least = least_outstanding(config);
    if config.max_outstanding < least {
        return invalid(format!("with values of that size, at least {least} bytes must be outstanding"));
    }
    Ok(())
}

impl Shared {
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<i64, Open>> {
        // The map is whole at any time, so poison does not matter.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shut_down_all(&self, how: Shutdown) {
        for stream in self.connections().values().filter_map(|open| open.stream.upgrade()) {
            stream.shut_down(how);
        }
    }
}

fn accept_all(shared: &Arc<Shared>, door: &Door, running: &Arc<Running>) {
    loop {
        let accepted = door.listener.accept();
        if shared.deaf.load(Ordering::SeqCst) {
            return;
        }
        let connection_id = shared.next_id.fetch_add(1, Ordering::Relaxed);
        let result = accepted.and_then(|(stream, peer)| {
            log::debug!("connection {connection_id} from {peer}");
            start_connection(shared, door, running, stream, peer, connection_id)
        });
        if let Err(error) = result {
            log::warn!("connection {connection_id} failed: {error}");
            thread::sleep(ACCEPT_PAUSE);
        }
    }
}

fn start_connection(
    shared: &Arc<Shared>,
    door: &Door,
    running: &Arc<Running>,
    stream: TcpStream,
    peer: SocketAddr,
    id: i64,
) -> io::Result<()> {
    let mut connections = shared.connections();
    let max = shared.device.bounds.max_connections;
    if connections.len() >= max {
        drop(connections);
        log::info!("{peer}: one connection more than {max}");
        shared.device.counters.count_refused();
        // It does not matter whether the client hears of it.
        // Over TLS that would take the client's time, so there it only sees
        // the end.
        if door.tls.is_none() {
            let _ = refuse(shared, &stream, id);
        }
        return Ok(());
    }
    let stream = Arc::new(match &door.tls {
        None => Wire::plain(stream),
        Some(tls) => Wire::secure(stream, tls)?,
    });
    let desk = Arc::new(Desk::default());
    let open = Open { stream: Arc::downgrade(&stream), desk: Arc::clone(&desk) };
    let token = Token::new(Arc::clone(running));
    thread::Builder::new().name(format!("connection {id}")).stack_size(STACK_SIZE).spawn({
        let shared = Arc::clone(shared);
        move || {
            run_connection(shared, stream, peer, &desk, id);
            // Nothing of the drive is left in this thread.
            drop(token);
        }
    })?;
    shared.device.counters.count_connection();
    // The new thread cannot remove this before it is there, because this one
    // still holds the lock.
    connections.insert(id, open);
    Ok(())
}

/// Says that there are too many connections. A new socket takes that much
/// without waiting.
fn refuse(shared: &Shared, stream: &TcpStream, id: i64) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    let session = Session::new(Arc::clone(&shared.device), id);
    let mut output = Output::new(&Faults::default(), Some(Duration::ZERO));
    let failure = Failure::new(StatusCode::ServiceBusy, "too many connections");
    output.push(&session.farewell(failure));
    output.flush(stream)?;
    stream.shutdown(Shutdown::Write)
}

fn run_connection(shared: Arc<Shared>, stream: Arc<Wire>, peer: SocketAddr, desk: &Desk, id: i64) {
    // Even after a panic the connection has to be closed.
    struct Remove<'a>(&'a Shared, i64);
    impl Drop for Remove<'_> {
        fn drop(&mut self) {
            self.0.connections().remove(&self.1);
        }
    }
    let _remove = Remove(&shared, id);

    let device = &shared.device;
    let session = Session::new(Arc::clone(device), id);
    let session = if stream.is_secure() { session.over_tls() } else { session };
    match connection::serve(id, &stream, peer, desk, device, session) {
        Ok(()) => log::debug!("connection {id} ended"),
        Err(error) => log::debug!("connection {id} ended: {error}"),
    }
}
