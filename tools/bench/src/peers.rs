//! The peers that the points need, each started when it is first needed.

use std::{io, path::PathBuf};

use ktli_client::peer::Peer;

use crate::{alternate::Task, load};

/// Running peers.
pub struct Peers {
    this: PathBuf,
    drive: PathBuf,
    /// The bare peer, on any processor and on the second one, and the drive.
    bare: Option<Peer>,
    pinned: Option<Peer>,
    real: Option<Peer>,
}

impl Peers {
    /// None yet. `drive` is the kinetic-drive program, which else lies beside this one.
    pub fn new(drive: Option<PathBuf>) -> io::Result<Self> {
        let this = std::env::current_exe()?;
        let drive = drive.unwrap_or_else(|| this.with_file_name("kinetic-drive"));
        Ok(Peers { this, drive, bare: None, pinned: None, real: None })
    }

    /// The one that a task needs, ready for it.
    pub fn of(&mut self, task: &Task) -> io::Result<&Peer> {
        let (place, program, arguments): (_, _, &[&str]) = if task.work.real {
            (&mut self.real, &self.drive, &["--max-value-size", "16777216"])
        } else if task.pinned {
            (&mut self.pinned, &self.this, &["peer", "--pin", "1"])
        } else {
            (&mut self.bare, &self.this, &["peer"])
        };
        if place.is_none() {
            *place = Some(Peer::start(program, arguments)?);
        }
        let peer = place.as_ref().expect("it was started just now");
        if task.work.real {
            load::prepare(peer.address, &task.work)?;
        }
        Ok(peer)
    }
}
