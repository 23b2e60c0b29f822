//! Who may do what, and the PINs.

use std::fmt;

use bytes::Bytes;

use super::secret::hidden;

/// Replaces the access control lists or one of the PINs. Debug output does not
/// have the PINs.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct Security {
    /// The identities, each with its rights.
    #[prost(message, repeated, tag = "2")]
    pub acls: Vec<Acl>,
    /// The PIN for locking and unlocking as it is.
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub old_lock_pin: Option<Bytes>,
    /// The PIN for locking and unlocking as it shall be.
    #[prost(bytes = "bytes", optional, tag = "4")]
    pub new_lock_pin: Option<Bytes>,
    /// The PIN for erasing as it is.
    #[prost(bytes = "bytes", optional, tag = "5")]
    pub old_erase_pin: Option<Bytes>,
    /// The PIN for erasing as it shall be.
    #[prost(bytes = "bytes", optional, tag = "6")]
    pub new_erase_pin: Option<Bytes>,
    /// Which of these is to be replaced.
    #[prost(enumeration = "SecurityType", optional, tag = "7")]
    pub security_type: Option<i32>,
}

/// What a [`Security`] replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum SecurityType {
    /// No type the protocol knows.
    Invalid = -1,
    /// All access control lists.
    Acl = 1,
    /// The PIN for erasing.
    ErasePin = 2,
    /// The PIN for locking and unlocking.
    LockPin = 3,
}

/// An identity and its rights. Debug output does not have the key.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct Acl {
    /// The number requests name.
    #[prost(int64, optional, tag = "1")]
    pub identity: Option<i64>,
    /// The key requests are signed with.
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub key: Option<Bytes>,
    /// How they are signed.
    #[prost(enumeration = "HmacAlgorithm", optional, tag = "3")]
    pub hmac_algorithm: Option<i32>,
    /// The rights.
    #[prost(message, repeated, tag = "4")]
    pub scopes: Vec<Scope>,
    /// The highest priority a request of this identity may have.
    #[prost(enumeration = "Priority", optional, tag = "5")]
    pub max_priority: Option<i32>,
}

/// Rights for keys that have certain bytes at a certain place.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Scope {
    /// Where in a key the value has to be, in bytes from its start.
    #[prost(uint64, optional, tag = "1")]
    pub offset: Option<u64>,
    /// What has to be there; nothing matches every key.
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub value: Option<Bytes>,
    /// What may be done.
    #[prost(enumeration = "Permission", repeated, packed = "false", tag = "3")]
    pub permissions: Vec<i32>,
    /// Whether it may be done over TLS only.
    #[prost(bool, optional, tag = "4")]
    pub tls_required: Option<bool>,
}

/// Something an identity may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Permission {
    /// Nothing the protocol knows.
    Invalid = -1,
    /// Read entries.
    Read = 0,
    /// Store entries.
    Write = 1,
    /// Remove entries.
    Delete = 2,
    /// List keys.
    Range = 3,
    /// Set up the drive.
    Setup = 4,
    /// Have the drive send entries to another one.
    PeerToPeer = 5,
    /// Read logs.
    GetLog = 7,
    /// Change access control lists and PINs.
    Security = 8,
    /// Change the power level.
    PowerManagement = 9,
    /// Run programs on the drive.
    ManageApplet = 10,
}

/// How requests are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum HmacAlgorithm {
    /// No algorithm the protocol knows.
    Invalid = -1,
    /// HMAC-SHA1.
    HmacSha1 = 1,
}

/// How urgent a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Priority {
    /// What a request has that names no other; the first, and so the default.
    Normal = 5,
    /// The least.
    Lowest = 1,
    /// More than the least.
    Lower = 2,
    /// Yet more.
    Low = 3,
    /// A little below normal.
    LowerNormal = 4,
    /// A little above normal.
    HigherNormal = 6,
    /// More.
    High = 7,
    /// Yet more.
    Higher = 8,
    /// The most.
    Highest = 9,
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Security")
            .field("acls", &self.acls)
            .field("old_lock_pin", &hidden(&self.old_lock_pin))
            .field("new_lock_pin", &hidden(&self.new_lock_pin))
            .field("old_erase_pin", &hidden(&self.old_erase_pin))
            .field("new_erase_pin", &hidden(&self.new_erase_pin))
            .field("security_type", &self.security_type)
            .finish()
    }
}

impl fmt::Debug for Acl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acl")
            .field("identity", &self.identity)
            .field("key", &hidden(&self.key))
            .field("hmac_algorithm", &self.hmac_algorithm)
            .field("scopes", &self.scopes)
            .field("max_priority", &self.max_priority)
            .finish()
    }
}
