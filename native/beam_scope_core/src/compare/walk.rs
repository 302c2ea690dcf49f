//! Two stories of one role, side by side, up to where they part.
//!
//! Both are walked from the front, which costs one look each as long as they are the same. Where another message was handled next, the
//! smallest stretch is looked for that has the same messages on both sides, each sender's in its order: those were free to come
//! in either, unless one of them was sent because of another ([`causes`](super::causes)). Inside such a stretch states and what was
//! answered may be others; the state behind it may not. Where there is no such stretch the first sender whose messages are others
//! is where the stories part.
//!
//! Behind a gap both go on where they have a few messages in a row in common. What lies between is unknown.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::acts;
use super::causes::Causes;
use super::hash::mix;
use super::split::{groups, Place, Split, SplitKind};
use super::story::{End, Face, Story, Unit, UnitKind, UNSENT};

/// Messages whose content hangs on an order that was free: what a server answered meanwhile.
pub(super) type Masks = [HashSet<u64>; 2];

/// Two stories of one role.
pub(super) struct Walk<'a> {
    pub(super) stories: [&'a Story; 2],
    pub(super) causes: [&'a Causes; 2],
    pub(super) masks: &'a Masks,
    /// What came to the role that is masked.
    pub(super) came: [HashSet<u64>; 2],
    /// How much may be looked at to find out what came because of what, and where stories go on behind a gap.
    pub(super) fuel: u64,
    pub(super) out: Outcome,
}

/// What came to a role whose content hangs on an order that was free.
pub(super) fn came(story: &Story, masks: &HashSet<u64>) -> HashSet<u64> {
    if masks.is_empty() {
        return HashSet::new();
    }
    let masked = story.gots.iter().filter(|got| masks.contains(&got.face.sent));
    masked.map(|got| got.face.inner).collect()
}

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) split: Option<Split>,
    /// How many things could not be compared.
    pub(super) unknown: u64,
    /// How many messages came in another order that was free.
    pub(super) reordered: u64,
    /// What hangs on that order, by the events that sent it.
    pub(super) masked: [Vec<u64>; 2],
    /// Whether what came because of what could not be found out everywhere.
    pub(super) vague: bool,
    /// From here on nothing more can be said.
    pub(super) lost: bool,
}

/// A stretch of more messages is held to be free.
const MOST_FREE: usize = 4096;

impl Walk<'_> {
    /// What was found, and the fuel that is left.
    pub(super) fn run(mut self) -> (Outcome, u64) {
        let (mut i, mut j) = (0, 0);
        while !self.is_over() {
            let (a, b) = (self.units(0).get(i), self.units(1).get(j));
            match (a, b) {
                (None, None) => break,
                (a, b) if a.is_some_and(Unit::is_gap) || b.is_some_and(Unit::is_gap) => match self.cross(i, j) {
                    Some(next) => (i, j) = next,
                    None => self.out.lost = true,
                },
                (Some(a), Some(b)) if self.is_same(&a.face, &b.face) && kinds_fit(a, b) => {
                    self.pair(i, j);
                    (i, j) = (i + 1, j + 1);
                }
                _ => (i, j) = self.stretch(i, j),
            }
        }
        (self.out, self.fuel)
    }

    fn is_over(&self) -> bool {
        self.out.split.is_some() || self.out.lost
    }

    pub(super) fn units(&self, side: usize) -> &[Unit] {
        &self.stories[side].units
    }

    fn is_masked(&self, side: usize, face: &Face) -> bool {
        face.sent != UNSENT && self.masks[side].contains(&face.sent)
    }

    pub(super) fn is_same(&self, a: &Face, b: &Face) -> bool {
        let open = || is_hidden(a, b) || self.is_masked(0, a) || self.is_masked(1, b) || self.is_passed_on(a, b);
        a.key == b.key || a.group == b.group && open()
    }

    /// Whether both are answers that hung on an order that was free, sent on as they came.
    pub(super) fn is_passed_on(&self, a: &Face, b: &Face) -> bool {
        a.sent != UNSENT && self.came[0].contains(&a.inner) && self.came[1].contains(&b.inner)
    }

    pub(super) fn split(&mut self, kind: SplitKind, a: Option<Place>, b: Option<Place>) {
        self.out.split.get_or_insert(Split::new(kind, a, b));
    }

    // ---- pairs ----

    fn pair(&mut self, i: usize, j: usize) {
        let (a, b) = (self.units(0)[i], self.units(1)[j]);
        self.out.unknown += u64::from(is_hidden(&a.face, &b.face));
        if a.end != End::Pending && b.end != End::Pending {
            acts::compare(self, (i, &a), (j, &b));
        }
        self.ends((i, &a), (j, &b));
        self.states(i, j);
    }

    fn ends(&mut self, (i, a): (usize, &Unit), (j, b): (usize, &Unit)) {
        match (a.end, b.end) {
            (End::Pending, _) | (_, End::Pending) => self.out.unknown += u64::from(a.end != b.end),
            (one, other) if one != other => {
                self.split(SplitKind::Ended, Some(Place::Unit(i)), Some(Place::Unit(j)));
            }
            _ if a.after != b.after => {
                self.split(SplitKind::Handled, Some(Place::Unit(i)), Some(Place::Unit(j)));
            }
            _ => {}
        }
    }

    fn states(&mut self, i: usize, j: usize) {
        use super::story::State::{Is, Unknown};
        let (a, b) = (self.units(0)[i].state, self.units(1)[j].state);
        match (a, b) {
            (Is(one), Is(other)) if one != other => {
                self.split(SplitKind::State, Some(Place::Unit(i)), Some(Place::Unit(j)));
            }
            (Unknown, _) | (_, Unknown) => {
                if cfg!(mutant = "compare_unknown_is_same") {
                    return;
                }
                self.out.unknown += 1;
            }
            _ => {}
        }
    }

    // ---- stretches ----

    /// Up to the next gap, or the end.
    pub(super) fn segment(&self, side: usize, from: usize) -> Range<usize> {
        let units = self.units(side);
        let len = units[from..]
            .iter()
            .position(Unit::is_gap)
            .unwrap_or(units.len() - from);
        from..from + len
    }

    fn stretch(&mut self, i: usize, j: usize) -> (usize, usize) {
        let (a, b) = (self.segment(0, i), self.segment(1, j));
        if let Some(len) = self.balanced(a.clone(), b.clone()) {
            self.free(i..i + len, j..j + len);
            return (i + len, j + len);
        }
        self.part(a.clone(), b.clone());
        (a.end, b.end)
    }

    /// The length of the smallest stretch with the same messages on both sides.
    fn balanced(&self, a: Range<usize>, b: Range<usize>) -> Option<usize> {
        balanced(a.map(|i| self.key(0, i)), b.map(|j| self.key(1, j)))
    }

    /// What a unit counts as: where its content is open, as any of its sender's.
    pub(super) fn key(&self, side: usize, at: usize) -> u64 {
        let unit = &self.units(side)[at];
        let open = unit.face.hidden || self.is_masked(side, &unit.face);
        let key = if open { unit.face.group } else { unit.face.key };
        mix(key, kind_key(unit))
    }

    /// The same messages in another order.
    pub(super) fn free(&mut self, a: Range<usize>, b: Range<usize>) {
        let (first_a, first_b) = (a.start, b.start);
        let units = [&self.stories[0].units[a.clone()], &self.stories[1].units[b.clone()]];
        let mut partner = vec![0; a.len()];
        for [ours, theirs] in groups(units[0], units[1]) {
            for (one, other) in ours.iter().zip(&theirs) {
                partner[*one] = *other;
                let pair = (&units[0][*one], &units[1][*other]);
                if !(self.is_same(&pair.0.face, &pair.1.face) && kinds_fit(pair.0, pair.1)) {
                    let places = [first_a + one, first_b + other].map(|at| Some(Place::Unit(at)));
                    return self.split(SplitKind::Handled, places[0], places[1]);
                }
            }
        }
        if let Some((one, other)) = self.forced(&a, &b, &partner) {
            return self.split(SplitKind::Order, Some(Place::Unit(one)), Some(Place::Unit(other)));
        }
        let moved = partner.iter().enumerate().filter(|(one, other)| one != *other);
        self.out.reordered += moved.count() as u64;
        if cfg!(mutant = "compare_tells_free_orders") && self.out.reordered > 0 {
            return self.split(SplitKind::Order, Some(Place::Unit(first_a)), Some(Place::Unit(first_b)));
        }
        for (one, other) in partner.iter().enumerate() {
            let (i, j) = (first_a + one, first_b + other);
            let (a, b) = (self.units(0)[i], self.units(1)[j]);
            self.out.unknown += u64::from(is_hidden(&a.face, &b.face));
            self.ends((i, &a), (j, &b));
        }
        acts::compare_free(self, a.clone(), b.clone(), true);
        self.states(a.end - 1, b.end - 1);
    }

    /// A message that comes because of another on one side, and before it on the other: the first such pair that is found.
    fn forced(&mut self, a: &Range<usize>, b: &Range<usize>, partner: &[usize]) -> Option<(usize, usize)> {
        if cfg!(mutant = "compare_orders_are_free") {
            return None;
        }
        if a.len() > MOST_FREE {
            self.out.vague = true;
            return None;
        }
        let mut inverse = vec![0; partner.len()];
        partner
            .iter()
            .enumerate()
            .for_each(|(one, other)| inverse[*other] = one);
        let found = self
            .forced_on(0, a, partner)
            .map(|(early, late)| (early, partner[late]));
        let found = found.or_else(|| {
            self.forced_on(1, b, &inverse)
                .map(|(early, late)| (inverse[late], early))
        });
        found.map(|(one, other)| (a.start + one, b.start + other))
    }

    /// Two units of one side of which the second came because of the first, and stands before it on the other side.
    fn forced_on(&mut self, side: usize, range: &Range<usize>, partner: &[usize]) -> Option<(usize, usize)> {
        let units = &self.stories[side].units[range.clone()];
        let sent: HashMap<u64, usize> = units
            .iter()
            .enumerate()
            .filter(|(_, unit)| unit.face.sent != UNSENT)
            .map(|(at, unit)| (unit.face.sent, at))
            .collect();
        let floor = sent.keys().min().copied()?;
        let events: HashSet<u64> = sent.keys().copied().collect();
        let mut latest = 0;
        for (late, unit) in units.iter().enumerate() {
            let overtakes = latest > partner[late];
            latest = latest.max(partner[late]);
            if unit.face.sent == UNSENT || !overtakes {
                continue;
            }
            let before = self.causes[side].before(unit.face.sent, &events, floor, &mut self.fuel);
            self.out.vague |= self.fuel == 0;
            let early = before
                .iter()
                .filter_map(|event| sent.get(event))
                .find(|early| partner[**early] > partner[late]);
            if let Some(early) = early {
                return Some((*early, late));
            }
        }
        None
    }
}

/// The length of the smallest stretch with the same keys on both sides.
pub(super) fn balanced(a: impl Iterator<Item = u64>, b: impl Iterator<Item = u64>) -> Option<usize> {
    let mut counts: HashMap<u64, i64> = HashMap::new();
    let mut uneven = 0usize;
    let mut put = |key: u64, by: i64| {
        let count = counts.entry(key).or_default();
        uneven -= usize::from(*count != 0);
        *count += by;
        uneven += usize::from(*count != 0);
        uneven == 0
    };
    let mut all = a.zip(b).enumerate();
    all.find_map(|(at, (one, other))| {
        put(one, 1);
        put(other, -1).then_some(at + 1)
    })
}

/// Whether nobody can tell if they are the same.
pub(super) const fn is_hidden(a: &Face, b: &Face) -> bool {
    a.hidden || b.hidden
}

/// What is of one sender and content is of one kind too, but for what nobody sent.
pub(super) const fn kinds_fit(a: &Unit, b: &Unit) -> bool {
    kind_key(a) == kind_key(b)
}

const fn kind_key(unit: &Unit) -> u64 {
    match unit.kind {
        UnitKind::Start => 1,
        UnitKind::Handled(_) => 2,
        UnitKind::Changed => 3,
        UnitKind::Life => 4,
        UnitKind::Gap => 5,
    }
}
