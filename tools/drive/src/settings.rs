//! What can be set about a drive, and lasts.

use std::collections::HashMap;

use crate::access::AccessList;
use crate::config::Config;
use crate::protocol::{HmacKey, PowerLevel};

/// What can be set about a drive. A change makes new settings, so that those
/// in the hands of a request stay as they are.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The version requests have to name.
    pub cluster_version: i64,
    /// Who may do what.
    pub identities: HashMap<i64, AccessList>,
    /// Whether all requests but those with a PIN are refused.
    pub locked: bool,
    /// How awake the drive is.
    pub power_level: PowerLevel,
}

impl Settings {
    /// As they come from the factory.
    pub fn factory(config: &Config) -> Self {
        let full =
            |identity: &crate::Identity| (identity.id, AccessList::everything(HmacKey::new(&identity.key)));
        Self {
            cluster_version: 0,
            identities: config.identities.iter().map(full).collect(),
            locked: false,
            power_level: PowerLevel::Operational,
        }
    }
}
