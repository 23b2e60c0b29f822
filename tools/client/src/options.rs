//! This driver's options, which belong to the whole process.

use std::{
    ffi::{c_char, c_int, c_void},
    ptr,
    sync::{Mutex, PoisonError},
};

use ktli_uring::ffi::control::{ktli_uring_config, ktli_uring_set_log};

use crate::driver::configure;

/// Does something while the options are as `change` makes them, and no other call of this function does anything. A
/// connection keeps the options with which it was made.
///
/// # Panics
/// If an option is out of its range.
pub fn with_options<T>(change: impl FnOnce(&mut ktli_uring_config), then: impl FnOnce() -> T) -> T {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    configure(change).expect("the options are in their ranges");
    then()
}

/// From now on the driver logs nothing.
pub fn be_quiet() {
    extern "C" fn ignore(_: c_int, _: *const c_char, _: *mut c_void) {}
    // SAFETY: The function uses none of its arguments, and may be called from any thread.
    unsafe { ktli_uring_set_log(Some(ignore), ptr::null_mut()) };
}
