//! What can be set about a drive, and lasts.

mod stored;

use std::collections::HashMap;

use bytes::Bytes;

use crate::access::AccessList;
use crate::config::Config;
use crate::protocol::PowerLevel;
use crate::secret::Secret;

/// What can be set about a drive. A change makes new settings, so that those
/// in the hands of a request stay as they are.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The version requests have to name.
    pub cluster_version: i64,
    /// Who may do what.
    identities: HashMap<i64, AccessList>,
    /// The PIN for locking and unlocking; from the factory it is empty.
    pub lock_pin: Secret,
    /// The PIN for erasing; from the factory it is empty.
    pub erase_pin: Secret,
    /// Whether all requests but those with a PIN are refused.
    locked: bool,
    /// How awake the drive is. This does not outlive the process.
    pub power_level: PowerLevel,
    /// Changes whenever rights that somebody had may have ended: with locking,
    /// unlocking, erasing and new access control lists. What was begun in one
    /// epoch, such as a batch, must not be finished in another.
    epoch: u64,
}

impl Settings {
    /// As they come from the factory.
    pub fn factory(config: &Config) -> Self {
        let full = |identity: &crate::Identity| {
            (identity.id, AccessList::everything(Bytes::copy_from_slice(&identity.key)))
        };
        Self {
            cluster_version: 0,
            identities: config.identities.iter().map(full).collect(),
            lock_pin: Secret::default(),
            erase_pin: Secret::default(),
            locked: false,
            power_level: PowerLevel::Operational,
            epoch: 0,
        }
    }

    /// Who may do what.
    pub fn identities(&self) -> &HashMap<i64, AccessList> {
        &self.identities
    }

    /// Whether all requests but those with a PIN are refused.
    pub fn locked(&self) -> bool {
        self.locked
    }

    /// A number that changes whenever rights that somebody had may have ended.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Replaces all access control lists.
    pub fn set_identities(&mut self, identities: HashMap<i64, AccessList>) {
        self.identities = identities;
        self.epoch += 1;
    }

    /// Locks or unlocks.
    pub fn set_locked(&mut self, locked: bool) {
        self.locked = locked;
        self.epoch += 1;
    }

    /// These factory settings, in a new epoch after those of `before`.
    pub fn after(self, before: &Self) -> Self {
        Self { epoch: before.epoch + 1, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_ends_with_rights() {
        let factory = Settings::factory(&Config::default());
        let mut settings = factory.clone();
        let mut epochs = vec![settings.epoch()];
        settings.set_locked(true);
        epochs.push(settings.epoch());
        settings.set_locked(false);
        epochs.push(settings.epoch());
        settings.set_identities(HashMap::new());
        epochs.push(settings.epoch());
        epochs.push(factory.after(&settings).epoch());
        assert_eq!(epochs, [0, 1, 2, 3, 4]);
    }
}
