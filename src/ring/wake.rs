//! Waking the receiver without a system call, where a kernel thread does the submitting (SQPOLL).
//!
//! What wakes the receiver is an eventfd, here as everywhere; only that the kernel's thread writes to it. So nothing
//! changes for the receiver, whether it sleeps in its ring or in poll(2), and the count cannot get lost on its way.
//!
//! A message from ring to ring (`MSG_RING`) would be the other way, and was not taken. It names the receiver's ring by
//! a descriptor, which the kernel's thread looks up when it gets to the entry; by then that ring may be gone and its
//! number somebody else's, since it is made anew on another thread and dropped by `disconnect`. Registering
//! it in the sender's ring would keep it, but the kernel is believed to refuse that for rings; this was not tried. And a receiver that sleeps in poll(2) is not in its
//! ring at all. An eventfd can be registered.

use io_uring::opcode;

use super::{File, Kind, Ring};
use crate::{features::Feature, socket::calls::Wake, statistics::Count};

/// What is written to an eventfd.
static ONE: u64 = 1;

/// Has the kernel's thread wake the receiver. Takes a system call only if that thread sleeps, and never waits. False
/// if that cannot be done, and the caller has to do it.
pub fn wake(ring: &mut Ring, wake: &Wake) -> bool {
    if !ring.is_sqpoll() || !ring.registered || !ring.has(Feature::Write) {
        return false;
    }
    while let Some(completion) = ring.reap() {
        if completion.tag.is(Kind::Wake) && completion.result().is_err() {
            // No error is known that could come here, and the sweeper would send what it held back.
            ring.counters.wake_writes.add(1);
            wake.wake();
        }
    }
    let entry = ring.entry(File::Wake, wake, |fd| {
        opcode::Write::new(fd, (&raw const ONE).cast(), size_of_val(&ONE) as u32).build()
    });
    // SAFETY: The entry points to a static that is never written to.
    unsafe { ring.try_push(Kind::Wake, entry) }.is_some() && ring.enter(0, None).is_ok()
}
