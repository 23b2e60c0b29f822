//! Finding the address of a name, in bounded time.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::patience::Patience;

/// How many names are looked up at the same time at most.
const MOST: usize = 16;

/// How long to wait before looking whether the drive stops.
const STEP: Duration = Duration::from_millis(100);

/// Counts the names that are being looked up. The system's resolver takes as
/// long as it wants. So each is asked on a thread of its own, which is left
/// behind when there is no more time; but never more than a few of them.
#[derive(Default)]
pub(crate) struct Lookups {
    running: Arc<AtomicUsize>,
}

/// A thread that asks the resolver, counted until it ends.
struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lookups {
    /// The addresses of a name or of an address as text.
    ///
    /// # Errors
    ///
    /// If there is none, or not in time, or if too many are looked up already.
    pub fn find(&self, name: &str, port: u16, patience: &Patience<'_>) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = name.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let running = Running(Arc::clone(&self.running));
        if self.running.fetch_add(1, Ordering::Relaxed) >= MOST {
            return Err(io::Error::other("too many names are being looked up"));
        }
        let (sender, receiver) = mpsc::channel();
        let wanted = (name.to_owned(), port);
        thread::Builder::new().name("lookup".to_owned()).spawn(move || {
            let found = wanted.to_socket_addrs().map(Iterator::collect);
            drop(running);
            // Perhaps nobody waits any more.
            let _ = sender.send(found);
        })?;
        loop {
            let left = patience.left().min(STEP);
            if left.is_zero() {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the name was not found in time"));
            }
            match receiver.recv_timeout(left) {
                Ok(found) => return found,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err(io::Error::other("lookup failed")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::protocol::Header;

    #[test]
    fn names_and_addresses_are_found() {
        let stopping = AtomicBool::new(false);
        let patience = Patience::new(&Header::default(), &stopping);
        let lookups = Lookups::default();
        let find = |name| lookups.find(name, 7, &patience).unwrap();
        assert_eq!(find("127.0.0.1"), ["127.0.0.1:7".parse().unwrap()]);
        assert_eq!(find("::1"), ["[::1]:7".parse().unwrap()]);
        assert!(find("localhost").iter().all(|address| address.ip().is_loopback()));
        assert_eq!(lookups.running.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn only_some_names_are_looked_up_at_a_time() {
        let stopping = AtomicBool::new(false);
        let patience = Patience::new(&Header::default(), &stopping);
        let lookups = Lookups::default();
        lookups.running.store(MOST, Ordering::Relaxed);
        assert!(lookups.find("localhost", 7, &patience).is_err());
        assert!(lookups.find("127.0.0.1", 7, &patience).is_ok());
        assert_eq!(lookups.running.load(Ordering::Relaxed), MOST);
        lookups.running.store(MOST - 1, Ordering::Relaxed);
        assert!(lookups.find("localhost", 7, &patience).is_ok());
    }

    #[test]
    fn nobody_waits_for_ever() {
        let stopping = AtomicBool::new(true);
        let patience = Patience::new(&Header::default(), &stopping);
        assert!(Lookups::default().find("localhost", 7, &patience).is_err());
    }
}
