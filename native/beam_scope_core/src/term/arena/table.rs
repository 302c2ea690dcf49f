//! Finding nodes by content: open addressing by content hash, built when it is needed.
//!
//! An arena that was unpacked is read, mostly by ids: a few look-ups go through the list of hashes, which costs less than to make a
//! table that is hardly used.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::OnceLock;

use crate::reserve;

/// An empty place.
const VACANT: u32 = u32::MAX;
/// So many look-ups go through the list.
const FEW: u32 = 8;

#[derive(Debug, Default)]
pub(super) struct Table {
    /// A power of two, at most half full unless memory is short.
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

    /// Whether one more node can be entered beside these, and one that stands for those that cannot. Where there is no memory for a larger
    /// table the old one is filled to fifteen sixteenths.
    pub(super) fn make_room(&mut self, hashes: &[u64]) -> bool {
        let Some(places) = self.places.get_mut() else {
            return true;
        };
        let needed = hashes.len() + 2;
        if needed * 2 <= places.len() {
            return true;
        }
        if let Some(larger) = try_build(hashes) {
            *places = larger;
            return true;
        }
        needed + needed / 15 < places.len()
    }

    /// Enters the last of these nodes.
    pub(super) fn add(&mut self, hashes: &[u64]) {
        let Some(places) = self.places.get_mut() else {
            self.places = build(hashes).into();
            return;
        };
        if let Some(hash) = hashes.last() {
            enter(places, hashes.len() as u32 - 1, *hash);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.places.get().map_or(0, |places| places.capacity() * 4)
    }
}

fn build(hashes: &[u64]) -> Vec<u32> {
    fill(vec![VACANT; size_for(hashes)], hashes)
}

fn try_build(hashes: &[u64]) -> Option<Vec<u32>> {
    let mut places = Vec::new();
    reserve::sparing(|| places.try_reserve_exact(size_for(hashes))).ok()?;
    places.resize(size_for(hashes), VACANT);
    Some(fill(places, hashes))
}

fn size_for(hashes: &[u64]) -> usize {
    (hashes.len() * 4).next_power_of_two().max(64)
}

fn fill(mut places: Vec<u32>, hashes: &[u64]) -> Vec<u32> {
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
