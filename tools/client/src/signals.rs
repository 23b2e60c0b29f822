//! Signals that interrupt system calls, sent to the threads of this process.

use std::{
    io, mem, ptr,
    sync::atomic::{AtomicU64, Ordering},
};

static HANDLED: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_: libc::c_int) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

/// Handles SIGUSR1 by counting. System calls that it interrupts are not restarted.
///
/// # Errors
///
/// What sigaction(2) says.
pub fn handle() -> io::Result<()> {
    // SAFETY: All bytes zero is a valid structure: no flags and an empty mask. The handler only adds to an atomic number,
    // which is allowed in one.
    let result = unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = count as extern "C" fn(libc::c_int) as libc::sighandler_t;
        libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// How many were handled.
pub fn handled() -> u64 {
    HANDLED.load(Ordering::Relaxed)
}

/// The threads of this process, those of the library among them.
///
/// # Errors
///
/// Where /proc does not tell.
pub fn threads() -> io::Result<Vec<libc::pid_t>> {
    let mut threads = Vec::new();
    for entry in std::fs::read_dir("/proc/self/task")? {
        threads.extend(entry?.file_name().to_str().and_then(|name| name.parse::<libc::pid_t>().ok()));
    }
    Ok(threads)
}

/// Sends SIGUSR1 to a thread of this process, if it still exists.
pub fn interrupt(thread: libc::pid_t) {
    // SAFETY: No pointers are involved. Where there is no such thread in this process, nothing happens.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGUSR1) };
}
