//! Keeping keys and PINs out of debug output, and so out of logs.

use std::fmt;

/// What debug output has in place of a secret.
pub(super) struct Hidden;

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Says of a field only whether it is there.
pub(super) fn hidden<T>(field: &Option<T>) -> Option<Hidden> {
    field.as_ref().map(|_| Hidden)
}

/// What debug output has in place of bytes that may contain a secret.
pub(super) struct Size(usize);

impl fmt::Debug for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} bytes)", self.0)
    }
}

/// Says of a field only how long it is.
pub(super) fn size(field: Option<&[u8]>) -> Option<Size> {
    field.map(|bytes| Size(bytes.len()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use prost::Message as _;

    use super::super::{Acl, Body, Command, MessageType, PinAuth, RequestBuilder, Security};

    const SECRET: &[u8] = b"\xa5sesame\xa5";

    /// Every way in which debug output might show the bytes.
    fn assert_hidden(shown: &str) {
        assert!(!shown.contains("sesame"), "{shown}");
        assert!(!shown.contains("115, 101, 115, 97, 109, 101"), "{shown}");
    }

    fn security() -> Security {
        let secret = Some(Bytes::from_static(SECRET));
        Security {
            acls: vec![Acl { identity: Some(7), key: secret.clone(), ..Acl::default() }],
            old_lock_pin: secret.clone(),
            new_lock_pin: secret.clone(),
            old_erase_pin: secret.clone(),
            new_erase_pin: secret,
            security_type: None,
        }
    }

    #[test]
    fn debug_output_has_no_secrets() {
        let body = Body { security: Some(Box::new(security())), ..Body::default() };
        let command = Command { body: Some(body.clone()), ..Command::default() };
        let shown = format!("{command:?}");
        assert!(shown.contains("identity: Some(7)") && shown.contains("(hidden)"), "{shown}");
        assert_hidden(&shown);
        let request = RequestBuilder::new(1).request(MessageType::Security, Some(body), 0);
        assert_hidden(&format!("{request:?}"));
        let mut message = super::super::Message::decode(&request.message[..]).unwrap();
        message.pin_auth = Some(PinAuth { pin: Some(SECRET.to_vec()) });
        assert_hidden(&format!("{message:?}"));
    }
}
