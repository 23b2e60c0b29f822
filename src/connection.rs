//! One connection: what its two halves share, and how it ends.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
    time::Duration,
};

use log::debug;
use socket2::Socket;

use crate::{
    config::Options,
    error::Errno,
    ffi::reserve,
    fork::{self, PerProcess},
    handoff::{Flushed, Handoff},
    hold::Hold,
    outstanding::Settled,
    socket::{
        calls::{self, Wake},
        segment::{Batch, Outgoing},
    },
    statistics::{Count, Counters, Statistics},
    tls::{Agreed, Kernel, Tls},
    window::{self, Answers},
};

/// How many bytes `send` lets gather: several messages of the largest size that is staged.
pub const STAGING: usize = 512 << 10;

/// A connected socket with everything that the two halves share.
pub struct Connection {
    socket: Socket,
    /// What encrypts and decrypts; `None` on a plain connection, and where the kernel does.
    pub tls: Option<Box<Tls>>,
    /// The kernel encrypts and decrypts: what crosses the border is plain.
    pub kernel_tls: Option<Kernel>,
    /// Wakes the receiver.
    pub wake: Wake,
    /// Who sends what, and when.
    pub handoff: Handoff,
    /// Keeps an answer from overtaking the sender.
    pub hold: Hold,
    /// What the receiver tells the sender of what is outstanding.
    pub settled: Settled,
    /// The drive is on the same machine.
    pub near: bool,
    /// Where the sender waits for answers.
    pub answers: Answers,
    /// The options with which it was made.
    pub options: Options,
    /// What it has done.
    pub statistics: Arc<Statistics>,
    /// Somebody disconnects: calls in progress are to return.
    leaving: AtomicBool,
    /// Why sending is over; 0 while it is not.
    send_error: AtomicI32,
    /// Why receiving is over; 0 while it is not.
    receive_error: AtomicI32,
}

/// All connections of this process, for those who act on all of them: the sweeper and the exit handler. A forked
/// child has the parent's connections in its memory, too, and must not touch the sockets that it shares with it.
static ALL: PerProcess<Vec<Weak<Connection>>> = PerProcess([const { Mutex::new(Vec::new()) }; fork::DEPTH]);

/// All connections of this process; none where there is no memory for the list of them.
pub fn all() -> Vec<Arc<Connection>> {
    let mut list = Vec::new();
    if let Some(all) = ALL.lock_soon()
        && list.try_reserve_exact(all.len()).is_ok()
    {
        list.extend(all.iter().filter_map(Weak::upgrade));
    }
    list
}

impl Connection {
    /// Takes over a connected, blocking socket, over which `tls` may have been agreed on. Fails where an eventfd cannot
    /// be had.
    pub fn new(socket: Socket, tls: Option<Agreed>, options: Options) -> Result<Arc<Self>, Errno> {
        let (tls, kernel_tls) = match tls {
            None => (None, None),
            Some(Agreed::Here(tls)) => (Some(tls), None),
            Some(Agreed::Kernel(kernel)) => (None, Some(kernel)),
        };
        let local = socket.local_addr().ok().and_then(|local| local.as_socket());
        let peer = socket.peer_addr().ok().and_then(|peer| peer.as_socket());
        let statistics = Statistics::new(peer);
        let connection = Arc::new(Connection {
            socket,
            tls,
            kernel_tls,
            wake: Wake::new()?,
            handoff: Handoff::new(STAGING),
            hold: Hold::new(),
            settled: Settled::new(),
            near: window::is_near(local, peer),
            answers: Answers::new(),
            options,
            statistics,
            leaving: AtomicBool::new(false),
            send_error: AtomicI32::new(0),
            receive_error: AtomicI32::new(0),
        });
        // What has come from the reserve must not stay. So it does not get into the list, either, which would keep its
        // memory for a while.
        reserve::check()?;
        // For moments only: whoever ends the process here, from a signal handler, cannot look at the list.
        let mut all = ALL.lock();
        all.retain(|other| other.strong_count() > 0);
        reserve::room(&mut all, 1)?;
        all.push(Arc::downgrade(&connection));
        Ok(connection)
    }

    /// How many messages have been sent and received.
    pub fn messages(&self) -> (u64, u64) {
        (self.statistics.sender.messages.get(), self.statistics.receiver.messages.get())
    }

    /// The socket.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Is somebody disconnecting?
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    /// Why nothing can be sent any more.
    pub fn send_error(&self) -> Option<Errno> {
        Some(Errno(self.send_error.load(Ordering::Acquire))).filter(|errno| errno.0 != 0)
    }

    /// Why nothing can be received any more.
    pub fn receive_error(&self) -> Option<Errno> {
        Some(Errno(self.receive_error.load(Ordering::Acquire))).filter(|errno| errno.0 != 0)
    }

    /// What an error of the socket means where the kernel does TLS; elsewhere it is what it says.
    pub fn meaning(&self, errno: Errno) -> Errno {
        self.kernel_tls.as_ref().map_or(errno, |kernel| kernel.errno(self.fd(), errno))
    }

    /// Sending has failed: every later send fails with `errno`, the first one that was noted.
    pub fn fail_send(&self, errno: Errno) -> Errno {
        match self.send_error.compare_exchange(0, errno.0, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {
                debug!("sending is over: {errno}");
                errno
            }
            Err(first) => Errno(first),
        }
    }

    /// The connection is dead, in both directions, for the reason `errno`; what waits in the kernel
    /// for either half is cut short.
    pub fn kill(&self, errno: Errno) -> Errno {
        let first = self.receive_error.compare_exchange(0, errno.0, Ordering::AcqRel, Ordering::Acquire);
        self.fail_send(errno);
        if first.is_ok() {
            // Any thread may be the first, so it counts where any thread may.
            self.statistics.others.rare_calls.add(1);
            // Fails only where the peer has already gone.
            let _ = self.socket.shutdown(std::net::Shutdown::Both);
        }
        errno
    }

    /// As [`kill`](Self::kill), and throws away what the socket still holds, so that the kernel lets go of memory that
    /// is sent without a copy.
    pub fn reset(&self, errno: Errno) {
        self.kill(errno);
        self.statistics.others.rare_calls.add(1);
        if let Err(error) = calls::reset(self.fd()) {
            debug!("the connection cannot be reset yet: {error}");
        }
    }

    /// Sends what is pending, without waiting. For threads that have no ring; `by` is where they count. What the
    /// socket does not take now is somebody's who comes by again: the receiver, the sweeper, or who drains it.
    pub fn flush_now<C: Count>(&self, by: &Counters<C>) -> Flushed {
        let flushed = self.handoff.flush(|bytes, messages| {
            let mut batch = Batch::new();
            batch.push(Outgoing::new(bytes));
            by.sendmsgs.add(1);
            by.flush(bytes.len(), messages, calls::send(self.fd(), &batch))
        });
        flushed.unwrap_or_else(|error| {
            self.fail_send(self.meaning(error.into()));
            Flushed::All
        })
    }

    /// Makes calls in progress return: the receiver at once, but for a receive that itself waits, which does so for at
    /// most 30 ms; a waiting sender when it next looks.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
        self.statistics.others.wake_writes.add(1);
        self.wake.wake();
    }

    /// Says goodbye over TLS, if that is what the connection is over, when all that was accepted has left. For whoever
    /// drains it: the halves are gone, or told to leave. Waits for no lock, and says nothing where somebody has one.
    /// False where the socket is too full for it: it has to be tried again when there is room.
    pub fn say_goodbye(&self) -> bool {
        if let Some(kernel) = &self.kernel_tls {
            self.statistics.others.rare_calls.add(1);
            return kernel.say_goodbye(&self.socket);
        }
        if let Some(tls) = &self.tls
            && let Some(mut wire) = self.handoff.idle_wire()
        {
            tls.say_goodbye(wire.behind());
        }
        true
    }

    /// What a result of receiving means where the kernel does TLS; elsewhere it is what it says.
    pub fn understand(&self, result: io::Result<usize>) -> io::Result<usize> {
        match &self.kernel_tls {
            Some(kernel) => {
                let looks = result.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EIO));
                self.statistics.others.rare_calls.add(looks.into());
                kernel.understand(self.fd(), result)
            }
            None => result,
        }
    }

    /// Closes the sending direction: the peer reads the end of the stream behind what was sent.
    pub fn close_sending(&self) {
        self.statistics.others.rare_calls.add(1);
        let _ = self.socket.shutdown(std::net::Shutdown::Write);
    }

    /// Reads and discards what is there. False when the peer has closed, or the connection is dead.
    pub fn discard(&self, scratch: &mut [u8]) -> bool {
        // Bounded, so that a peer that never stops sending is looked at against the deadline.
        for _ in 0..64 {
            let mut batch = Batch::new();
            batch.push(crate::socket::segment::Incoming::new(scratch));
            self.statistics.others.recvmsgs.add(1);
            match self.understand(calls::receive(self.fd(), &batch)) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => {
                    return matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
                }
            }
        }
        true
    }

    /// The linger time: none on a connection that is dead.
    pub fn linger(&self) -> Duration {
        if self.send_error().is_some() || self.receive_error().is_some() {
            Duration::ZERO
        } else {
            Duration::from_millis(self.options.linger.into())
        }
    }
}

#[cfg(test)]
pub mod tests {
    use std::{sync::mpsc, thread};

    use socket2::{Domain, Type};

    use super::*;
    use crate::config::DEFAULTS;

    /// A connection with the default options, and its peer.
    pub fn pair() -> (Arc<Connection>, Socket) {
        let (socket, peer) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
        (Connection::new(socket, None, DEFAULTS).unwrap(), peer)
    }

    fn connection() -> Arc<Connection> {
        pair().0
    }

    #[test]
    fn discarding_ends_also_where_the_peer_does_not() {
        let (connection, peer) = pair();
        assert_eq!(peer.send(&[0; 200]).unwrap(), 200);
        assert!(connection.discard(&mut [0]));
        // Whoever discards looks at its deadline then.
        drop(peer);
        let mut rest = [0; 200];
        assert_eq!(io::Read::read(&mut &connection.socket, &mut rest).unwrap(), 200 - 64);
    }

    #[test]
    fn what_is_dead_does_not_linger() {
        let [dead, deaf, alive] = [(); 3].map(|()| connection());
        dead.kill(Errno::TIMEDOUT);
        deaf.fail_send(Errno(libc::EPIPE));
        assert_eq!([&dead, &deaf].map(|connection| connection.linger()), [Duration::ZERO; 2]);
        assert_eq!(alive.linger(), Duration::from_secs(1));
    }

    #[test]
    fn whoever_acts_on_all_connections_does_not_wait_for_their_lock() {
        // As the exit handler in a signal handler, where the list's lock may never be given back.
        let _one = connection();
        let held = ALL.lock();
        let (asked, answer) = mpsc::channel();
        let asking = thread::spawn(move || asked.send(all().len()));
        assert_eq!(answer.recv_timeout(Duration::from_secs(20)), Ok(0));
        drop(held);
        asking.join().unwrap().unwrap();
        assert!(!all().is_empty());
    }
}
