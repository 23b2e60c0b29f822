//! The driver's functions, called as C calls them.

use std::{
    ffi::{CString, c_char, c_int, c_void},
    io, ptr,
};

use ktli_uring::ffi::{
    control::{
        KTLI_URING_BACKEND_AUTO, KTLI_URING_BACKEND_SOCKET, KTLI_URING_BACKEND_URING, KTLI_URING_SPIN_AUTO,
        ktli_uring_config, ktli_uring_configure, ktli_uring_get_config, ktli_uring_set_log,
    },
    driver::{
        ktli_uring_close, ktli_uring_connect, ktli_uring_disconnect, ktli_uring_open, ktli_uring_poll,
        ktli_uring_receive, ktli_uring_send,
    },
    types::kiovec,
};

/// Milliseconds; enough on any machine for what the sockets have room for.
const SEND_TIMEOUT: u32 = 1000;

/// The result of a call: what it returned, or errno.
pub type Result = std::result::Result<usize, i32>;

/// A handle, open or not.
#[derive(Clone, Copy, PartialEq)]
pub struct Handle(*mut c_void);

/// Nobody is to read what the driver has to say about such a peer.
pub fn quiet() {
    unsafe extern "C" fn nothing(_: c_int, _: *const c_char, _: *mut c_void) {}
    // SAFETY: The function may be called from any thread.
    unsafe { ktli_uring_set_log(Some(nothing), ptr::null_mut()) };
}

/// What a run of steps is done with.
pub struct Choice {
    pub uring: bool,
    pub framing: bool,
    pub report_hangup: bool,
    pub spin: bool,
    pub zero_copy: bool,
    pub strategy: u8,
    /// What of io_uring is not to be used.
    pub features_off: u64,
}

pub fn configure(choice: &Choice) {
    // SAFETY: All bytes zero is a valid structure of numbers, and its size is set before the calls.
    unsafe {
        let mut config: ktli_uring_config = std::mem::zeroed();
        config.size = size_of_val(&config);
        assert_eq!(ktli_uring_get_config(&raw mut config), 0);
        config.backend = match (choice.uring, choice.features_off) {
            (false, _) => KTLI_URING_BACKEND_SOCKET,
            (true, 0) => KTLI_URING_BACKEND_URING,
            // Without some there are no rings.
            _ => KTLI_URING_BACKEND_AUTO,
        };
        config.features_off = choice.features_off;
        config.framing = (!choice.framing).into();
        config.hangup = choice.report_hangup.into();
        config.spin = if choice.spin { 20 } else { KTLI_URING_SPIN_AUTO };
        config.zero_copy = if choice.zero_copy { 16 << 10 } else { 0 };
        config.send_strategy = choice.strategy.into();
        // Where the peer does not read, a send has to end in time. Its kernel acknowledges after up to 40 ms.
        config.send_timeout = SEND_TIMEOUT;
        config.linger = 5000;
        config.connect_timeout = 2000;
        assert_eq!(ktli_uring_configure(&raw const config), 0);
    }
}

fn result(returned: c_int) -> Result {
    usize::try_from(returned).map_err(|_| {
        assert_eq!(returned, -1);
        io::Error::last_os_error().raw_os_error().expect("errno is set")
    })
}

impl Handle {
    pub const NULL: Handle = Handle(ptr::null_mut());

    pub fn open() -> Handle {
        let handle = Handle(ktli_uring_open());
        assert!(!handle.0.is_null());
        handle
    }

    /// One that the driver has not made.
    pub fn made_up(byte: u8) -> Handle {
        Handle(ptr::without_provenance_mut(usize::MAX / 3 * usize::from(byte % 3 + 1) - usize::from(byte)))
    }

    pub fn close(self) -> Result {
        result(ktli_uring_close(self.0))
    }

    pub fn connect(self, port: u16, tls: bool) -> Result {
        let (host, port) = (c"127.0.0.1", CString::new(port.to_string()).expect("digits"));
        // SAFETY: Terminated strings that live through the call.
        result(unsafe {
            ktli_uring_connect(self.0, host.as_ptr().cast_mut(), port.as_ptr().cast_mut(), tls.into())
        })
    }

    /// Without an address.
    pub fn connect_nowhere(self) -> Result {
        // SAFETY: NULL is allowed.
        result(unsafe { ktli_uring_connect(self.0, ptr::null_mut(), ptr::null_mut(), 0) })
    }

    pub fn disconnect(self) -> Result {
        result(ktli_uring_disconnect(self.0))
    }

    pub fn poll(self, timeout: c_int) -> Result {
        result(ktli_uring_poll(self.0, timeout))
    }

    pub fn send(self, pieces: &[&[u8]]) -> Result {
        let mut vector: Vec<kiovec> = pieces
            .iter()
            .map(|piece| kiovec { kiov_base: piece.as_ptr().cast_mut().cast(), kiov_len: piece.len() })
            .collect();
        // SAFETY: The pieces can be read through the call.
        result(unsafe { ktli_uring_send(self.0, vector.as_mut_ptr(), pieces.len() as c_int) })
    }

    pub fn receive(self, pieces: &mut [Vec<u8>]) -> Result {
        let mut vector: Vec<kiovec> = pieces
            .iter_mut()
            .map(|piece| kiovec { kiov_base: piece.as_mut_ptr().cast(), kiov_len: piece.len() })
            .collect();
        // SAFETY: The pieces can be written through the call, and are nobody else's.
        result(unsafe { ktli_uring_receive(self.0, vector.as_mut_ptr(), vector.len() as c_int) })
    }

    /// Sends or receives a vector that is refused before its memory is looked at, and says with which errno.
    pub fn misuse(self, sending: bool, kind: u8) -> (Result, i32) {
        let mut vector = [kiovec { kiov_base: ptr::null_mut(), kiov_len: 0 }; 2];
        let mut count = 2;
        let wanted = match kind % 4 {
            0 => libc::EINVAL,
            1 => {
                count = c_int::MIN + c_int::from(kind);
                libc::EINVAL
            }
            2 => {
                vector[1].kiov_len = usize::from(kind);
                libc::EFAULT
            }
            _ => {
                let base = ptr::without_provenance_mut(8);
                vector = [kiovec { kiov_base: base, kiov_len: usize::MAX >> (kind & 31) }; 2];
                libc::EMSGSIZE
            }
        };
        let start = if kind.is_multiple_of(4) { ptr::null_mut() } else { vector.as_mut_ptr() };
        // SAFETY: A vector with wrong entries is refused, which is what this tries: the lengths are none, or are
        // without memory, or too much for the result.
        let returned = unsafe {
            if sending {
                ktli_uring_send(self.0, start, count)
            } else {
                ktli_uring_receive(self.0, start, count)
            }
        };
        (result(returned), wanted)
    }
}
