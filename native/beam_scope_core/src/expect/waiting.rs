//! What waits for its other end, found by the values of the variables that both ends share.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use crate::pattern::Held;

use super::joint::Values;
use super::subject::Place;

/// No more than so many wait; the oldest goes and is counted.
pub(super) const MOST: usize = if cfg!(test) { 2_000 } else { 200_000 };

/// Something that waits.
#[derive(Clone, Debug)]
pub(super) struct Waiter {
    pub(super) place: Place,
    pub(super) values: Values,
    pub(super) key: u64,
    /// Whether it is what it seems could not be decided, or something came that may be its other end.
    pub(super) doubtful: bool,
    /// Whether something came that may have ended its time.
    pub(super) late: bool,
    /// What ended its time, unless its other end had begun by then.
    pub(super) by: Option<Place>,
}

impl Waiter {
    pub(super) const fn new(place: Place, values: Values, key: u64, doubtful: bool) -> Self {
        Self {
            place,
            values,
            key,
            doubtful,
            late: false,
            by: None,
        }
    }
}

/// What to do with one that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visit {
    Leave,
    Take,
    TakeAndStop,
    Stop,
}

/// Keys are hashes already.
#[derive(Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// Everything that waits, in the order in which it came.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    all: BTreeMap<u64, Waiter>,
    next: u64,
    by_key: HashMap<u64, VecDeque<u64>, BuildHasherDefault<Hashed>>,
    /// All before this one may have been met.
    doubtful_to: u64,
    /// How many were forgotten because there were too many.
    pub(super) forgotten: u64,
    /// How many may still be looked at before it is given up.
    pub(super) budget: u64,
}

impl Waiting {
    pub(super) fn push(&mut self, waiter: Waiter) {
        self.by_key.entry(waiter.key).or_default().push_back(self.next);
        self.all.insert(self.next, waiter);
        self.next += 1;
        if self.all.len() > MOST {
            self.pop();
            self.forgotten += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// When the oldest came.
    pub(super) fn oldest_ns(&self) -> Option<u64> {
        self.all.values().next().map(|waiter| waiter.place.at_ns)
    }

    /// Takes the oldest.
    pub(super) fn pop(&mut self) -> Option<Waiter> {
        let (id, mut waiter) = self.all.pop_first()?;
        waiter.doubtful |= id < self.doubtful_to;
        if let Some(queue) = self.by_key.get_mut(&waiter.key) {
            // It is the first of them.
            if let Some(at) = queue.iter().position(|one| *one == id) {
                queue.remove(at);
            }
            if queue.is_empty() {
                self.by_key.remove(&waiter.key);
            }
        }
        Some(waiter)
    }

    /// When the oldest came, and takes it if it is so old.
    pub(super) fn pop_if(&mut self, old: impl FnOnce(&Waiter) -> bool) -> Option<Waiter> {
        let (_, oldest) = self.all.first_key_value()?;
        if old(oldest) {
            self.pop()
        } else {
            None
        }
    }

    /// Forgets the older half.
    pub(super) fn forget_half(&mut self) {
        for _ in 0..self.all.len().div_ceil(2) {
            self.pop();
            self.forgotten += 1;
        }
    }

    /// Something came that may be the other end of any that waits.
    pub(super) fn doubt_all(&mut self) {
        self.doubtful_to = self.next;
    }

    /// Looks at those with the same values, oldest first. `false`: so many that it was given up.
    pub(super) fn visit(&mut self, key: u64, mut look: impl FnMut(&mut Waiter) -> Visit) -> bool {
        let Some(mut queue) = self.by_key.remove(&key) else {
            return true;
        };
        let mut kept = VecDeque::new();
        let mut whole = true;
        while let Some(id) = queue.pop_front() {
            whole = self.budget > 0;
            self.budget = self.budget.saturating_sub(1);
            let waiter = self.all.get_mut(&id).filter(|_| whole);
            let doubtful = id < self.doubtful_to;
            let visit = waiter.map_or(Visit::TakeAndStop, |waiter| {
                waiter.doubtful |= doubtful;
                look(waiter)
            });
            if matches!(visit, Visit::Leave | Visit::Stop) || !whole {
                kept.push_back(id);
            } else {
                self.all.remove(&id);
            }
            if matches!(visit, Visit::TakeAndStop | Visit::Stop) {
                break;
            }
        }
        kept.append(&mut queue);
        if !kept.is_empty() {
            self.by_key.insert(key, kept);
        }
        whole
    }

    /// Looks at everything, oldest first: what shares no values that it could be found by. `false`: as in [`visit`](Self::visit).
    pub(super) fn visit_all(&mut self, mut look: impl FnMut(&mut Waiter) -> Visit) -> bool {
        let keys: Vec<u64> = self.by_key.keys().copied().collect();
        keys.into_iter().all(|key| self.visit(key, &mut look))
    }

    /// Everything that waits, oldest first, and whether it may have been met.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Waiter, bool)> {
        let all = self.all.iter();
        all.map(|(id, waiter)| (waiter, waiter.doubtful || *id < self.doubtful_to))
    }

    /// Every value that is kept.
    pub(super) fn held_mut(&mut self) -> impl Iterator<Item = &mut Held> {
        self.all
            .values_mut()
            .flat_map(|waiter| waiter.values.iter_mut().flatten())
    }
}
