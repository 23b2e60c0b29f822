//! Whether to send without a copy: what a connection has learned about it.
//!
//! It is asked for by `KTLI_URING_ZC`, and pays on a real network card with values of hundreds of KiB, if at all: the
//! pages have to be pinned, and `send` has to wait until the drive has acknowledged everything. Where the kernel copies
//! all the same (over loopback it always does) that is pure loss, so the connection stops trying.

use std::sync::atomic::{AtomicBool, Ordering};

use log::{debug, info};

use crate::error::Errno;

/// After so many sends in a row that were copied all the same it is not tried again.
const IN_VAIN: u32 = 8;

/// What one connection's sender knows.
pub struct ZeroCopy {
    /// The least size of a message; `None` when it is not to be tried.
    threshold: Option<usize>,
    /// How many sends in a row were copied.
    in_vain: u32,
}

impl ZeroCopy {
    /// For messages of at least `threshold` bytes; 0: for none.
    pub fn new(threshold: u32) -> Self {
        ZeroCopy { threshold: Some(threshold as usize).filter(|bytes| *bytes > 0), in_vain: 0 }
    }

    /// Is a message of so many bytes to be sent so?
    pub fn wants(&self, bytes: usize) -> bool {
        self.threshold.is_some_and(|threshold| bytes >= threshold)
    }

    /// Takes note of a send, and whether the kernel `copied` all the same.
    pub fn sent(&mut self, copied: bool) {
        self.in_vain = if copied { self.in_vain + 1 } else { 0 };
        if self.in_vain == IN_VAIN {
            self.stop("the kernel copies what is sent without a copy, as it does over loopback");
        }
    }

    /// Is `errno` a reason to send this message in the usual way? It may be one for all that follow, too.
    pub fn refuses(&mut self, errno: Errno) -> bool {
        match errno.0 {
            // The kernel or this socket does not have it (a socket with kernel TLS has not).
            libc::EOPNOTSUPP | libc::EINVAL => {
                self.stop("the kernel (Linux 6.2 or later is needed) or the socket refuses it");
            }
            // Pages on their way count as locked memory, unless the program is privileged.
            libc::ENOMEM | libc::ENOBUFS => {
                debug!("too much memory is pinned to send without a copy ('ulimit -l'): copying this time");
            }
            _ => return false,
        }
        true
    }

    /// The kernel has no such operation.
    pub fn is_missing(&mut self) {
        self.stop("the kernel does not have it (Linux 6.2 does)");
    }

    /// There is no ring to ask for it.
    pub fn has_no_ring(&mut self) {
        self.stop("it takes io_uring");
    }

    fn stop(&mut self, why: &str) {
        // Once: a program with a thousand connections gets one line.
        static SAID: AtomicBool = AtomicBool::new(false);
        self.threshold = None;
        if !SAID.swap(true, Ordering::Relaxed) {
            info!("sending in the usual way in spite of KTLI_URING_ZC: {why}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stops_after_eight_copies_in_a_row() {
        let mut zero_copy = ZeroCopy::new(1000);
        assert!(zero_copy.wants(1000) && !zero_copy.wants(999));
        for _ in 0..3 {
            (1..IN_VAIN).for_each(|_| zero_copy.sent(true));
            assert!(zero_copy.wants(1000));
            zero_copy.sent(false);
        }
        (0..IN_VAIN).for_each(|_| zero_copy.sent(true));
        assert!(!zero_copy.wants(1000));
    }

    #[test]
    fn a_refusal_lasts_but_a_shortage_does_not() {
        let mut zero_copy = ZeroCopy::new(1000);
        assert!(!zero_copy.refuses(Errno(libc::EPIPE)));
        assert!(zero_copy.refuses(Errno::NOMEM));
        assert!(zero_copy.wants(1000));
        assert!(zero_copy.refuses(Errno(libc::EOPNOTSUPP)));
        assert!(!zero_copy.wants(1000));
        assert!(!ZeroCopy::new(0).wants(usize::MAX));
        let mut zero_copy = ZeroCopy::new(1000);
        zero_copy.has_no_ring();
        assert!(!zero_copy.wants(1000));
    }
}
