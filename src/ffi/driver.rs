//! The seven functions of a KTLI driver, and the table that names them.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    ptr, thread,
    time::Duration,
};

use super::{
    guard::guard,
    traced::traced,
    types::{kiovec, ktli_driver_fns, vector},
};
use crate::{
    config, engine,
    error::Errno,
    exit, fork,
    iovec::Cursor,
    logger,
    session::{Readiness, Session},
    socket::segment::{In, Out},
    table::{self, Found, Handle},
    trace::{self, format::Function},
};

/// The driver's table, for libkinetic's line `KTLI_DRIVER_URING`.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "the name that libkinetic expects")]
pub static uring_fns: ktli_driver_fns = ktli_driver_fns {
    ktli_dfns_open: Some(ktli_uring_open),
    ktli_dfns_close: Some(ktli_uring_close),
    ktli_dfns_connect: Some(ktli_uring_connect),
    ktli_dfns_disconnect: Some(ktli_uring_disconnect),
    ktli_dfns_send: Some(ktli_uring_send),
    ktli_dfns_receive: Some(ktli_uring_receive),
    ktli_dfns_poll: Some(ktli_uring_poll),
};

/// Runs at the end of the process, after the program's own exit handlers.
#[used]
// SAFETY: An entry of .fini_array is a pointer to a function without arguments, which this is.
#[unsafe(link_section = ".fini_array")]
static AT_EXIT: extern "C" fn() = at_exit;

extern "C" fn at_exit() {
    guard((), || {
        exit::run();
        trace::finish();
        Ok(())
    });
}

/// The open session that a handle stands for: EINVAL for NULL, EBADF for anything else that is not one.
pub(super) fn session(dh: *mut c_void) -> Result<(&'static Session, u64), Errno> {
    match Handle::from_raw(dh.addr()).ok_or(Errno::INVAL)?.find()? {
        Found::Session(session, generation) => Ok((session, generation)),
        Found::Stale => Err(Errno::BADF),
    }
}

/// A count of bytes for C. `vector` has seen to it that it fits.
fn count(bytes: usize) -> Result<c_int, Errno> {
    c_int::try_from(bytes).map_err(|_| Errno::MSGSIZE)
}

/// Opens a session, which is not connected yet.
///
/// Returns a handle, which is a number and not an address, or NULL with errno: EMFILE when 65,536
/// sessions are open; the kernel's reason (ENOSYS, EPERM, ENOMEM) when `KTLI_URING_BACKEND` is `uring`
/// and io_uring cannot be had.
///
/// Any thread. The session is the caller's until `ktli_uring_close`.
#[unsafe(no_mangle)]
pub extern "C" fn ktli_uring_open() -> *mut c_void {
    guard((), || {
        logger::install();
        trace::install();
        Ok(())
    });
    traced(
        Function::Open,
        ptr::null_mut(),
        || 0,
        || {
            guard(ptr::null_mut(), || {
                fork::watch()?;
                // The exit handler must be linked wherever sessions are opened.
                std::hint::black_box(&AT_EXIT);
                engine::check(&config::current())?;
                let handle = table::open()?;
                exit::expect();
                Ok(ptr::without_provenance_mut(handle.into_raw()))
            })
        },
    )
}

/// Closes a session, disconnecting it first; see `ktli_uring_disconnect`.
///
/// Returns 0, or -1 with errno: EINVAL for NULL, EBADF for a handle that is not open.
///
/// Any thread, also while others are inside `send`, `receive` or `poll` of the same session: they
/// return. From then on the handle is stale: using it fails, and does nothing else.
#[unsafe(no_mangle)]
pub extern "C" fn ktli_uring_close(dh: *mut c_void) -> c_int {
    traced(
        Function::Close,
        dh,
        || 0,
        || {
            guard(-1, || {
                session(dh)?;
                table::close(Handle::from_raw(dh.addr()).ok_or(Errno::INVAL)?)?;
                Ok(0)
            })
        },
    )
}

/// Connects a session over TCP to `host` (a name or an IPv4 or IPv6 address) and `port` (a number or a
/// service's name), over TLS 1.2 or 1.3 if `usetls` is not 0, waiting at most for `KTLI_URING_CONNECT_TIMEOUT`. The
/// resolver's own time is extra.
///
/// Returns 0, or -1 with errno: EINVAL for a NULL argument, EBADF for a handle that is not open,
/// EISCONN when it is connected, EALREADY while another thread connects or disconnects it,
/// EHOSTUNREACH when the name is not known, ETIMEDOUT, ECONNREFUSED or what else the kernel says, ECONNABORTED when
/// another thread disconnected it. With `usetls`: EINVAL when a `KTLI_URING_TLS_` variable or a file that it names cannot
/// be used, EPROTO when there is no agreement with the peer, EACCES when its certificate is refused, EPROTONOSUPPORT in
/// a build without TLS.
///
/// Any thread. Both strings are the caller's and are not used after the return.
///
/// # Safety
/// `host` and `port` must be NULL or terminated strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ktli_uring_connect(
    dh: *mut c_void,
    host: *mut c_char,
    port: *mut c_char,
    usetls: c_int,
) -> c_int {
    traced(
        Function::Connect,
        dh,
        || 0,
        || {
            guard(-1, || {
                let (session, generation) = session(dh)?;
                if host.is_null() || port.is_null() {
                    return Err(Errno::INVAL);
                }
                // SAFETY: Terminated strings by this function's contract; not NULL, checked above.
                let (host, port) = unsafe { (CStr::from_ptr(host), CStr::from_ptr(port)) };
                session.connect(generation, host, port, usetls != 0)?;
                Ok(0)
            })
        },
    )
}

/// Disconnects a session: sends what was accepted, closes the sending direction, reads until the drive
/// has closed its own, for at most `KTLI_URING_LINGER` together, and closes the socket. On a dead
/// connection it does not wait. The session can be connected again.
///
/// Returns 0, also when there is nothing to disconnect, or -1 with errno: EINVAL for NULL, EBADF for a
/// handle that is not open.
///
/// Any thread, also while others are inside `send` or `receive`, which then fail with ECONNABORTED or
/// ENOTCONN within 100 ms (a `send` without a copy, see `KTLI_URING_ZC`, within `KTLI_URING_LINGER` if that is
/// longer), or inside `poll`, which waits for its time-out.
#[unsafe(no_mangle)]
pub extern "C" fn ktli_uring_disconnect(dh: *mut c_void) -> c_int {
    traced(
        Function::Disconnect,
        dh,
        || 0,
        || {
            guard(-1, || {
                let (session, generation) = session(dh)?;
                session.disconnect(generation)?;
                Ok(0)
            })
        },
    )
}

/// Sends a message: all bytes of the `msgcnt` entries of `msg`, in order.
///
/// Returns their number, or -1 with errno; never a part. EINVAL for NULL or a negative count, EBADF for
/// a handle that is not open, ENOTCONN when it is not connected, EFAULT, EMSGSIZE for more than `INT_MAX`
/// bytes, EBUSY while another thread is inside `send` of this session, ETIMEDOUT after
/// `KTLI_URING_SEND_TIMEOUT` (the connection is dead then), ECONNABORTED when it was disconnected
/// meanwhile, ENOMEM, or what the kernel said of the connection, which also later sends then fail with.
///
/// Where the drive is on the same machine, a message of 128 KiB or more may first wait, for 20 ms at the most, for answers
/// to earlier ones, so that the drive does not fall behind.
///
/// A success means that the message was accepted, not that it has left: where many are outstanding, the thread
/// that polls sends it with others, usually within microseconds. A session that nobody polls, or has stopped to poll, sends for itself:
/// before `send` returns, or at most 20 ms later. `_exit`, abort and a killing signal lose what was
/// accepted and has not left; `disconnect`, `close` and exit do not, but for an exit by a signal handler that has
/// interrupted a call of this library.
///
/// With `KTLI_URING_ZC` a message of at least so many bytes has been acknowledged when `send` returns; one that is not
/// in time is lost with the connection (ETIMEDOUT), even if all of it is on its way.
///
/// One thread at a time. Vector and memory are the caller's and are not used after the return.
///
/// # Safety
/// `msg` must be NULL or point to `msgcnt` entries whose memory can be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ktli_uring_send(dh: *mut c_void, msg: *mut kiovec, msgcnt: c_int) -> c_int {
    // SAFETY: By this function's contract.
    let bytes = || unsafe { vector::<Out>(msg, msgcnt) }.map_or(0, |(_, total)| total as i64);
    traced(Function::Send, dh, bytes, || {
        guard(-1, || {
            let (session, generation) = session(dh)?;
            // SAFETY: By this function's contract, for the time of this call, which is as long as the
            // segments live.
            let (entries, total) = unsafe { vector::<Out>(msg, msgcnt)? };
            count(session.send(generation, Cursor::new(entries, total))?)
        })
    })
}

/// Receives exactly as many bytes as the `msgcnt` entries of `msg` hold, waiting for them as long as it
/// takes.
///
/// Returns their number, or -1 with errno; never a part. EINVAL for NULL or a negative count, EBADF for
/// a handle that is not open, ENOTCONN when it is not connected, EFAULT, EMSGSIZE for more than `INT_MAX`
/// bytes, EBUSY while another thread is inside `poll` or `receive` of this session, ECONNRESET when the
/// drive has closed the connection, ECONNABORTED when it was disconnected meanwhile, EPROTO when what
/// came is not a Kinetic PDU, ENOMEM, or what the kernel said of the connection.
///
/// One thread at a time. Vector and memory are the caller's and are not used after the return.
///
/// # Safety
/// `msg` must be NULL or point to `msgcnt` entries whose memory can be written and is used by nobody
/// else meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ktli_uring_receive(dh: *mut c_void, msg: *mut kiovec, msgcnt: c_int) -> c_int {
    // SAFETY: As in `ktli_uring_send`.
    let bytes = || unsafe { vector::<In>(msg, msgcnt) }.map_or(0, |(_, total)| total as i64);
    traced(Function::Receive, dh, bytes, || {
        guard(-1, || {
            let (session, generation) = session(dh)?;
            // SAFETY: As in `ktli_uring_send`.
            let (entries, total) = unsafe { vector::<In>(msg, msgcnt)? };
            count(session.receive(generation, Cursor::new(entries, total))?)
        })
    })
}

/// Waits until a message can be received, at most `timeout` milliseconds (0: does not wait; negative:
/// no limit).
///
/// Returns 1 when PDU, message and a small value are there as a whole, or all but a value that is large
/// (48 KiB or more) or a message too large to be buffered (256 KiB); 0 when the time has passed. On a
/// session that is not connected, dead or closed it waits for the time-out, too, and returns 0 (a
/// negative time-out is 1 s there unless the connection is dead), or with `KTLI_URING_HANGUP=report` and a
/// dead connection 1. -1 with errno only for a wrong use: EINVAL for NULL, EBADF for what never was a
/// handle, EBUSY while another thread is inside `poll` or `receive` of this session.
///
/// One thread at a time, the same that calls `receive`. While it waits it sends what `send` accepted. An answer is
/// not announced before the thread that sent the request has run since its `send` returned (for up to 10 ms, by
/// which the time-out may be exceeded): libkinetic uses the request for some 100 ns longer. Where requests come one
/// at a time the time-out is rounded up to the kernel's ticks and one more, and may be exceeded by up to 20 ms.
#[unsafe(no_mangle)]
pub extern "C" fn ktli_uring_poll(dh: *mut c_void, timeout: c_int) -> c_int {
    traced(
        Function::Poll,
        dh,
        || timeout.max(-1).into(),
        || {
            guard(-1, || {
                let timeout = u64::try_from(timeout).ok().map(Duration::from_millis);
                match Handle::from_raw(dh.addr()).ok_or(Errno::INVAL)?.find()? {
                    Found::Session(session, generation) => match session.poll(generation, timeout)? {
                        Readiness::Ready => Ok(1),
                        Readiness::TimedOut => Ok(0),
                    },
                    Found::Stale => {
                        // libkinetic's receiver goes on polling for a moment after `close`.
                        thread::sleep(timeout.unwrap_or(Duration::from_secs(1)));
                        Ok(0)
                    }
                }
            })
        },
    )
}
