//! What all connections of a drive share.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, TryLockError};

use crate::batches::OpenBatches;
use crate::budget::Budget;
use crate::config::{Bounds, Config};
use crate::faults;
use crate::messages::Messages;
use crate::operations::Failure;
use crate::peer::Lookups;
use crate::processor::Meter;
use crate::protocol::{Configuration, Interface, PROTOCOL_VERSION, PowerLevel, StatusCode};
use crate::settings::Settings;
use crate::statistics::Counters;
use crate::store::Store;

/// What all connections of a drive share.
pub(crate) struct Device {
    pub address: SocketAddr,
    /// The port for TLS; 0 if there is none.
    pub tls_port: u16,
    pub bounds: Bounds,
    /// What large requests and answers may occupy.
    pub budget: Budget,
    /// Whether connections have to come to their end, and requests that take
    /// long to give up.
    pub stopping: AtomicBool,
    pub counters: Counters,
    pub faults: faults::Current,
    pub open_batches: OpenBatches,
    pub store: Store,
    /// Whether plain connections are trusted like TLS ones.
    pub trust_plain: bool,
    /// The recent messages of the process.
    pub messages: Messages,
    pub processor: Meter,
    /// How many names of other drives are being looked up.
    pub lookups: Lookups,
    /// The settings from the factory.
    factory: Settings,
    settings: RwLock<Arc<Settings>>,
    /// Held by whoever changes the settings.
    changing: Mutex<()>,
    /// Held for reading while entries are changed, and for writing while new
    /// settings take effect. To be locked after `changing`.
    storing: RwLock<()>,
}

/// The right to change entries as the settings allow that are in force
/// meanwhile.
pub(crate) type Storing<'a> = RwLockReadGuard<'a, ()>;

impl Device {
    /// A device that is reached at `address`. Its settings are those that were
    /// stored or else those from the factory.
    ///
    /// # Errors
    ///
    /// If the directory to keep entries in cannot be used, or the stored
    /// settings cannot be read.
    pub fn new(config: &Config, address: SocketAddr) -> io::Result<Self> {
        let bounds = Bounds::new(config);
        let store = match &config.dir {
            Some(dir) => Store::open(dir, config.capacity)?,
            None => Store::memory(config.capacity),
        };
        let factory = Settings::factory(config);
        let settings = stored_settings(&store, &bounds)?.unwrap_or_else(|| factory.clone());
        Ok(Self {
            address,
            tls_port: 0,
            bounds,
            budget: Budget::new(config.max_outstanding),
            stopping: AtomicBool::new(false),
            counters: Counters::new(),
            faults: faults::Current::new(config.faults.clone()),
            open_batches: OpenBatches::new(),
            store,
            trust_plain: config.trust_plain,
            messages: config.messages.clone(),
            processor: Meter::new(),
            lookups: Lookups::default(),
            factory,
            settings: RwLock::new(Arc::new(settings)),
            changing: Mutex::new(()),
            storing: RwLock::new(()),
        })
    }

    /// The same device, reached over TLS at this port besides.
    pub fn with_tls_port(self, tls_port: u16) -> Self {
        Self { tls_port, ..self }
    }

    /// To be called before the settings are looked at by a request that may
    /// change entries, and kept until it has done so. New settings take effect
    /// only when no older request does so any more. Waits while that happens.
    pub fn storing(&self) -> Storing<'_> {
        // It guards nothing that could be broken.
        self.storing.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether someone who changes entries would not have to wait.
    #[cfg(test)]
    pub fn could_store(&self) -> bool {
        self.storing.try_read().is_ok()
    }

    /// Keeps others from changing entries, as new settings do.
    #[cfg(test)]
    pub fn alone(&self) -> std::sync::RwLockWriteGuard<'_, ()> {
        self.storing.write().unwrap()
    }

    /// The settings as they are now.
    pub fn settings(&self) -> Arc<Settings> {
        // The lock is held for copies of a pointer only, so that poison does
        // not matter.
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the settings, which are taken to be those that were `seen`. The
    /// change is durable when it takes effect.
    ///
    /// # Errors
    ///
    /// If they are no longer those that were seen, which may have been what
    /// allowed the change; if someone else is changing them; or if they cannot
    /// be stored.
    pub fn change_settings(
        &self,
        seen: &Arc<Settings>,
        change: impl FnOnce(&mut Settings),
    ) -> Result<(), Failure> {
        let _turn = self.turn(seen)?;
        let mut settings = Settings::clone(seen);
        change(&mut settings);
        self.store
            .set_settings(&settings.to_bytes())
            .map_err(|error| failed("store the settings", &error))?;
        self.install(settings);
        Ok(())
    }

    /// Changes the power level, which is not stored.
    ///
    /// # Errors
    ///
    /// As for [`change_settings`](Self::change_settings).
    pub fn set_power_level(&self, seen: &Arc<Settings>, power_level: PowerLevel) -> Result<(), Failure> {
        let _turn = self.turn(seen)?;
        let mut settings = Settings::clone(seen);
        settings.power_level = power_level;
        self.install(settings);
        Ok(())
    }

    /// Removes all entries and makes the settings those from the factory,
    /// durably.
    ///
    /// # Errors
    ///
    /// As for [`change_settings`](Self::change_settings). If the store fails,
    /// the settings stay as they are; some of the entries may be gone.
    pub fn erase(&self, seen: &Arc<Settings>) -> Result<(), Failure> {
        let _turn = self.turn(seen)?;
        // Whatever comes from now on finds the drive locked. What came before
        // must not store anything after the erasure, and does not: it is done
        // when this takes effect.
        let mut closed = Settings::clone(seen);
        closed.set_locked(true);
        self.install(closed);
        let erased = self.store.erase().map_err(|error| failed("erase everything", &error));
        let next = if erased.is_ok() { &self.factory } else { seen };
        self.install(next.clone().after(&self.settings()));
        erased
    }

    /// The turn to change the settings, provided that it is nobody else's and
    /// that they are still those that were seen. Does not wait: when the other
    /// one is done, they are not.
    fn turn(&self, seen: &Arc<Settings>) -> Result<MutexGuard<'_, ()>, Failure> {
        let turn = match self.changing.try_lock() {
            Ok(turn) => Some(turn),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        turn.filter(|_| Arc::ptr_eq(seen, &self.settings())).ok_or_else(|| {
            let reason = "the settings were changed at the same time; try again";
            Failure::new(StatusCode::ServiceBusy, reason)
        })
    }

    /// Makes settings those of all requests to come, when those that change
    /// entries by others are done. Nothing that was begun in another epoch can
    /// be finished then.
    fn install(&self, settings: Settings) {
        let next = Arc::new(settings);
        // So nobody finds new settings and old batches, or the other way round.
        let _alone = self.storing.write().unwrap_or_else(PoisonError::into_inner);
        let last = {
            let mut settings = self.settings.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *settings, Arc::clone(&next))
        };
        if next.epoch() != last.epoch() {
            self.open_batches.discard();
        }
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
            tls_port: Some(self.tls_port.into()),
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

fn stored_settings(store: &Store, bounds: &Bounds) -> io::Result<Option<Settings>> {
    let unreadable = |reason: &str| {
        io::Error::new(io::ErrorKind::InvalidData, format!("the stored settings cannot be read: {reason}"))
    };
    match store.settings() {
        Ok(None) => Ok(None),
        Ok(Some(bytes)) => {
            Settings::from_bytes(&bytes, bounds).map(Some).map_err(|reason| unreadable(&reason))
        }
        Err(refusal) => Err(unreadable(&format!("{refusal:?}"))),
    }
}

fn failed(what: &str, error: &io::Error) -> Failure {
    log::error!("cannot {what}: {error}");
    Failure::new(StatusCode::InternalError, format!("the drive cannot {what}"))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, RecvTimeoutError};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::store::{Action, Change, Entry, Expected};

    fn device() -> Device {
        Device::new(&Config::default(), SocketAddr::from(([127, 0, 0, 1], 1))).unwrap()
    }

    fn put(device: &Device, key: &'static str) {
        let entry = Entry { value: "value".into(), version: None, tag: None, algorithm: None };
        let change = Change { key: key.into(), expected: Expected::Any, action: Action::Put(entry) };
        device.store.change(change).unwrap();
    }

    #[test]
    fn settings_are_changed_by_who_has_seen_the_latest() {
        let device = device();
        let seen = device.settings();
        device.change_settings(&seen, |settings| settings.cluster_version = 1).unwrap();
        for late in [
            device.change_settings(&seen, |settings| settings.cluster_version = 2),
            device.set_power_level(&seen, PowerLevel::Hibernate),
            device.erase(&seen),
        ] {
            assert_eq!(late.unwrap_err().code, StatusCode::ServiceBusy);
        }
        assert_eq!(device.settings().cluster_version, 1);
        assert_eq!(device.settings().power_level, PowerLevel::Operational);
        device.change_settings(&device.settings(), |settings| settings.cluster_version = 2).unwrap();
        assert_eq!(device.settings().cluster_version, 2);
    }

    #[test]
    fn changed_settings_are_stored_and_power_levels_are_not() {
        let device = device();
        device.set_power_level(&device.settings(), PowerLevel::Hibernate).unwrap();
        assert_eq!(device.store.settings().unwrap(), None);
        device.change_settings(&device.settings(), |settings| settings.set_locked(true)).unwrap();
        let stored = stored_settings(&device.store, &device.bounds).unwrap().unwrap();
        assert!(stored.locked());
        device.erase(&device.settings()).unwrap();
        assert_eq!(device.store.settings().unwrap(), None);
        assert!(!device.settings().locked());
    }

    #[test]
    fn damaged_settings_are_an_error() {
        let device = device();
        device.store.set_settings(b"\xff").unwrap();
        let error = stored_settings(&device.store, &device.bounds).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    /// How long something is given to happen that must not.
    const A_WHILE: Duration = Duration::from_millis(50);

    #[test]
    fn changes_under_way_do_not_outlive_an_erasure() {
        let device = &device();
        put(device, "before");
        let seen = device.settings();
        let epoch = seen.epoch();
        let under_way = device.storing();
        let (erased, is_erased) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(move || {
                // The request under way has seen settings older than those that
                // the erasure sees, if it were to get so far.
                device.change_settings(&seen, |settings| settings.cluster_version = 1).unwrap();
                device.erase(&device.settings()).unwrap();
                erased.send(()).unwrap();
            });
            assert_eq!(is_erased.recv_timeout(A_WHILE), Err(RecvTimeoutError::Timeout));
            assert_eq!(device.settings().cluster_version, 0);
            put(device, "meanwhile");
            drop(under_way);
            is_erased.recv().unwrap();
        });
        assert!(!device.settings().locked());
        assert!(device.settings().epoch() > epoch);
        assert_eq!(device.store.get(b"before").unwrap(), None);
        assert_eq!(device.store.get(b"meanwhile").unwrap(), None);
    }

    #[test]
    fn nobody_waits_for_the_turn_to_change_settings() {
        let device = &device();
        let under_way = device.storing();
        let (said, answer) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| device.erase(&device.settings()).unwrap());
            scope.spawn(move || {
                while device.could_store() {
                    thread::yield_now();
                }
                // The erasure has its turn, and waits for the request under way.
                let late =
                    device.change_settings(&device.settings(), |settings| settings.cluster_version = 2);
                said.send(late.unwrap_err().code).unwrap();
            });
            let code = answer.recv_timeout(Duration::from_secs(20));
            drop(under_way);
            assert_eq!(code, Ok(StatusCode::ServiceBusy));
        });
        assert_eq!(device.settings().cluster_version, 0);
    }
}
