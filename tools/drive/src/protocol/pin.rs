//! What is done with a PIN instead of an identity.

/// Locks, unlocks or erases the drive.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PinOperation {
    /// Which of these.
    #[prost(enumeration = "PinOperationType", optional, tag = "1")]
    pub pin_operation_type: Option<i32>,
}

/// What is done with a PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum PinOperationType {
    /// No type the protocol knows.
    Invalid = -1,
    /// Unlocks the drive.
    Unlock = 1,
    /// Locks the drive.
    Lock = 2,
    /// Removes all entries and settings.
    Erase = 3,
    /// Removes all entries and settings so that nobody can bring them back.
    SecureErase = 4,
}
