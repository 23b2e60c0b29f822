//! From a name to a connected socket: runs on the thread that calls `connect`.

use std::{
    ffi::CStr,
    io,
    net::SocketAddr,
    os::fd::AsFd,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use log::{debug, info, warn};
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use crate::{
    config::Options,
    error::Errno,
    socket::{
        calls::{self, Interest},
        resolve,
    },
};

/// How often a connection attempt looks whether somebody disconnects.
const LOOK: Duration = Duration::from_millis(50);

/// Connects to the first address of `host` and `port` that answers.
///
/// The time-out of the options holds for all addresses together, without the resolver's own time. Each
/// address gets an equal share of what is left, so that a dead one does not eat a live one's time.
/// `abort` ends the attempt with ECONNABORTED. The socket that is returned is blocking: on a
/// non-blocking one io_uring would give EAGAIN back instead of waiting. With it comes the end of the time-out.
pub fn connect(
    host: &CStr,
    port: &CStr,
    options: &Options,
    abort: &AtomicBool,
) -> Result<(Socket, Instant), Errno> {
    let name = format!("{}:{}", host.to_string_lossy(), port.to_string_lossy());
    let addresses = resolve::resolve(host, port).map_err(|why| {
        warn!("cannot resolve {name}: {why}");
        Errno(libc::EHOSTUNREACH)
    })?;
    let deadline = Instant::now() + Duration::from_millis(options.connect_timeout.into());
    let mut last = Errno(libc::EHOSTUNREACH);
    for (index, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - index).unwrap_or(1);
        match attempt(*address, share, options, abort) {
            Ok(socket) => {
                debug!("connected to {address}");
                return Ok((socket, deadline));
            }
            Err(Errno::CONNABORTED) => return Err(Errno::CONNABORTED),
            Err(errno) => {
                info!("cannot connect to {address}: {errno}");
                last = errno;
            }
        }
    }
    warn!("cannot connect to {name}: {last}");
    Err(last)
}

/// Nobody listens, but the kernel has given the socket the very port that it connects to, out of those for clients: TCP
/// takes that for two sides that open at the same time.
fn is_connected_to_itself(socket: &Socket) -> bool {
    match (socket.local_addr(), socket.peer_addr()) {
        (Ok(local), Ok(peer)) => local == peer,
        _ => false,
    }
}

fn attempt(
    address: SocketAddr,
    timeout: Duration,
    options: &Options,
    abort: &AtomicBool,
) -> Result<Socket, Errno> {
    let deadline = Instant::now() + timeout;
    // socket2 makes it close-on-exec.
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    set_buffers(&socket, options);
    // A request is sent as one piece already; waiting for more would only delay it.
    socket.set_tcp_nodelay(true)?;
    // A drive that loses power says nothing: without this a receiver would wait for ever.
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&address.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(error) => return Err(error.into()),
    }
    loop {
        if abort.load(Ordering::Acquire) {
            return Err(Errno::CONNABORTED);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Errno::TIMEDOUT);
        }
        let interest = Interest { fd: socket.as_fd(), read: false, write: true };
        let [ready] = calls::wait([interest], Some(left.min(LOOK)))?;
        if ready.writable {
            if let Some(error) = socket.take_error()? {
                return Err(error.into());
            }
            if is_connected_to_itself(&socket) {
                return Err(Errno::CONNREFUSED);
            }
            socket.set_nonblocking(false)?;
            enlarge_receive_buffer(&socket, options);
            return Ok(socket);
        }
    }
}

/// Asks for the socket buffers of the options, where asking is no loss. Before the connection is made,
/// since the window's scale is agreed on then.
fn set_buffers(socket: &Socket, options: &Options) {
    if asking_helps(options.send_buffer, "wmem") {
        let _ = socket.set_send_buffer_size(options.send_buffer as usize);
    }
    if asking_helps(options.receive_buffer, "rmem") {
        let _ = socket.set_recv_buffer_size(options.receive_buffer as usize);
    }
}

/// A receive buffer that is left to the kernel's tuning starts at 128 KiB, and grows too late: with 64 KiB GETs
/// and 32 outstanding the drive was blocked again and again, and 0.7 times as fast. A low-water mark makes the
/// kernel enlarge the buffer at once to hold as much, and leaves the tuning on. It does nothing to a size that was
/// set.
fn enlarge_receive_buffer(socket: &Socket, options: &Options) {
    calls::set_low_water(socket.as_fd(), options.receive_buffer as usize);
    calls::set_low_water(socket.as_fd(), 1);
}

/// Setting a size switches the kernel's auto-tuning off for good, and the size is silently capped: with
/// a usual cap of 208 KiB asking for 5 MiB yields less than not asking.
fn asking_helps(wanted: u32, which: &str) -> bool {
    let numbers = |path: String| -> Vec<u64> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    };
    let cap = numbers(format!("/proc/sys/net/core/{which}_max"));
    let tuning = numbers(format!("/proc/sys/net/ipv4/tcp_{which}"));
    match (cap.first(), tuning.get(2)) {
        (Some(cap), Some(tuning)) => is_more_than_tuning(wanted.into(), *cap, *tuning),
        // Nothing is known (no /proc): do as the stock driver does.
        _ => true,
    }
}

/// The kernel doubles what is asked for, after capping it, to have room for its own bookkeeping.
fn is_more_than_tuning(wanted: u64, cap: u64, tuning: u64) -> bool {
    wanted <= cap || 2 * cap >= tuning
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_cap_leaves_the_size_to_the_kernel() {
        // The kernel's defaults: 208 KiB may be asked for, tuning reaches 4 MiB.
        assert!(!is_more_than_tuning(5 << 20, 212_992, 4 << 20));
        assert!(is_more_than_tuning(5 << 20, 4 << 20, 4 << 20));
        assert!(is_more_than_tuning(1 << 20, 1 << 20, 32 << 20));
    }

    #[test]
    fn a_socket_that_has_met_itself_is_noticed() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
        socket.bind(&any.into()).unwrap();
        socket.connect(&socket.local_addr().unwrap()).unwrap();
        assert!(is_connected_to_itself(&socket));

        let listener = std::net::TcpListener::bind(any).unwrap();
        let other = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(!is_connected_to_itself(&other.into()));
    }
}
