//! Settings as they are kept with the entries.

use bytes::Bytes;
use prost::Message as _;

use super::Settings;
use crate::access::AccessList;
use crate::config::Bounds;
use crate::protocol::{Acl, PowerLevel};
use crate::secret::Secret;

/// The only version there is of this format.
const FORMAT: u32 = 1;

/// What is kept. Fields may be added; numbers are never used again.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
struct Stored {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(int64, tag = "2")]
    cluster_version: i64,
    #[prost(message, repeated, tag = "3")]
    acls: Vec<Acl>,
    #[prost(bytes = "bytes", tag = "4")]
    lock_pin: Bytes,
    #[prost(bytes = "bytes", tag = "5")]
    erase_pin: Bytes,
    #[prost(bool, tag = "6")]
    locked: bool,
}

impl Settings {
    /// The settings to keep, keys and PINs among them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut acls: Vec<_> = self.identities.iter().map(|(&id, list)| list.to_acl(id)).collect();
        acls.sort_by_key(|acl| acl.identity);
        Stored {
            format: FORMAT,
            cluster_version: self.cluster_version,
            acls,
            lock_pin: self.lock_pin.reveal().clone(),
            erase_pin: self.erase_pin.reveal().clone(),
            locked: self.locked,
        }
        .encode_to_vec()
    }

    /// The settings that were kept.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub fn from_bytes(bytes: &[u8], bounds: &Bounds) -> Result<Self, String> {
        let stored = Stored::decode(bytes).map_err(|error| error.to_string())?;
        if stored.format != FORMAT {
            return Err(format!("unknown format {}", stored.format));
        }
        let identities = stored.acls.into_iter().map(|acl| AccessList::from_acl(acl, bounds));
        Ok(Self {
            cluster_version: stored.cluster_version,
            identities: identities
                .collect::<Result<_, _>>()
                .map_err(|failure| failure.reason.into_owned())?,
            lock_pin: Secret::new(stored.lock_pin),
            erase_pin: Secret::new(stored.erase_pin),
            locked: stored.locked,
            power_level: PowerLevel::Operational,
            epoch: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Identity};

    fn bounds() -> Bounds {
        Bounds::new(&Config::default())
    }

    #[test]
    fn settings_come_back_as_they_were() {
        let identities = [3, -1].map(|id| Identity { id, key: vec![id as u8; 30] });
        let mut settings =
            Settings::factory(&Config { identities: identities.to_vec(), ..Config::default() });
        settings.cluster_version = -7;
        settings.lock_pin = Secret::new("lock".into());
        settings.erase_pin = Secret::new("erase".into());
        settings.set_locked(true);
        settings.power_level = PowerLevel::Hibernate;
        let bytes = settings.to_bytes();
        let again = Settings::from_bytes(&bytes, &bounds()).unwrap();
        assert_eq!(again.cluster_version, -7);
        assert!(again.lock_pin.is(b"lock") && again.erase_pin.is(b"erase"));
        assert!(again.locked());
        assert_eq!(again.power_level, PowerLevel::Operational);
        assert_eq!(again.to_bytes(), bytes);
        assert_eq!(again.identities().len(), 2);
        assert_eq!(again.identities()[&3].key.sign(b"c"), settings.identities()[&3].key.sign(b"c"));
    }

    #[test]
    fn what_was_never_kept_is_refused() {
        assert!(Settings::from_bytes(b"", &bounds()).is_err());
        assert!(Settings::from_bytes(b"\xff\xff", &bounds()).is_err());
        // Format 2.
        assert!(Settings::from_bytes(b"\x08\x02", &bounds()).unwrap_err().contains('2'));
        // An access control list without anything.
        assert!(Settings::from_bytes(b"\x08\x01\x1a\x00", &bounds()).is_err());
    }
}
