//! The flow of libkinetic's socket driver, reimplemented to compare with.
//!
//! A non-blocking socket; `send` loops over writev and `receive` over readv, and both try again at once
//! when the socket is full or empty; `poll` is poll(2). Socket options as there. What that driver does
//! wrong at the end of a connection is not imitated: an end of stream is an error here.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    io,
    net::{TcpStream, ToSocketAddrs},
    os::fd::AsRawFd,
    ptr,
    sync::atomic::{AtomicU64, Ordering},
};

use ktli_uring::ffi::types::{kiovec, ktli_driver_fns};

/// Its table.
pub static STOCK_FNS: ktli_driver_fns = ktli_driver_fns {
    ktli_dfns_open: Some(open),
    ktli_dfns_close: Some(close),
    ktli_dfns_connect: Some(connect),
    ktli_dfns_disconnect: Some(disconnect),
    ktli_dfns_send: Some(send),
    ktli_dfns_receive: Some(receive),
    ktli_dfns_poll: Some(poll),
};

/// What a handle points to.
#[derive(Default)]
struct Session {
    stream: Option<TcpStream>,
    sending: Calls,
    receiving: Calls,
}

/// System calls of one thread, on a cache line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Calls(AtomicU64);

impl Calls {
    fn count(&self) {
        // One thread writes: no locked instruction is needed.
        self.0.store(self.0.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

/// How many system calls were made for a handle of this driver.
pub(crate) fn calls(dh: *mut c_void) -> u64 {
    let session = session(dh);
    session.sending.0.load(Ordering::Relaxed) + session.receiving.0.load(Ordering::Relaxed)
}

unsafe extern "C" fn open() -> *mut c_void {
    Box::into_raw(Box::<Session>::default()).cast()
}

unsafe extern "C" fn close(dh: *mut c_void) -> c_int {
    // SAFETY: The handle was made by `open` and is closed once, as KTLI does.
    drop(unsafe { Box::from_raw(dh.cast::<Session>()) });
    0
}

unsafe extern "C" fn connect(dh: *mut c_void, host: *mut c_char, port: *mut c_char, _: c_int) -> c_int {
    // SAFETY: The handle is `open`'s, and nobody else uses it before it is connected.
    let session = unsafe { &mut *dh.cast::<Session>() };
    // SAFETY: Terminated strings, as KTLI gives them.
    let (host, port) = unsafe { (CStr::from_ptr(host), CStr::from_ptr(port)) };
    let connected = || -> io::Result<TcpStream> {
        let port =
            port.to_str().ok().and_then(|port| port.parse().ok()).ok_or(io::ErrorKind::InvalidInput)?;
        let host = host.to_str().map_err(io::Error::other)?;
        let address = (host, port).to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        for option in [libc::SO_SNDBUF, libc::SO_RCVBUF] {
            let size: c_int = 5 << 20;
            // SAFETY: The option's value is an int that outlives the call.
            unsafe {
                libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, option, (&raw const size).cast(), 4)
            };
        }
        Ok(stream)
    };
    match connected() {
        Ok(stream) => {
            session.stream = Some(stream);
            0
        }
        Err(_) => -1,
    }
}

unsafe extern "C" fn disconnect(dh: *mut c_void) -> c_int {
    // SAFETY: As in `connect`; KTLI has stopped sending and receiving.
    unsafe { &mut *dh.cast::<Session>() }.stream = None;
    0
}

fn session<'s>(dh: *mut c_void) -> &'s Session {
    // SAFETY: The handle is `open`'s and connected; the stream is not changed while it is used.
    unsafe { &*dh.cast::<Session>() }
}

fn descriptor(session: &Session) -> c_int {
    session.stream.as_ref().map_or(-1, AsRawFd::as_raw_fd)
}

/// Repeats `call` over what is left of the vector until all of it is done.
unsafe fn transfer(
    msg: *mut kiovec,
    msgcnt: c_int,
    mut call: impl FnMut(*const libc::iovec, c_int) -> isize,
) -> c_int {
    // SAFETY: KTLI gives `msgcnt` entries. They are copied, since the vector is the caller's.
    let mut vector = unsafe { std::slice::from_raw_parts(msg, msgcnt as usize) }.to_vec();
    let total: usize = vector.iter().map(|entry| entry.kiov_len).sum();
    let mut first = 0;
    let mut left = total;
    while left > 0 {
        let count = (vector.len() - first) as c_int;
        let done = call(vector[first..].as_ptr().cast(), count);
        if done < 0 {
            let error = io::Error::last_os_error();
            if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) {
                continue;
            }
            return -1;
        }
        if done == 0 {
            return -1;
        }
        let mut done = done as usize;
        left -= done;
        while done > 0 && done >= vector[first].kiov_len {
            done -= vector[first].kiov_len;
            first += 1;
        }
        if done > 0 {
            let entry = &mut vector[first];
            entry.kiov_base = entry.kiov_base.wrapping_byte_add(done);
            entry.kiov_len -= done;
        }
    }
    total as c_int
}

unsafe extern "C" fn send(dh: *mut c_void, msg: *mut kiovec, msgcnt: c_int) -> c_int {
    let session = session(dh);
    let fd = descriptor(session);
    let call = |vector, count| {
        session.sending.count();
        // SAFETY: The entries are KTLI's, valid for the call; a kiovec has an iovec's layout.
        unsafe { libc::writev(fd, vector, count) }
    };
    // SAFETY: As above.
    unsafe { transfer(msg, msgcnt, call) }
}

unsafe extern "C" fn receive(dh: *mut c_void, msg: *mut kiovec, msgcnt: c_int) -> c_int {
    let session = session(dh);
    let fd = descriptor(session);
    let call = |vector, count| {
        session.receiving.count();
        // SAFETY: As in `send`.
        unsafe { libc::readv(fd, vector, count) }
    };
    // SAFETY: As in `send`.
    unsafe { transfer(msg, msgcnt, call) }
}

unsafe extern "C" fn poll(dh: *mut c_void, timeout: c_int) -> c_int {
    let session = session(dh);
    session.receiving.count();
    let mut entry = libc::pollfd { fd: descriptor(session), events: libc::POLLIN, revents: 0 };
    // SAFETY: One entry, which outlives the call.
    let result = unsafe { libc::poll(ptr::addr_of_mut!(entry), 1, timeout) };
    if result < 0 { -1 } else { c_int::from(result > 0) }
}
