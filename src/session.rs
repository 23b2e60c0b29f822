//! A session: what a handle stands for, from `open` to `close`.
//!
//! It is connected and disconnected, perhaps many times, by any thread, while one thread sends and
//! another polls and receives. Each half sits behind a lock of its own that only its caller holds for
//! long; the states are behind a third, `life`. A thread that holds a half never waits for `life`, and
//! one that changes the state takes `life` first. Halves carry the handle's generation, so that a call
//! with a stale handle never touches the session that has its place now.

use std::{
    ffi::CStr,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use log::{debug, warn};

use crate::{
    config::{self, Options},
    connect,
    connection::Connection,
    deadline::Deadline,
    drain::{await_release, drain},
    error::Errno,
    features::Feature,
    iovec::Cursor,
    receive::{Polled, Receive},
    report,
    socket::segment::In,
    statistics::Statistics,
    sync::{lock, try_lock},
    tls::Plan,
    transmit::{LOOK, Message, Transmit},
};

/// What a negative time-out comes to on a handle where nothing can ever arrive: long enough not to
/// spin, short enough not to hang a program that ends.
const NO_LIMIT_ON_NOTHING: Duration = Duration::from_secs(1);

/// How long a call waits for its half while a connecting or disconnecting thread has it.
const HALF_PATIENCE: Duration = Duration::from_millis(1);

/// How long at least a sender that is told to leave may take: two of its looks.
const AT_LEAST: Duration = LOOK.saturating_mul(2);

/// The place of a session in the table. It is used again for later sessions, with other generations.
pub struct Session {
    life: Mutex<Life>,
    /// The state has changed.
    changed: Condvar,
    transmit: Mutex<Option<(u64, Transmit)>>,
    receive: Mutex<Option<(u64, Receive)>>,
}

struct Life {
    /// Of the handle that is open; 0 for none.
    generation: u64,
    state: State,
    /// Counts the changes.
    changes: u64,
    /// Of the connection that it has or had last.
    statistics: Option<Arc<Statistics>>,
}

enum State {
    Unconnected,
    /// The flag ends the attempt.
    Connecting(Arc<AtomicBool>),
    Connected(Arc<Connection>),
    Disconnecting,
}

/// What `poll` tells its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// A message can be received.
    Ready,
    /// The time has passed.
    TimedOut,
}

impl Session {
    /// A place with no session.
    pub fn new() -> Self {
        Session {
            life: Mutex::new(Life { generation: 0, state: State::Unconnected, changes: 0, statistics: None }),
            changed: Condvar::new(),
            transmit: Mutex::new(None),
            receive: Mutex::new(None),
        }
    }

    /// Opens it for the handle with this generation.
    pub fn open(&self, generation: u64) {
        let mut life = lock(&self.life);
        life.generation = generation;
        life.state = State::Unconnected;
        life.changes += 1;
    }

    /// Its life, if the handle is still open.
    fn life(&self, generation: u64) -> Result<MutexGuard<'_, Life>, Errno> {
        let life = lock(&self.life);
        if life.generation == generation { Ok(life) } else { Err(Errno::BADF) }
    }

    fn change(&self, life: &mut Life, state: State) {
        life.state = state;
        life.changes += 1;
        self.changed.notify_all();
    }

    // Sending and receiving. -----------------------------------------------------------------------

    /// Sends a whole message. See [`Transmit::send`].
    pub fn send(&self, generation: u64, message: Message<'_, '_>) -> Result<usize, Errno> {
        let mut half = self.take_half(&self.transmit, generation)?;
        match &mut *half {
            Some((of, transmit)) if *of == generation => transmit.send(message),
            _ => {
                drop(half);
                drop(self.life(generation)?);
                Err(Errno::NOTCONN)
            }
        }
    }

    /// Fills the whole vector. See [`Receive::receive`].
    pub fn receive(&self, generation: u64, into: Cursor<'_, '_, In>) -> Result<usize, Errno> {
        let mut half = self.take_half(&self.receive, generation)?;
        match &mut *half {
            Some((of, receive)) if *of == generation => receive.receive(into),
            _ => {
                drop(half);
                drop(self.life(generation)?);
                Err(Errno::NOTCONN)
            }
        }
    }

    /// Waits until a message can be received, at most for `timeout` (`None`: no limit). Where nothing
    /// can be received, unconnected, dead or closed, it waits for that to change.
    pub fn poll(&self, generation: u64, timeout: Option<Duration>) -> Result<Readiness, Errno> {
        let mut deadline = Deadline::new(timeout);
        loop {
            let mut connected = false;
            let mut half = match self.take_half(&self.receive, generation) {
                Ok(half) => Some(half),
                Err(Errno::BUSY) => return Err(Errno::BUSY),
                Err(_) => None,
            };
            if let Some(Some((of, receive))) = half.as_deref_mut()
                && *of == generation
            {
                connected = true;
                match receive.poll(&deadline) {
                    Polled::Ready => return Ok(Readiness::Ready),
                    Polled::TimedOut => return Ok(Readiness::TimedOut),
                    Polled::Over => {}
                }
            }
            drop(half);
            if !connected && deadline.at().is_none() {
                deadline = Deadline::new(Some(NO_LIMIT_ON_NOTHING));
            }
            let mut life = lock(&self.life);
            if life.generation == generation
                && let State::Connected(connection) = &life.state
            {
                if connection.receive_error().is_some() && connection.options.report_hangup {
                    return Ok(Readiness::Ready);
                }
                if connection.receive_error().is_none() && !connection.is_leaving() {
                    // It was connected just now.
                    continue;
                }
            }
            let seen = life.changes;
            while life.changes == seen {
                life = match deadline.left() {
                    None => self.changed.wait(life).unwrap_or_else(PoisonError::into_inner),
                    Some(left) if left.is_zero() => return Ok(Readiness::TimedOut),
                    Some(left) => {
                        let waited = self.changed.wait_timeout(life, left);
                        waited.unwrap_or_else(PoisonError::into_inner).0
                    }
                };
            }
        }
    }

    /// A half for its caller. `connect` holds it for moments and `disconnect` a little longer; otherwise
    /// it is another thread's call that has it, and two at once are refused.
    fn take_half<'h, T>(&self, half: &'h Mutex<T>, generation: u64) -> Result<MutexGuard<'h, T>, Errno> {
        if let Some(half) = try_lock(half) {
            return Ok(half);
        }
        let patience = Instant::now() + HALF_PATIENCE;
        while Instant::now() < patience {
            thread::yield_now();
            if let Some(half) = try_lock(half) {
                return Ok(half);
            }
        }
        // Both change the state before they take a half or keep `life` for as long as they have it: while it is
        // connected, only another caller can have the half. (Without this last look one who was not scheduled for the
        // millisecond above failed with EBUSY beside a `connect`.)
        let life = self.life(generation)?;
        match life.state {
            State::Connected(_) => try_lock(half).ok_or(Errno::BUSY),
            _ => Err(Errno::NOTCONN),
        }
    }

    // The session's life. --------------------------------------------------------------------------

    /// Connects it; over TLS if `tls`.
    pub fn connect(&self, generation: u64, host: &CStr, port: &CStr, tls: bool) -> Result<(), Errno> {
        // What is wrong with that shows before anybody is bothered.
        let options = config::current();
        // With SQPOLL it stays here: see `tls`.
        let in_kernel = !options.sqpoll && !options.features_off.has(Feature::Ktls);
        let plan = tls.then(|| Plan::new(host, in_kernel)).transpose()?;
        let abort = Arc::new(AtomicBool::new(false));
        {
            let mut life = self.life(generation)?;
            match life.state {
                State::Unconnected => {}
                State::Connected(_) => return Err(Errno(libc::EISCONN)),
                State::Connecting(_) | State::Disconnecting => return Err(Errno(libc::EALREADY)),
            }
            self.change(&mut life, State::Connecting(Arc::clone(&abort)));
        }
        let made = make(host, port, plan, options, &abort);
        let Ok(mut life) = self.life(generation) else {
            // It was closed meanwhile, and its place may have a new session.
            return Err(Errno::CONNABORTED);
        };
        let connection = match made {
            Ok(_) if abort.load(Ordering::Acquire) => {
                self.change(&mut life, State::Unconnected);
                return Err(Errno::CONNABORTED);
            }
            Ok(connection) => connection,
            Err(errno) => {
                self.change(&mut life, State::Unconnected);
                return Err(errno);
            }
        };
        let receive = match Receive::new(Arc::clone(&connection)) {
            Ok(receive) => receive,
            Err(errno) => {
                self.change(&mut life, State::Unconnected);
                return Err(errno);
            }
        };
        // Both locks are held by others for moments only while there is nothing behind them.
        *lock(&self.transmit) = Some((generation, Transmit::new(Arc::clone(&connection))));
        *lock(&self.receive) = Some((generation, receive));
        life.statistics = Some(Arc::clone(&connection.statistics));
        self.change(&mut life, State::Connected(connection));
        Ok(())
    }

    /// The statistics of the connection that it has, or had last.
    pub fn statistics(&self, generation: u64) -> Result<Arc<Statistics>, Errno> {
        self.life(generation)?.statistics.clone().ok_or(Errno::NOTCONN)
    }

    /// Disconnects it: brings what was accepted to the peer, makes calls in progress return. Nothing to
    /// do is a success, since libkinetic cannot close a session that it cannot disconnect.
    pub fn disconnect(&self, generation: u64) -> Result<(), Errno> {
        let connection = {
            let mut life = self.life(generation)?;
            match &life.state {
                State::Unconnected => return Ok(()),
                State::Disconnecting => {
                    // Another thread does it; what it brings to the peer is part of the bargain.
                    while life.generation == generation && matches!(life.state, State::Disconnecting) {
                        life = self.changed.wait(life).unwrap_or_else(PoisonError::into_inner);
                    }
                    return Ok(());
                }
                State::Connecting(abort) => {
                    abort.store(true, Ordering::Release);
                    return Ok(());
                }
                State::Connected(connection) => {
                    let connection = Arc::clone(connection);
                    self.change(&mut life, State::Disconnecting);
                    connection
                }
            }
        };
        let linger = connection.linger();
        connection.leave();
        let deadline = self.remove_halves(generation, &connection, linger);
        if !linger.is_zero() {
            drain(vec![(Arc::clone(&connection), deadline)]);
        }
        // Whoever still has a hand on it (the sweeper, for a moment) finds it dead.
        connection.kill(Errno::NOTCONN);
        debug!("disconnected");
        report::print(&connection);
        if let Ok(mut life) = self.life(generation)
            && let State::Disconnecting = life.state
        {
            self.change(&mut life, State::Unconnected);
        }
        Ok(())
    }

    /// Takes both halves from their callers, who were told to leave: the receiver was woken, or comes by when its receive
    /// has waited its time, and a sender that waits looks every [`LOOK`]. Returns when the linger time ends, which begins
    /// when the receiver has left.
    fn remove_halves(&self, generation: u64, connection: &Connection, linger: Duration) -> Instant {
        lock(&self.receive).take_if(|(of, _)| *of == generation);
        let end = Instant::now() + linger;
        if connection.options.zero_copy > 0 && connection.kernel_tls.is_none() {
            // Memory that is sent without a copy is the kernel's until the drive has taken all of it.
            let deadline = end.max(Instant::now() + AT_LEAST);
            if !await_release(connection, deadline, || try_lock(&self.transmit).is_some()) {
                connection.reset(Errno::CONNABORTED);
            }
        }
        lock(&self.transmit).take_if(|(of, _)| *of == generation);
        end
    }

    /// Closes it: disconnects first. From the return on the handle is stale.
    pub fn close(&self, generation: u64) -> Result<(), Errno> {
        self.disconnect(generation)?;
        let mut life = self.life(generation)?;
        if let State::Connected(_) = life.state {
            // Another thread has connected it between the two.
            warn!("a handle was closed while another thread connected it");
            drop(life);
            return self.close(generation);
        }
        life.generation = 0;
        life.statistics = None;
        self.change(&mut life, State::Unconnected);
        Ok(())
    }
}

/// A connection, over TLS if there is a plan for that.
fn make(
    host: &CStr,
    port: &CStr,
    plan: Option<Plan>,
    options: Options,
    abort: &AtomicBool,
) -> Result<Arc<Connection>, Errno> {
    let (socket, deadline) = connect::connect(host, port, &options, abort)?;
    let tls = plan.map(|plan| plan.shake_hands(&socket, deadline, abort)).transpose()?;
    Connection::new(socket, tls, options)
}

#[cfg(test)]
mod tests {
    use std::{ffi::CString, net::TcpListener};

    use super::*;

    /// As `connect` does when the scheduler takes its processor away between the two locks.
    #[test]
    fn a_half_that_connect_had_for_long_is_not_busy() {
        let drive = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = CString::new(drive.local_addr().unwrap().port().to_string()).unwrap();
        let session = Session::new();
        session.open(1);
        session.connect(1, c"127.0.0.1", &port, false).unwrap();
        let life = lock(&session.life);
        let half = lock(&session.receive);
        thread::scope(|scope| {
            let poll = scope.spawn(|| session.poll(1, Some(Duration::ZERO)));
            thread::sleep(HALF_PATIENCE * 20);
            drop(half);
            drop(life);
            assert_eq!(poll.join().unwrap(), Ok(Readiness::TimedOut));
            // While another thread is in it, it is.
            let half = lock(&session.receive);
            let poll = scope.spawn(|| session.poll(1, Some(Duration::ZERO)));
            assert_eq!(poll.join().unwrap(), Err(Errno::BUSY));
            drop(half);
        });
        session.close(1).unwrap();
    }
}
