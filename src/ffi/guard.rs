//! From Rust's results to C's: a value, or the failure value and errno.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use log::error;

use super::reserve;
use crate::error::Errno;

/// Runs the body of a C function. An error sets errno and gives `failure`; so does a panic, with EIO,
/// and a line in the log: it never crosses into C.
pub fn guard<T>(failure: T, body: impl FnOnce() -> Result<T, Errno>) -> T {
    reserve::begin();
    // Nothing that the body left half done is trusted afterwards: locks are taken over with whatever
    // they guard, and see `sync::lock` for why that is sound.
    let result = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        // A logger that panics in turn must not get out either.
        let _ = catch_unwind(AssertUnwindSafe(|| error!("internal error: {}", text(&*panic))));
        Err(Errno::IO)
    });
    result.unwrap_or_else(|errno| {
        // SAFETY: The C library's errno of this thread: always valid.
        unsafe { *libc::__errno_location() = errno.0 };
        failure
    })
}

fn text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a text")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errno() -> i32 {
        std::io::Error::last_os_error().raw_os_error().unwrap()
    }

    #[test]
    fn values_pass_and_errors_set_errno() {
        assert_eq!(guard(-1, || Ok(7)), 7);
        assert_eq!(guard(-1, || Err(Errno::BUSY)), -1);
        assert_eq!(errno(), libc::EBUSY);
    }

    #[test]
    fn a_panic_becomes_an_io_error() {
        assert_eq!(guard(-1, || panic!("on purpose, in a test")), -1);
        assert_eq!(errno(), libc::EIO);
    }
}
