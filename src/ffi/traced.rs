//! Calls that a trace takes note of, see [`trace`](crate::trace).

use std::ffi::{c_int, c_void};

use super::guard::guard;
use crate::trace::{
    self,
    format::{Function, Record},
};

/// What a function gives back to C.
pub trait Outcome: Copy {
    /// As a number, -1 for a failure.
    fn number(self) -> i32;
    /// The session's handle, if it is a new one.
    fn handle(self) -> Option<u64>;
}

impl Outcome for c_int {
    fn number(self) -> i32 {
        self
    }

    fn handle(self) -> Option<u64> {
        None
    }
}

impl Outcome for *mut c_void {
    fn number(self) -> i32 {
        if self.is_null() { -1 } else { 0 }
    }

    fn handle(self) -> Option<u64> {
        Some(self.addr() as u64)
    }
}

/// Runs the body of a C function, and takes note of it if there is a trace. `argument` is asked for only then.
#[inline(always)]
#[expect(clippy::inline_always, reason = "without a trace it is to cost a load and a branch")]
pub fn traced<R: Outcome>(
    function: Function,
    dh: *mut c_void,
    argument: impl FnOnce() -> i64,
    body: impl FnOnce() -> R,
) -> R {
    let start = trace::begin();
    let result = body();
    if start != 0 {
        note(function, dh, argument(), start, result);
    }
    result
}

#[cold]
fn note<R: Outcome>(function: Function, dh: *mut c_void, argument: i64, start: u64, result: R) {
    let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
    guard((), || {
        trace::end(Record {
            start,
            duration: 0,
            handle: result.handle().unwrap_or(dh.addr() as u64),
            argument,
            result: result.number(),
            errno: if result.number() < 0 { errno } else { 0 },
            thread: 0,
            function,
        });
        Ok(())
    });
    // SAFETY: The C library's errno of this thread: always valid. Taking note may have changed it.
    unsafe { *libc::__errno_location() = errno };
}
