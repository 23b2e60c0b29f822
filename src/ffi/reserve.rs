//! Memory for the moments in which there is none.
//!
//! Rust ends the process where memory for something small cannot be had: a text for the log, a block of counters, the
//! argument of a thread. A library must not do that to the program that uses it. So small things then come from a
//! reserve of the library's own. It is not meant to last: texts and the like are gone when the call ends, and a call that
//! would keep something for longer ([`check`]) fails instead, which gives back what it has taken. Large things, and what
//! is asked for by [`room`], never come from the reserve: who asks for those copes with a refusal.
//!
//! This is done by a global allocator, since nothing else sees all allocations, the standard library's included. It
//! stands in front of the system's malloc and adds two comparisons to each call. A Rust program that links this library
//! gets it, too, and cannot have another one.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::{Cell, UnsafeCell},
    ptr,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use super::last;
use crate::error::Errno;

/// Size of the reserve. `connect` takes some 4 KiB of it if nothing at all can be had.
const SIZE: usize = 64 << 10;

/// The largest piece that comes from it.
const MOST: usize = 16 << 10;

/// How many milliseconds to wait for others to give back what they have.
const PATIENCE: u32 = 1000;

/// The reserve: pieces are handed out one behind the other, and start again from the beginning when none is left in use.
struct Reserve {
    memory: Memory,
    /// How many pieces are in use (upper half), and where the last one ends (lower half).
    state: AtomicU64,
}

#[repr(align(256))]
struct Memory(UnsafeCell<[u8; SIZE]>);

// SAFETY: The bytes are only handed out, in pieces that do not overlap, and never looked at from here.
unsafe impl Sync for Memory {}

static RESERVE: Reserve = Reserve { memory: Memory(UnsafeCell::new([0; SIZE])), state: AtomicU64::new(0) };

impl Reserve {
    fn base(&self) -> *mut u8 {
        self.memory.0.get().cast()
    }

    /// The offset of a piece; `None` for any other memory.
    fn offset(&self, piece: *mut u8) -> Option<usize> {
        piece.addr().checked_sub(self.base().addr()).filter(|offset| *offset < SIZE)
    }

    /// A piece, or NULL.
    fn take(&self, layout: Layout) -> *mut u8 {
        let start = |state: u64| (state as u32 as usize).next_multiple_of(layout.align());
        let taken = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
            let end = start(state) + layout.size();
            (end <= SIZE).then(|| ((state >> 32) + 1) << 32 | end as u64)
        });
        match taken {
            // Not beyond the memory's end, and as aligned as the offset is, up to the memory's own alignment.
            Ok(state) => self.base().wrapping_add(start(state)),
            Err(_) => ptr::null_mut(),
        }
    }

    /// Takes back the piece at `offset`.
    fn give(&self, offset: usize, layout: Layout) {
        let _ = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
            let (left, end) = ((state >> 32) - 1, state as u32 as usize);
            let end = match left {
                0 => 0,
                _ if offset + layout.size() == end => offset,
                _ => end,
            };
            Some(left << 32 | end as u64)
        });
    }
}

thread_local! {
    /// This thread has got something from the reserve since [`begin`].
    static USED: Cell<bool> = const { Cell::new(false) };
    /// This thread copes with a refusal.
    static COPES: Cell<bool> = const { Cell::new(false) };
}

/// What comes instead of memory that the system has refused: a piece of the reserve, or NULL.
#[cold]
fn instead(layout: Layout) -> *mut u8 {
    if layout.size() > MOST || layout.align() > align_of::<Memory>() || COPES.get() {
        return ptr::null_mut();
    }
    for _ in 0..PATIENCE {
        let piece = RESERVE.take(layout);
        if !piece.is_null() {
            USED.set(true);
            return piece;
        }
        // Many threads are short of memory at once; what they have here they give back soon.
        thread::sleep(Duration::from_millis(1));
    }
    ptr::null_mut()
}

/// The system's malloc, with the reserve behind it; at the end of the process neither (see [`last`]).
struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

// SAFETY: Memory is the system's, or a piece of the reserve or of `last` that nobody else has, which is as large and as
// aligned as the layout says; it is told by its address which of the three, and given back to the one it came from, or to
// none. Nothing here allocates or unwinds: the thread's three flags have neither an initialiser nor a destructor.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let memory = last::take(layout);
        if !memory.is_null() {
            return memory;
        }
        // SAFETY: The caller's promise (a size that is not 0) is passed on.
        let memory = unsafe { System.alloc(layout) };
        if memory.is_null() { instead(layout) } else { memory }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let memory = last::take(layout);
        if !memory.is_null() {
            return memory;
        }
        // SAFETY: As above.
        let memory = unsafe { System.alloc_zeroed(layout) };
        if !memory.is_null() {
            return memory;
        }
        let piece = instead(layout);
        if !piece.is_null() {
            // SAFETY: The piece is of that size.
            unsafe { piece.write_bytes(0, layout.size()) };
        }
        piece
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        match RESERVE.offset(memory) {
            Some(offset) => RESERVE.give(offset, layout),
            None if last::has(memory) || last::is_ending() => {}
            // SAFETY: It is neither's, so the system has allocated it with this layout.
            None => unsafe { System.dealloc(memory, layout) },
        }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if RESERVE.offset(memory).is_none() && !last::has(memory) && !last::is_ending() {
            // SAFETY: As in `dealloc`; the new size is not 0 by the caller's promise.
            let moved = unsafe { System.realloc(memory, layout, size) };
            if !moved.is_null() {
                return moved;
            }
        }
        // SAFETY: The alignment is that of a layout, and the caller promises that the size, rounded up to it, is not
        // too large, and not 0. Both pieces of memory have the bytes that are copied, and are different. The old one
        // is given back as it was allocated.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                ptr::copy_nonoverlapping(memory, moved, size.min(layout.size()));
                self.dealloc(memory, layout);
            }
            moved
        }
    }
}

/// From here on this thread's use of the reserve counts.
pub fn begin() {
    USED.set(false);
}

/// ENOMEM if this thread has got anything from the reserve: then what it has made must not last.
pub fn check() -> Result<(), Errno> {
    if USED.get() { Err(Errno::NOMEM) } else { Ok(()) }
}

/// Makes room for `more` elements, not from the reserve: for a list that lasts.
pub fn room<T>(list: &mut Vec<T>, more: usize) -> Result<(), Errno> {
    COPES.set(true);
    let reserved = list.try_reserve(more);
    COPES.set(false);
    reserved.map_err(|_| Errno::NOMEM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::large_stack_arrays, reason = "on a test's stack")]
    fn reserve() -> Box<Reserve> {
        Box::new(Reserve { memory: Memory(UnsafeCell::new([0; SIZE])), state: AtomicU64::new(0) })
    }

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn pieces_are_aligned_and_do_not_overlap() {
        let reserve = reserve();
        let mut end = 0;
        for (size, align) in [(1, 1), (8, 8), (3, 1), (100, 64), (5, 16)] {
            let offset = reserve.offset(reserve.take(layout(size, align))).unwrap();
            assert_eq!(offset % align, 0);
            assert!(offset >= end);
            end = offset + size;
        }
    }

    #[test]
    fn what_was_given_back_is_used_again() {
        let reserve = reserve();
        let half = layout(SIZE / 2, 1);
        let [first, second] = [reserve.take(half), reserve.take(half)];
        assert!(reserve.take(layout(1, 1)).is_null());
        // The last one at once, and all when none is in use.
        reserve.give(SIZE / 2, half);
        assert_eq!(reserve.take(half), second);
        reserve.give(0, half);
        assert!(reserve.take(layout(1, 1)).is_null());
        reserve.give(SIZE / 2, half);
        assert_eq!(reserve.take(half), first);
    }

    #[test]
    fn other_memory_is_told_apart() {
        let reserve = reserve();
        assert_eq!(reserve.offset(reserve.base()), Some(0));
        assert_eq!(reserve.offset(reserve.base().wrapping_sub(1)), None);
        assert_eq!(reserve.offset(reserve.base().wrapping_add(SIZE)), None);
    }

    #[test]
    fn large_things_and_those_for_which_there_is_a_way_out_are_refused() {
        begin();
        assert!(instead(layout(MOST + 1, 1)).is_null());
        COPES.set(true);
        assert!(instead(layout(1, 1)).is_null());
        COPES.set(false);
        assert_eq!(check(), Ok(()));
        let piece = instead(layout(10, 1));
        assert_eq!(check(), Err(Errno::NOMEM));
        // SAFETY: Allocated above with this layout.
        unsafe { ALLOCATOR.dealloc(piece, layout(10, 1)) };
        begin();
        assert_eq!(check(), Ok(()));
    }
}
