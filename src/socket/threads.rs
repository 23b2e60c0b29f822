//! The library's own threads, by `pthread_create(3)`.
//!
//! The standard library's allocate for their handles, and end the process where that fails, in the last case inside
//! the C library. These tell it as an error. They run none of the program's signal handlers.

use std::{
    any::Any,
    ffi::{CStr, c_void},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
};

use super::calls::with_signals_blocked;

/// Size of their stacks, which also carry the program's log callback.
const STACK: usize = 256 << 10;

/// Runs `f` on a thread of its own and waits for that. The inner result is what a join of a thread tells: what `f`
/// returned, or its panic.
pub fn run_elsewhere<R: Send>(
    name: &CStr,
    f: impl FnOnce() -> R + Send,
) -> io::Result<Result<R, Box<dyn Any + Send>>> {
    struct Task<F, R> {
        f: Option<F>,
        result: Option<Result<R, Box<dyn Any + Send>>>,
    }
    extern "C" fn run<F: FnOnce() -> R, R>(task: *mut c_void) -> *mut c_void {
        // SAFETY: `task` is the one below, which waits for this thread's end and leaves it alone until then.
        let task = unsafe { &mut *task.cast::<Task<F, R>>() };
        if let Some(f) = task.f.take() {
            task.result = Some(catch_unwind(AssertUnwindSafe(f)));
        }
        ptr::null_mut()
    }
    fn entry<F: FnOnce() -> R, R>(_: &Task<F, R>) -> extern "C" fn(*mut c_void) -> *mut c_void {
        run::<F, R>
    }
    let mut task = Task { f: Some(f), result: None };
    let entry = entry(&task);
    // SAFETY: The task is of the type that `entry` expects, may be used from another thread (both its parts are Send),
    // and lives until the join below.
    let thread = unsafe { create(name, entry, (&raw mut task).cast())? };
    // SAFETY: The thread is new, and nobody else joins it. It cannot fail for such a one.
    unsafe { libc::pthread_join(thread, ptr::null_mut()) };
    task.result.ok_or_else(|| io::Error::from_raw_os_error(libc::EIO))
}

/// Starts a thread that runs `f`, for as long as the process lives.
pub fn start(name: &CStr, f: fn()) -> io::Result<()> {
    extern "C" fn run(f: *mut c_void) -> *mut c_void {
        // SAFETY: It is the function below, made a pointer; the two have the same size on Linux.
        let f = unsafe { std::mem::transmute::<*mut c_void, fn()>(f) };
        // A panic has been told by the panic hook; nothing can be done about it here.
        let _ = catch_unwind(f);
        ptr::null_mut()
    }
    // SAFETY: `run` gets the function that it expects.
    let thread = unsafe { create(name, run, f as *mut c_void)? };
    // SAFETY: The thread is new, and nobody joins it.
    unsafe { libc::pthread_detach(thread) };
    Ok(())
}

/// Starts a thread.
///
/// # Safety
/// `entry` must be sound to call with `argument` on another thread.
unsafe fn create(
    name: &CStr,
    entry: extern "C" fn(*mut c_void) -> *mut c_void,
    argument: *mut c_void,
) -> io::Result<libc::pthread_t> {
    let check = |code| if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code)) };
    // SAFETY: The attributes are a plain C structure, initialised before they are used and destroyed at the end; that
    // `entry` may be called is this function's contract; the name is a terminated string. A name that is too long is
    // refused, which does no harm.
    unsafe {
        let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
        check(libc::pthread_attr_init(&raw mut attributes))?;
        let mut thread: libc::pthread_t = 0;
        let created = check(libc::pthread_attr_setstacksize(&raw mut attributes, STACK)).and_then(|()| {
            with_signals_blocked(|| {
                check(libc::pthread_create(&raw mut thread, &raw const attributes, entry, argument))?;
                libc::pthread_setname_np(thread, name.as_ptr());
                Ok(())
            })
        });
        libc::pthread_attr_destroy(&raw mut attributes);
        created.map(|()| thread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_and_panics_come_back() {
        let here = 5;
        assert_eq!(run_elsewhere(c"test", || here + 2).unwrap().unwrap(), 7);
        let panic = run_elsewhere(c"test", || std::panic::resume_unwind(Box::new("on purpose"))).unwrap();
        assert_eq!(panic.map(|(): ()| ()).unwrap_err().downcast_ref::<&str>(), Some(&"on purpose"));
    }
}
