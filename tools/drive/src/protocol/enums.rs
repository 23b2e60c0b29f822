//! The numbers the protocol gives to its kinds of messages, statuses and logs.

/// How a message is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum AuthType {
    /// No kind the protocol knows.
    Invalid = -1,
    /// By identity and HMAC.
    Hmac = 1,
    /// By PIN.
    Pin = 2,
    /// Not at all: the drive speaks without having been asked.
    UnsolicitedStatus = 3,
}

/// What a command asks for or answers. The number of an answer is the number
/// of its request minus one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum MessageType {
    /// No type the protocol knows.
    Invalid = -1,
    /// Answers [`Get`](Self::Get).
    GetResponse = 1,
    /// Reads an entry.
    Get = 2,
    /// Answers [`Put`](Self::Put).
    PutResponse = 3,
    /// Stores an entry.
    Put = 4,
    /// Answers [`Delete`](Self::Delete).
    DeleteResponse = 5,
    /// Removes an entry.
    Delete = 6,
    /// Answers [`GetNext`](Self::GetNext).
    GetNextResponse = 7,
    /// Reads the entry after a key.
    GetNext = 8,
    /// Answers [`GetPrevious`](Self::GetPrevious).
    GetPreviousResponse = 9,
    /// Reads the entry before a key.
    GetPrevious = 10,
    /// Answers [`GetKeyRange`](Self::GetKeyRange).
    GetKeyRangeResponse = 11,
    /// Lists keys.
    GetKeyRange = 12,
    /// Answers [`GetVersion`](Self::GetVersion).
    GetVersionResponse = 15,
    /// Reads the version of an entry.
    GetVersion = 16,
    /// Answers [`Setup`](Self::Setup).
    SetupResponse = 21,
    /// Sets the cluster version or the firmware.
    Setup = 22,
    /// Answers [`GetLog`](Self::GetLog).
    GetLogResponse = 23,
    /// Reads configuration, limits, counters and the like.
    GetLog = 24,
    /// Answers [`Security`](Self::Security).
    SecurityResponse = 25,
    /// Sets identities or PINs.
    Security = 26,
    /// Answers [`PeerToPeerPush`](Self::PeerToPeerPush).
    PeerToPeerPushResponse = 27,
    /// Has the drive copy entries to another drive.
    PeerToPeerPush = 28,
    /// Answers [`Noop`](Self::Noop).
    NoopResponse = 29,
    /// Does nothing.
    Noop = 30,
    /// Answers [`FlushAllData`](Self::FlushAllData).
    FlushAllDataResponse = 31,
    /// Makes earlier changes persistent.
    FlushAllData = 32,
    /// Answers [`PinOperation`](Self::PinOperation).
    PinOperationResponse = 35,
    /// Locks, unlocks or erases the drive.
    PinOperation = 36,
    /// Answers [`MediaScan`](Self::MediaScan).
    MediaScanResponse = 37,
    /// Checks that stored entries are readable.
    MediaScan = 38,
    /// Answers [`MediaOptimize`](Self::MediaOptimize).
    MediaOptimizeResponse = 39,
    /// Tidies up the medium.
    MediaOptimize = 40,
    /// Answers [`StartBatch`](Self::StartBatch).
    StartBatchResponse = 41,
    /// Opens a batch.
    StartBatch = 42,
    /// Answers [`EndBatch`](Self::EndBatch).
    EndBatchResponse = 43,
    /// Commits a batch.
    EndBatch = 44,
    /// Answers [`AbortBatch`](Self::AbortBatch).
    AbortBatchResponse = 45,
    /// Drops a batch.
    AbortBatch = 46,
    /// Answers [`SetPowerLevel`](Self::SetPowerLevel).
    SetPowerLevelResponse = 47,
    /// Changes the power level.
    SetPowerLevel = 48,
    /// Answers [`ManageApplet`](Self::ManageApplet).
    ManageAppletResponse = 49,
    /// Runs a program on the drive.
    ManageApplet = 50,
}

impl MessageType {
    /// The type of the answer to a request of this type; `None` if this is no
    /// request.
    #[must_use]
    pub fn response(self) -> Option<Self> {
        let number = self as i32;
        if number > 0 && number % 2 == 0 { Self::try_from(number - 1).ok() } else { None }
    }

    /// The type of the request to an answer of this type; `None` if this is no
    /// answer.
    #[must_use]
    pub fn request(self) -> Option<Self> {
        let number = self as i32;
        if number > 0 && number % 2 == 1 { Self::try_from(number + 1).ok() } else { None }
    }
}

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum StatusCode {
    /// No code the protocol knows.
    Invalid = -1,
    /// A part of a peer-to-peer request was never tried.
    NotAttempted = 0,
    /// It worked.
    Success = 1,
    /// The HMAC is wrong or missing, or the identity is unknown.
    HmacFailure = 2,
    /// The identity may not do this.
    NotAuthorized = 3,
    /// The cluster version is not the drive's.
    VersionFailure = 4,
    /// The drive failed.
    InternalError = 5,
    /// The command has no header.
    HeaderRequired = 6,
    /// There is no such key.
    NotFound = 7,
    /// The entry's version is not the one the client gave.
    VersionMismatch = 8,
    /// Too many requests; try again later.
    ServiceBusy = 9,
    /// The request timed out while running.
    Expired = 10,
    /// Data could not be read in the time allowed.
    DataError = 11,
    /// Data cannot be read.
    PermanentDataError = 12,
    /// The peer of a peer-to-peer request cannot be reached.
    RemoteConnectionError = 13,
    /// The drive is full.
    NoSpace = 14,
    /// The HMAC algorithm of a new identity is unknown.
    NoSuchHmacAlgorithm = 15,
    /// The request makes no sense or exceeds a limit; it will never work.
    InvalidRequest = 16,
    /// Some parts of a peer-to-peer request failed.
    NestedOperationErrors = 17,
    /// The drive is locked.
    DeviceLocked = 18,
    /// The drive is not locked.
    DeviceAlreadyUnlocked = 19,
    /// The drive is about to close the connection.
    ConnectionTerminated = 20,
    /// The batch makes no sense.
    InvalidBatch = 21,
    /// The drive hibernates.
    Hibernate = 22,
    /// The drive is shutting down.
    Shutdown = 23,
    /// A program could not be run on the drive.
    InvalidExecute = 24,
    /// A program on the drive has ended.
    ExecuteComplete = 25,
}

/// How the tag of an entry was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Algorithm {
    /// No algorithm the protocol knows.
    Invalid = -1,
    /// SHA-1.
    Sha1 = 1,
    /// SHA-2.
    Sha2 = 2,
    /// SHA-3.
    Sha3 = 3,
    /// CRC-32C.
    Crc32c = 4,
    /// CRC-64.
    Crc64 = 5,
    /// CRC-32.
    Crc32 = 6,
}

/// When a change has to be persistent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Synchronization {
    /// No kind the protocol knows.
    Invalid = -1,
    /// Before it is answered.
    WriteThrough = 1,
    /// Some time later.
    WriteBack = 2,
    /// Before it is answered, and all earlier changes with it.
    Flush = 3,
}

/// A part of the drive's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum LogType {
    /// No log the protocol knows.
    Invalid = -1,
    /// How busy the parts of the drive are.
    Utilizations = 0,
    /// How hot the parts of the drive are.
    Temperatures = 1,
    /// How large and how full the drive is.
    Capacities = 2,
    /// What the drive is and where it listens.
    Configuration = 3,
    /// What the drive has done so far.
    Statistics = 4,
    /// What the drive has to tell.
    Messages = 5,
    /// The sizes and counts the drive allows.
    Limits = 6,
    /// A log of the vendor's own, by name.
    Device = 7,
}

/// How awake a drive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum PowerLevel {
    /// No level the protocol knows.
    Invalid = -1,
    /// Ready for requests.
    Operational = 1,
    /// Asleep.
    Hibernate = 2,
    /// Going down.
    Shutdown = 3,
    /// Broken.
    Fail = 4,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_responses_and_responses_have_none() {
        assert_eq!(MessageType::Get.response(), Some(MessageType::GetResponse));
        assert_eq!(MessageType::SetPowerLevel.response(), Some(MessageType::SetPowerLevelResponse));
        assert_eq!(MessageType::PutResponse.response(), None);
        assert_eq!(MessageType::Invalid.response(), None);
        assert_eq!(MessageType::PutResponse.request(), Some(MessageType::Put));
        assert_eq!(MessageType::Put.request(), None);
        assert_eq!(MessageType::Invalid.request(), None);
    }
}
