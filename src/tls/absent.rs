//! What stands for TLS in a build without it: nothing that could be made.

use std::{ffi::CStr, sync::atomic::AtomicBool, time::Instant};

use log::error;
use socket2::Socket;

use super::Opened;
use crate::{error::Errno, readahead::ReadAhead};

/// The TLS of a connection; there is none.
pub enum Tls {}

/// How to make one; there is no way.
pub enum Plan {}

impl Plan {
    /// Fails, as there is no TLS.
    pub fn new(_: &CStr) -> Result<Plan, Errno> {
        error!("TLS was asked for, which this build does not have (cargo feature tls)");
        Err(Errno(libc::EPROTONOSUPPORT))
    }

    /// Cannot be called.
    pub fn shake_hands(self, _: &Socket, _: Instant, _: &AtomicBool) -> Result<Tls, Errno> {
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
