//! A driver's table, called through its C interface.

use std::{
    ffi::{CString, c_int, c_void},
    io,
    net::SocketAddr,
};

use ktli_uring::ffi::{
    control::{ktli_uring_config, ktli_uring_configure, ktli_uring_get_config},
    statistics::{ktli_uring_statistics, ktli_uring_stats},
    types::{kiovec, ktli_driver_fns},
};

/// A KTLI driver.
#[derive(Clone, Copy)]
pub struct Driver {
    /// What people call it.
    pub name: &'static str,
    table: &'static ktli_driver_fns,
    /// How many system calls it has made for a handle.
    calls: fn(*mut c_void) -> u64,
    /// Its handles are no pointers: a closed one may still be used.
    stale: bool,
}

/// This project's driver.
pub const URING: Driver =
    Driver { name: "ktli-uring", table: &ktli_uring::ffi::driver::uring_fns, calls, stale: true };

/// System calls that this project's driver counts for a handle.
fn calls(dh: *mut c_void) -> u64 {
    // SAFETY: All bytes zero is a valid structure of numbers, its size is set before the call, and the driver
    // fills in no more than that.
    unsafe {
        let mut statistics: ktli_uring_statistics = std::mem::zeroed();
        statistics.size = size_of_val(&statistics);
        if ktli_uring_stats(dh, &raw mut statistics) != 0 {
            return 0;
        }
        statistics.system_calls
    }
}

/// The options of this project's driver that are in force.
///
/// # Errors
///
/// The driver's `errno`, where it does not know the structure.
pub fn config() -> io::Result<ktli_uring_config> {
    // SAFETY: All bytes zero is a valid structure of numbers, its size is set before the call, and the driver fills
    // in no more than that.
    unsafe {
        let mut config: ktli_uring_config = std::mem::zeroed();
        config.size = size_of_val(&config);
        check(ktli_uring_get_config(&raw mut config))?;
        Ok(config)
    }
}

/// Changes them, for sessions that connect from now on. The environment beats what is set here.
///
/// # Errors
///
/// `InvalidInput` (EINVAL) for a value that is out of range.
pub fn configure(change: impl FnOnce(&mut ktli_uring_config)) -> io::Result<()> {
    let mut config = config()?;
    change(&mut config);
    // SAFETY: The structure lives through the call, and tells its size.
    check(unsafe { ktli_uring_configure(&raw const config) }).map(drop)
}

/// The socket driver's flow.
pub const STOCK: Driver =
    Driver { name: "stock flow", table: &crate::stock::STOCK_FNS, calls: crate::stock::calls, stale: false };

/// An open handle of a driver. It is closed on drop.
pub struct Handle {
    table: &'static ktli_driver_fns,
    calls: fn(*mut c_void) -> u64,
    stale: bool,
    dh: *mut c_void,
}

// SAFETY: A KTLI handle is made to be used from several threads: the contract calls `send` from one,
// `poll` and `receive` from another, the rest from any.
unsafe impl Send for Handle {}
// SAFETY: As above.
unsafe impl Sync for Handle {}

macro_rules! call {
    ($table:expr, $name:ident ( $($argument:expr),* )) => {{
        let function = $table.$name.expect("a driver has all seven functions");
        // SAFETY: The function is a KTLI driver's and is given what KTLI gives it: a handle that it
        // made, and pointers that are valid for the call.
        unsafe { function($($argument),*) }
    }};
}

fn check(result: c_int) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

impl Driver {
    /// Opens a handle.
    ///
    /// # Errors
    ///
    /// The driver's `errno`, where it cannot make a handle.
    pub fn open(&self) -> io::Result<Handle> {
        let dh = call!(self.table, ktli_dfns_open());
        if dh.is_null() {
            return Err(io::Error::last_os_error());
        }
        Ok(Handle { table: self.table, calls: self.calls, stale: self.stale, dh })
    }
}

impl Handle {
    /// Connects to `address`.
    ///
    /// # Errors
    ///
    /// As [`Self::connect_with`].
    pub fn connect(&self, address: SocketAddr) -> io::Result<()> {
        self.connect_to(&address.ip().to_string(), address.port())
    }

    /// Connects to a host, which the driver looks up.
    ///
    /// # Errors
    ///
    /// As [`Self::connect_with`].
    pub fn connect_to(&self, host: &str, port: u16) -> io::Result<()> {
        self.connect_with(host, port, false)
    }

    /// Connects over TLS.
    ///
    /// # Errors
    ///
    /// As [`Self::connect_with`].
    pub fn connect_tls(&self, address: SocketAddr) -> io::Result<()> {
        self.connect_with(&address.ip().to_string(), address.port(), true)
    }

    /// Connects to a host, with TLS or without.
    ///
    /// # Errors
    ///
    /// The driver's `errno`; `InvalidInput` for a host's name with a zero byte.
    pub fn connect_with(&self, host: &str, port: u16, tls: bool) -> io::Result<()> {
        let (host, port) = (CString::new(host)?, CString::new(port.to_string())?);
        let (host, port) = (host.as_ptr().cast_mut(), port.as_ptr().cast_mut());
        check(call!(self.table, ktli_dfns_connect(self.dh, host, port, tls.into()))).map(drop)
    }

    /// Disconnects.
    ///
    /// # Errors
    ///
    /// The driver's `errno`.
    pub fn disconnect(&self) -> io::Result<()> {
        check(call!(self.table, ktli_dfns_disconnect(self.dh))).map(drop)
    }

    /// Sends the pieces as one message.
    ///
    /// # Errors
    ///
    /// The driver's `errno`.
    ///
    /// # Panics
    ///
    /// With more than four pieces: those are for [`Self::send_vector`].
    pub fn send(&self, pieces: &[&[u8]]) -> io::Result<usize> {
        let mut vector: [kiovec; 4] = std::array::from_fn(|index| {
            let piece = pieces.get(index).copied().unwrap_or_default();
            kiovec { kiov_base: piece.as_ptr().cast_mut().cast(), kiov_len: piece.len() }
        });
        assert!(pieces.len() <= vector.len());
        let count = pieces.len() as c_int;
        check(call!(self.table, ktli_dfns_send(self.dh, vector.as_mut_ptr(), count)))
    }

    /// Fills all buffers.
    ///
    /// # Errors
    ///
    /// The driver's `errno`.
    pub fn receive<const N: usize>(&self, buffers: [&mut [u8]; N]) -> io::Result<usize> {
        let mut vector =
            buffers.map(|buffer| kiovec { kiov_base: buffer.as_mut_ptr().cast(), kiov_len: buffer.len() });
        check(call!(self.table, ktli_dfns_receive(self.dh, vector.as_mut_ptr(), N as c_int)))
    }

    /// Receives into fresh memory of these lengths, as libkinetic does, which allocates for each message.
    ///
    /// # Errors
    ///
    /// The driver's `errno`.
    pub fn receive_fresh<const N: usize>(&self, lengths: [usize; N]) -> io::Result<[Vec<u8>; N]> {
        let mut buffers = lengths.map(Vec::<u8>::with_capacity);
        let mut vector: [kiovec; N] = std::array::from_fn(|index| kiovec {
            kiov_base: buffers[index].as_mut_ptr().cast(),
            kiov_len: lengths[index],
        });
        check(call!(self.table, ktli_dfns_receive(self.dh, vector.as_mut_ptr(), N as c_int)))?;
        for (buffer, length) in buffers.iter_mut().zip(lengths) {
            // SAFETY: A successful receive has filled all entries, and the buffers have that capacity.
            unsafe { buffer.set_len(length) };
        }
        Ok(buffers)
    }

    /// Sends the pieces, however many, as one message.
    ///
    /// # Errors
    ///
    /// The driver's `errno`.
    pub fn send_vector(&self, pieces: &[&[u8]]) -> io::Result<usize> {
        let mut vector: Vec<kiovec> = pieces
            .iter()
            .map(|piece| kiovec { kiov_base: piece.as_ptr().cast_mut().cast(), kiov_len: piece.len() })
            .collect();
        check(call!(self.table, ktli_dfns_send(self.dh, vector.as_mut_ptr(), vector.len() as c_int)))
    }

    /// Fills all buffers, however many.
    ///
    /// # Errors
    ///
    /// The driver's `errno`.
    pub fn receive_vector<'b>(&self, buffers: impl IntoIterator<Item = &'b mut [u8]>) -> io::Result<usize> {
        let mut vector: Vec<kiovec> = buffers
            .into_iter()
            .map(|buffer| kiovec { kiov_base: buffer.as_mut_ptr().cast(), kiov_len: buffer.len() })
            .collect();
        check(call!(self.table, ktli_dfns_receive(self.dh, vector.as_mut_ptr(), vector.len() as c_int)))
    }

    /// How many system calls the driver has made for this handle.
    #[must_use]
    pub fn calls(&self) -> u64 {
        (self.calls)(self.dh)
    }

    /// Waits until something can be received, at most `timeout` milliseconds.
    ///
    /// # Errors
    ///
    /// The driver's `errno`.
    pub fn poll(&self, timeout: c_int) -> io::Result<bool> {
        check(call!(self.table, ktli_dfns_poll(self.dh, timeout))).map(|ready| ready == 1)
    }

    /// Closes the handle, which may still be used then, as libkinetic's receiver does.
    ///
    /// # Errors
    ///
    /// The driver's `errno`.
    ///
    /// # Panics
    ///
    /// With a driver whose handles are pointers: it does not bear that.
    pub fn close(&self) -> io::Result<()> {
        assert!(self.stale, "this driver's handles are memory, which close frees");
        check(call!(self.table, ktli_dfns_close(self.dh))).map(drop)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        call!(self.table, ktli_dfns_close(self.dh));
    }
}
