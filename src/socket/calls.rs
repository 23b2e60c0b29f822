//! Single system calls, made safe.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use super::segment::{Batch, In, Out};

/// What `wait` reports of one descriptor.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Bytes, an end of stream or an error can be had by reading.
    pub readable: bool,
    /// Writing takes bytes, or fails at once.
    pub writable: bool,
}

/// What to wait for on one descriptor.
#[derive(Clone, Copy)]
pub struct Interest<'f> {
    /// The descriptor.
    pub fd: BorrowedFd<'f>,
    /// Wait for something to read.
    pub read: bool,
    /// Wait for room to write.
    pub write: bool,
}

fn check(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Sends from the pieces of `batch` as much as the socket takes without waiting.
/// `WouldBlock` when it takes nothing. Never raises SIGPIPE.
pub fn send(fd: BorrowedFd<'_>, batch: &Batch<'_, Out>) -> io::Result<usize> {
    let header = batch.header();
    // SAFETY: The header and the pieces it names live through the call (`batch` is borrowed), and the
    // kernel only reads from them.
    check(unsafe {
        libc::sendmsg(fd.as_raw_fd(), &raw const header, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
    })
}

/// Ends a connection with a reset, and throws away what the socket holds in both directions. shutdown(2) does not:
/// what was sent before it stays until the peer has taken it. May fail where another thread waits in the socket
/// (EBUSY, Linux 6.5 and 6.6).
pub fn reset(fd: BorrowedFd<'_>) -> io::Result<()> {
    let nowhere = libc::sockaddr { sa_family: libc::AF_UNSPEC as libc::sa_family_t, sa_data: [0; 14] };
    let size = size_of_val(&nowhere) as libc::socklen_t;
    // SAFETY: The kernel reads `size` bytes of an address that lives through the call. Connecting to "unspecified"
    // is how a socket is disconnected; the descriptor stays open.
    check(unsafe { libc::connect(fd.as_raw_fd(), &raw const nowhere, size) } as isize).map(drop)
}

/// Receives into the pieces of `batch` what is there, without waiting. Zero is the end of the stream,
/// `WouldBlock` means that nothing is there.
pub fn receive(fd: BorrowedFd<'_>, batch: &Batch<'_, In>) -> io::Result<usize> {
    receive_with(fd, batch, libc::MSG_DONTWAIT)
}

/// The same, but waits for something to come, as long as the socket's time-out says; `WouldBlock` then.
pub fn receive_waiting(fd: BorrowedFd<'_>, batch: &Batch<'_, In>) -> io::Result<usize> {
    receive_with(fd, batch, 0)
}

fn receive_with(fd: BorrowedFd<'_>, batch: &Batch<'_, In>, flags: libc::c_int) -> io::Result<usize> {
    let mut header = batch.header();
    // SAFETY: As in `send`; the kernel writes into the pieces, which stand for writable memory that
    // nobody else uses while the batch is borrowed.
    check(unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut header, flags) })
}

/// The thread that calls this, as the kernel counts threads, for a trace: asked for once in each thread, and not
/// counted.
pub fn own_thread_id() -> u32 {
    thread_local! {
        // SAFETY: No pointers are involved.
        static MINE: u32 = unsafe { libc::gettid() } as u32;
    }
    MINE.try_with(|mine| *mine).unwrap_or(0)
}

/// The time since the machine was started, in nanoseconds.
pub fn monotonic() -> u64 {
    clock(libc::CLOCK_MONOTONIC)
}

/// The time since 1970, in nanoseconds.
pub fn realtime() -> u64 {
    clock(libc::CLOCK_REALTIME)
}

/// The time on one of the clocks that every kernel has.
fn clock(id: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: The kernel writes one timespec to `time`.
    unsafe { libc::clock_gettime(id, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Sets how many bytes have to be there for the socket to count as readable. The kernel caps it at half of what
/// the receive buffer may become, and enlarges a buffer whose size was never set to hold as much. False where the call
/// is refused, which only a filter does.
pub fn set_low_water(fd: BorrowedFd<'_>, bytes: usize) -> bool {
    let value = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    // SAFETY: The kernel reads one int. It refuses negative numbers only.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVLOWAT,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    result == 0
}

/// What the kernel has made of it.
#[cfg(test)]
pub fn low_water(fd: BorrowedFd<'_>) -> usize {
    let mut value: libc::c_int = 0;
    let mut size = size_of_val(&value) as libc::socklen_t;
    // SAFETY: The kernel writes one int to `value`, and its size to `size`.
    let result = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVLOWAT,
            (&raw mut value).cast(),
            &raw mut size,
        )
    };
    assert_eq!(result, 0);
    value as usize
}

/// How long a text waits for room in a full pipe.
const STDERR_PATIENCE: Duration = Duration::from_millis(100);

/// Writes a text to stderr, as far as that takes it in a tenth of a second; where nobody reads, the texts after it do
/// not even wait that long. Never raises SIGPIPE. Unlike the standard library's stderr it has no lock, which another
/// thread may hold while it waits for a full pipe.
pub fn write_to_stderr(text: &str) {
    /// The last text has waited in vain.
    static STUCK: AtomicBool = AtomicBool::new(false);
    let patience = if STUCK.load(Ordering::Relaxed) { Duration::ZERO } else { STDERR_PATIENCE };
    let written = without_sigpipe(|| write_until(io::stderr().as_fd(), text, Instant::now() + patience));
    let stuck = matches!(&written, Err(error) if error.kind() == io::ErrorKind::TimedOut);
    STUCK.store(stuck, Ordering::Relaxed);
}

/// Writes a text, waiting for room at most until `deadline`. What is left is that somebody else takes the room between
/// the look at it and the write, which then waits: the descriptor is not this library's to make it non-blocking.
fn write_until(fd: BorrowedFd<'_>, text: &str, deadline: Instant) -> io::Result<()> {
    let mut left = text.as_bytes();
    while !left.is_empty() {
        let room = wait([Interest { fd, read: false, write: true }], Some(until(deadline)))?[0].writable;
        if room {
            // A pipe that has any room has it for so much.
            let piece = &left[..left.len().min(libc::PIPE_BUF)];
            // SAFETY: The kernel reads as many bytes as `piece` has.
            match check(unsafe { libc::write(fd.as_raw_fd(), piece.as_ptr().cast(), piece.len()) }) {
                Ok(count) => {
                    left = &left[count..];
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // A socket in the place of a pipe may have room, and not enough of it.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => return Err(error),
            }
        }
        if until(deadline).is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    Ok(())
}

/// How long it is until then.
fn until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// Waits with poll(2) until one of up to four descriptors is ready or `timeout` has passed (`None`: no
/// limit). A signal ends the wait early, with nothing ready.
pub fn wait<const N: usize>(
    interests: [Interest<'_>; N],
    timeout: Option<Duration>,
) -> io::Result<[Readiness; N]> {
    const { assert!(N <= 4) };
    let mut list = interests.map(|interest| libc::pollfd {
        fd: interest.fd.as_raw_fd(),
        events: if interest.read { libc::POLLIN } else { 0 } | if interest.write { libc::POLLOUT } else { 0 },
        revents: 0,
    });
    let timeout = timeout.map(|timeout| libc::timespec {
        tv_sec: timeout.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `list` has N entries and outlives the call; `timeout` is NULL or points to a timespec
    // that does; the signal mask is left alone (NULL).
    let result = unsafe { libc::ppoll(list.as_mut_ptr(), N as libc::nfds_t, timeout, std::ptr::null()) };
    if result < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
        return Ok([Readiness::default(); N]);
    }
    let broken = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;
    Ok(list.map(|entry| Readiness {
        readable: entry.revents & (libc::POLLIN | broken) != 0,
        writable: entry.revents & (libc::POLLOUT | broken) != 0,
    }))
}

/// An eventfd that wakes a sleeping receiver. It keeps its count and cannot fail to be noticed; of
/// the ways to wake a thread in a ring it was the cheapest measured (3.3 µs to another core, against
/// 12.8 µs for `IORING_OP_MSG_RING`).
pub struct Wake(OwnedFd);

impl Wake {
    /// A new one; EMFILE or ENOMEM when it cannot be had.
    pub fn new() -> io::Result<Self> {
        // SAFETY: No pointers are involved.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: The descriptor is new and nobody else's.
        Ok(Wake(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Wakes whoever waits for it.
    pub fn wake(&self) {
        let one = 1_u64;
        // SAFETY: The kernel reads eight bytes from `one`. It can fail only with EAGAIN, when the
        // count is near its limit of 2^64: then a wake-up is pending anyway.
        unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    /// Takes back all wake-ups so far.
    pub fn clear(&self) {
        let mut count = 0_u64;
        // SAFETY: The kernel writes eight bytes to `count`. EAGAIN: there were none.
        unsafe { libc::read(self.0.as_raw_fd(), (&raw mut count).cast(), 8) };
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Runs `f` with all signals blocked, so that a thread which it starts never runs the program's
/// signal handlers.
pub fn with_signals_blocked<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: sigfillset fills in the set that it is given.
    let all = signals(|set| unsafe { libc::sigfillset(set) });
    with_blocked(&all, f)
}

/// Runs `f`, which writes to what may be a pipe, and tells by `BrokenPipe` that nobody can read it: the SIGPIPE with which
/// the kernel tells the same is taken away before it is delivered.
fn without_sigpipe(f: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    // SAFETY: sigaddset adds to the set that it is given, which is empty.
    let pipe = signals(|set| unsafe { libc::sigaddset(set, libc::SIGPIPE) });
    with_blocked(&pipe, || {
        // One that the program has blocked and not looked at yet stays; a second one would be the same to it.
        // SAFETY: sigpending fills in the set.
        let pending = signals(|set| unsafe { libc::sigpending(set) });
        // SAFETY: sigismember reads a set that is filled in.
        let before = unsafe { libc::sigismember(&raw const pending, libc::SIGPIPE) } == 1;
        let result = f();
        if !before && matches!(&result, Err(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            // It is pending for this very thread, so that there is nothing to wait for.
            // SAFETY: The kernel reads one set and one timespec, and is asked for no details.
            while unsafe { libc::sigtimedwait(&raw const pipe, std::ptr::null_mut(), &raw const now) } == -1
                && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
            {}
        }
        result
    })
}

/// A set of signals that `fill` fills in; it gets an empty one.
fn signals(fill: impl FnOnce(&mut libc::sigset_t) -> libc::c_int) -> libc::sigset_t {
    // SAFETY: sigset_t is a plain C structure, and sigemptyset makes a set of it.
    let mut set = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        set
    };
    // It fails for numbers of signals that do not exist only.
    fill(&mut set);
    set
}

/// Runs `f` with these signals blocked in the calling thread, too.
fn with_blocked<R>(set: &libc::sigset_t, f: impl FnOnce() -> R) -> R {
    let old = signals(|old| {
        // SAFETY: pthread_sigmask reads the first set and writes the second. The old mask is restored below.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set, old) }
    });
    let result = f();
    // SAFETY: `old` was filled in above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const old, std::ptr::null_mut()) };
    result
}

/// Does this program have rights that whoever started it has not (setuid, setgid, file capabilities)? Then its
/// environment is a stranger's.
pub fn is_privileged_for_another() -> bool {
    // SAFETY: No pointers are involved; the C library knows this entry of the auxiliary vector since the start.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Makes the kernel call `f` in the child after every fork. `f` must be async-signal-safe. Fails where memory is short.
pub fn after_fork_in_child(f: extern "C" fn()) -> io::Result<()> {
    unsafe extern "C" {
        fn pthread_atfork(
            prepare: Option<extern "C" fn()>,
            parent: Option<extern "C" fn()>,
            child: Option<extern "C" fn()>,
        ) -> libc::c_int;
    }
    // SAFETY: The handler is a function of this library, which is never unloaded (build.rs links it
    // with -z nodelete).
    match unsafe { pthread_atfork(None, None, Some(f)) } {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_up_is_kept_until_it_is_cleared() {
        let wake = Wake::new().unwrap();
        let ready = |wake: &Wake| {
            let interest = Interest { fd: wake.as_fd(), read: true, write: false };
            super::wait([interest], Some(Duration::ZERO)).unwrap()[0].readable
        };
        assert!(!ready(&wake));
        wake.wake();
        wake.wake();
        assert!(ready(&wake) && ready(&wake));
        wake.clear();
        assert!(!ready(&wake));
    }
}
