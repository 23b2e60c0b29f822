//! Structures that may grow: their first member tells how many bytes the program knows of them.
//!
//! A later version appends members. What a program built against an older one does not know is neither
//! read nor written, and what an older library does not know stays as it was.

use std::ptr;

use crate::error::Errno;

/// A C structure that may grow.
///
/// # Safety
/// Its layout is C's, its first member is `size: usize`, and every bit pattern is a valid value of it.
pub unsafe trait SizeFirst: Copy {
    /// Sets the first member.
    fn set_size(&mut self, size: usize);
}

/// Size of `structure` as the program knows it, at most as large as it is here. EINVAL for NULL or if it
/// cannot be.
///
/// # Safety
/// `structure` must be NULL or point to at least its first member.
unsafe fn known_size<T: SizeFirst>(structure: *const T) -> Result<usize, Errno> {
    if structure.is_null() || !structure.is_aligned() {
        return Err(Errno::INVAL);
    }
    // SAFETY: Not NULL, checked above, and by this function's contract; the trait says what comes first.
    let size = unsafe { structure.cast::<usize>().read() };
    if size <= size_of::<usize>() {
        return Err(Errno::INVAL);
    }
    Ok(size.min(size_of::<T>()))
}

/// Gives `value` to the program, as far as it knows it. `to->size` must be set.
///
/// # Safety
/// `to` must be NULL or point to `to->size` bytes that can be written.
pub unsafe fn give<T: SizeFirst>(mut value: T, to: *mut T) -> Result<(), Errno> {
    // SAFETY: By this function's contract.
    let size = unsafe { known_size(to)? };
    value.set_size(size);
    // SAFETY: There are at least `size` bytes on both sides, and `value` is this function's own.
    unsafe { ptr::copy_nonoverlapping((&raw const value).cast::<u8>(), to.cast::<u8>(), size) };
    Ok(())
}

/// Takes from the program what it knows; the rest stays as it is in `value`.
///
/// # Safety
/// `from` must be NULL or point to `from->size` bytes.
pub unsafe fn take<T: SizeFirst>(from: *const T, mut value: T) -> Result<T, Errno> {
    // SAFETY: By this function's contract.
    let size = unsafe { known_size(from)? };
    // SAFETY: There are at least `size` bytes on both sides, `value` is this function's own, and every bit
    // pattern is a valid value of it (the trait's promise).
    unsafe { ptr::copy_nonoverlapping(from.cast::<u8>(), (&raw mut value).cast::<u8>(), size) };
    Ok(value)
}
