//! Where the caller is in the stream of messages: pure bookkeeping over the bytes it has taken.
//!
//! A Kinetic message is a PDU of nine bytes ('F', 32-bit big-endian message length, 32-bit big-endian
//! value length), then the message, then the value. `poll` has to know these borders: it may announce a
//! message only when the part that is buffered is there as a whole, since libkinetic cannot survive a
//! `receive` that fails (see `poll` in [`receive`](crate::receive)).

/// Length of a PDU in bytes.
pub const PDU: usize = 9;
/// The first byte of every PDU.
const MAGIC: u8 = b'F';

/// What `poll` has to do before it can announce a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: what is buffered is enough.
    Nothing,
    /// Wait until this many bytes are buffered.
    Buffered(usize),
    /// The next bytes cannot be a PDU; the text says why.
    Garbage(&'static str),
}

/// The caller's place in the stream.
pub struct Framing {
    on: bool,
    /// Values of at least this many bytes are not waited for: they are received straight into the
    /// caller's memory.
    direct: usize,
    /// The most bytes that can be buffered at all.
    capacity: usize,
    /// The bytes of the current PDU that were taken.
    pdu: [u8; PDU],
    taken: usize,
    /// Bytes of the current message and value that are not taken yet; meaningful once the PDU is.
    message: usize,
    value: usize,
    /// How many messages were taken to their end; see `completed`.
    completed: usize,
}

impl Framing {
    /// At the start of a stream. With `on` false every byte is announced as it comes and no border is
    /// looked for.
    pub fn new(on: bool, direct: usize, capacity: usize) -> Self {
        Framing { on, direct, capacity, pdu: [0; PDU], taken: 0, message: 0, value: 0, completed: 0 }
    }

    /// What `poll` needs, when `buffered` are the bytes received and not taken yet.
    pub fn need(&self, buffered: &[u8]) -> Need {
        if !self.on {
            return Self::at_least(1, buffered);
        }
        let (ahead, message, value) = if self.taken == PDU {
            (0, self.message, self.value)
        } else {
            let ahead = PDU - self.taken;
            if self.taken + buffered.len() > 0 {
                let first = if self.taken > 0 { self.pdu[0] } else { buffered[0] };
                if first != MAGIC {
                    return Need::Garbage("its first byte is not 'F'");
                }
            }
            if buffered.len() < ahead {
                return Need::Buffered(ahead);
            }
            let mut pdu = self.pdu;
            pdu[self.taken..].copy_from_slice(&buffered[..ahead]);
            match lengths(&pdu) {
                Ok((message, value)) => (ahead, message, value),
                Err(why) => return Need::Garbage(why),
            }
        };
        let value = if value < self.direct { value } else { 0 };
        let whole = ahead + message + value;
        if whole <= self.capacity {
            // An empty message with a large value still needs its PDU, which `whole` counts.
            Self::at_least(whole, buffered)
        } else {
            // A message too long to be buffered (no drive of today sends one) is received straight
            // into the caller's memory, like a large value.
            Self::at_least(ahead, buffered)
        }
    }

    /// Is all of the message there that [`need`](Self::need) says is enough, with its value, however large?
    pub fn is_whole(&self, buffered: &[u8]) -> bool {
        if !self.on {
            return true;
        }
        if self.taken == PDU {
            return buffered.len() >= self.message + self.value;
        }
        let Some((rest, body)) = buffered.split_at_checked(PDU - self.taken) else { return false };
        let mut pdu = self.pdu;
        pdu[self.taken..].copy_from_slice(rest);
        lengths(&pdu).is_ok_and(|(message, value)| body.len() >= message + value)
    }

    /// How large the value of the current message is in all, once its PDU is taken. Without borders nothing is known of
    /// it: 0.
    pub fn value_size(&self) -> usize {
        if self.on && self.taken == PDU { lengths(&self.pdu).map_or(0, |(_, value)| value) } else { 0 }
    }

    /// How many bytes of the value are still to come of the current message, or of the one whose PDU is in front of
    /// `buffered`; 0 where that is not known, or only part of the PDU was taken.
    pub fn announced(&self, buffered: &[u8]) -> usize {
        if self.taken == PDU {
            return self.value;
        }
        match buffered.first_chunk() {
            Some(pdu) if self.on && self.taken == 0 => lengths(pdu).map_or(0, |(_, value)| value),
            _ => 0,
        }
    }

    fn at_least(bytes: usize, buffered: &[u8]) -> Need {
        if buffered.len() >= bytes { Need::Nothing } else { Need::Buffered(bytes) }
    }

    /// Takes note of `bytes` handed to the caller. Fails when they cannot be a PDU.
    pub fn take(&mut self, mut bytes: &[u8]) -> Result<(), &'static str> {
        if !self.on {
            return Ok(());
        }
        while !bytes.is_empty() {
            if self.taken < PDU {
                let n = bytes.len().min(PDU - self.taken);
                self.pdu[self.taken..self.taken + n].copy_from_slice(&bytes[..n]);
                self.taken += n;
                bytes = &bytes[n..];
                if self.taken == PDU {
                    match lengths(&self.pdu) {
                        Ok(lengths) => (self.message, self.value) = lengths,
                        Err(why) => {
                            // What follows is not looked at any more: `need` finds a wrong first byte.
                            (self.pdu[0], self.taken) = (0, 1);
                            return Err(why);
                        }
                    }
                    self.next();
                }
            } else {
                let n = bytes.len().min(self.body());
                self.skip(n);
                bytes = &bytes[n..];
            }
        }
        Ok(())
    }

    /// How many bytes can be received straight into the caller's memory, when nothing is buffered:
    /// the rest of the current message, since the PDU behind it has to be looked at.
    pub fn body(&self) -> usize {
        match (self.on, self.taken) {
            (false, _) => usize::MAX,
            (true, PDU) => self.message + self.value,
            _ => 0,
        }
    }

    /// Takes note of `bytes` of the body that went straight to the caller.
    pub fn skip(&mut self, bytes: usize) {
        if !self.on {
            return;
        }
        debug_assert!(bytes <= self.body());
        let of_message = bytes.min(self.message);
        self.message -= of_message;
        self.value -= bytes - of_message;
        self.next();
    }

    /// How many messages were taken to their end since it was last asked; 1 where no borders are looked for.
    pub fn completed(&mut self) -> usize {
        if self.on { std::mem::take(&mut self.completed) } else { 1 }
    }

    /// True between two messages.
    pub fn at_border(&self) -> bool {
        self.taken == 0
    }

    fn next(&mut self) {
        if self.message + self.value == 0 {
            self.taken = 0;
            self.completed += 1;
        }
    }
}

/// The two lengths that a PDU announces.
fn lengths(pdu: &[u8; PDU]) -> Result<(usize, usize), &'static str> {
    let word = |at: usize| u32::from_be_bytes([pdu[at], pdu[at + 1], pdu[at + 2], pdu[at + 3]]);
    let (message, value) = (word(1), word(5));
    if pdu[0] != MAGIC {
        Err("its first byte is not 'F'")
    } else if u64::from(message) + u64::from(value) > i32::MAX as u64 {
        // libkinetic keeps lengths in signed 32-bit numbers, and receives both parts with one call, whose
        // result is such a number, too.
        Err("it announces 2 GiB or more")
    } else {
        Ok((message as usize, value as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(message: usize, value: usize) -> Vec<u8> {
        let mut bytes = vec![MAGIC];
        bytes.extend((message as u32).to_be_bytes());
        bytes.extend((value as u32).to_be_bytes());
        bytes.resize(PDU + message + value, 7);
        bytes
    }

    #[test]
    fn a_small_message_is_announced_only_as_a_whole() {
        let bytes = message(20, 30);
        let framing = Framing::new(true, 1000, 4096);
        for have in 0..bytes.len() {
            let want = if have < PDU { PDU } else { bytes.len() };
            assert_eq!(framing.need(&bytes[..have]), Need::Buffered(want), "{have} bytes");
        }
        assert_eq!(framing.need(&bytes), Need::Nothing);
    }

    #[test]
    fn a_large_value_is_not_waited_for() {
        let bytes = message(20, 1000);
        let framing = Framing::new(true, 1000, 4096);
        assert_eq!(framing.need(&bytes[..28]), Need::Buffered(29));
        assert_eq!(framing.need(&bytes[..29]), Need::Nothing);
    }

    #[test]
    fn a_message_that_cannot_be_buffered_is_announced_with_its_pdu() {
        let framing = Framing::new(true, 1000, 4096);
        assert_eq!(framing.need(&message(5000, 0)[..8]), Need::Buffered(9));
        assert_eq!(framing.need(&message(5000, 0)[..9]), Need::Nothing);
    }

    #[test]
    fn a_message_is_whole_with_the_last_byte_of_its_value() {
        let bytes = message(20, 1000);
        let mut framing = Framing::new(true, 1000, 4096);
        let mut rest = &bytes[..];
        for take in [4, 5, 15, 100] {
            assert!(framing.is_whole(rest) && framing.is_whole(&[rest, b"F"].concat()));
            assert!(!framing.is_whole(&rest[..rest.len() - 1]) && !framing.is_whole(b""));
            framing.take(&rest[..take]).unwrap();
            rest = &rest[take..];
        }
    }

    #[test]
    fn what_is_no_pdu_is_refused() {
        let framing = Framing::new(true, 1000, 4096);
        assert!(matches!(framing.need(b"G"), Need::Garbage(_)));
        assert!(matches!(framing.need(b"F\x80\0\0\0\0\0\0\0"), Need::Garbage(_)));
        assert!(matches!(framing.need(b"F\0\0\0\0\x80\0\0\0"), Need::Garbage(_)));
        assert!(matches!(framing.need(b"F\0\0\0\x01\x7f\xff\xff\xff"), Need::Garbage(_)));
        assert_eq!(framing.need(b"F\x7f\xff\xff\xff\0\0\0\0"), Need::Nothing);
    }

    #[test]
    fn nothing_that_follows_what_was_refused_is_a_message() {
        for refused in [b"GGGGGGGGG", b"F\x80\0\0\0\0\0\0\0"] {
            let mut framing = Framing::new(true, 1000, 4096);
            assert!(framing.take(refused).is_err());
            for rest in [&b""[..], b"F", &message(3, 5)] {
                assert!(matches!(framing.need(rest), Need::Garbage(_)));
                assert!(!framing.is_whole(rest));
            }
        }
    }

    #[test]
    fn borders_are_found_however_the_bytes_are_taken() {
        let mut stream = message(3, 5);
        stream.extend(message(0, 0));
        stream.extend(message(0, 4));
        stream.extend(message(2, 0));
        for step in 1..=stream.len() {
            let mut framing = Framing::new(true, 1000, 4096);
            let mut borders = 0;
            for piece in stream.chunks(step) {
                framing.take(piece).unwrap();
                borders += usize::from(framing.at_border());
            }
            assert!(framing.at_border(), "steps of {step}");
            assert!(step != 1 || borders == 4);
        }
    }

    #[test]
    fn polling_inside_a_message_waits_for_the_rest() {
        let bytes = message(20, 30);
        let mut framing = Framing::new(true, 1000, 4096);
        framing.take(&bytes[..5]).unwrap();
        assert_eq!(framing.need(&bytes[5..8]), Need::Buffered(4));
        assert_eq!(framing.need(&bytes[5..]), Need::Nothing);
        framing.take(&bytes[5..14]).unwrap();
        assert_eq!(framing.body(), 45);
        assert_eq!(framing.need(&bytes[14..20]), Need::Buffered(45));
        framing.skip(45);
        assert!(framing.at_border());
    }

    #[test]
    fn without_framing_every_byte_counts() {
        let mut framing = Framing::new(false, 1000, 4096);
        assert_eq!(framing.need(b""), Need::Buffered(1));
        assert_eq!(framing.need(b"x"), Need::Nothing);
        framing.take(b"whatever").unwrap();
        assert_eq!(framing.body(), usize::MAX);
    }
}
