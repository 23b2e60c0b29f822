//! Settings of the drive as a whole.

use super::PowerLevel;

/// Changes the cluster version or the firmware.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Setup {
    /// The cluster version the drive shall have.
    #[prost(int64, optional, tag = "1")]
    pub new_cluster_version: Option<i64>,
    /// Which of the two is to be changed.
    #[prost(enumeration = "SetupType", optional, tag = "6")]
    pub setup_type: Option<i32>,
}

/// What a [`Setup`] changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum SetupType {
    /// No type the protocol knows.
    Invalid = -1,
    /// The firmware, which is the value after the message.
    Firmware = 1,
    /// The cluster version.
    ClusterVersion = 2,
}

/// Changes how awake the drive is.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PowerManagement {
    /// The level the drive shall have.
    #[prost(enumeration = "PowerLevel", optional, tag = "1")]
    pub level: Option<i32>,
}
