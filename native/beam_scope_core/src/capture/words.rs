//! Zeroed memory in words of 8 bytes, aligned to a cache line, committed by the system as it is first touched.

use std::alloc::{alloc_zeroed, dealloc, Layout};

use crate::reserve;

const LINE: usize = 64;

/// A block of zeroed memory.
///
/// Asks the allocator for small alignment only: for larger ones the zeroes would be written out, and every page committed.
pub(crate) struct Words {
    raw: *mut u8,
    base: *mut u8,
    layout: Layout,
    bytes: usize,
    #[cfg(loom)]
    track: Box<[loom::cell::UnsafeCell<()>]>,
}

// SAFETY: a block is plain memory. Who may touch which part of it when is for the users of `slice` and `slice_mut` to say.
unsafe impl Send for Words {}
// SAFETY: as above; `Words` itself hands out nothing but raw addresses and slices under the caller's promise.
unsafe impl Sync for Words {}

impl Words {
    /// A block of `words` zeroed words; `None` when there is no such memory to be had.
    pub(crate) fn zeroed(words: usize) -> Option<Self> {
        let bytes = words.checked_mul(8)?;
        let layout = Layout::from_size_align(bytes.checked_add(LINE)?, 8).ok()?;
        // SAFETY: the layout's size is at least a line, so it is not zero.
        let raw = reserve::sparing(|| unsafe { alloc_zeroed(layout) });
        if raw.is_null() {
            return None;
        }
        let skip = raw.align_offset(LINE);
        // SAFETY: `skip` is less than a line and the block is a line longer than asked for.
        let base = unsafe { raw.add(skip) };
        Some(Self {
            raw,
            base,
            layout,
            bytes,
            #[cfg(loom)]
            track: (0..words).map(|_| loom::cell::UnsafeCell::new(())).collect(),
        })
    }

    /// The block's size.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The block's first byte.
    #[cfg(not(loom))]
    pub(crate) fn base(&self) -> *mut u8 {
        self.base
    }

    /// Tells loom that words are read.
    #[inline(always)]
    pub(crate) fn note_read(&self, _at: usize, _len: usize) {
        #[cfg(loom)]
        for cell in &self.track[_at / 8..(_at + _len).div_ceil(8)] {
            cell.with(|_| ());
        }
    }

    /// Tells loom that words are written.
    #[inline(always)]
    pub(crate) fn note_write(&self, _at: usize, _len: usize) {
        #[cfg(loom)]
        for cell in &self.track[_at / 8..(_at + _len).div_ceil(8)] {
            cell.with_mut(|_| ());
        }
    }

    /// Bytes `at..at + len` to read.
    ///
    /// # Safety
    /// No one may write any of them while the slice lives.
    #[inline(always)]
    pub(crate) unsafe fn slice(&self, at: usize, len: usize) -> &[u8] {
        debug_assert!(at + len <= self.bytes);
        self.note_read(at, len);
        // SAFETY: inside the block by the caller's arithmetic (checked above), initialised by `alloc_zeroed`, unshared by promise.
        unsafe { std::slice::from_raw_parts(self.base.add(at), len) }
    }

    /// Bytes `at..at + len` to write.
    ///
    /// # Safety
    /// No one else may read or write any of them while the slice lives.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn slice_mut(&self, at: usize, len: usize) -> &mut [u8] {
        debug_assert!(at + len <= self.bytes);
        self.note_write(at, len);
        // SAFETY: as in `slice`, and the caller has these bytes to itself.
        unsafe { std::slice::from_raw_parts_mut(self.base.add(at), len) }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: allocated in `zeroed` with this layout, freed once.
        unsafe { dealloc(self.raw, self.layout) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "it has no memory that is not to be had")]
    fn memory_that_is_not_to_be_had_is_none() {
        assert!(Words::zeroed(usize::MAX).is_none());
        assert!(Words::zeroed(usize::MAX / 8 - LINE).is_none());
        assert!(Words::zeroed(1 << 50).is_none());
    }

    #[test]
    fn a_block_is_zeroed_and_aligned() {
        let words = Words::zeroed(3).expect("memory");
        assert_eq!((words.bytes(), words.base().align_offset(LINE)), (24, 0));
        // SAFETY: nobody writes.
        assert_eq!(unsafe { words.slice(0, 24) }, [0; 24]);
    }
}
