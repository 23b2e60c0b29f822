//! What all connections of a drive share.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};

use crate::batches::OpenBatches;
use crate::budget::Budget;
use crate::config::{Bounds, Config};
use crate::faults;
use crate::protocol::{Configuration, Interface, PROTOCOL_VERSION};
use crate::settings::Settings;
use crate::statistics::Counters;
use crate::store::Store;

/// What all connections of a drive share.
pub(crate) struct Device {
    pub address: SocketAddr,
    pub bounds: Bounds,
    /// What large requests and answers may occupy.
    pub budget: Budget,
    /// Whether connections have to come to their end.
    pub stopping: AtomicBool,
    pub counters: Counters,
    pub faults: faults::Current,
    pub open_batches: OpenBatches,
    pub store: Store,
    /// Whether plain connections are trusted like TLS ones.
    pub trust_plain: bool,
    settings: RwLock<Arc<Settings>>,
}

impl Device {
    /// A device that is reached at `address`.
    ///
    /// # Errors
    ///
    /// If the directory to keep entries in cannot be used.
    pub fn new(config: &Config, address: SocketAddr) -> io::Result<Self> {
        let store = match &config.dir {
            Some(dir) => Store::open(dir, config.capacity)?,
            None => Store::memory(config.capacity),
        };
        Ok(Self {
            address,
            bounds: Bounds::new(config),
            budget: Budget::new(config.max_outstanding),
            stopping: AtomicBool::new(false),
            counters: Counters::new(),
            faults: faults::Current::new(config.faults.clone()),
            open_batches: OpenBatches::new(),
            store,
            trust_plain: config.trust_plain,
            settings: RwLock::new(Arc::new(Settings::factory(config))),
        })
    }

    /// The settings as they are now.
    pub fn settings(&self) -> Arc<Settings> {
        // The lock is held for copies of a pointer only, so that poison does
        // not matter.
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the device reports as its configuration. Every text is set, even
    /// if there is nothing to say: clients print them without looking. For
    /// clients in C those that are bytes on the wire end with a zero, and so
    /// are never empty either.
    pub fn configuration(&self) -> Configuration {
        let text = |text: &str| Some(text.to_owned());
        let bytes = |text: &str| Some(format!("{text}\0").into_bytes());
        let ip = self.address.ip().to_string();
        let (ipv4, ipv6) = if self.address.is_ipv4() { (&*ip, "") } else { ("", &*ip) };
        let interface = Interface {
            name: text("tcp"),
            mac: bytes("00:00:00:00:00:00"),
            ipv4_address: bytes(ipv4),
            ipv6_address: bytes(ipv6),
        };
        Configuration {
            vendor: text("ktli-uring"),
            model: text(env!("CARGO_PKG_NAME")),
            serial_number: bytes("0"),
            version: text(env!("CARGO_PKG_VERSION")),
            interfaces: vec![interface],
            port: Some(self.address.port().into()),
            tls_port: Some(0),
            compilation_date: text(""),
            source_hash: text(""),
            world_wide_name: bytes("0"),
            protocol_version: text(PROTOCOL_VERSION),
            protocol_compilation_date: text(""),
            protocol_source_hash: text(""),
            power_level: Some(self.settings().power_level.into()),
        }
    }
}
