//! What stands for TLS in a build without it: nothing that could be made.

use std::{ffi::CStr, io, os::fd::BorrowedFd, sync::atomic::AtomicBool, time::Instant};

use log::error;
use socket2::Socket;

use super::{Agreed, Opened};
use crate::{error::Errno, readahead::ReadAhead};

/// The TLS of a connection; there is none.
pub enum Tls {}

/// A connection whose TLS the kernel does; there is none.
pub enum Kernel {}

/// The kernel's TLS is not used.
pub fn check() -> Result<(), String> {
    Err("this build has no TLS (cargo feature tls)".into())
}

/// How to make one; there is no way.
pub enum Plan {}

impl Plan {
    /// Fails, as there is no TLS.
    pub fn new(_: &CStr, _: bool) -> Result<Plan, Errno> {
        error!("TLS was asked for, which this build does not have (cargo feature tls)");
        Err(Errno(libc::EPROTONOSUPPORT))
    }

    /// Cannot be called.
    pub fn shake_hands(self, _: &Socket, _: Instant, _: &AtomicBool) -> Result<Agreed, Errno> {
        match self {}
    }
}

impl Tls {
    /// Cannot be called, like the others.
    pub fn sealed_size(&self, _: usize) -> usize {
        match *self {}
    }

    pub fn seal(&self, _: impl FnOnce(&mut Vec<u8>), _: &mut Vec<u8>) -> Result<(), Errno> {
        match *self {}
    }

    pub fn open(&self, _: &mut ReadAhead, _: &mut ReadAhead) -> Result<Opened, Errno> {
        match *self {}
    }

    pub fn say_goodbye(&self, _: &mut Vec<u8>) {
        match *self {}
    }

    pub fn take_arrived(&self) -> Vec<u8> {
        match *self {}
    }
}

impl Kernel {
    /// Cannot be called, like the others.
    pub fn understand(&self, _: BorrowedFd<'_>, _: io::Result<usize>) -> io::Result<usize> {
        match *self {}
    }

    pub fn errno(&self, _: BorrowedFd<'_>, _: Errno) -> Errno {
        match *self {}
    }

    pub fn say_goodbye(&self, _: &Socket) -> bool {
        match *self {}
    }
}
