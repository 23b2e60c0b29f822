//! What is sent for a request, with everything that is wrong about it.

use crate::budget::Claim;
use crate::protocol::{PDU_SIZE, Pdu, StatusCode};
use crate::session::Reply;

use super::{Faults, due};

/// What to begin a frame with instead of its magic byte: all bits are wrong.
const BAD_MAGIC: u8 = !crate::protocol::MAGIC;

/// A message as it is sent. The header may be wrong.
pub(crate) struct Frame {
    pub header: [u8; PDU_SIZE],
    pub reply: Reply,
}

/// All that is sent for a request, in order.
pub(crate) struct Turn<'a> {
    /// The request's number.
    pub request: u64,
    pub frames: Vec<Frame>,
    /// What the answer occupies, if it is large: it may have to wait before it is sent.
    pub claim: Option<Claim<'a>>,
}

impl Turn<'_> {
    /// The answer to request number `request`, and what follows it: the answer again, `unknown`, `status`.
    pub fn new(
        faults: &Faults,
        request: u64,
        answer: Reply,
        unknown: Option<Reply>,
        status: Option<Reply>,
    ) -> Self {
        let again = faults.is_duplicated(request).then(|| answer.clone());
        let mut frames = vec![Frame { header: faults.header(request, answer.pdu()), reply: answer }];
        frames.extend([again, unknown, status].into_iter().flatten().map(Frame::honest));
        Self { request, frames, claim: None }
    }

    /// How many bytes of memory this occupies, about.
    pub fn bytes(&self) -> usize {
        self.frames.iter().map(|frame| size_of::<Frame>() + frame.reply.len()).sum()
    }
}

impl Frame {
    fn honest(reply: Reply) -> Self {
        Self { header: reply.pdu().encode(), reply }
    }
}

impl Faults {
    /// Whether an answer that nobody asked for follows that to request number `request`.
    pub(crate) fn is_followed_by_unknown(&self, request: u64) -> bool {
        due(self.unknown_at, request)
    }

    /// Code and text of the status that follows the answer to request number `request`.
    pub(crate) fn status_after(&self, request: u64) -> Option<(i32, &str)> {
        let code = self.status_code.unwrap_or(StatusCode::InternalError.into());
        due(self.status_at, request).then_some((code, self.status_text.as_deref().unwrap_or("")))
    }

    fn is_duplicated(&self, request: u64) -> bool {
        due(self.duplicate_at, request) || self.duplicate_every.is_some_and(|n| request % n == 0)
    }

    /// The header of the answer to request number `request`, whose true header is `pdu`.
    fn header(&self, request: u64, mut pdu: Pdu) -> [u8; PDU_SIZE] {
        if due(self.lie_at, request) {
            // Beyond either end the lengths go on at the other one: so any length can be claimed.
            pdu.message_len = pdu.message_len.wrapping_add_signed(self.lie_message.unwrap_or(0));
            pdu.value_len = pdu.value_len.wrapping_add_signed(self.lie_value.unwrap_or(0));
        }
        let mut header = pdu.encode();
        if due(self.bad_magic_at, request) {
            header[0] = BAD_MAGIC;
        }
        header
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    #[test]
    fn headers_lie_at_their_request_only() {
        let faults = Faults {
            lie_at: NonZeroU64::new(2),
            lie_message: Some(-3),
            lie_value: Some(-1),
            bad_magic_at: NonZeroU64::new(3),
            ..Faults::default()
        };
        let pdu = Pdu { message_len: 10, value_len: 0 };
        assert_eq!(faults.header(1, pdu), pdu.encode());
        assert_eq!(faults.header(2, pdu), Pdu { message_len: 7, value_len: u32::MAX }.encode());
        assert_eq!(faults.header(3, pdu), *b"\xb9\0\0\0\x0a\0\0\0\0");
    }

    #[test]
    fn every_second_answer_or_a_certain_one_is_duplicated() {
        let faults = Faults {
            duplicate_at: NonZeroU64::new(3),
            duplicate_every: NonZeroU64::new(2),
            ..Faults::default()
        };
        assert_eq!([1, 2, 3, 4, 5].map(|n| faults.is_duplicated(n)), [false, true, true, true, false]);
    }
}
