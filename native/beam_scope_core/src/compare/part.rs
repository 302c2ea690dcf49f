//! Where two stories part, and where they go on behind a gap.

use std::collections::HashMap;
use std::ops::Range;

use super::acts;
use super::hash::mix;
use super::split::{first, groups, Place, Split, SplitKind};
use super::story::UnitKind;
use super::walk::{kinds_fit, Walk};

/// So many messages in a row are the same place again behind a gap.
const ANCHOR: usize = 4;
/// So far a gap is looked across.
const REACH: usize = 1 << 16;
impl Walk<'_> {
    // ---- where they part ----

    /// Two stretches that are not the same: the first sender whose messages are others.
    pub(super) fn part(&mut self, a: Range<usize>, b: Range<usize>) {
        let units = [&self.stories[0].units[a.clone()], &self.stories[1].units[b.clone()]];
        let open_ended = [(0, a.end), (1, b.end)].map(|(side, end)| end < self.units(side).len());
        let mut found: Option<(usize, Split)> = None;
        for [ours, theirs] in groups(units[0], units[1]) {
            let same = |i: usize, j: usize| {
                self.is_same(&units[0][i].face, &units[1][j].face) && kinds_fit(&units[0][i], &units[1][j])
            };
            let Some((one, other)) = first(&ours, &theirs, same) else {
                continue;
            };
            // What a side that breaks off lacks, it may have had.
            let ends = [ours.len() < theirs.len(), theirs.len() < ours.len()];
            let beyond = one.is_none()
                && other.is_some_and(|j| theirs.iter().position(|at| *at == j) >= Some(ours.len()))
                || other.is_none() && one.is_some_and(|i| ours.iter().position(|at| *at == i) >= Some(theirs.len()));
            if beyond && (ends[0] && open_ended[0] || ends[1] && open_ended[1]) {
                self.out.unknown += 1;
                continue;
            }
            let rank = one.into_iter().chain(other).min().unwrap_or(0);
            if found.as_ref().is_none_or(|(best, _)| rank < *best) {
                let places = [one.map(|i| a.start + i), other.map(|j| b.start + j)];
                found = Some((rank, self.parted(places)));
            }
        }
        match found {
            Some((_, split)) => {
                self.before(&split, a.clone(), b.clone());
                self.out.split = Some(self.unless_late(split, a.start, b.start));
            }
            None if a.len() == b.len() && !a.is_empty() => self.free(a, b),
            None => {}
        }
    }

    /// What was answered before the stories parted, on either side, hangs on an order that was free up to there.
    fn before(&mut self, split: &Split, a: Range<usize>, b: Range<usize>) {
        let until = split.places.map(|place| match place {
            Some(Place::Unit(at) | Place::Act(at, _)) => at,
            _ => 0,
        });
        let units = [&self.stories[0].units[a.clone()], &self.stories[1].units[b.clone()]];
        for [ours, theirs] in groups(units[0], units[1]) {
            for (one, other) in ours.iter().zip(&theirs) {
                let (i, j) = (a.start + one, b.start + other);
                if i < until[0] || j < until[1] {
                    acts::compare_free(self, i..i + 1, j..j + 1, false);
                }
            }
        }
    }

    /// Of what nobody saw handled, the first thing that was done.
    fn parted(&self, at: [Option<usize>; 2]) -> Split {
        let unit = |side: usize| at[side].map(|at| &self.units(side)[at]);
        let is_life = |side: usize| unit(side).is_some_and(|unit| unit.kind == UnitKind::Life);
        if !(is_life(0) || is_life(1)) {
            let places = at.map(|at| at.map(Place::Unit));
            return Split::new(SplitKind::Handled, places[0], places[1]);
        }
        let first = |side: usize| unit(side).and_then(|unit| self.stories[side].acts_of(unit).first());
        let kind = first(0).or(first(1)).map_or(SplitKind::Ended, acts::kind);
        let places = at.map(|at| at.map(|at| Place::Act(at, 0)));
        Split::new(kind, places[0], places[1])
    }

    fn unless_late(&self, split: Split, i: usize, j: usize) -> Split {
        if !cfg!(mutant = "compare_first_is_late") {
            return split;
        }
        let last = |side: usize, from: usize| (from + 1 < self.units(side).len()).then_some(Place::Unit(from + 1));
        Split::new(
            split.kind,
            last(0, i).or(split.places[0]),
            last(1, j).or(split.places[1]),
        )
    }

    // ---- gaps ----

    /// Where both go on behind a gap.
    pub(super) fn cross(&mut self, i: usize, j: usize) -> Option<(usize, usize)> {
        let skip = |side: usize, from: usize| {
            let gaps = self.units(side)[from..].iter().take_while(|unit| unit.is_gap()).count();
            from + gaps
        };
        let (i, j) = (skip(0, i), skip(1, j));
        self.out.unknown += 1;
        let (a, b) = (self.segment(0, i), self.segment(1, j));
        let width = ANCHOR.min(a.len()).min(b.len());
        // Recordings with very many gaps have little in common.
        self.fuel = self.fuel.saturating_sub(b.len().min(REACH) as u64);
        if width == 0 || self.fuel == 0 {
            return None;
        }
        let mut places: HashMap<u64, usize> = HashMap::new();
        for at in b.clone().take(REACH).filter(|at| at + width <= b.end).rev() {
            places.insert(self.window(1, at, width), at);
        }
        let starts = a.clone().take(REACH).filter(|at| at + width <= a.end);
        let found = starts
            .filter_map(|at| places.get(&self.window(0, at, width)).map(|other| (at, *other)))
            .next()?;
        self.out.unknown += (found.0 - i + found.1 - j) as u64;
        Some(found)
    }

    fn window(&self, side: usize, at: usize, width: usize) -> u64 {
        (at..at + width).fold(0, |hash, at| mix(hash, self.key(side, at)))
    }
}
