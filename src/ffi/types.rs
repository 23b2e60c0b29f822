//! The structures that C sees, with their layouts checked.

use std::{
    ffi::{c_char, c_int, c_void},
    mem::offset_of,
    slice,
};

use crate::{error::Errno, socket::segment::Segment};

/// An entry of a vector, as libkinetic's `kio.h` defines it: the layout of `struct iovec`.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "the name that libkinetic gives it")]
pub struct kiovec {
    /// Start of the memory; any pointer if the length is 0.
    pub kiov_base: *mut c_void,
    /// Length in bytes.
    pub kiov_len: usize,
}

/// A driver's table, as libkinetic's `ktli.h` defines it.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "the name that libkinetic gives it")]
pub struct ktli_driver_fns {
    /// See `ktli_uring_open`.
    pub ktli_dfns_open: Option<unsafe extern "C" fn() -> *mut c_void>,
    /// See `ktli_uring_close`.
    pub ktli_dfns_close: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
    /// See `ktli_uring_connect`.
    pub ktli_dfns_connect:
        Option<unsafe extern "C" fn(*mut c_void, *mut c_char, *mut c_char, c_int) -> c_int>,
    /// See `ktli_uring_disconnect`.
    pub ktli_dfns_disconnect: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
    /// See `ktli_uring_send`.
    pub ktli_dfns_send: Option<unsafe extern "C" fn(*mut c_void, *mut kiovec, c_int) -> c_int>,
    /// See `ktli_uring_receive`.
    pub ktli_dfns_receive: Option<unsafe extern "C" fn(*mut c_void, *mut kiovec, c_int) -> c_int>,
    /// See `ktli_uring_poll`.
    pub ktli_dfns_poll: Option<unsafe extern "C" fn(*mut c_void, c_int) -> c_int>,
}

// What the C side relies on. A `kiovec` is read as a `Segment`, which is an `iovec`.
const _: () = {
    assert!(size_of::<kiovec>() == size_of::<libc::iovec>());
    assert!(align_of::<kiovec>() == align_of::<libc::iovec>());
    assert!(offset_of!(kiovec, kiov_base) == offset_of!(libc::iovec, iov_base));
    assert!(offset_of!(kiovec, kiov_len) == offset_of!(libc::iovec, iov_len));
    assert!(size_of::<ktli_driver_fns>() == 7 * size_of::<*const ()>());
    assert!(offset_of!(ktli_driver_fns, ktli_dfns_open) == 0);
    assert!(offset_of!(ktli_driver_fns, ktli_dfns_close) == size_of::<*const ()>());
    assert!(offset_of!(ktli_driver_fns, ktli_dfns_connect) == 2 * size_of::<*const ()>());
    assert!(offset_of!(ktli_driver_fns, ktli_dfns_disconnect) == 3 * size_of::<*const ()>());
    assert!(offset_of!(ktli_driver_fns, ktli_dfns_send) == 4 * size_of::<*const ()>());
    assert!(offset_of!(ktli_driver_fns, ktli_dfns_receive) == 5 * size_of::<*const ()>());
    assert!(offset_of!(ktli_driver_fns, ktli_dfns_poll) == 6 * size_of::<*const ()>());
};

/// A caller's vector as segments, and how many bytes they hold. Nothing is copied or changed.
///
/// # Errors
/// EINVAL for a NULL vector or a negative count, EFAULT for an entry with a length and no memory,
/// EMSGSIZE for more bytes than the C result can tell.
///
/// # Safety
/// `msg` must be NULL or point to `msgcnt` entries, each with `kiov_len` bytes at `kiov_base`, readable
/// or, for `D = In`, writable and used by nobody else, all for the lifetime `'m`. Memory that is not
/// there is allowed where only the kernel touches it, which answers EFAULT.
pub unsafe fn vector<'m, D>(
    msg: *const kiovec,
    msgcnt: c_int,
) -> Result<(&'m [Segment<'m, D>], usize), Errno> {
    let count = usize::try_from(msgcnt).map_err(|_| Errno::INVAL)?;
    if count == 0 {
        return Ok((&[], 0));
    }
    if msg.is_null() || !msg.is_aligned() {
        return Err(Errno::INVAL);
    }
    // SAFETY: There are `count` entries at `msg` by this function's contract, and a Segment has the
    // layout of an iovec, which a kiovec has, too (asserted above). Any pointer and any length make a
    // valid Segment.
    let entries = unsafe { slice::from_raw_parts(msg.cast::<Segment<'m, D>>(), count) };
    let mut total = 0_usize;
    for entry in entries {
        if entry.is_missing() {
            return Err(Errno::FAULT);
        }
        total = total.checked_add(entry.len()).ok_or(Errno::MSGSIZE)?;
    }
    if total > c_int::MAX as usize {
        return Err(Errno::MSGSIZE);
    }
    Ok((entries, total))
}
