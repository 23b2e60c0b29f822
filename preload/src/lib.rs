//! The preload library: the driver under the name of libkinetic's socket driver.
//!
//! Every program that uses libkinetic opens the socket driver, whose table is the symbol `socket_fns`.
//! A shared libkinetic finds it by that name at run time, so that `LD_PRELOAD=libktli_uring_preload.so`
//! moves such a program to io_uring. A program linked with the static libkinetic has to be relinked.

use ktli_uring::ffi::{
    driver::{
        ktli_uring_close, ktli_uring_connect, ktli_uring_disconnect, ktli_uring_open, ktli_uring_poll,
        ktli_uring_receive, ktli_uring_send,
    },
    types::ktli_driver_fns,
};

/// The driver's table, in place of the socket driver's.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "the name that libkinetic gives it")]
pub static socket_fns: ktli_driver_fns = ktli_driver_fns {
    ktli_dfns_open: Some(ktli_uring_open),
    ktli_dfns_close: Some(ktli_uring_close),
    ktli_dfns_connect: Some(ktli_uring_connect),
    ktli_dfns_disconnect: Some(ktli_uring_disconnect),
    ktli_dfns_send: Some(ktli_uring_send),
    ktli_dfns_receive: Some(ktli_uring_receive),
    ktli_dfns_poll: Some(ktli_uring_poll),
};
