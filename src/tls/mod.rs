//! TLS for connections that are made with `usetls`: in the driver's memory, or in the kernel where that has it.
//!
//! The two halves work as on plain connections: the same threads, staging area, wire, read-ahead buffer and rings. What
//! differs is what the bytes are. The sender encrypts a message where a plain one is copied, and the receiver decrypts
//! what it has read before anything is served from it:
//!
//! ```text
//! send: message -> [encrypt] -> staging area or wire -> kernel
//! poll, receive: memory <- read-ahead buffer <- [decrypt] <- a buffer for what was read <- kernel
//! ```
//!
//! # One state, one lock
//!
//! Both directions share one state (rustls's), since what is received can change how to send: the peer may ask for new
//! keys. It has a lock that is held for the arithmetic alone, for at most 64 KiB at a time, and never across a system
//! call or while another lock is waited for: it comes after `wire` and `staging`, and whoever has it takes none. So
//! neither half can keep the other from getting on for longer than that takes.
//!
//! # Why the receiver never sends
//!
//! Records have to leave in the order in which they were encrypted. So only the sender encrypts (and, when both halves
//! are gone, who says goodbye), while it has the right to append: the staging lock for a small message, the wire for a
//! large one. What TLS itself wants to say to something that was received, an answer with new keys or a warning, is
//! kept by the state and goes in front of the next message that is encrypted, which is when the protocol wants it at the
//! latest. So the receiver has nothing to wait for, and a sender that is blocked on a full socket, with the wire but
//! without the state's lock, keeps nobody from reading: the drive that is blocked on its answers gets on, and with it
//! the sender.
//!
//! # Messages
//!
//! A small message is encrypted into the staging area and is then what any staged message is. A large one is encrypted
//! piece by piece behind what is on the wire, and each piece is sent before the next. From the first piece on the stream
//! is broken if the rest does not follow, since records cannot be taken back: what is a failed send with the stream
//! intact on a plain connection (a shortage of memory) is waited for here, and ends the connection if it lasts. The
//! caller's memory is read by this code and not by the kernel: where there is none, the program dies instead of getting
//! EFAULT. And where there is no memory for a record, rustls ends the program, as Rust's collections do.
//!
//! # The end
//!
//! `disconnect` says goodbye (`close_notify`) behind the last message. The peer's goodbye is an end of the stream. So is
//! an end of TCP without one: an attacker could have made it, but PDUs say how long a message is, so that it cannot pass
//! a part for the whole, and inside a message it is the same error as on a plain connection.
//!
//! # In the kernel
//!
//! Where the kernel has TLS (its module `tls` is loaded) it gets the keys after the handshake, and the halves work as on a
//! plain connection, but that large values are received by way of the read-ahead buffer: what crosses the border is plain.
//! What is said above of states, locks and pieces does not apply. `KTLI_URING_FEATURES=-ktls` leaves TLS to the driver. It
//! has not been measured whether that is faster: there was no machine with such a kernel but emulated ones.
//!
//! * *Which ciphers*: ChaCha20-Poly1305 only, which is offered first then. AES-GCM must not encrypt more than 2^24 records
//!   (256 GiB) with the same keys, and before Linux 6.14 the kernel takes no new ones for a connection.
//!   A connection that had to end there would be of no use to libkinetic. A drive that wants AES-GCM gets it from the
//!   driver, which renews keys.
//! * *Whether*: the first connection asks the kernel, by having it encrypt a connection of this process with itself
//!   ([`check`]). So a kernel that lacks the cipher is known before there is no way back: rustls gives keys away for good.
//!   What stays in the driver, and why, is in the log (level `info`), and so is what does not.
//! * *The handshake* is read record by record then, so that nothing of what follows it is in the driver's memory. If the
//!   kernel takes the keys of one direction and not those of the other, `connect` fails.
//! * *Sending*: `MSG_WAITALL` and transmissions without a copy are refused (EOPNOTSUPP). What waits in a ring completes with
//!   what the socket has taken, and is continued; `chunked` is sent as `whole`; zero copy is off, as it is for TLS in the
//!   driver. What the socket has no room for is kept by the kernel, up to some records, and counts as sent.
//! * *Receiving*: a record that is not data fails a receive with EIO, and waits until it is asked for with a control
//!   message. So receives look as they do on plain connections, and only the exception costs a call. Tickets are
//!   ignored, and so is the wish for a new handshake: an answer would have to wait for the sender, who has the kernel's
//!   lock while the socket is full. A goodbye is an end, an alert an error, and so are new keys: the connection ends with
//!   EPROTO, and the log says why. (rustls and OpenSSL renew the keys of ChaCha20-Poly1305 only if a program asks them to.)
//! * *Half a record*: up to some release between Linux 6.1 and 6.12 poll(2) says that it can be read, and there is nothing.
//!   A receive in a ring is tried 128 times then, and goes on in a thread of the kernel's; plain calls try again after a
//!   while. With SQPOLL it is the thread that submits which tries: `c_tests/ktls.c` did not end in six minutes on an
//!   emulated Linux 6.1, so there TLS stays in the driver.

#[cfg(feature = "tls")]
mod handshake;
#[cfg(feature = "tls")]
mod kernel;
#[cfg(feature = "tls")]
mod settings;
#[cfg(feature = "tls")]
mod state;
#[cfg(feature = "tls")]
mod verifier;

#[cfg(not(feature = "tls"))]
mod absent;

#[cfg(not(feature = "tls"))]
pub use absent::{Kernel, Plan, Tls, check};
#[cfg(feature = "tls")]
pub use {
    handshake::Plan,
    kernel::{Kernel, check},
    state::Tls,
};

/// Who does the TLS of a connection.
pub enum Agreed {
    /// This process.
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "what makes one is not there"))]
    Here(Box<Tls>),
    /// The kernel.
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "what makes one is not there"))]
    Kernel(Kernel),
}

/// How much of a message is encrypted at a time.
pub const PIECE: usize = 64 << 10;

/// How ciphertext has come to be plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "what makes one is not there"))]
pub enum Opened {
    /// There is more than before.
    More,
    /// Nothing came of what was read so far.
    Nothing,
    /// The peer has said goodbye.
    Closed,
}
