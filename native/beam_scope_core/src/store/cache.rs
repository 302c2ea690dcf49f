//! Decoded chunks, the most recently used ones.

use std::sync::Arc;

use super::view::ChunkView;

const LARGEST: usize = 4;

/// A few decoded chunks, bounded by their bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cache {
    /// The most recently used one last.
    views: Vec<(u64, Arc<ChunkView>, usize)>,
    bytes: usize,
}

impl Cache {
    pub(crate) fn get(&mut self, index: u64) -> Option<Arc<ChunkView>> {
        let at = self.views.iter().position(|(i, ..)| *i == index)?;
        let entry = self.views.remove(at);
        let view = Arc::clone(&entry.1);
        self.views.push(entry);
        Some(view)
    }

    /// Keeps a view, and lets the least recently used ones go until at most `most` bytes are held; the view itself stays up to so many
    /// times that, since whoever asks for a moment asks for the one before it next.
    pub(crate) fn put(&mut self, index: u64, view: &Arc<ChunkView>, most: usize) {
        self.remove(index);
        let bytes = view.bytes();
        self.bytes += bytes;
        self.views.push((index, Arc::clone(view), bytes));
        self.shrink(most.max(bytes.min(most.saturating_mul(LARGEST))));
    }

    pub(crate) fn shrink(&mut self, most: usize) {
        while self.bytes > most && !self.views.is_empty() {
            self.bytes -= self.views.remove(0).2;
        }
    }

    pub(crate) fn remove(&mut self, index: u64) {
        if let Some(at) = self.views.iter().position(|(i, ..)| *i == index) {
            self.bytes -= self.views.remove(at).2;
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}
