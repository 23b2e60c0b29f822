//! Sockets of connections: their options, their time limits, their end.

use std::io::{self, Read};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rustix::net::sockopt;

/// The longest time in which a read or a write returns without having done
/// anything.
const LONGEST_TICK: Duration = Duration::from_secs(30);

/// The shortest such time.
const SHORTEST_TICK: Duration = Duration::from_millis(10);

/// How long nothing may come from a peer before it is asked whether it is
/// still there, how often it is asked, and how many times.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(60), Duration::from_secs(10), 6);

/// How long a client may go on sending after the drive closed its side.
const LINGER: Duration = Duration::from_secs(1);

/// Sets the options of a new connection.
///
/// Reads and writes that wait return after a while with the error "would
/// block". So time limits need no system call of their own: whoever reads or
/// writes looks at the clock only then, or when less was done than asked for.
pub(crate) fn prepare(stream: &TcpStream, stall_timeout: Option<Duration>) -> io::Result<()> {
    // Answers are put together to large writes already.
    stream.set_nodelay(true)?;
    let tick = stall_timeout.map_or(LONGEST_TICK, |timeout| (timeout / 4).clamp(SHORTEST_TICK, LONGEST_TICK));
    stream.set_read_timeout(Some(tick))?;
    stream.set_write_timeout(Some(tick))?;
    let (idle, interval, count) = KEEPALIVE;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, idle)?;
    sockopt::set_tcp_keepintvl(stream, interval)?;
    sockopt::set_tcp_keepcnt(stream, count)?;
    Ok(())
}

/// Until when something must be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// The end of a time that began at `start`; none if there is no limit.
    pub fn new(start: Instant, limit: Option<Duration>) -> Self {
        // A limit that is too far away for the clock is none.
        Self(limit.and_then(|limit| start.checked_add(limit)))
    }

    /// Never.
    #[cfg(test)]
    pub fn never() -> Self {
        Self(None)
    }

    /// "Would block" if it is over.
    pub fn check(self) -> io::Result<()> {
        match self.0 {
            Some(end) if Instant::now() >= end => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        }
    }
}

/// Whether a time limit is over, see [`prepare`] and [`Deadline::check`].
pub(crate) fn is_over(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// Closes the drive's side, then reads until the client closes its own. If the
/// drive left bytes unread, the kernel would reset the connection, and the
/// client might lose the last answers.
pub(crate) fn close(mut stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    let deadline = Instant::now() + LINGER;
    let mut discarded = vec![0; 16 << 10];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        stream.set_read_timeout(Some(left))?;
        if stream.read(&mut discarded)? == 0 {
            return Ok(());
        }
    }
}

/// Has the connection reset when it is dropped: what was not sent yet is
/// forgotten at once.
pub(crate) fn reset(stream: &TcpStream) -> io::Result<()> {
    Ok(sockopt::set_socket_linger(stream, Some(Duration::ZERO))?)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn dead_peers_are_found_and_waits_are_short() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        prepare(&stream, Some(Duration::from_secs(20))).unwrap();
        assert!(sockopt::socket_keepalive(&stream).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&stream).unwrap(), KEEPALIVE.0);
        assert_eq!(stream.read_timeout().unwrap(), Some(Duration::from_secs(5)));
        assert_eq!(stream.write_timeout().unwrap(), Some(Duration::from_secs(5)));
        // Time passes even without a limit, so that idle buffers shrink.
        for limit in [None, Some(Duration::MAX)] {
            prepare(&stream, limit).unwrap();
            assert_eq!(stream.read_timeout().unwrap(), Some(LONGEST_TICK));
        }
        prepare(&stream, Some(Duration::ZERO)).unwrap();
        assert!(stream.read_timeout().unwrap().is_some());
    }

    #[test]
    fn deadlines_pass_once_they_are_reached() {
        let now = Instant::now();
        assert!(Deadline::new(now, Some(Duration::from_secs(3600))).check().is_ok());
        assert!(Deadline::new(now, None).check().is_ok());
        assert!(Deadline::new(now, Some(Duration::MAX)).check().is_ok());
        let error = Deadline::new(now, Some(Duration::ZERO)).check().unwrap_err();
        assert!(is_over(&error));
    }
}
