//! The control socket: changing faults and meddling with connections while the drive runs.
//!
//! It is a stream socket in the file system. A client writes JSON objects, one per line, and gets one back for
//! each; see [`command`]. The drive's own user only can connect to it.

mod command;
mod path;

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::drive::Shared;
use path::SocketPath;

/// The longest line in bytes: a text of a status may be long, but not without an end.
const MAX_LINE: u64 = 1 << 20;

/// How many clients there may be at a time.
const MAX_CLIENTS: usize = 64;

/// How long to wait after a client could not be accepted, most likely because there are too many files open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// A control socket that is listened on. Dropping it disconnects all clients and removes the file.
pub(crate) struct Control {
    server: Arc<Server>,
    thread: Option<JoinHandle<()>>,
    /// Only to be dropped, last.
    _path: SocketPath,
}

struct Server {
    listener: UnixListener,
    stopping: AtomicBool,
    clients: Mutex<HashMap<u64, Client>>,
}

struct Client {
    stream: Arc<UnixStream>,
    thread: JoinHandle<()>,
}

impl Control {
    /// Listens at `path`.
    pub fn start(path: &Path, drive: &Arc<Shared>) -> io::Result<Self> {
        let (listener, path) = path::listen(path)?;
        let server = Arc::new(Server {
            listener,
            stopping: AtomicBool::new(false),
            clients: Mutex::new(HashMap::new()),
        });
        let thread = thread::Builder::new().name("control".to_owned()).spawn({
            let (server, drive) = (Arc::clone(&server), Arc::clone(drive));
            move || accept_all(&server, &drive)
        })?;
        Ok(Self { server, thread: Some(thread), _path: path })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.server.stopping.store(true, Ordering::SeqCst);
        // Linux lets a blocked accept fail when its socket is shut down.
        let _ = rustix::net::shutdown(&self.server.listener, rustix::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been reported by itself already.
            let _ = thread.join();
        }
        let clients = std::mem::take(&mut *self.server.clients());
        for client in clients.values() {
            // It may have gone already.
            let _ = client.stream.shutdown(Shutdown::Both);
        }
        for client in clients.into_values() {
            let _ = client.thread.join();
        }
    }
}

impl Server {
    fn clients(&self) -> MutexGuard<'_, HashMap<u64, Client>> {
        // The map is whole at any time, so poison does not matter.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept_all(server: &Arc<Server>, drive: &Arc<Shared>) {
    for number in 0.. {
        let accepted = server.listener.accept();
        if server.stopping.load(Ordering::SeqCst) {
            return;
        }
        let result = accepted.and_then(|(stream, _)| start_client(server, drive, stream, number));
        if let Err(error) = result {
            log::warn!("a client of the control socket failed: {error}");
            thread::sleep(ACCEPT_PAUSE);
        }
    }
}

fn start_client(
    server: &Arc<Server>,
    drive: &Arc<Shared>,
    stream: UnixStream,
    number: u64,
) -> io::Result<()> {
    let mut clients = server.clients();
    if clients.len() >= MAX_CLIENTS {
        return Err(io::Error::other("there are too many already"));
    }
    let stream = Arc::new(stream);
    let thread = thread::Builder::new().name(format!("control {number}")).spawn({
        let (server, drive, stream) = (Arc::clone(server), Arc::clone(drive), Arc::clone(&stream));
        move || {
            if let Err(error) = serve(&drive, &stream) {
                log::debug!("a client of the control socket: {error}");
            }
            server.clients().remove(&number);
        }
    })?;
    // The new thread cannot remove this before it is there, because this one still holds the lock.
    clients.insert(number, Client { stream, thread });
    Ok(())
}

/// Answers each line until the client closes, or writes a line that is too long.
fn serve(drive: &Shared, stream: &UnixStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
        if line.pop_if(|last| *last == b'\n').is_none() {
            return Ok(());
        }
        let mut answer = command::execute(drive, &line).to_string();
        answer.push('\n');
        let mut writer = stream;
        writer.write_all(answer.as_bytes())?;
    }
}
