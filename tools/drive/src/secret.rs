//! Keys and PINs.

use std::fmt;

use bytes::Bytes;
use ctutils::CtEq;

/// A key or a PIN. Debug output does not have it.
#[derive(Clone, Default)]
pub(crate) struct Secret(Bytes);

impl Secret {
    pub fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The secret itself, for where it is kept.
    pub fn reveal(&self) -> &Bytes {
        &self.0
    }

    /// Whether there is nothing to know.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether somebody knows it. Takes the same time wherever the first
    /// difference is, so that nobody finds it out byte by byte.
    pub fn is(&self, guess: &[u8]) -> bool {
        self.0[..].ct_eq(guess).to_bool()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_bytes_are_it() {
        let secret = Secret::new(Bytes::from_static(b"1234"));
        assert!(secret.is(b"1234"));
        for guess in [&b""[..], b"1", b"123", b"1235", b"0234", b"12345", b"1234\0"] {
            assert!(!secret.is(guess));
        }
        assert!(Secret::default().is(b"") && Secret::default().is_empty());
        assert!(!Secret::default().is(b"\0"));
    }

    #[test]
    fn debug_output_does_not_have_it() {
        assert_eq!(format!("{:?}", Secret::new(Bytes::from_static(b"1234"))), "Secret(..)");
    }
}
