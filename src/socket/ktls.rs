//! The kernel's TLS: handing keys to it, and the records that are not data.
//!
//! What is said here of the kernel is in its Documentation/networking/tls.rst, include/uapi/linux/tls.h and
//! `net/tls/tls_sw.c`; the names are those of its headers.

use std::{
    io,
    mem::{offset_of, size_of, size_of_val},
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
};

use super::segment::{Batch, Incoming, Outgoing};

const TLS_TX: libc::c_int = 1;
const TLS_RX: libc::c_int = 2;
const TLS_SET_RECORD_TYPE: libc::c_int = 1;
const TLS_GET_RECORD_TYPE: libc::c_int = 2;
const TLS_CIPHER_CHACHA20_POLY1305: u16 = 54;

/// A version of TLS, as records have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Version {
    /// TLS 1.2.
    V12 = 0x0303,
    /// TLS 1.3.
    V13 = 0x0304,
}

/// `struct tls12_crypto_info_chacha20_poly1305`: what the kernel has to know of one direction.
#[repr(C)]
pub struct Keys {
    version: u16,
    cipher: u16,
    iv: [u8; 12],
    key: [u8; 32],
    sequence: [u8; 8],
}

// The kernel takes nothing of another size.
const _: () = assert!(size_of::<Keys>() == 56 && offset_of!(Keys, sequence) == 48);

impl Keys {
    /// Keys of ChaCha20-Poly1305, and the number of the next record. `None` where they are of another length.
    pub fn new(version: Version, key: &[u8], iv: &[u8], next: u64) -> Option<Keys> {
        Some(Keys {
            version: version as u16,
            cipher: TLS_CIPHER_CHACHA20_POLY1305,
            iv: iv.try_into().ok()?,
            key: key.try_into().ok()?,
            sequence: next.to_be_bytes(),
        })
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.key.fill(0);
        // Or the compiler would see that nobody reads it.
        std::hint::black_box(&self.key);
    }
}

/// Makes a connected socket one of the kernel's TLS, which changes nothing until it gets keys. ENOENT where there is no
/// such thing, or its module is not loaded.
pub fn attach(fd: BorrowedFd<'_>) -> io::Result<()> {
    set(fd, libc::IPPROTO_TCP, libc::TCP_ULP, b"tls")
}

/// Gives it the keys of what comes from the peer: from here on receiving yields what they decrypt.
pub fn set_receive_keys(fd: BorrowedFd<'_>, keys: &Keys) -> io::Result<()> {
    set(fd, libc::SOL_TLS, TLS_RX, keys)
}

/// Gives it the keys of what goes to the peer: from here on what is sent is encrypted.
pub fn set_send_keys(fd: BorrowedFd<'_>, keys: &Keys) -> io::Result<()> {
    set(fd, libc::SOL_TLS, TLS_TX, keys)
}

fn set<T>(fd: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
    let size = size_of_val(value) as libc::socklen_t;
    // SAFETY: The kernel reads `size` bytes of `value`, which lives through the call and has no padding: it is a text or
    // `Keys`, whose size is the sum of its members'.
    let result = unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, ptr::from_ref(value).cast(), size) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has TCP lost the connection? A socket with one knows its peer.
pub fn is_gone(fd: BorrowedFd<'_>) -> bool {
    socket2::SockRef::from(&fd).peer_addr().is_err()
}

/// Room for one control message of one byte, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Control([u8; 32]);

// SAFETY: No pointers are involved.
const SPACE: usize = unsafe { libc::CMSG_SPACE(1) } as usize;
const _: () = assert!(SPACE <= size_of::<Control>());

/// Takes a record that is not data, without waiting: its type and its length. What is longer than `into` comes as
/// another one.
///
/// A receive without room for a control message fails with EIO where the next record is not data, and leaves the record
/// to this. (The kernel's tests, tools/testing/selftests/net/tls.c, rely on that, too.)
pub fn take_record(fd: BorrowedFd<'_>, into: &mut [u8]) -> io::Result<(u8, usize)> {
    let mut batch = Batch::new();
    batch.push(Incoming::new(into));
    let mut control = Control([0; 32]);
    let mut header = batch.header();
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = SPACE as _;
    // SAFETY: The header, the memory that the batch borrows and `control` live through the call, and nobody else uses
    // them; the kernel writes at most as much as their lengths say.
    let count = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT) };
    let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: The header's control part is `control`, with the length that the kernel has written. CMSG_FIRSTHDR gives
    // NULL where there is no whole message header in it, and else a pointer into it, which is aligned as `control` is.
    let message = unsafe { libc::CMSG_FIRSTHDR(&raw const header).as_ref() };
    let kind = message
        .filter(|message| message.cmsg_level == libc::SOL_TLS && message.cmsg_type == TLS_GET_RECORD_TYPE)
        // SAFETY: The kernel has put one byte behind this header, which is within `control`: there is room for it.
        .map(|message| unsafe { *libc::CMSG_DATA(message) });
    match kind {
        Some(kind) => Ok((kind, count)),
        // That is the end of the stream, or a kernel that does not do what it says.
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Sends a record that is not data, behind all that was sent before. Waits for the socket to take it and what is in
/// front of it, as long as the socket's time-out for sending says; `WouldBlock` when it has taken nothing in that time.
pub fn send_record(fd: BorrowedFd<'_>, kind: u8, bytes: &[u8]) -> io::Result<()> {
    let mut batch = Batch::new();
    batch.push(Outgoing::new(bytes));
    let mut control = Control([0; 32]);
    let mut header = batch.header();
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = SPACE as _;
    // SAFETY: `control` has room for a message header and one byte, and is aligned for it; so CMSG_FIRSTHDR gives a
    // pointer to its start, and CMSG_DATA one into it.
    unsafe {
        let message = libc::CMSG_FIRSTHDR(&raw const header);
        (*message).cmsg_level = libc::SOL_TLS;
        (*message).cmsg_type = TLS_SET_RECORD_TYPE;
        (*message).cmsg_len = libc::CMSG_LEN(1) as _;
        *libc::CMSG_DATA(message) = kind;
    }
    // SAFETY: The header, the bytes that the batch borrows and `control` live through the call; the kernel reads them.
    let result = unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
