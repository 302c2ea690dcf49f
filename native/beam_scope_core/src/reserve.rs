//! Memory put aside for the moment in which there is none.
//!
//! A vector that grows cannot be refused everywhere: rows, seals and answers are made of thousands of small ones, and Rust ends the process
//! where one of them gets nothing — here that is somebody's node. So a block is put aside when the library is loaded, and [`Frugal`], the library's
//! allocator, gives of it once the system gives no more. Whoever records or reads looks at [`is_short`], [`is_low`] and [`is_there`] before the next step: recordings stop
//! with what they have, and new questions are refused until there is memory again. A page that was never used takes address space alone.
//!
//! The block is a bump allocator, which goes back where the piece given last comes back and starts anew when nothing is held: one word says how many
//! pieces are held and how far it is used.
//!
//! What it cannot help: a piece that is held for long keeps the block from starting anew, and a thread whose first thread-local of this library is touched
//! when nothing at all is left may be ended by the C library.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// So much is put aside.
pub const BYTES: usize = 16 << 20;
const PAGE: usize = 4096;

static BLOCK: AtomicPtr<u8> = AtomicPtr::new(null_mut());
/// Pieces that are held in the upper half, bytes that were given in the lower one.
static GIVEN: AtomicU64 = AtomicU64::new(0);

const ONE: u64 = 1 << 32;
const USED: u64 = ONE - 1;

/// Puts the block aside, unless it is there. `false`: there is no memory for it.
pub fn fill() -> bool {
    if !BLOCK.load(Ordering::Acquire).is_null() {
        return true;
    }
    let Ok(layout) = Layout::from_size_align(BYTES, PAGE) else {
        return false;
    };
    // SAFETY: the size is not zero.
    #[allow(unsafe_code)]
    let block = unsafe { System.alloc(layout) };
    if block.is_null() {
        return false;
    }
    if BLOCK
        .compare_exchange(null_mut(), block, Ordering::AcqRel, Ordering::Acquire)
        .is_err()
    {
        // SAFETY: from the allocator above, with this layout, and nobody else has seen it.
        #[allow(unsafe_code)]
        unsafe {
            System.dealloc(block, layout);
        }
    }
    true
}

/// Whether the system refuses memory: something of the block is held, and there is still no other.
#[must_use]
pub fn is_short() -> bool {
    GIVEN.load(Ordering::Relaxed) >= ONE && !has_room(LITTLE)
}

/// Whether it does, and less than half of the block is left.
#[must_use]
pub fn is_low() -> bool {
    GIVEN.load(Ordering::Relaxed) & USED > BYTES as u64 / 2 && !has_room(LITTLE)
}

/// Enough to go on.
const LITTLE: usize = 256 << 10;
/// What a step takes that says nothing of itself.
const STEP: usize = 8 << 20;
/// What none takes more than, whatever it says of itself.
const MOST: usize = 256 << 20;

/// Whether there is memory without the block for a step that cannot be refused in its midst, which takes about so much: to be asked before it.
/// Nothing is touched of what is asked for and given back at once.
#[must_use]
pub fn is_there(bytes: usize) -> bool {
    has_room(STEP + bytes.min(MOST))
}

fn has_room(bytes: usize) -> bool {
    let Ok(layout) = Layout::from_size_align(bytes, 1) else {
        return false;
    };
    // SAFETY: the size is not zero.
    #[allow(unsafe_code)]
    let at = sparing(|| unsafe { std::alloc::alloc(layout) });
    // What nobody looks at is not even asked for.
    if std::hint::black_box(at).is_null() {
        return false;
    }
    // SAFETY: from the same allocator, with the same layout.
    #[allow(unsafe_code)]
    unsafe {
        std::alloc::dealloc(at, layout);
    }
    true
}

thread_local! {
    /// What this thread asks for just now can be refused.
    static SPARING: Cell<bool> = const { Cell::new(false) };
}

/// What asks for memory here can be refused, and so leaves the reserve to what cannot.
pub fn sparing<T>(what: impl FnOnce() -> T) -> T {
    let before = SPARING.replace(true);
    let answer = what();
    SPARING.set(before);
    answer
}

/// Room for so many more; `false` where there is no memory for them, and the reserve is not for that.
#[must_use]
pub fn room<T>(items: &mut Vec<T>, more: usize) -> bool {
    items.capacity() - items.len() >= more || sparing(|| items.try_reserve(more).is_ok())
}

fn give(layout: Layout) -> *mut u8 {
    let block = BLOCK.load(Ordering::Acquire);
    // The block's own alignment is a page's; larger ones are nobody's.
    if block.is_null() || SPARING.get() || layout.align() > PAGE {
        return null_mut();
    }
    let mut given = GIVEN.load(Ordering::Relaxed);
    loop {
        let from = ((given & USED) as usize).next_multiple_of(layout.align());
        let Some(to) = from.checked_add(layout.size()).filter(|to| *to <= BYTES) else {
            return null_mut();
        };
        let used = if cfg!(mutant = "reserve_gives_twice") { from } else { to };
        let next = (given & !USED) + ONE + used as u64;
        match GIVEN.compare_exchange_weak(given, next, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => return block.wrapping_add(from),
            Err(now) => given = now,
        }
    }
}

/// Where in the block a piece begins, if it is one.
fn place(at: *mut u8) -> Option<usize> {
    let block = BLOCK.load(Ordering::Acquire);
    let from = (at as usize).wrapping_sub(block as usize);
    (!block.is_null() && from < BYTES).then_some(from)
}

/// A piece comes back. The last one that is held takes the whole block with it, the one that was given last its own bytes.
fn take_back(from: usize, size: usize) {
    let back = |given: u64| match (given - ONE, given & USED) {
        (left, _) if left < ONE && !cfg!(mutant = "reserve_is_never_whole_again") => 0,
        (left, used) if used == (from + size) as u64 => left - used + from as u64,
        (left, _) => left,
    };
    let mut given = GIVEN.load(Ordering::Relaxed);
    // Release: whoever gets the bytes next sees them as they were left.
    while let Err(now) = GIVEN.compare_exchange_weak(given, back(given), Ordering::AcqRel, Ordering::Relaxed) {
        given = now;
    }
}

/// The piece that was given last gets longer where it is.
fn stretch(from: usize, size: usize, more: usize) -> bool {
    let Some(to) = from.checked_add(more).filter(|to| *to <= BYTES) else {
        return false;
    };
    let mut given = GIVEN.load(Ordering::Relaxed);
    while given & USED == (from + size) as u64 {
        match GIVEN.compare_exchange_weak(
            given,
            given - (given & USED) + to as u64,
            Ordering::Acquire,
            Ordering::Relaxed,
        ) {
            Ok(_) => return true,
            Err(now) => given = now,
        }
    }
    false
}

/// An allocator that gives of the reserve where another one has nothing.
pub struct Frugal<A = System>(pub A);

// SAFETY: every piece is either the inner allocator's, with its own layout, or one of the reserve that is nobody else's: pieces never overlap while one
// of them is held, and none is larger than what was asked for says. Which of both it is its address tells.
#[allow(unsafe_code)]
unsafe impl<A: GlobalAlloc> GlobalAlloc for Frugal<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by the caller's promise.
        let at = unsafe { self.0.alloc(layout) };
        if at.is_null() {
            give(layout)
        } else {
            at
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by the caller's promise.
        let at = unsafe { self.0.alloc_zeroed(layout) };
        if !at.is_null() {
            return at;
        }
        let at = give(layout);
        if !at.is_null() {
            // SAFETY: a piece of this size, which is nobody else's.
            unsafe { at.write_bytes(0, layout.size()) };
        }
        at
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        if let Some(from) = place(at) {
            return take_back(from, layout.size());
        }
        // SAFETY: not of the reserve, so the inner allocator's.
        unsafe { self.0.dealloc(at, layout) };
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if let Some(from) = place(at) {
            if size <= layout.size() || stretch(from, layout.size(), size) {
                return at;
            }
        } else {
            // SAFETY: not of the reserve, so the inner allocator's.
            let grown = unsafe { self.0.realloc(at, layout, size) };
            if !grown.is_null() {
                return grown;
            }
        }
        // SAFETY: the alignment is one, and the caller promises that the size is no less so.
        let new = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !new.is_null() {
            // SAFETY: both are at least so long, and the new one is nobody else's.
            unsafe {
                std::ptr::copy_nonoverlapping(at, new, layout.size().min(size));
                self.dealloc(at, layout);
            }
        }
        new
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).expect("a layout")
    }

    fn back(at: *mut u8, layout: Layout) {
        take_back(place(at).expect("a piece of the block"), layout.size());
    }

    /// One test: the block is everybody's.
    #[test]
    fn pieces_are_nobody_elses_and_all_of_them_come_back() {
        assert!(fill());
        let (small, large) = (layout(3, 1), layout(64, 64));
        let (a, b) = (give(small), give(large));
        assert_eq!((place(a), b.align_offset(64)), (Some(0), 0));
        // The last one's bytes are there again, those of the one before are not.
        back(b, large);
        assert_eq!(give(large), b);
        back(a, small);
        let c = give(small);
        assert_eq!(place(c), place(b).map(|from| from + 64));
        back(b, large);
        back(c, small);
        assert_eq!(GIVEN.load(Ordering::Relaxed), 0);

        let all = layout(BYTES, 1);
        let whole = give(all);
        assert!(!whole.is_null() && give(layout(1, 1)).is_null() && place(whole.wrapping_add(BYTES)).is_none());
        back(whole, all);
        let (d, longer) = (give(small), layout(400, 1));
        assert!(stretch(0, 3, 400) && !stretch(0, 3, 500) && !stretch(0, 400, BYTES + 1));
        assert_eq!(place(give(small)), Some(400));
        assert!(!stretch(0, 400, 500));
        back(d.wrapping_add(400), small);
        back(d, longer);
        assert!(sparing(|| give(small)).is_null() && give(layout(8, 8192)).is_null());

        std::thread::scope(|scope| {
            for who in 1..=4u8 {
                scope.spawn(move || {
                    for round in 0..if cfg!(miri) { 100 } else { 20_000usize } {
                        let layout = layout(1 + (round * 7 + who as usize) % 300, 1 << (round % 5));
                        let at = give(layout);
                        assert!(!at.is_null());
                        // SAFETY: a piece of this size, which is nobody else's: that is what is tested.
                        #[allow(unsafe_code)]
                        unsafe {
                            at.write_bytes(who, layout.size());
                            std::thread::yield_now();
                            assert!((0..layout.size()).all(|n| *at.add(n) == who));
                        }
                        back(at, layout);
                    }
                });
            }
        });
        assert_eq!(GIVEN.load(Ordering::Relaxed), 0);
        assert!(!is_short() && !is_low());
    }
}
