//! The frame around each message: a nine byte header, the message, the value.

use std::fmt;

/// The first byte of every frame.
pub const MAGIC: u8 = b'F';

/// The size of the frame header in bytes.
pub const PDU_SIZE: usize = 9;

/// The frame header: how long the message and the value after it are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pdu {
    /// The length of the protobuf message in bytes.
    pub message_len: u32,
    /// The length of the value after the message in bytes.
    pub value_len: u32,
}

impl Pdu {
    /// The nine bytes of this header.
    #[must_use]
    pub fn encode(self) -> [u8; PDU_SIZE] {
        let mut bytes = [MAGIC; PDU_SIZE];
        bytes[1..5].copy_from_slice(&self.message_len.to_be_bytes());
        bytes[5..9].copy_from_slice(&self.value_len.to_be_bytes());
        bytes
    }

    /// Reads a header.
    ///
    /// # Errors
    ///
    /// [`FrameError::Magic`] if the first byte is not [`MAGIC`]. Lengths are
    /// not judged here, see [`Pdu::check`].
    pub fn decode(bytes: &[u8; PDU_SIZE]) -> Result<Self, FrameError> {
        let [magic, m0, m1, m2, m3, v0, v1, v2, v3] = *bytes;
        if magic != MAGIC {
            return Err(FrameError::Magic(magic));
        }
        Ok(Self {
            message_len: u32::from_be_bytes([m0, m1, m2, m3]),
            value_len: u32::from_be_bytes([v0, v1, v2, v3]),
        })
    }

    /// Compares both lengths with limits given in bytes.
    ///
    /// # Errors
    ///
    /// [`FrameError::MessageTooLarge`] or [`FrameError::ValueTooLarge`].
    pub fn check(self, max_message: u32, max_value: u32) -> Result<(), FrameError> {
        if self.message_len > max_message {
            return Err(FrameError::MessageTooLarge { len: self.message_len, max: max_message });
        }
        if self.value_len > max_value {
            return Err(FrameError::ValueTooLarge { len: self.value_len, max: max_value });
        }
        Ok(())
    }

    /// The length of the header and the message in bytes: the value's offset.
    #[must_use]
    pub fn value_offset(self) -> usize {
        PDU_SIZE + self.message_len as usize
    }

    /// The length of the whole frame in bytes.
    #[must_use]
    pub fn frame_len(self) -> usize {
        self.value_offset() + self.value_len as usize
    }
}

/// Why the bytes of a stream are no acceptable frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The first byte is this one instead of [`MAGIC`].
    Magic(u8),
    /// The message is longer than allowed.
    MessageTooLarge {
        /// The length the header claims, in bytes.
        len: u32,
        /// The longest message allowed, in bytes.
        max: u32,
    },
    /// The value is longer than allowed.
    ValueTooLarge {
        /// The length the header claims, in bytes.
        len: u32,
        /// The longest value allowed, in bytes.
        max: u32,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic(byte) => write!(f, "frame starts with {byte:#04x} instead of 'F'"),
            Self::MessageTooLarge { len, max } => {
                write!(f, "message of {len} bytes exceeds the limit of {max}")
            }
            Self::ValueTooLarge { len, max } => {
                write!(f, "value of {len} bytes exceeds the limit of {max}")
            }
        }
    }
}

impl std::error::Error for FrameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_big_endian() {
        let pdu = Pdu { message_len: 0x0102_0304, value_len: 0x0a0b_0c0d };
        assert_eq!(pdu.encode(), *b"F\x01\x02\x03\x04\x0a\x0b\x0c\x0d");
        assert_eq!(Pdu::decode(&pdu.encode()), Ok(pdu));
    }

    #[test]
    fn any_other_first_byte_is_refused() {
        for first in (0..=u8::MAX).filter(|&byte| byte != b'F') {
            let bytes = [first, 0, 0, 0, 0, 0, 0, 0, 0];
            assert_eq!(Pdu::decode(&bytes), Err(FrameError::Magic(first)));
        }
    }

    #[test]
    fn limits_are_inclusive() {
        let pdu = Pdu { message_len: 10, value_len: 20 };
        assert_eq!(pdu.check(10, 20), Ok(()));
        assert_eq!(pdu.check(9, 20), Err(FrameError::MessageTooLarge { len: 10, max: 9 }));
        assert_eq!(pdu.check(10, 19), Err(FrameError::ValueTooLarge { len: 20, max: 19 }));
    }

    #[test]
    fn frame_length_of_the_largest_lengths_does_not_overflow() {
        let pdu = Pdu { message_len: u32::MAX, value_len: u32::MAX };
        assert_eq!(pdu.frame_len(), 9 + 2 * (u32::MAX as usize));
    }
}
