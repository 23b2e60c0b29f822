//! TLS in the driver's memory, for connections that are made with `usetls`.
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

#[cfg(feature = "tls")]
mod handshake;
#[cfg(feature = "tls")]
mod settings;
#[cfg(feature = "tls")]
mod state;
#[cfg(feature = "tls")]
mod verifier;

#[cfg(not(feature = "tls"))]
mod absent;

#[cfg(not(feature = "tls"))]
pub use absent::{Plan, Tls};
#[cfg(feature = "tls")]
pub use {handshake::Plan, state::Tls};

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
