//! The drivers that are compared, and how each is told to be itself.

use std::{io, net::SocketAddr};

use ktli_client::{
    driver::{Driver, Handle, STOCK, URING},
    options::with_options,
};
use ktli_uring::ffi::control::{KTLI_URING_BACKEND_SOCKET, KTLI_URING_BACKEND_URING, ktli_uring_config};

/// Whose calls are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Stock,
    Uring,
    Plain,
}

impl Subject {
    /// The driver that it is, as a program would choose it.
    pub fn driver(self) -> Driver {
        if self == Subject::Stock { STOCK } else { URING }
    }

    /// A new connection of its kind.
    pub fn connect(self, handle: &Handle, address: SocketAddr, tls: bool) -> io::Result<usize> {
        let options = |config: &mut ktli_uring_config| {
            config.backend = match self {
                Subject::Plain => KTLI_URING_BACKEND_SOCKET,
                _ => KTLI_URING_BACKEND_URING,
            };
            // On a busy machine the peer's thread may need longer than a drive does.
            config.linger = 20_000;
            if tls {
                // The peer does not speak it, and says nothing.
                config.connect_timeout = 200;
            }
        };
        let host = address.ip().to_string();
        with_options(options, || handle.connect_with(&host, address.port(), tls).map(|()| 0))
    }
}
