//! The atomics this module is built from: the standard ones, or loom's when it explores every interleaving.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{fence, AtomicBool, AtomicU64, AtomicUsize, Ordering};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{fence, AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Stores `value` and orders it before everything that follows in this thread, loads and clock reads included.
///
/// A sequentially consistent fence does this everywhere. On x86 an exchange is the same barrier at a third of the price
/// (crossbeam-epoch pins its participants the same way).
#[inline(always)]
pub(crate) fn publish(word: &AtomicU64, value: u64) {
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
    {
        word.swap(value, Ordering::SeqCst);
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
    }
    #[cfg(not(all(target_arch = "x86_64", not(loom), not(miri))))]
    {
        word.store(value, Ordering::Relaxed);
        if !cfg!(mutant = "gate_without_fence") {
            fence(Ordering::SeqCst);
        }
    }
}
