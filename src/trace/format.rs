//! What a trace looks like: chunks, each with a header and records, all numbers little-endian.
//!
//! A chunk is written at once, at the end of the file, so that several processes can write to one file. Times are
//! nanoseconds of `CLOCK_MONOTONIC`, which all processes of a machine share.

/// The beginning of a chunk. The last byte is the version.
pub const MAGIC: [u8; 8] = *b"KTLITRC1";

/// A driver's function.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Function {
    /// `ktli_uring_open`.
    Open,
    /// `ktli_uring_close`.
    Close,
    /// `ktli_uring_connect`.
    Connect,
    /// `ktli_uring_disconnect`.
    Disconnect,
    /// `ktli_uring_send`.
    Send,
    /// `ktli_uring_receive`.
    Receive,
    /// `ktli_uring_poll`.
    Poll,
}

impl Function {
    /// All of them, in the order of their numbers.
    pub const ALL: [Function; 7] = [
        Function::Open,
        Function::Close,
        Function::Connect,
        Function::Disconnect,
        Function::Send,
        Function::Receive,
        Function::Poll,
    ];

    /// As KTLI calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Function::Open => "open",
            Function::Close => "close",
            Function::Connect => "connect",
            Function::Disconnect => "disconnect",
            Function::Send => "send",
            Function::Receive => "receive",
            Function::Poll => "poll",
        }
    }
}

/// One call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// When it began.
    pub start: u64,
    /// How long it took, in nanoseconds.
    pub duration: u64,
    /// The session; 0 where `open` failed.
    pub handle: u64,
    /// Bytes of the vector for `send` and `receive`, the time-out in milliseconds for `poll` (-1: none).
    pub argument: i64,
    /// What was returned; 0 or -1 for `open`.
    pub result: i32,
    /// Errno, where the call failed, else 0.
    pub errno: i32,
    /// The thread, as the kernel counts threads.
    pub thread: u32,
    /// The function.
    pub function: Function,
}

impl Record {
    /// Bytes of a record.
    pub const SIZE: usize = 48;

    /// As it is written.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[0..8].copy_from_slice(&self.start.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.duration.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.handle.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.argument.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.result.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.errno.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.thread.to_le_bytes());
        bytes[44..48].copy_from_slice(&(self.function as u32).to_le_bytes());
        bytes
    }

    /// As it was written; `None` if there is no such function.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::SIZE]) -> Option<Record> {
        Some(Record {
            start: u64::from_le_bytes(part(bytes, 0)),
            duration: u64::from_le_bytes(part(bytes, 8)),
            handle: u64::from_le_bytes(part(bytes, 16)),
            argument: i64::from_le_bytes(part(bytes, 24)),
            result: i32::from_le_bytes(part(bytes, 32)),
            errno: i32::from_le_bytes(part(bytes, 36)),
            thread: u32::from_le_bytes(part(bytes, 40)),
            function: *Function::ALL.get(u32::from_le_bytes(part(bytes, 44)) as usize)?,
        })
    }
}

/// The beginning of a chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The process.
    pub process: u32,
    /// How many records follow.
    pub records: u32,
    /// How many calls were not written since the chunk before, for want of room.
    pub lost: u64,
    /// What to add to a time to get nanoseconds since 1970.
    pub epoch: u64,
}

impl Header {
    /// Bytes of a header.
    pub const SIZE: usize = 32;

    /// As it is written.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&self.process.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.records.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.lost.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.epoch.to_le_bytes());
        bytes
    }

    /// As it was written; `None` if that is no header.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::SIZE]) -> Option<Header> {
        (part(bytes, 0) == MAGIC).then(|| Header {
            process: u32::from_le_bytes(part(bytes, 8)),
            records: u32::from_le_bytes(part(bytes, 12)),
            lost: u64::from_le_bytes(part(bytes, 16)),
            epoch: u64::from_le_bytes(part(bytes, 24)),
        })
    }
}

/// `N` bytes from `offset` on, which are there.
fn part<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    std::array::from_fn(|index| bytes[offset + index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_and_headers_are_read_as_they_were_written() {
        for function in Function::ALL {
            let record = Record {
                start: 0x0102_0304_0506_0708,
                duration: u64::MAX,
                handle: 1 << 40,
                argument: -1,
                result: -1,
                errno: 104,
                thread: 4_000_000_000,
                function,
            };
            assert_eq!(Record::from_bytes(&record.to_bytes()), Some(record));
        }
        let header = Header { process: 7, records: 3, lost: 2, epoch: 1 << 60 };
        assert_eq!(Header::from_bytes(&header.to_bytes()), Some(header));
        let mut bytes = header.to_bytes();
        bytes[7] += 1;
        assert_eq!(Header::from_bytes(&bytes), None);
        let unknown = [7; Record::SIZE];
        assert_eq!(Record::from_bytes(&unknown), None);
    }
}
