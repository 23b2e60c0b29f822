//! Pieces of memory on their way to or from the kernel, with the layout of `struct iovec`.
//!
//! A [`Segment`] stands for memory that is valid for its lifetime, but it is never turned into a Rust
//! reference: a value may lie in memory that only the kernel touches (and may refuse, with EFAULT),
//! and an empty entry of a caller's vector may carry any pointer at all.

use std::{
    alloc::{Layout, alloc_zeroed},
    marker::PhantomData,
    mem::MaybeUninit,
    ptr,
};

/// Direction marker: memory that is only read (sent).
#[derive(Clone, Copy)]
pub enum Out {}

/// Direction marker: memory that is written (received into).
#[derive(Clone, Copy)]
pub enum In {}

/// One contiguous piece of memory; the same layout as `struct iovec` and `struct kiovec`.
#[repr(transparent)]
pub struct Segment<'m, D>(libc::iovec, PhantomData<(&'m mut [u8], D)>);

/// A piece to be sent.
pub type Outgoing<'m> = Segment<'m, Out>;
/// A piece to be received into.
pub type Incoming<'m> = Segment<'m, In>;

// A copy of an incoming segment aliases writable memory, which is sound because no reference to it is
// ever made and a Segment is neither Send nor Sync: writes happen one after the other.
impl<D> Clone for Segment<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<D> Copy for Segment<'_, D> {}

impl<D> Segment<'_, D> {
    /// A segment of no bytes.
    pub const EMPTY: Self = Segment(libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }, PhantomData);

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.0.iov_len
    }

    /// Where it starts; for handing to the kernel, not for reading.
    pub fn base(&self) -> *mut u8 {
        self.0.iov_base.cast()
    }

    /// True if it has a length but no memory.
    pub fn is_missing(&self) -> bool {
        self.0.iov_base.is_null() && self.0.iov_len > 0
    }

    /// The part of it that starts at `from` and is at most `len` bytes long.
    pub fn part(&self, from: usize, len: usize) -> Self {
        let from = from.min(self.len());
        Segment(
            libc::iovec {
                iov_base: self.base().wrapping_add(from).cast(),
                iov_len: len.min(self.len() - from),
            },
            PhantomData,
        )
    }
}

impl<'m> Segment<'m, Out> {
    /// The memory of `bytes`.
    pub fn new(bytes: &'m [u8]) -> Self {
        Segment(libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }, PhantomData)
    }

    /// Appends its bytes to `to`, which the caller has given the room.
    pub fn append_to(&self, to: &mut Vec<u8>) {
        if self.len() == 0 {
            return;
        }
        to.reserve(self.len());
        let end = to.len();
        // SAFETY: The segment stands for readable memory of its length (the promise made to whoever
        // built it: a slice here, the C contract in `ffi`). The destination is the vector's spare
        // capacity, just reserved, so the two cannot overlap; the length is set only after the bytes
        // are there.
        unsafe {
            ptr::copy_nonoverlapping(self.base(), to.as_mut_ptr().add(end), self.len());
            to.set_len(end + self.len());
        }
    }
}

impl<'m> Segment<'m, In> {
    /// The memory of `bytes`.
    pub fn new(bytes: &'m mut [u8]) -> Self {
        Segment(libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() }, PhantomData)
    }

    /// Copies as much of `from` as fits to its start and returns the number of bytes.
    pub fn fill_from(&self, from: &[u8]) -> usize {
        let len = from.len().min(self.len());
        if len > 0 {
            // SAFETY: The segment stands for writable memory of at least `len` bytes that nobody else
            // uses while it lives (the promise made to whoever built it), and `from` is a live slice
            // of the driver's own memory, so they do not overlap.
            unsafe { ptr::copy_nonoverlapping(from.as_ptr(), self.base(), len) };
        }
        len
    }
}

/// A buffer of `len` zero bytes, or `None` where memory is short. The kernel makes its pages when they are first
/// touched, which filling a reserved vector would do at once.
pub fn zeroed(len: usize) -> Option<Box<[u8]>> {
    let layout = Layout::array::<u8>(len).ok().filter(|layout| layout.size() > 0)?;
    // SAFETY: The layout's size is not zero. The memory, if there is any, was allocated by the global
    // allocator with the layout of a `[u8; len]` and is all zero, which is what the box is made of.
    unsafe {
        let memory = alloc_zeroed(layout);
        (!memory.is_null()).then(|| Box::from_raw(ptr::slice_from_raw_parts_mut(memory, len)))
    }
}

/// Gives the pages of unused memory back to the kernel. They are there again when they are next touched. True if there
/// were any, which took a system call.
pub fn give_back(memory: &mut [MaybeUninit<u8>]) -> bool {
    // SAFETY: The memory is borrowed for this call, and has no content yet.
    unsafe { forget(memory.as_mut_ptr().cast(), memory.len()) }
}

/// As [`give_back`], for bytes whose values do not matter any more: what they are afterwards is not said.
pub fn give_back_bytes(memory: &mut [u8]) -> bool {
    // SAFETY: The memory is borrowed for this call, and bytes may have any value.
    unsafe { forget(memory.as_mut_ptr(), memory.len()) }
}

/// Drops the pages that lie wholly in `len` bytes at `memory`. True if there are any.
///
/// # Safety
/// The memory must be the caller's alone, and its content of no importance.
unsafe fn forget(memory: *mut u8, len: usize) -> bool {
    // SAFETY: No pointers are involved.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    let start = memory.addr().next_multiple_of(page) - memory.addr();
    let len = len.saturating_sub(start) / page * page;
    if len > 0 {
        // SAFETY: These pages are the caller's alone by this function's contract, and stay mapped. A failure
        // leaves them as they are.
        unsafe { libc::madvise(memory.add(start).cast(), len, libc::MADV_DONTNEED) };
    }
    len > 0
}

/// The most pieces that one operation is given.
///
/// The kernel's own limit is 1,024 (`IOV_MAX`); libkinetic sends three or four. A longer vector goes out
/// in several operations, which costs one system call for each 64 pieces and keeps the array small
/// enough for the stack.
pub const BATCH: usize = 64;

/// The pieces of one operation, in order.
pub struct Batch<'m, D> {
    list: [Segment<'m, D>; BATCH],
    count: usize,
    bytes: usize,
}

impl<'m, D> Batch<'m, D> {
    /// A batch of no pieces.
    pub fn new() -> Self {
        Batch { list: [Segment::EMPTY; BATCH], count: 0, bytes: 0 }
    }

    /// Adds a piece; returns false when there is no place for it. Empty pieces are left out.
    pub fn push(&mut self, segment: Segment<'m, D>) -> bool {
        if segment.len() == 0 {
            return true;
        }
        if self.count == BATCH {
            return false;
        }
        self.list[self.count] = segment;
        self.count += 1;
        self.bytes += segment.len();
        true
    }

    /// How many bytes all pieces hold.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The pieces.
    pub fn segments(&self) -> &[Segment<'m, D>] {
        &self.list[..self.count]
    }

    /// A message header that names the pieces. It is valid as long as the batch neither moves nor changes.
    pub fn header(&self) -> libc::msghdr {
        header(self.segments())
    }
}

/// A message header that names the pieces, for sendmsg and recvmsg. It is valid as long as they neither move nor
/// change.
pub fn header<D>(pieces: &[Segment<'_, D>]) -> libc::msghdr {
    // SAFETY: msghdr is a plain C structure for which all-zero bytes mean "nothing given".
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = pieces.as_ptr().cast_mut().cast();
    header.msg_iovlen = pieces.len() as _;
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_that_of_iovec() {
        assert_eq!(size_of::<Segment<'_, Out>>(), size_of::<libc::iovec>());
        assert_eq!(align_of::<Segment<'_, In>>(), align_of::<libc::iovec>());
    }

    #[test]
    fn what_is_given_back_is_whole_pages_and_stays_usable() {
        let mut memory = vec![1_u8; 40_000];
        memory.clear();
        assert!(give_back(memory.spare_capacity_mut()));
        memory.resize(40_000, 2);
        assert!(memory.iter().all(|byte| *byte == 2));
        // What is beside it is untouched.
        memory.truncate(1000);
        give_back(memory.spare_capacity_mut());
        assert!(memory.iter().all(|byte| *byte == 2));
        assert!(!give_back(&mut []));
    }

    #[test]
    fn parts_stay_inside() {
        let bytes = *b"0123456789";
        let mut got = Vec::new();
        Segment::<Out>::new(&bytes).part(3, 4).append_to(&mut got);
        assert_eq!(got, b"3456");
        assert_eq!(Segment::<Out>::new(&bytes).part(8, 10).len(), 2);
        assert_eq!(Segment::<Out>::new(&bytes).part(11, 1).len(), 0);
    }

    #[test]
    fn filling_copies_what_fits() {
        let mut bytes = [0_u8; 4];
        assert_eq!(Segment::<In>::new(&mut bytes).fill_from(b"abcdef"), 4);
        assert_eq!(&bytes, b"abcd");
    }

    #[test]
    fn a_batch_leaves_out_empty_pieces_and_refuses_one_too_many() {
        let byte = [1_u8];
        let mut batch = Batch::new();
        assert!(batch.push(Segment::<Out>::EMPTY));
        for _ in 0..BATCH {
            assert!(batch.push(Segment::<Out>::new(&byte)));
        }
        assert!(!batch.push(Segment::<Out>::new(&byte)));
        assert_eq!(batch.bytes(), BATCH);
    }
}
