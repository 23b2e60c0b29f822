//! Keys: bytes that are given and shown as text or as hexadecimal digits.

use clap::Args;
use serde::Serialize;

use crate::failure::{Failure, Result};

/// How keys are given and shown.
#[derive(Args, Clone, Copy)]
pub struct Notation {
    /// Keys are given and shown as hexadecimal digits, not as text
    #[arg(long)]
    hex: bool,
}

/// A key in JSON.
#[derive(Serialize)]
pub struct Shown {
    /// As text, if it is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// As hexadecimal digits.
    key_hex: String,
}

impl Notation {
    /// The bytes of a key.
    pub fn parse(self, text: &str) -> Result<Vec<u8>> {
        if !self.hex {
            return Ok(text.as_bytes().to_vec());
        }
        let wrong = || Failure::other(format!("{text:?} is not an even number of hexadecimal digits"));
        if !text.is_ascii() || !text.len().is_multiple_of(2) {
            return Err(wrong());
        }
        let digits = |index| u8::from_str_radix(&text[index..index + 2], 16);
        // from_str_radix would take a sign.
        if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        (0..text.len()).step_by(2).map(|index| digits(index).map_err(|_| wrong())).collect()
    }

    /// A key for people. What is no printable text is shown as \xHH.
    pub fn text(self, key: &[u8]) -> String {
        if self.hex {
            return hex(key);
        }
        match std::str::from_utf8(key) {
            Ok(text) if !text.contains(|c: char| c.is_control() || c == '\\') => text.to_owned(),
            _ => key.escape_ascii().to_string(),
        }
    }
}

/// A key for programs.
pub fn shown(key: &[u8]) -> Shown {
    Shown { key: std::str::from_utf8(key).ok().map(str::to_owned), key_hex: hex(key) }
}

/// Bytes as hexadecimal digits.
#[expect(clippy::format_collect, reason = "a few bytes, once")]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: Notation = Notation { hex: false };
    const HEX: Notation = Notation { hex: true };

    #[test]
    fn digits_become_bytes_and_back() {
        assert_eq!(HEX.parse("00fF7a").unwrap(), [0, 255, 0x7a]);
        assert_eq!(HEX.text(&[0, 255, 0x7a]), "00ff7a");
        for wrong in ["0", "0g", "+1", "0x00", "ä"] {
            assert!(HEX.parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn text_is_shown_as_it_is_and_bytes_escaped() {
        assert_eq!(TEXT.text("grün".as_bytes()), "grün");
        assert_eq!(TEXT.text(b"a\n\xff\\"), "a\\n\\xff\\\\");
        assert_eq!(TEXT.parse("a").unwrap(), b"a");
    }
}
