//! The Kinetic wire format: frames, messages and their authentication.
//!
//! Nothing here does I/O. A client reads and writes the bytes itself:
//!
//! * [`RequestBuilder`] makes signed requests,
//! * [`Pdu`] tells how many bytes an answer has,
//! * [`Answer`] decodes and authenticates it.

mod administration;
mod answer;
mod auth;
mod batch;
mod command;
mod enums;
mod frame;
mod getlog;
mod message;
mod peer;
mod pin;
mod range;
mod request;
mod secret;
mod security;
mod setup;

pub use answer::{Answer, AnswerError};
pub use auth::{HMAC_SIZE, HmacKey};
pub use batch::Batch;
pub use command::{Body, Command, Header, KeyValue, Status};
pub use enums::{Algorithm, AuthType, LogType, MessageType, PowerLevel, StatusCode, Synchronization};
pub use frame::{FrameError, MAGIC, PDU_SIZE, Pdu};
pub use getlog::{
    Capacity, Configuration, Device, GetLog, Interface, Limits, Statistics, Temperature, Utilization,
};
pub use message::{HmacAuth, Message, PinAuth};
pub use peer::{Peer, PeerOperation, Push};
pub use pin::{PinOperation, PinOperationType};
pub use range::Range;
pub use request::{Encoded, RequestBuilder};
pub use security::{Acl, HmacAlgorithm, Permission, Priority, Scope, Security, SecurityType};
pub use setup::{PowerManagement, Setup, SetupType};

/// The protocol version this crate speaks, as a drive reports it.
pub const PROTOCOL_VERSION: &str = "4.0.1";

/// The identity a drive knows from the factory.
pub const DEFAULT_IDENTITY: i64 = 1;

/// The HMAC key of [`DEFAULT_IDENTITY`].
pub const DEFAULT_KEY: &[u8] = b"asdfasdf";
