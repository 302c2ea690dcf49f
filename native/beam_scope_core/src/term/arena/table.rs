//! Finding nodes by content: open addressing by content hash, built when it is needed.
//!
//! An arena that was unpacked is read, mostly by ids: a few look-ups go through the list of hashes, which costs less than to make a
//! table that is hardly used.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::OnceLock;

/// An empty place.
const VACANT: u32 = u32::MAX;
/// So many look-ups go through the list.
const FEW: u32 = 8;

#[derive(Debug, Default)]
pub(super) struct Table {
    /// A power of two, at most half full.
    places: OnceLock<Vec<u32>>,
    asked: AtomicU32,
}

impl Clone for Table {
    fn clone(&self) -> Self {
        Self {
            places: self.places.clone(),
            asked: AtomicU32::new(0),
        }
    }
}

impl Table {
    /// The first node with this hash that is the one.
    pub(super) fn find(&self, hashes: &[u64], hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let listed =
            self.places.get().is_none() && (hashes.is_empty() || self.asked.fetch_add(1, Ordering::Relaxed) < FEW);
        if listed {
            let ids = hashes.iter().zip(0..).filter(|(one, _)| **one == hash);
            return ids.map(|(_, id)| id).find(|id| is(*id));
        }
        let places = self.places.get_or_init(|| build(hashes));
        let mask = places.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let id = places[at];
            if id == VACANT {
                return None;
            }
            if hashes[id as usize] == hash && is(id) {
                return Some(id);
            }
            at = (at + 1) & mask;
        }
    }

    /// Enters the last of these nodes.
    pub(super) fn add(&mut self, hashes: &[u64]) {
        let Some(places) = self.places.get_mut() else {
            self.places = build(hashes).into();
            return;
        };
        if hashes.len() * 2 > places.len() {
            *places = build(hashes);
        } else if let Some(hash) = hashes.last() {
            enter(places, hashes.len() as u32 - 1, *hash);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.places.get().map_or(0, |places| places.capacity() * 4)
    }
}

fn build(hashes: &[u64]) -> Vec<u32> {
    let mut places = vec![VACANT; (hashes.len() * 4).next_power_of_two().max(64)];
    for (hash, id) in hashes.iter().zip(0..) {
        enter(&mut places, id, *hash);
    }
    places
}

fn enter(places: &mut [u32], id: u32, hash: u64) {
    let mask = places.len() - 1;
    let mut at = hash as usize & mask;
    while places[at] != VACANT {
        at = (at + 1) & mask;
    }
    places[at] = id;
}
