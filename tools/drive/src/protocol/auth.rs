//! Signing and verifying command bytes.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// The size of an HMAC in bytes.
pub const HMAC_SIZE: usize = 20;

/// A key for signing, prepared once so that each signature only has to hash
/// the command.
#[derive(Clone)]
pub struct HmacKey {
    keyed: Hmac<Sha1>,
}

impl HmacKey {
    /// Prepares a key; any length will do.
    #[must_use]
    #[expect(
        clippy::missing_panics_doc,
        reason = "HMAC hashes long keys and pads short ones: no length can fail"
    )]
    pub fn new(key: &[u8]) -> Self {
        let keyed = Hmac::new_from_slice(key).expect("HMAC takes keys of any length");
        Self { keyed }
    }

    /// The HMAC of command bytes: HMAC-SHA1 of their length, as four bytes in
    /// network order, followed by the bytes.
    #[must_use]
    pub fn sign(&self, command: &[u8]) -> [u8; HMAC_SIZE] {
        self.over(command).finalize().into_bytes().into()
    }

    /// Whether `hmac` is the HMAC of the command bytes. Takes the same time
    /// wherever the first difference is.
    #[must_use]
    pub fn verify(&self, command: &[u8], hmac: &[u8]) -> bool {
        self.over(command).verify_slice(hmac).is_ok()
    }

    fn over(&self, command: &[u8]) -> Hmac<Sha1> {
        // A frame cannot carry a message whose length needs more than 32 bits.
        let len = command.len() as u32;
        let mut mac = self.keyed.clone();
        mac.update(&len.to_be_bytes());
        mac.update(command);
        mac
    }
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn the_mac_is_the_hmac_sha1_of_rfc_2202() {
        let cases: [(&[u8], &[u8], &str); 4] = [
            (&[0x0b; 20], b"Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"),
            (b"Jefe", b"what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (&[0xaa; 20], &[0xdd; 50], "125d7342b9ac11cd91a39af48aa17b4f63f175d3"),
            (
                &[0xaa; 80],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "aa4ae5e15272d00e95705637ce8a3b55ed402112",
            ),
        ];
        for (key, data, expected) in cases {
            let mut mac = HmacKey::new(key).keyed;
            mac.update(data);
            assert_eq!(mac.finalize().into_bytes()[..], hex(expected)[..]);
        }
    }

    #[test]
    fn the_length_comes_first() {
        // Python: hmac.new(b"asdfasdf", b"\0\0\0\x03abc", "sha1").hexdigest()
        let expected = hex("4d4e8600b55b0242c1200df8edeeace8c4f976ae");
        let key = HmacKey::new(b"asdfasdf");
        assert_eq!(key.sign(b"abc")[..], expected[..]);
    }

    #[test]
    fn only_the_very_hmac_verifies() {
        let key = HmacKey::new(b"asdfasdf");
        let hmac = key.sign(b"command");
        assert!(key.verify(b"command", &hmac));
        assert!(!key.verify(b"commanD", &hmac));
        assert!(!HmacKey::new(b"asdfasdg").verify(b"command", &hmac));
        assert!(!key.verify(b"command", &hmac[..19]));
        assert!(!key.verify(b"command", b""));
        for bit in 0..8 * HMAC_SIZE {
            let mut wrong = hmac;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.verify(b"command", &wrong));
        }
    }
}
