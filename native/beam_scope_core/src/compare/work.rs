//! The steps of a comparison, one recording at a time: both may be the same one, and each is locked while it is read.

use std::collections::HashMap;
use std::sync::Arc;

use crate::infer::atoms::{Atoms, Local};
use crate::store::{StoreError, TrackId};
use crate::term::arena::Arena;
use crate::term::Value;
use crate::timeline::{Moment, Role as Behaviour, Selector, Timeline};

use super::clock::Clock;
use super::matching::matched;
use super::print::Printer;
use super::read::{read, Source, Told as Reading};
use super::roles::{child_ids, Cast, Crowd, Looker, Party, RoleTable};
use super::split::{Place, Split, SplitKind};
use super::story::Story;
use super::walk::{came, Masks, Outcome, Walk};
use super::{label, rank, report, CompareError, Comparison, Evidence, Options, RoleReport, Verdict, MOST_ROLES};

/// So often answers that hang on an order that was free are followed further.
const ROUNDS: usize = 4;
/// So much is looked at, all told, to find out what came because of what.
const FUEL: u64 = 20_000_000;

/// Compares two recordings. They may be the same one.
///
/// # Errors
/// Where a recording cannot be read, or has no role that was asked for.
pub fn compare(evidence: [&Evidence<'_>; 2], options: &Options) -> Result<Comparison, CompareError> {
    let clock = Clock::new(&options.days, &options.monotonic);
    let mut atoms = Atoms::default();
    let crowds = [
        crowd(0, evidence[0].timeline, &clock, &mut atoms, options)?,
        crowd(1, evidence[1].timeline, &clock, &mut atoms, options)?,
    ];
    let (table, mut casts) = matched(crowds, &options.given);
    let texts: Vec<String> = (0..table.keys.len())
        .map(|role| label::text(&table, &atoms, role))
        .collect();
    for cast in &mut casts {
        leave_out(cast, &texts, &options.ignore);
    }
    let mut told = Vec::with_capacity(2);
    for side in 0..2 {
        let source = Source {
            timeline: evidence[side].timeline,
            cast: &casts[side],
            clock: &clock,
            ignore: &evidence[side].ignore,
            roles: texts.len(),
            cut: evidence[side].cut,
        };
        told.push(read(&source, &*evidence[side].timeline.paired()?)?);
    }
    let mut work = Work {
        evidence,
        options,
        clock: &clock,
        table: &table,
        casts: &casts,
        texts: &texts,
        told: &told,
        spans: [told[0].span(), told[1].span()],
        arena: Arena::new(),
        atoms,
    };
    work.run()
}

fn crowd(
    side: usize,
    timeline: &Timeline,
    clock: &Clock,
    atoms: &mut Atoms,
    options: &Options,
) -> Result<Crowd, StoreError> {
    let mut local = Local::new(side, Arc::clone(timeline.words()));
    let ids = ids_of_children(timeline, &mut local, atoms)?;
    let mut printer = Printer::new(Arc::clone(timeline.words()), None, clock);
    timeline.with_facts(|facts| {
        let looker = Looker {
            side,
            facts,
            local: &mut local,
            atoms,
            given: &options.given,
            noise: &options.noise,
            ids: &ids,
        };
        looker.look(&mut printer)
    })
}

/// So many states of a supervisor are looked at, and so many children in all.
const MOST_STATES: usize = 10_000;
const MOST_CHILDREN: usize = 1_000_000;

/// The ids that supervisors know their children by, as far as their states are known.
fn ids_of_children(
    timeline: &Timeline,
    local: &mut Local,
    atoms: &mut Atoms,
) -> Result<HashMap<u64, Value>, StoreError> {
    let supervisors: Vec<TrackId> = timeline.with_facts(|facts| {
        let is_one = |track: &&crate::timeline::Track| {
            track
                .initial
                .as_ref()
                .is_some_and(|initial| initial.role == Behaviour::Supervisor)
        };
        facts.tracks().iter().filter(is_one).map(|track| track.id).collect()
    })?;
    let mut ids = HashMap::new();
    let mut left = MOST_CHILDREN;
    for track in supervisors {
        // Of one whose states are not known the children are known by their modules.
        let found = timeline.history(&Selector::Track(track), Moment::Start, Moment::End, Some(MOST_STATES));
        let transitions = found.map(|found| found.transitions).unwrap_or_default();
        for state in transitions.iter().filter_map(|one| one.to.term()) {
            left = left.saturating_sub(child_ids(local, atoms, state.arena(), state.node(), &mut ids));
            if left == 0 {
                return Ok(ids);
            }
        }
    }
    Ok(ids)
}

fn leave_out(cast: &mut Cast, texts: &[String], ignore: &[Box<str>]) {
    if ignore.is_empty() {
        return;
    }
    for party in cast.of_track.values_mut() {
        let text = party.role().and_then(|role| texts.get(role));
        if text.is_some_and(|text| ignore.iter().any(|one| **one == **text)) {
            *party = Party::NOISE;
        }
    }
}

pub(super) struct Work<'a> {
    pub(super) evidence: [&'a Evidence<'a>; 2],
    pub(super) options: &'a Options,
    pub(super) clock: &'a Clock,
    pub(super) table: &'a RoleTable,
    pub(super) casts: &'a [Cast; 2],
    pub(super) texts: &'a [String],
    pub(super) told: &'a [Reading],
    /// From when to when anything is told of either recording.
    spans: [(u64, u64); 2],
    pub(super) arena: Arena,
    pub(super) atoms: Atoms,
}

/// A role on its way to being told.
pub(super) struct Found {
    pub(super) role: usize,
    pub(super) verdict: Verdict,
    pub(super) outcome: Outcome,
}

impl Work<'_> {
    fn run(&mut self) -> Result<Comparison, CompareError> {
        let roles = self.wanted()?;
        let mut found = self.walked(&roles);
        found.retain(|one| !self.is_nothing(one));
        self.sort(&mut found);
        let mut counts = [0; 5];
        found.iter().for_each(|one| counts[one.verdict as usize] += 1);
        let left_out = found.len().saturating_sub(MOST_ROLES);
        let focused = self.focused(&found)?;
        found.truncate(MOST_ROLES);
        let mut reports: Vec<RoleReport> = found.iter().map(|one| self.report(one)).collect();
        self.tell(&found, &mut reports)?;
        let steps = self.steps(focused)?;
        let lost = [0, 1].map(|side| report::lost(self.evidence[side].timeline));
        Ok(Comparison {
            arena: std::mem::take(&mut self.arena),
            atoms: std::mem::take(&mut self.atoms).into_list(),
            roles: reports,
            counts,
            left_out,
            lost,
            unclear: self.told.iter().map(|told| told.unclear).sum(),
            steps,
        })
    }

    pub(super) fn story(&self, side: usize, role: usize) -> &Story {
        &self.told[side].stories[role]
    }

    /// The roles that are asked for.
    fn wanted(&self) -> Result<Vec<usize>, CompareError> {
        let ignored = |text: &str| self.options.ignore.iter().any(|one| **one == *text);
        let all = (0..self.texts.len()).filter(|role| !ignored(&self.texts[*role]));
        if self.options.only.is_empty() {
            return Ok(all.collect());
        }
        let find = |wanted: &str| self.texts.iter().position(|text| text == wanted);
        if let Some(unknown) = self.options.only.iter().find(|text| find(text).is_none()) {
            return Err(CompareError::NoSuchRole(unknown.clone()));
        }
        Ok(all
            .filter(|role| self.options.only.iter().any(|text| **text == *self.texts[*role]))
            .collect())
    }

    // ---- where stories part ----

    fn walked(&self, roles: &[usize]) -> Vec<Found> {
        let mut masks = Masks::default();
        let mut fuel = FUEL;
        let mut found: Vec<Found> = roles.iter().map(|role| self.walk(*role, &masks, &mut fuel)).collect();
        for _ in 0..ROUNDS {
            let before = masks[0].len() + masks[1].len();
            for one in &found {
                for (mask, masked) in masks.iter_mut().zip(&one.outcome.masked) {
                    mask.extend(masked);
                }
            }
            if masks[0].len() + masks[1].len() == before {
                break;
            }
            for one in found.iter_mut().filter(|one| one.verdict == Verdict::Different) {
                *one = self.walk(one.role, &masks, &mut fuel);
            }
        }
        found
    }

    fn walk(&self, role: usize, masks: &Masks, fuel: &mut u64) -> Found {
        let processes = [0, 1].map(|side| !self.table.tracks[role][side].is_empty());
        let one_sided = |outcome| match processes {
            [true, false] => Found {
                role,
                verdict: Verdict::OnlyFirst,
                outcome,
            },
            _ => Found {
                role,
                verdict: Verdict::OnlySecond,
                outcome,
            },
        };
        if processes != [true, true] {
            let places = processes.map(|there| there.then_some(Place::Birth));
            let split = Split::new(SplitKind::Role, places[0], places[1]);
            return one_sided(Outcome {
                split: Some(split),
                ..Outcome::default()
            });
        }
        let outcome = self.both(role, masks, fuel);
        let verdict = match &outcome {
            outcome if outcome.split.is_some() => Verdict::Different,
            outcome if outcome.unknown > 0 || outcome.lost => Verdict::Unknown,
            _ => Verdict::Same,
        };
        Found { role, verdict, outcome }
    }

    /// What was handled and done, and what came: the earlier of the two places.
    fn both(&self, role: usize, masks: &Masks, fuel: &mut u64) -> Outcome {
        let stories = [self.story(0, role), self.story(1, role)];
        let walk = |fuel: u64| Walk {
            stories,
            causes: [&self.told[0].causes, &self.told[1].causes],
            masks,
            came: [0, 1].map(|side| came(stories[side], &masks[side])),
            fuel,
            out: Outcome::default(),
        };
        let (mut done, left) = walk(*fuel).run();
        *fuel = left;
        let mut came = walk(0);
        super::acts::compare_gots(&mut came);
        let came = came.out;
        done.unknown += came.unknown;
        done.split = match (done.split, came.split) {
            (Some(one), Some(other)) if self.is_earlier(role, &other, &one) => Some(other),
            (one, other) => one.or(other),
        };
        done
    }

    /// A role of which nothing is told on either side, or which only exists on one and does nothing there.
    fn is_nothing(&self, one: &Found) -> bool {
        self.story(0, one.role).is_empty() && self.story(1, one.role).is_empty()
    }

    // ---- which comes first ----

    fn position(&self, side: usize, role: usize, split: &Split) -> Option<(TrackId, u64, u64)> {
        let story = self.story(side, role);
        let at = |at: super::story::At| (at.track, at.seq, at.at_ns);
        match split.places[side]? {
            Place::Unit(unit) => {
                let unit = story.units.get(unit)?;
                let seq = if split.kind == SplitKind::State {
                    unit.at.seq
                } else {
                    unit.began_seq
                };
                Some((unit.at.track, seq, unit.at.at_ns))
            }
            Place::Act(unit, act) => story.acts_of(story.units.get(unit)?).get(act).map(|act| at(act.at)),
            Place::Got(got) => story.gots.get(got).map(|got| at(got.at)),
            Place::Birth => story.began.map(at),
        }
    }

    /// When stories part, in parts of a billion of all that is told of each recording: they need not have the same pace.
    fn time(&self, role: usize, split: &Split) -> u64 {
        let part = |side: usize| {
            let (.., at_ns) = self.position(side, role, split)?;
            let (from, to) = self.spans[side];
            let whole = u128::from(to.saturating_sub(from).max(1));
            u64::try_from(u128::from(at_ns.saturating_sub(from)) * 1_000_000_000 / whole).ok()
        };
        let parts: Vec<u64> = [0, 1].into_iter().filter_map(part).collect();
        parts
            .iter()
            .sum::<u64>()
            .checked_div(parts.len() as u64)
            .unwrap_or(u64::MAX)
    }

    /// Whether one of two places of a role comes before the other, in a recording that has both if there is one.
    fn is_earlier(&self, role: usize, one: &Split, other: &Split) -> bool {
        let seq = |side, split| self.position(side, role, split).map(|(_, seq, _)| seq);
        let known = [0, 1]
            .into_iter()
            .find_map(|side| Some((seq(side, one)?, seq(side, other)?)));
        match known {
            Some((one, other)) => one < other,
            None => self.time(role, one) < self.time(role, other),
        }
    }

    fn sort(&self, found: &mut Vec<Found>) {
        let rank = |verdict| match verdict {
            Verdict::Different | Verdict::OnlyFirst | Verdict::OnlySecond => 0,
            Verdict::Unknown => 1,
            Verdict::Same => 2,
        };
        found.sort_by(|a, b| {
            let key = |one: &Found| {
                (
                    rank(one.verdict),
                    one.outcome.split.map(|split| self.time(one.role, &split)),
                )
            };
            key(a)
                .cmp(&key(b))
                .then_with(|| self.texts[a.role].cmp(&self.texts[b.role]))
        });
        let parted = found.iter().take_while(|one| rank(one.verdict) == 0).count();
        let rest = found.split_off(parted.min(64));
        let order = self.causal(found);
        let mut slots: Vec<Option<Found>> = found.drain(..).map(Some).collect();
        found.extend(order.into_iter().filter_map(|at| slots[at].take()));
        found.extend(rest);
    }

    fn causal(&self, found: &[Found]) -> Vec<usize> {
        let splits: Vec<(usize, Split)> = found
            .iter()
            .filter_map(|one| Some((one.role, one.outcome.split?)))
            .collect();
        let before = [0, 1].map(|side| {
            let places: Vec<Option<(TrackId, u64)>> = splits
                .iter()
                .map(|(role, split)| self.position(side, *role, split).map(|(track, seq, _)| (track, seq)))
                .collect();
            self.told[side].causes.first_of(&places)
        });
        let before: Vec<[u64; 2]> = before[0].iter().zip(&before[1]).map(|(a, b)| [*a, *b]).collect();
        let times: Vec<u64> = splits.iter().map(|(role, split)| self.time(*role, split)).collect();
        rank::order(&before, &times)
    }
}
