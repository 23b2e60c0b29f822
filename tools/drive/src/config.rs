//! What a drive is started with.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::faults::Faults;
use crate::messages::Messages;
use crate::protocol::{DEFAULT_IDENTITY, DEFAULT_KEY, Limits};

/// The largest [`Config::max_value_size`] a drive accepts, in bytes: 64 MiB.
pub const MAX_VALUE_SIZE_CEILING: u32 = 64 << 20;

/// The longest message in bytes, the protocol's own limit.
const MAX_MESSAGE_SIZE: u32 = 1 << 20;

/// What is reported as the limit of something without a limit.
const UNCOUNTED: u32 = 1 << 16;

/// The least [`Config::max_outstanding`]: what any one request may occupy.
pub(crate) fn least_outstanding(config: &Config) -> u64 {
    u64::from(config.max_value_size) + u64::from(MAX_MESSAGE_SIZE)
}

/// What a drive is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 picks a free one.
    pub address: SocketAddr,
    /// The longest value in bytes, at most [`MAX_VALUE_SIZE_CEILING`]. The
    /// default is 1 MiB.
    pub max_value_size: u32,
    /// How many connections may be open at a time. One more is told
    /// `SERVICE_BUSY` and closed. The default is 4096.
    pub max_connections: usize,
    /// How many bytes large requests on their way in and large answers on
    /// their way out may occupy, those of all connections together; at least
    /// `max_value_size` plus 1 MiB. A request or an answer of 64 KiB or more
    /// that does not fit waits for a second, then the answer is
    /// `SERVICE_BUSY`. The default is 1 GiB.
    pub max_outstanding: u64,
    /// How long a client may take to send a request once it has begun, and to
    /// take the answers sent at a time. `None` is for ever. The drive notices
    /// up to a quarter of that later, but not more than 30 seconds. The default
    /// is a minute.
    pub stall_timeout: Option<Duration>,
    /// How many bytes of entries the drive stores. The default is 1 GiB.
    pub capacity: u64,
    /// The directory to keep entries in. It is created if need be, but not its
    /// parents. By default entries are in memory, and gone with the drive.
    pub dir: Option<PathBuf>,
    /// Who may send requests. The default is identity 1 with key `asdfasdf`.
    pub identities: Vec<Identity>,
    /// Where to serve TLS besides, and how. The default is nowhere.
    pub tls: Option<Tls>,
    /// Whether to accept over a plain connection what the protocol allows over
    /// TLS only: PINs and changes of access control lists. The default is not
    /// to.
    pub trust_plain: bool,
    /// The recent messages that the drive tells clients about. The default is
    /// none, and none to come.
    pub messages: Messages,
    /// What to do wrong on purpose. The default is nothing.
    pub faults: Faults,
    /// Where in the file system to listen for commands that change faults and
    /// connections while the drive runs. The default is nowhere.
    pub control: Option<PathBuf>,
}

/// How a drive serves TLS, versions 1.2 and 1.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Where to listen; port 0 picks a free one.
    pub address: SocketAddr,
    /// The certificate to show. Without one the drive makes one that vouches
    /// for itself, with a new key, each time it is started.
    pub files: Option<TlsFiles>,
}

/// Where a certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// A PEM file with the certificate, and after it those that vouch for it.
    pub certificate: PathBuf,
    /// A PEM file with its private key.
    pub key: PathBuf,
}

/// Someone who may send requests. Debug output does not have the key.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The number requests name.
    pub id: i64,
    /// The HMAC key, at least a byte.
    pub key: Vec<u8>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            max_value_size: 1 << 20,
            max_connections: 4096,
            max_outstanding: 1 << 30,
            stall_timeout: Some(Duration::from_secs(60)),
            capacity: 1 << 30,
            dir: None,
            identities: vec![Identity { id: DEFAULT_IDENTITY, key: DEFAULT_KEY.to_vec() }],
            tls: None,
            trust_plain: false,
            messages: Messages::default(),
            faults: Faults::default(),
            control: None,
        }
    }
}

/// The sizes, in bytes, and counts the drive enforces. What it reports as its
/// limits is made from these.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub max_key_size: usize,
    pub max_version_size: usize,
    pub max_tag_size: usize,
    pub max_message_size: u32,
    pub max_value_size: u32,
    pub max_connections: usize,
    pub max_key_range_count: usize,
    /// Of the whole device.
    pub max_open_batches: usize,
    pub max_operations_per_batch: usize,
    pub max_deletes_per_batch: usize,
    pub max_batch_size: usize,
    pub stall_timeout: Option<Duration>,
    pub max_identity_count: usize,
    pub max_pin_size: usize,
}

impl Bounds {
    pub fn new(config: &Config) -> Self {
        Self {
            max_key_size: 4096,
            max_version_size: 2048,
            max_tag_size: 1024,
            max_message_size: MAX_MESSAGE_SIZE,
            max_value_size: config.max_value_size,
            max_connections: config.max_connections,
            // These three are those of Seagate's drives.
            max_key_range_count: 800,
            max_deletes_per_batch: 24_000,
            max_batch_size: 64 << 20,
            // Seagate's drives limit neither. Here open batches take 1 GiB at
            // most, and the sequences of a batch fit into its answer.
            max_open_batches: 16,
            max_operations_per_batch: 32_768,
            stall_timeout: config.stall_timeout,
            max_identity_count: 64,
            max_pin_size: 64,
        }
    }

    /// These bounds as the drive reports them. Requests on a connection are
    /// not counted: a client that sends too many is held back by TCP. So the
    /// number reported for them is just a large one, small enough for clients
    /// that keep it in a signed integer.
    pub fn limits(&self) -> Limits {
        Limits {
            max_key_size: Some(self.max_key_size as u32),
            max_value_size: Some(self.max_value_size),
            max_version_size: Some(self.max_version_size as u32),
            max_tag_size: Some(self.max_tag_size as u32),
            max_connections: Some(u32::try_from(self.max_connections).unwrap_or(u32::MAX)),
            max_outstanding_read_requests: Some(UNCOUNTED),
            max_outstanding_write_requests: Some(UNCOUNTED),
            max_message_size: Some(self.max_message_size),
            max_key_range_count: Some(self.max_key_range_count as u32),
            max_operation_count_per_batch: Some(self.max_operations_per_batch as u32),
            max_batch_count_per_device: Some(self.max_open_batches as u32),
            max_batch_size: Some(self.max_batch_size as u32),
            max_deletes_per_batch: Some(self.max_deletes_per_batch as u32),
            max_identity_count: Some(self.max_identity_count as u32),
            max_pin_size: Some(self.max_pin_size as u32),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_has_no_keys() {
        let shown = format!("{:?}", Config::default());
        assert!(shown.contains("Identity { id: 1, .. }"), "{shown}");
        assert!(!shown.contains("97, 115, 100, 102"), "{shown}");
    }
}
