//! Who sends the bytes: the protocol between the sender's half and the receiver's half.
//!
//! `send` copies a message into the *staging area* and returns; the receiver's thread puts it on the *wire* in one
//! operation with whatever else has gathered, before it sleeps and each time it is woken. That is what makes many
//! small messages cheap, and it keeps an unmodified libkinetic alive, whose sender still writes to a request after
//! `send` has returned. Where nothing would gather the sender takes the wire itself and sends at once.
//!
//! # The two locks
//!
//! * `staging` holds the bytes of messages. The sender holds it from the first byte it copies to the
//!   last, and letting it go is the last thing that `send` does here, so whoever holds it sees whole
//!   messages only. It is never held across a system call but to wake a sleeping receiver or the sweeper,
//!   which must come before the message may leave, and once in a while to give idle memory back.
//! * `wire` is the right to send on the socket, with the bytes that are on their way. It is never kept
//!   across the return of a driver function. The receiver only ever tries it: a full socket or a busy
//!   sender must not keep it from reading for long, or a drive that is blocked on its answers would
//!   wait for ever.
//!
//! Order: `wire` before `staging`. Bytes move from the one to the other by swapping the two vectors,
//! which costs nothing and keeps the same memory warm in the cache.
//!
//! # Why no wake-up is lost
//!
//! The receiver sets `receiver` to ASLEEP while it holds `staging` and has seen it empty. The sender
//! looks at `receiver` while it holds `staging` and has put something in. One of the two comes first:
//! either the receiver sees the bytes and does not sleep, or the sender sees ASLEEP and wakes it. When
//! the receiver cannot have the lock, a sender is inside, and it does not sleep either. `make model`
//! runs this file under loom through every interleaving.

use std::io;

use crate::{
    error::Errno,
    sync::{AtomicU8, Mutex, MutexGuard, Ordering, lock, try_lock},
};

/// No receiver has come by yet, or none for a while: the sender sends for itself.
const ABSENT: u8 = 0;
/// The receiver is at work, here or with its caller, and will look before it sleeps.
const AWAKE: u8 = 1;
/// The receiver sleeps; whoever stages something wakes it.
const ASLEEP: u8 = 2;
/// The receiver sleeps until the full socket takes bytes again, or for a moment where the kernel was short of memory:
/// waking it earlier would be in vain.
const BLOCKED: u8 = 3;
/// The receiver is at work on large values, or sleeps until one is there, or in a receive for an answer that comes
/// alone: it comes by too late, and waking it for a message would cost more than sending that, or cannot be done. The
/// sender sends for itself.
const LARGE: u8 = 4;

/// The receiver looks for answers again and again instead of sleeping, with few requests outstanding. It comes by each time,
/// as when it is awake, but the sender had better send for itself.
const LOOKING: u8 = 5;

/// So few requests outstanding, the new one among them, are each sent at once by the sender, also where the receiver
/// looks: there is nothing to gather, and a drive that the sender wakes while it is awake itself need not be waited for.
pub const SINGLY: u64 = 2;

/// The state shared by the two halves of a connection.
pub struct Handoff {
    staging: Mutex<Staging>,
    wire: Mutex<Wire>,
    receiver: AtomicU8,
    capacity: usize,
}

/// Whole messages that wait for the wire.
struct Staging {
    bytes: Vec<u8>,
    /// How many messages that is.
    messages: usize,
    /// Counts how often the bytes were taken; the sweeper sees by it whether they are still the same.
    batch: u32,
    /// The batch that the sweeper saw waiting the last time.
    seen: u32,
    /// Nothing is staged any more.
    closed: bool,
}

/// Bytes on their way to the socket, in order, ahead of everything that is staged.
pub struct Wire {
    bytes: Vec<u8>,
    sent: usize,
    /// How many messages end in them.
    messages: usize,
}

impl Wire {
    /// The bytes that have not left yet.
    pub fn pending(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// How many messages end in the pending bytes.
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// Where more bytes can be put behind the pending ones: by who has the wire, and has seen that nothing is staged that
    /// would belong before them.
    pub fn behind(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Takes note that `count` of the pending bytes have left.
    pub fn sent(&mut self, count: usize) {
        self.sent += count;
        debug_assert!(self.sent <= self.bytes.len());
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            self.sent = 0;
            self.messages = 0;
        }
    }

    /// Takes over what is staged, or nothing where memory for both together cannot be had.
    fn take(&mut self, staging: &mut Staging) -> Result<(), Errno> {
        if staging.bytes.is_empty() {
            return Ok(());
        }
        if !self.bytes.is_empty() {
            self.bytes.try_reserve(staging.bytes.len()).map_err(|_| Errno::NOMEM)?;
        }
        staging.batch = staging.batch.wrapping_add(1);
        self.messages += std::mem::take(&mut staging.messages);
        if self.bytes.is_empty() {
            std::mem::swap(&mut self.bytes, &mut staging.bytes);
        } else {
            self.bytes.append(&mut staging.bytes);
        }
        Ok(())
    }
}

/// How much may wait in the staging area for one more message to be put there.
#[derive(Clone, Copy)]
pub struct Limit {
    /// Bytes, the new message included.
    pub bytes: usize,
    /// Messages before the new one.
    pub messages: usize,
}

/// What became of a message that was to be staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staged {
    /// It is staged, and the receiver, awake or just woken, will send it before it sleeps, or when there is room.
    Attended,
    /// It is staged, and nobody but the caller will send it.
    Unattended,
    /// There was no room; nothing was done.
    Full,
}

/// What the receiver is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attention {
    /// It comes by before it sleeps, or when there is room in the socket.
    Awake,
    /// It looks for answers with few requests outstanding, and comes by within microseconds.
    Looking,
    /// It sleeps, and has to be woken.
    Asleep,
    /// Nobody comes by soon.
    Elsewhere,
}

/// How an attempt to send what is pending ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// Nothing is left, but for what came meanwhile.
    All,
    /// The socket is full; bytes are left on the wire.
    Full,
    /// The kernel is short of memory; bytes are left on the wire. That the socket has room tells nothing: it is to be
    /// tried again in a while.
    Short,
    /// Another thread has the wire or is staging.
    Busy,
}

impl Handoff {
    /// With nothing staged and no receiver. The staging area holds `capacity` bytes.
    pub fn new(capacity: usize) -> Self {
        Handoff {
            staging: Mutex::new(Staging {
                bytes: Vec::new(),
                messages: 0,
                batch: 0,
                seen: u32::MAX,
                closed: false,
            }),
            wire: Mutex::new(Wire { bytes: Vec::new(), sent: 0, messages: 0 }),
            receiver: AtomicU8::new(ABSENT),
            capacity,
        }
    }

    // The sender's side. ---------------------------------------------------------------------------

    /// Stages a message of `len` bytes, which `copy` appends, unless `limit` is reached.
    /// `wake` is called when the receiver sleeps; it must not block. ENOTCONN once this is [closed](Self::close).
    /// Sender's thread.
    pub fn stage(
        &self,
        len: usize,
        limit: Limit,
        copy: impl FnOnce(&mut Vec<u8>),
        wake: impl FnOnce(),
    ) -> Result<Staged, Errno> {
        let mut staging = lock(&self.staging);
        if staging.closed {
            return Err(Errno::NOTCONN);
        }
        if staging.bytes.len() + len > limit.bytes.min(self.capacity) || staging.messages >= limit.messages {
            return Ok(Staged::Full);
        }
        if staging.bytes.capacity() < self.capacity {
            let more = self.capacity - staging.bytes.len();
            staging.bytes.try_reserve_exact(more).map_err(|_| Errno::NOMEM)?;
        }
        copy(&mut staging.bytes);
        staging.messages += 1;
        Ok(self.publish(wake))
        // The lock goes here: from now on the message may leave.
    }

    /// Looks after a sleeping receiver. The caller holds `staging`.
    fn publish(&self, wake: impl FnOnce()) -> Staged {
        match self.receiver.load(Ordering::Relaxed) {
            ABSENT | LARGE => Staged::Unattended,
            ASLEEP => {
                // The receiver may be waking by itself at this moment; then it finds one more count
                // in its eventfd later on, and looks once in vain.
                self.receiver.store(AWAKE, Ordering::Relaxed);
                wake();
                Staged::Attended
            }
            _ => Staged::Attended,
        }
    }

    /// What the receiver is at, for a sender that has a message.
    pub fn attention(&self) -> Attention {
        match self.receiver.load(Ordering::Relaxed) {
            ABSENT | LARGE => Attention::Elsewhere,
            ASLEEP => Attention::Asleep,
            LOOKING => Attention::Looking,
            _ => Attention::Awake,
        }
    }

    /// The wire, if nothing is pending and nobody has it. Sender's thread.
    pub fn idle_wire(&self) -> Option<MutexGuard<'_, Wire>> {
        let wire = try_lock(&self.wire)?;
        // Only the sender stages: what is not there now does not come while it is here.
        let idle = wire.pending().is_empty() && try_lock(&self.staging)?.bytes.is_empty();
        idle.then_some(wire)
    }

    /// The wire with all that is staged on it, waiting for whoever has it. For a thread that may block:
    /// the sender with a large message, or whose receiver is absent, or whose staging area is full;
    /// and `disconnect`. Nothing of the sender's is staged while the sender has the wire, so what it
    /// sends itself keeps its place. Where memory is short nothing is done.
    pub fn begin_flush(&self) -> Result<MutexGuard<'_, Wire>, Errno> {
        let mut wire = lock(&self.wire);
        wire.take(&mut lock(&self.staging))?;
        Ok(wire)
    }

    // Anyone's. ------------------------------------------------------------------------------------

    /// Sends what is pending without waiting, neither for a lock nor for room in the socket.
    ///
    /// `send` is told, too, how many messages end in the bytes. It returns how many bytes the socket took,
    /// or `WouldBlock`. Any other error but a shortage of memory is returned, and what was pending is dropped: the
    /// connection is broken in the middle of a message.
    pub fn flush(&self, mut send: impl FnMut(&[u8], usize) -> io::Result<usize>) -> io::Result<Flushed> {
        let Some(mut wire) = try_lock(&self.wire) else {
            return Ok(Flushed::Busy);
        };
        loop {
            if wire.pending().is_empty() {
                match try_lock(&self.staging) {
                    // The wire is empty, so that this swaps the two and needs no memory.
                    Some(mut staging) => wire.take(&mut staging).unwrap_or_default(),
                    None => return Ok(Flushed::Busy),
                }
                if wire.pending().is_empty() {
                    return Ok(Flushed::All);
                }
            }
            match send(wire.pending(), wire.messages()) {
                Ok(count) => {
                    wire.sent(count);
                    if wire.pending().is_empty() {
                        // What has come since then is looked for before the receiver sleeps.
                        return Ok(Flushed::All);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Flushed::Full),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error().is_some_and(|number| Errno(number).is_shortage()) => {
                    return Ok(Flushed::Short);
                }
                Err(error) => {
                    let rest = wire.pending().len();
                    wire.sent(rest);
                    return Err(error);
                }
            }
        }
    }

    /// Stages no more messages, if none are pending: true then. False in doubt. Whatever was staged before has left, and
    /// no `send` that comes later is told that its message was accepted: it has looked whether somebody disconnects
    /// before it came here, and may have been kept from running since.
    pub fn close(&self) -> bool {
        let Some(wire) = try_lock(&self.wire) else { return false };
        let Some(mut staging) = try_lock(&self.staging) else { return false };
        staging.closed |= wire.pending().is_empty() && staging.bytes.is_empty();
        staging.closed
    }

    // The receiver's side. -------------------------------------------------------------------------

    /// The receiver enters the driver.
    pub fn arrive(&self) {
        if self.receiver.load(Ordering::Relaxed) == ABSENT {
            self.receiver.store(AWAKE, Ordering::Relaxed);
        }
    }

    /// May the receiver sleep? Not while something is pending. When true, whoever stages something wakes
    /// it, or, with `large`, sends for itself. With `blocked` it promises to try again, when the socket has room or in a while, and need not be woken
    /// before. Receiver's thread.
    pub fn fall_asleep(&self, blocked: bool, large: bool) -> bool {
        // What a full socket has left on the wire. Whoever leaves something there from now on wakes the
        // receiver by what it stages afterwards, or tries again itself (the sweeper).
        if !blocked && try_lock(&self.wire).is_some_and(|wire| !wire.pending().is_empty()) {
            return false;
        }
        let Some(staging) = try_lock(&self.staging) else {
            // A sender is staging and may have looked at `receiver` already.
            return false;
        };
        if blocked {
            self.receiver.store(BLOCKED, Ordering::Relaxed);
            return true;
        }
        if !staging.bytes.is_empty() {
            return false;
        }
        self.receiver.store(if large { LARGE } else { ASLEEP }, Ordering::Relaxed);
        true
    }

    /// The receiver begins to look for answers. It is awake; [`woken`](Self::woken) tells that it has ended.
    /// Receiver's thread.
    pub fn look(&self) {
        self.receiver.store(LOOKING, Ordering::Relaxed);
    }

    /// The receiver has woken up, for whatever reason.
    pub fn woken(&self, large: bool) {
        self.receiver.store(if large { LARGE } else { AWAKE }, Ordering::Relaxed);
    }

    /// Calls `each` for staging area and wire where nothing is in them: their memory is not needed for now.
    /// Receiver's thread.
    pub fn unused(&self, mut each: impl FnMut(&mut Vec<u8>)) {
        let Some(mut wire) = try_lock(&self.wire).filter(|wire| wire.bytes.is_empty()) else { return };
        each(&mut wire.bytes);
        if let Some(mut staging) = try_lock(&self.staging).filter(|staging| staging.bytes.is_empty()) {
            each(&mut staging.bytes);
        }
    }

    // The sweeper's side. --------------------------------------------------------------------------

    /// Is anything pending, as far as can be seen without waiting? True in doubt.
    pub fn is_pending(&self) -> bool {
        let staged = try_lock(&self.staging).is_none_or(|staging| !staging.bytes.is_empty());
        staged || try_lock(&self.wire).is_none_or(|wire| !wire.pending().is_empty())
    }

    /// Has something been waiting since the sweeper last asked, with nobody asleep who would be woken?
    /// If so, the caller is to [`flush`](Self::flush) it, and a receiver that is awake but elsewhere
    /// counts as absent until it comes back.
    pub fn is_neglected(&self) -> bool {
        // What a full socket left on the wire is tried again at every look: that costs little, and
        // whoever left it may be gone.
        let left_over = try_lock(&self.wire).is_some_and(|wire| !wire.pending().is_empty());
        let Some(mut staging) = try_lock(&self.staging) else {
            return false;
        };
        if staging.bytes.is_empty() {
            return left_over;
        }
        if staging.seen != staging.batch {
            staging.seen = staging.batch;
            return left_over;
        }
        for awake in [AWAKE, LOOKING] {
            let _ = self.receiver.compare_exchange(awake, ABSENT, Ordering::Relaxed, Ordering::Relaxed);
        }
        true
    }
}

// With its path, since the model check has this file in another place.
#[cfg(all(test, not(loom)))]
#[path = "handoff/tests.rs"]
mod tests;
