//! What all connections of a drive share.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::config::{Bounds, Config};
use crate::faults::Faults;
use crate::protocol::{Configuration, HmacKey, Interface, PROTOCOL_VERSION, PowerLevel};
use crate::statistics::Counters;
use crate::store::Store;

/// What all connections of a drive share.
pub(crate) struct Device {
    pub address: SocketAddr,
    pub bounds: Bounds,
    pub counters: Counters,
    pub faults: Faults,
    pub identities: HashMap<i64, HmacKey>,
    pub store: Store,
}

impl Device {
    /// The cluster version; it cannot be changed yet.
    pub const CLUSTER_VERSION: i64 = 0;

    /// A fresh device that is reached at `address`.
    pub fn new(config: &Config, address: SocketAddr) -> Self {
        let keyed = |identity: &crate::Identity| (identity.id, HmacKey::new(&identity.key));
        Self {
            address,
            bounds: Bounds::new(config),
            counters: Counters::new(),
            faults: config.faults,
            identities: config.identities.iter().map(keyed).collect(),
            store: Store::new(config.capacity),
        }
    }

    /// What the device reports as its configuration. Every text is set, even
    /// if there is nothing to say: clients print them without looking.
    pub fn configuration(&self) -> Configuration {
        let text = |text: &str| Some(text.to_owned());
        let ip = Some(self.address.ip().to_string().into_bytes());
        let (ipv4_address, ipv6_address) = if self.address.is_ipv4() { (ip, None) } else { (None, ip) };
        Configuration {
            vendor: text("ktli-uring"),
            model: text(env!("CARGO_PKG_NAME")),
            serial_number: Some(b"0".to_vec()),
            version: text(env!("CARGO_PKG_VERSION")),
            interfaces: vec![Interface { name: text("tcp"), mac: None, ipv4_address, ipv6_address }],
            port: Some(self.address.port().into()),
            tls_port: None,
            compilation_date: text(""),
            source_hash: text(""),
            world_wide_name: Some(b"0".to_vec()),
            protocol_version: text(PROTOCOL_VERSION),
            protocol_compilation_date: text(""),
            protocol_source_hash: text(""),
            power_level: Some(PowerLevel::Operational.into()),
        }
    }
}
