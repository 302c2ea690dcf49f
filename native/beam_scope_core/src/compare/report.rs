//! What is told of what was found: terms are read again only here.

use std::collections::HashMap;
use std::sync::Arc;

use crate::diff::{diff, Diff, DiffOptions};
use crate::infer::atoms::Local;
use crate::store::{LossCause, StoreError};
use crate::timeline::Timeline;

use super::canon::Canon;
use super::shift::{shift, Measure, Shift};
use super::split::{Split, SplitKind};
use super::story::{State, Story};
use super::tell::Teller;
use super::work::{Found, Work};
use super::{CompareError, Divergence, Ends, RoleReport, Tally, MOST_TOLD};

impl Work<'_> {
    pub(super) fn report(&self, one: &Found) -> RoleReport {
        let role = one.role;
        RoleReport {
            key: self.table.keys[role].clone(),
            text: self.texts[role].clone(),
            verdict: one.verdict,
            tally: [0, 1].map(|side| tally(self.story(side, role))),
            unknown: one.outcome.unknown,
            reordered: one.outcome.reordered,
            vague: one.outcome.vague,
            divergence: None,
            ends: None,
            shifts: shifts([self.story(0, role), self.story(1, role)]),
        }
    }

    fn teller<T>(
        &mut self,
        side: usize,
        with: impl FnOnce(&mut Teller<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let timeline = self.evidence[side].timeline;
        let inner = timeline.paired()?;
        let mut teller = Teller {
            timeline,
            inner: &inner,
            canon: Canon {
                arena: &mut self.arena,
                atoms: &mut self.atoms,
                local: Local::new(side, Arc::clone(timeline.words())),
                cast: &self.casts[side],
                texts: self.texts,
                clock: self.clock,
            },
        };
        with(&mut teller)
    }

    pub(super) fn tell(&mut self, found: &[Found], reports: &mut [RoleReport]) -> Result<(), StoreError> {
        let told = self.told;
        let mut sides = [Vec::new(), Vec::new()];
        for (side, out) in sides.iter_mut().enumerate() {
            *out = self.teller(side, |teller| {
                found
                    .iter()
                    .take(MOST_TOLD)
                    .map(|one| {
                        let story = &told[side].stories[one.role];
                        let place = one.outcome.split.and_then(|split| split.places[side]);
                        let there = place.map_or(Ok(None), |place| teller.place(story, place))?;
                        let differs = last(&told[0].stories[one.role]) != last(&told[1].stories[one.role]);
                        let state = match story.last_state() {
                            Some((unit, State::Is(_))) if differs => teller.state(unit)?,
                            _ => None,
                        };
                        Ok((there, state))
                    })
                    .collect::<Result<Vec<_>, StoreError>>()
            })?;
        }
        let options = self.diff_options();
        let [ours, theirs] = sides;
        for (at, ((expected, first), (actual, second))) in ours.into_iter().zip(theirs).enumerate() {
            if let Some(split) = found[at].outcome.split {
                let diff = self.difference(split.kind, expected.as_ref(), actual.as_ref(), &options);
                reports[at].divergence = Some(Divergence {
                    kind: split.kind,
                    expected,
                    actual,
                    diff,
                });
            }
            if let (Some(first), Some(second)) = (first, second) {
                let diff = diff(&self.arena, first, second, &options);
                reports[at].ends = Some(Ends { first, second, diff });
            }
        }
        Ok(())
    }

    fn diff_options(&mut self) -> DiffOptions {
        let known: HashMap<&str, _> = ["__struct__", "Elixir.MapSet", "map"]
            .into_iter()
            .map(|text| (text, self.atoms.of_text(text)))
            .collect();
        DiffOptions::new(|text| known.get(text).copied())
    }

    fn difference(
        &self,
        kind: SplitKind,
        expected: Option<&super::Told>,
        actual: Option<&super::Told>,
        options: &DiffOptions,
    ) -> Option<Diff> {
        let part = |told: &super::Told| match kind {
            SplitKind::State => told.state,
            SplitKind::Called => told.reply.or(told.message),
            SplitKind::Ended => told.ended.map(|(_, reason)| reason).or(told.message),
            _ => told.message,
        };
        Some(diff(&self.arena, part(expected?)?, part(actual?)?, options))
    }

    /// The role whose steps are asked for, and where its stories part.
    pub(super) fn focused(&self, found: &[Found]) -> Result<Option<(usize, Option<Split>)>, CompareError> {
        let Some(wanted) = &self.options.focus else {
            return Ok(None);
        };
        let one = found.iter().find(|one| *self.texts[one.role] == **wanted);
        let one = one.ok_or_else(|| CompareError::NoSuchRole(wanted.clone()))?;
        Ok(Some((one.role, one.outcome.split)))
    }

    pub(super) fn steps(
        &mut self,
        focused: Option<(usize, Option<Split>)>,
    ) -> Result<[Vec<super::Told>; 2], StoreError> {
        let mut steps = [Vec::new(), Vec::new()];
        let Some((role, split)) = focused else { return Ok(steps) };
        let told = self.told;
        for (side, out) in steps.iter_mut().enumerate() {
            let other = split.and_then(|split| split.places[1 - side]);
            let place = split.and_then(|split| split.places[side]).or(other);
            *out = self.teller(side, |teller| teller.around(&told[side].stories[role], place))?;
        }
        Ok(steps)
    }
}

fn last(story: &Story) -> Option<State> {
    story.last_state().map(|(_, state)| state)
}

fn tally(story: &Story) -> Tally {
    Tally {
        processes: story.processes,
        messages: story.messages,
        sends: story.sends,
        calls: story.calls,
        crashes: story.crashes,
        restarts: story.processes.saturating_sub(1),
        lost: story.lost,
    }
}

fn shifts(stories: [&Story; 2]) -> Vec<Shift> {
    let took = |story: &Story| -> Vec<u64> {
        story
            .units
            .iter()
            .map(|unit| unit.took_ns)
            .filter(|ns| *ns > 0)
            .collect()
    };
    let queue = |story: &Story| -> Vec<u64> {
        let handled = |unit: &&super::story::Unit| unit.queue > 0;
        story
            .units
            .iter()
            .filter(handled)
            .map(|unit| u64::from(unit.queue))
            .collect()
    };
    let calls = |story: &Story| story.call_ns.clone();
    let all = [
        shift(Measure::Handling, &mut took(stories[0]), &mut took(stories[1])),
        shift(Measure::Calls, &mut calls(stories[0]), &mut calls(stories[1])),
        shift(Measure::Mailbox, &mut queue(stories[0]), &mut queue(stories[1])),
    ];
    all.into_iter().flatten().collect()
}

pub(super) fn lost(timeline: &Timeline) -> u64 {
    let losses = timeline.recording().losses();
    let counted = losses.iter().filter(|loss| loss.cause != LossCause::Stopped);
    counted.map(|loss| loss.count).sum()
}
