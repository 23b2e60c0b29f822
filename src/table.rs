//! The table of handles.
//!
//! A handle is never a pointer: it is the number of a place in this table and the generation of the
//! session that was opened there. Places are never freed, so a call with a stale or made-up handle
//! finds either nothing or a session of another generation, and touches neither. Looking one up takes
//! no lock.

use std::sync::{
    Mutex, OnceLock,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

use crate::{error::Errno, ffi::reserve, fork, session::Session, sync::try_lock};

/// Places in one chunk of the table, which is made when its first place is needed.
const CHUNK: usize = 64;
/// Chunks, and so 65,536 sessions at once; more descriptors than that few processes may have.
const CHUNKS: usize = 1024;
/// Bits of a handle that number the place.
const PLACE_BITS: u32 = (CHUNK * CHUNKS).ilog2();

struct Place {
    /// Of the session that is or was last open here, in which process: 0 if there never was one.
    generation: AtomicU64,
    process: AtomicU32,
    session: Session,
}

static TABLE: [OnceLock<Box<[Place]>>; CHUNKS] = [const { OnceLock::new() }; CHUNKS];
/// How many places were ever used.
static USED: AtomicU32 = AtomicU32::new(0);
/// Places whose session is closed.
static FREE: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// A handle as the C side holds it: never 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handle(u64);

/// What a handle leads to.
pub enum Found {
    /// The session that it stands for, perhaps closed by now; the generation tells.
    Session(&'static Session, u64),
    /// A session that was open once.
    Stale,
}

impl Handle {
    /// From the number that the C side passes.
    pub fn from_raw(raw: usize) -> Option<Handle> {
        (raw != 0).then_some(Handle(raw as u64))
    }

    /// The number for the C side.
    pub fn into_raw(self) -> usize {
        self.0 as usize
    }

    fn new(place: u32, generation: u64) -> Handle {
        // The lowest bit is set so that a handle is no address that malloc could return.
        Handle(generation << (PLACE_BITS + 1) | u64::from(place) << 1 | 1)
    }

    fn place(self) -> Option<&'static Place> {
        let index = usize::try_from(self.0 >> 1).ok()? & (CHUNK * CHUNKS - 1);
        TABLE[index / CHUNK].get()?.get(index % CHUNK)
    }

    /// Looks it up. EBADF if it never was a handle of this process.
    pub fn find(self) -> Result<Found, Errno> {
        let place = self.place().filter(|_| self.0 & 1 == 1).ok_or(Errno::BADF)?;
        let generation = self.0 >> (PLACE_BITS + 1);
        let newest = place.generation.load(Ordering::Acquire);
        if generation == newest && place.process.load(Ordering::Relaxed) == fork::generation() {
            Ok(Found::Session(&place.session, generation))
        } else if (1..=newest).contains(&generation) {
            Ok(Found::Stale)
        } else {
            Err(Errno::BADF)
        }
    }
}

/// Opens a session. EMFILE when the table is full, ENOMEM where it cannot grow.
pub fn open() -> Result<Handle, Errno> {
    // Try only: a forked child may find the lock held for ever by a thread that it does not have.
    let free = try_lock(&FREE).and_then(|mut free| free.pop());
    let number = match free {
        Some(number) => number,
        None => {
            let number = USED.fetch_add(1, Ordering::Relaxed);
            if number as usize >= CHUNK * CHUNKS {
                USED.fetch_sub(1, Ordering::Relaxed);
                return Err(Errno(libc::EMFILE));
            }
            number
        }
    };
    let Some(chunk) = chunk(number as usize / CHUNK) else {
        give_back(number);
        return Err(Errno::NOMEM);
    };
    let place = &chunk[number as usize % CHUNK];
    let generation = place.generation.load(Ordering::Relaxed) + 1;
    place.session.open(generation);
    place.process.store(fork::generation(), Ordering::Relaxed);
    place.generation.store(generation, Ordering::Release);
    Ok(Handle::new(number, generation))
}

/// A part of the table, made if need be. `None` where there is no memory for it.
fn chunk(index: usize) -> Option<&'static [Place]> {
    let chunk = &TABLE[index];
    if chunk.get().is_none() {
        let mut places = Vec::new();
        reserve::room(&mut places, CHUNK).ok()?;
        places.extend((0..CHUNK).map(|_| Place {
            generation: AtomicU64::new(0),
            process: AtomicU32::new(0),
            session: Session::new(),
        }));
        // Another thread may have been faster.
        let _ = chunk.set(places.into_boxed_slice());
    }
    chunk.get().map(|places| &**places)
}

/// Gives a place back. For a forked child's sake (see `open`) this does not wait for ever; a place that is lost, by
/// that or for want of memory, costs its few hundred bytes.
fn give_back(number: u32) {
    for _ in 0..1000 {
        if let Some(mut free) = try_lock(&FREE) {
            if reserve::room(&mut free, 1).is_ok() {
                free.push(number);
            }
            break;
        }
        std::thread::yield_now();
    }
}

/// Closes a session: disconnects it and frees its place.
pub fn close(handle: Handle) -> Result<(), Errno> {
    let Found::Session(session, generation) = handle.find()? else {
        return Err(Errno::BADF);
    };
    session.close(generation)?;
    let number = (handle.0 >> 1) as u32 & (CHUNK * CHUNKS - 1) as u32;
    give_back(number);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_handle_is_stale_even_when_its_place_is_used_again() {
        let first = open().unwrap();
        assert!(matches!(first.find(), Ok(Found::Session(..))));
        close(first).unwrap();
        // The place knows the generation until it is used again; the session does not answer to it.
        assert_eq!(close(first), Err(Errno::BADF));
        let others: Vec<Handle> = (0..200).map(|_| open().unwrap()).collect();
        assert!(!others.contains(&first));
        assert_eq!(close(first), Err(Errno::BADF));
        for other in others {
            close(other).unwrap();
        }
    }

    #[test]
    fn made_up_handles_are_refused() {
        let open = open().unwrap();
        for raw in [2, 0x7fff_0000_1234, usize::MAX, open.into_raw() + (1 << 40), open.into_raw() - 1] {
            assert!(Handle::from_raw(raw).unwrap().find().is_err(), "{raw:#x}");
        }
        assert_eq!(Handle::from_raw(0), None);
        close(open).unwrap();
    }
}
