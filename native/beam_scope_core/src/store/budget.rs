//! Memory of all recordings together.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

/// A cap in bytes that several recordings share.
#[derive(Debug)]
pub struct Budget {
    limit: AtomicUsize,
    held: AtomicUsize,
}

impl Budget {
    /// The cap of all recordings together, unless it is set otherwise.
    pub const DEFAULT: usize = 1 << 30;

    /// A budget of its own, for tests and tools.
    #[must_use]
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit: AtomicUsize::new(limit),
            held: AtomicUsize::new(0),
        })
    }

    /// The one that recordings share when they are given no other.
    #[must_use]
    pub fn global() -> Arc<Self> {
        static GLOBAL: std::sync::OnceLock<Arc<Budget>> = std::sync::OnceLock::new();
        Arc::clone(GLOBAL.get_or_init(|| Self::new(Self::DEFAULT)))
    }

    /// Changes the cap.
    pub fn set_limit(&self, bytes: usize) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    /// The cap.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// What all recordings hold.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.held() >= self.limit()
    }
}

/// One holder's part of a budget; gives everything back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    held: AtomicUsize,
}

impl Share {
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        Self {
            budget,
            held: AtomicUsize::new(0),
        }
    }

    /// Sets what this holder holds now.
    pub(crate) fn set(&self, bytes: usize) {
        let before = self.held.swap(bytes, Ordering::Relaxed);
        self.budget
            .held
            .fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
    }

    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.budget.is_spent()
    }

    /// What all holders may come to hold together.
    pub(crate) fn room(&self) -> usize {
        self.budget.limit().saturating_sub(self.budget.held())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}
