//! What can be measured: the drivers, by name, with their options.

use std::io;

use ktli_client::{
    driver::{STOCK, URING},
    peer::Peer,
};
use ktli_uring::ffi::control::{
    KTLI_URING_BACKEND_SOCKET, KTLI_URING_SEND_CHUNKED, KTLI_URING_SEND_LOOP, KTLI_URING_SEND_WHOLE,
    ktli_uring_config, ktli_uring_configure, ktli_uring_get_config,
};

use crate::{
    floor,
    load::{self, Run, Work},
};

/// Something that can be measured.
#[derive(Clone, Copy)]
pub struct Subject {
    /// Its name in tables.
    pub name: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    /// This driver, with the default options changed so.
    Uring(fn(&mut ktli_uring_config)),
    /// This driver with the default options, over TLS.
    Tls,
    Stock,
    Floor,
}

const fn uring(name: &'static str, change: fn(&mut ktli_uring_config)) -> Subject {
    Subject { name, kind: Kind::Uring(change) }
}

/// This driver as it is by default.
pub const DEFAULT: Subject = uring("default", |_| {});
/// libkinetic's socket driver's flow.
pub const STOCK_FLOW: Subject = Subject { name: "stock", kind: Kind::Stock };

/// All of them.
pub const ALL: &[Subject] = &[
    DEFAULT,
    STOCK_FLOW,
    Subject { name: "floor", kind: Kind::Floor },
    Subject { name: "tls", kind: Kind::Tls },
    uring("socket", |config| config.backend = KTLI_URING_BACKEND_SOCKET),
    uring("no-spin", |config| config.spin = 0),
    // Longer than an answer takes where processors are slow to wake up, which is 50 to 70 µs on some machines. With less
    // it often finds nothing there, the drive goes to sleep, too, and it stays so.
    uring("spin", |config| config.spin = 150),
    uring("sqpoll", |config| config.sqpoll = 1),
    uring("loop", |config| config.send_strategy = KTLI_URING_SEND_LOOP),
    uring("whole", |config| config.send_strategy = KTLI_URING_SEND_WHOLE),
    uring("chunked", |config| config.send_strategy = KTLI_URING_SEND_CHUNKED),
    uring("chunked-sqpoll", |config| {
        config.send_strategy = KTLI_URING_SEND_CHUNKED;
        config.sqpoll = 1;
    }),
    uring("zero-copy", |config| config.zero_copy = 64 << 10),
    uring("buffers-1m", |config| (config.send_buffer, config.receive_buffer) = (1 << 20, 1 << 20)),
    uring("buffers-2m", |config| (config.send_buffer, config.receive_buffer) = (2 << 20, 2 << 20)),
    uring("buffers-10m", |config| (config.send_buffer, config.receive_buffer) = (10 << 20, 10 << 20)),
];

/// The one of that name.
pub fn by_name(name: &str) -> Option<Subject> {
    ALL.iter().copied().find(|subject| subject.name == name)
}

impl Subject {
    /// Does the work once.
    pub fn run(&self, peer: &Peer, work: Work) -> io::Result<Run> {
        let work = Work { tls: matches!(self.kind, Kind::Tls), ..work };
        let driver = match self.kind {
            Kind::Uring(change) => {
                configure(change)?;
                URING
            }
            Kind::Tls => {
                configure(|_| {})?;
                URING
            }
            Kind::Stock => STOCK,
            Kind::Floor => return floor::run(peer, work),
        };
        load::run(driver, peer, work)
    }
}

/// Sets the options for the connections to come: the defaults, changed.
fn configure(change: fn(&mut ktli_uring_config)) -> io::Result<()> {
    static DEFAULTS: std::sync::OnceLock<ktli_uring_config> = std::sync::OnceLock::new();
    let mut config = *DEFAULTS.get_or_init(|| {
        // SAFETY: All bytes zero is a valid structure of numbers, and its size is set before the call.
        unsafe {
            let mut config: ktli_uring_config = std::mem::zeroed();
            config.size = size_of_val(&config);
            ktli_uring_get_config(&raw mut config);
            config
        }
    });
    change(&mut config);
    // SAFETY: A whole structure with its size.
    match unsafe { ktli_uring_configure(&raw const config) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
