//! What can go wrong, in the terms of the C contract: a positive errno value.

use std::{fmt, io};

/// A positive errno value, as the C side reads it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// End of stream or a reset: the drive is gone.
    pub const CONNRESET: Errno = Errno(libc::ECONNRESET);
    /// Nobody listens there.
    pub const CONNREFUSED: Errno = Errno(libc::ECONNREFUSED);
    /// The call was cut short by `disconnect` or `close`.
    pub const CONNABORTED: Errno = Errno(libc::ECONNABORTED);
    /// The handle is not connected.
    pub const NOTCONN: Errno = Errno(libc::ENOTCONN);
    /// The handle is closed, stale or made up.
    pub const BADF: Errno = Errno(libc::EBADF);
    /// A NULL handle, a NULL vector, or a count or an option out of range.
    pub const INVAL: Errno = Errno(libc::EINVAL);
    /// An entry of a vector has a length and no memory.
    pub const FAULT: Errno = Errno(libc::EFAULT);
    /// The vector holds more than `INT_MAX` bytes, which the C result could not tell.
    pub const MSGSIZE: Errno = Errno(libc::EMSGSIZE);
    /// Another thread is inside the same half of this connection.
    pub const BUSY: Errno = Errno(libc::EBUSY);
    /// A time limit passed.
    pub const TIMEDOUT: Errno = Errno(libc::ETIMEDOUT);
    /// Memory for the driver's buffers could not be had.
    pub const NOMEM: Errno = Errno(libc::ENOMEM);
    /// The bytes received are not a Kinetic PDU.
    pub const PROTO: Errno = Errno(libc::EPROTO);
    /// An internal error: a panic was caught at the C boundary.
    pub const IO: Errno = Errno(libc::EIO);
}

impl Errno {
    /// Is it that the kernel is short of memory, so that the same call may succeed a moment later? (EAGAIN where the
    /// kernel itself waits for room: none is known to say so.)
    pub fn is_shortage(self) -> bool {
        matches!(self.0, libc::ENOBUFS | libc::ENOMEM | libc::EAGAIN)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&io::Error::from_raw_os_error(self.0), f)
    }
}

impl std::error::Error for Errno {}

impl From<io::Error> for Errno {
    /// An error without a number of its own (the standard library makes a few) becomes EIO.
    fn from(error: io::Error) -> Self {
        Errno(error.raw_os_error().unwrap_or(match error.kind() {
            io::ErrorKind::TimedOut => libc::ETIMEDOUT,
            io::ErrorKind::WouldBlock => libc::EAGAIN,
            _ => libc::EIO,
        }))
    }
}
