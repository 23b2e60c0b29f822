//! Memory for the thread on which the process ends.
//!
//! exit(3) may be called by a signal handler that has interrupted malloc, on that very thread: malloc's lock is then never
//! given back, and whoever asks for memory waits for itself. Seen on an emulated processor, where a test that ends
//! processes so hung once in some twenty runs. So what that thread needs to bring the last messages to the drives comes
//! from here, and what it frees is left alone: the kernel takes all of it back in a moment.

use std::{
    alloc::Layout,
    cell::{Cell, UnsafeCell},
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

/// Enough to drain thousands of connections, or to report some hundreds (`KTLI_URING_STATS`). Beyond that malloc is asked
/// after all. Pages that are not used cost nothing.
const SIZE: usize = 1 << 20;

#[repr(align(256))]
struct Memory(UnsafeCell<[u8; SIZE]>);

// SAFETY: The bytes are only handed out, in pieces that do not overlap, and never looked at from here.
unsafe impl Sync for Memory {}

static MEMORY: Memory = Memory(UnsafeCell::new([0; SIZE]));
/// Where the last piece ends.
static END: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static ENDING: Cell<bool> = const { Cell::new(false) };
}

/// From here on this thread's memory comes from here.
pub fn begin() {
    ENDING.set(true);
}

/// Does the process end on this thread?
pub fn is_ending() -> bool {
    ENDING.get()
}

fn base() -> *mut u8 {
    MEMORY.0.get().cast()
}

/// Is it memory from here? Such is never given back, and never used twice.
pub fn has(memory: *mut u8) -> bool {
    memory.addr().wrapping_sub(base().addr()) < SIZE
}

/// A piece that nobody else gets and that is all zeroes; NULL on other threads, and where nothing is left.
pub fn take(layout: Layout) -> *mut u8 {
    if !is_ending() || layout.align() > align_of::<Memory>() {
        return ptr::null_mut();
    }
    let start = |end: usize| end.next_multiple_of(layout.align());
    let taken = END.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |end| {
        start(end).checked_add(layout.size()).filter(|end| *end <= SIZE)
    });
    taken.map_or(ptr::null_mut(), |end| base().wrapping_add(start(end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_apart_and_only_for_the_thread_that_ends_the_process() {
        let layout = |size, align| Layout::from_size_align(size, align).unwrap();
        assert!(take(layout(1, 1)).is_null());
        // A thread that ends nothing, but says so.
        let thread = std::thread::spawn(move || {
            begin();
            let (first, second) = (take(layout(3, 1)), take(layout(16, 64)));
            assert!(has(first) && has(second));
            assert!(second.addr() >= first.addr() + 3 && second.addr() % 64 == 0);
            assert!(take(layout(SIZE, 1)).is_null());
            // What others have is not touched.
            let mut list = vec![1_u8; 10];
            list.extend([2; 1000]);
            assert_eq!((list[9], list[1009]), (1, 2));
            // What the thread frees at its end is the system's.
            ENDING.set(false);
        });
        thread.join().unwrap();
    }
}
