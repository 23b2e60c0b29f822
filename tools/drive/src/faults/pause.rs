//! Waiting without getting in the way of the connection's end.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// How often to look whether a pause is over where nothing else would tell.
const STEP: Duration = Duration::from_millis(100);

/// Waits. Returns early when the connection has been reset or shut down, or when its reading side has been and
/// `is_over` says that this is reason enough: a client that sends no more may well wait for answers.
pub(crate) fn pause(stream: &TcpStream, time: Duration, is_over: impl Fn() -> bool) {
    // A wait without an end is no use to anybody; this is far beyond a test's time.
    let end = Instant::now() + time.min(Duration::from_secs(24 * 3600));
    let mut events = PollFlags::RDHUP;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || is_over() {
            return;
        }
        // Where the client has shut down its side, nothing tells when the drive does so, too.
        let time = if events.is_empty() { left.min(STEP) } else { left };
        let flags = ready(stream, events, time);
        if flags.intersects(PollFlags::HUP | PollFlags::ERR) {
            return;
        }
        if flags.contains(PollFlags::RDHUP) {
            events = PollFlags::empty();
        }
    }
}

/// What of `events`, or which end, there is after that time at the latest.
fn ready(stream: &TcpStream, events: PollFlags, time: Duration) -> PollFlags {
    let mut fds = [PollFd::new(stream, events)];
    let time = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: i64::from(time.subsec_nanos()) };
    match poll(&mut fds, Some(&time)) {
        Ok(_) => fds[0].revents(),
        Err(Errno::INTR) => PollFlags::empty(),
        // It cannot be waited for, so it counts as over.
        Err(_) => PollFlags::ERR,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Shutdown, TcpListener};
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use std::thread;

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener.accept().unwrap().0, client)
    }

    #[test]
    fn a_pause_lasts() {
        let (stream, _client) = pair();
        let begun = Instant::now();
        pause(&stream, Duration::from_millis(30), || false);
        assert!(begun.elapsed() >= Duration::from_millis(30));
    }

    #[test]
    fn a_client_that_sends_no_more_does_not_end_it() {
        let (stream, client) = pair();
        client.shutdown(Shutdown::Write).unwrap();
        let begun = Instant::now();
        pause(&stream, Duration::from_millis(30), || false);
        assert!(begun.elapsed() >= Duration::from_millis(30));
    }

    /// Runs `end` while a pause of `stream` goes on, and checks that it comes to an early end.
    fn ends_early(stream: &TcpStream, over: &AtomicBool, end: impl FnOnce()) {
        const LONG: Duration = Duration::from_secs(20);
        let begun = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| pause(stream, LONG, || over.load(Ordering::Relaxed)));
            end();
        });
        assert!(begun.elapsed() < LONG);
    }

    #[test]
    fn a_shutdown_ends_it() {
        let (stream, _client) = pair();
        ends_early(&stream, &AtomicBool::new(false), || stream.shutdown(Shutdown::Both).unwrap());
    }

    #[test]
    fn an_end_of_reading_ends_it_if_that_is_meant() {
        let (stream, _client) = pair();
        let over = AtomicBool::new(false);
        ends_early(&stream, &over, || {
            over.store(true, Ordering::Relaxed);
            stream.shutdown(Shutdown::Read).unwrap();
        });
    }

    #[test]
    fn an_end_of_reading_ends_it_also_if_the_client_sends_no_more() {
        const LONG: Duration = Duration::from_secs(20);
        let (stream, client) = pair();
        client.shutdown(Shutdown::Write).unwrap();
        let (over, seen) = (AtomicBool::new(false), AtomicU32::new(0));
        let is_over = || {
            let is_over = over.load(Ordering::SeqCst);
            seen.fetch_add(1, Ordering::SeqCst);
            is_over
        };
        let begun = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| pause(&stream, LONG, is_over));
            // At the beginning, and when the client's end has been noticed.
            while seen.load(Ordering::SeqCst) < 2 {
                thread::yield_now();
            }
            over.store(true, Ordering::SeqCst);
            stream.shutdown(Shutdown::Read).unwrap();
        });
        assert!(begun.elapsed() < LONG);
    }

    #[test]
    fn a_reset_ends_it() {
        let (stream, client) = pair();
        ends_early(&stream, &AtomicBool::new(false), || {
            rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
            drop(client);
        });
    }
}
