//! Flows: an assignment of steps to things that happened, in an order that holds wherever two of them share a process.
//!
//! What that order is [`spots`](super::spots) says. Whatever a step's own pattern does not refuse is a *candidate*. The
//! search goes through the steps in their order and takes the first candidate that comes after those of the earlier steps in
//! each process that both took part in, and whose variables agree with theirs; where a step finds none it goes back. Two
//! things keep it from trying everything: candidates are found by the values that the earlier steps have bound, and of
//! candidates that differ only in being later one is tried, since what fails after an earlier one fails after a later one too.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::pattern::{Answer, Pattern};
use crate::store::TrackId;
use crate::timeline::view::Inner;

use super::check::What;
use super::joint::{Joint, Values};
use super::plan::{CheckPlan, Seen};
use super::spots::{comes_after, is_later, spots, Spot};
use super::subject::{Happened, Place};
use super::tally::Crashes;

/// No more candidates than this are kept in all, and of what their variables stand for no more bytes; what comes later is
/// counted.
const MOST_CANDIDATES: usize = 500_000;
const MOST_BYTES: usize = 64 << 20;

/// Something that a step may stand for.
#[derive(Debug)]
struct Candidate {
    place: Place,
    values: Values,
    /// Of a message that was received: who sent it.
    from: Option<TrackId>,
    /// Its pattern matched; else that could not be decided.
    sure: bool,
}

/// How a flow stands.
#[derive(Debug)]
pub(super) struct Flow {
    joint: Joint,
    steps: Vec<Vec<Candidate>>,
    crashes: Vec<Crashes>,
    pub(super) seen: u64,
    /// Candidates that were not kept.
    forgotten: u64,
    kept: usize,
    /// Whether candidates came since the last search.
    grown: bool,
    /// Where messages were on their way at the last search: up to which event that was. When they arrive they happen later
    /// to their receiver, and what was out of order may no longer be.
    on_the_way: Option<u64>,
}

/// What a search found: for each step, up to the first that found none, where its match is.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) places: Vec<Place>,
    pub(super) outcome: SearchEnd,
    /// Of the step that found none: what came nearest.
    pub(super) nearest: Option<Place>,
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SearchEnd {
    All,
    /// All, if what could not be decided is as it should be.
    Maybe,
    None,
    /// It would take too long.
    GaveUp,
}

impl Flow {
    pub(super) fn new(plan: &CheckPlan) -> Self {
        Self {
            joint: Joint::new(plan),
            steps: plan.steps.iter().map(|_| Vec::new()).collect(),
            crashes: plan.steps.iter().map(|_| Crashes::default()).collect(),
            seen: 0,
            forgotten: 0,
            kept: 0,
            grown: false,
            on_the_way: None,
        }
    }

    /// Takes the next thing that a step is about.
    pub(super) fn take(
        &mut self,
        plan: &CheckPlan,
        (at, step): (usize, usize),
        seen: &Seen<'_>,
        happened: &Happened<'_>,
    ) {
        if self.crashes[step].is_known(happened) {
            return;
        }
        self.seen += u64::from(!happened.again);
        let asked = happened.content.ask_forms(seen.lens.step(at, step));
        if asked.is_empty() {
            return;
        }
        self.crashes[step].note(happened);
        self.grown = true;
        if self.kept >= MOST_CANDIDATES || self.joint.pool.bytes() > MOST_BYTES {
            self.forgotten += 1;
            return;
        }
        let pattern = &plan.steps[step].step.pattern;
        for (values, answer) in self.joint.forms(pattern, step, (&asked, happened), seen.facts) {
            self.kept += 1;
            self.steps[step].push(Candidate {
                place: happened.place,
                values,
                from: happened.mail.as_ref().and_then(|mail| mail.ends().from),
                sure: answer == Answer::Yes,
            });
        }
    }

    /// Whether a search may find more than the last one did, now that everything before this event was read.
    pub(super) fn is_ripe(&self, read_to: u64) -> bool {
        let arrived = self.on_the_way.is_some_and(|before| before < read_to);
        (self.grown || arrived) && !self.steps.iter().any(Vec::is_empty)
    }

    /// Whether there was too much to keep.
    pub(super) const fn is_cut(&self) -> bool {
        self.forgotten > 0
    }

    /// Whether a message that a step may stand for was not seen to arrive.
    fn is_awaited(&self, inner: &Inner) -> bool {
        let mut candidates = self.steps.iter().flatten();
        candidates.any(|one| one.place.what == What::Sent && inner.pairs.partner(one.place.seq).is_none())
    }

    /// Looks for an assignment.
    pub(super) fn search(&mut self, plan: &CheckPlan, inner: &Inner, fuel: u64) -> Found {
        self.grown = false;
        self.on_the_way = self.is_awaited(inner).then_some(inner.index.next_seq);
        let desk = Desk::new(self, plan, inner);
        let sure = desk.search(true, fuel);
        let mut outcome = sure.outcome();
        let mut best = sure.best;
        if outcome == SearchEnd::None {
            let maybe = desk.search(false, fuel);
            if maybe.outcome() == SearchEnd::All {
                (outcome, best) = (SearchEnd::Maybe, maybe.best);
            }
        }
        let nearest = match outcome {
            SearchEnd::None | SearchEnd::GaveUp => desk.nearest(&best),
            _ => None,
        };
        let places = best
            .iter()
            .enumerate()
            .map(|(step, at)| self.steps[step][*at as usize].place);
        Found {
            places: places.collect(),
            outcome,
            nearest,
        }
    }
}

/// What the search of one step needs.
struct Table<'f> {
    candidates: &'f [Candidate],
    spots: Vec<Vec<Spot>>,
    /// Which are alike but for being later: same values, same processes.
    classes: Vec<u32>,
    /// Variables that earlier steps have bound by then, and where candidates with given values of them are.
    bound: Vec<usize>,
    by_key: HashMap<u64, Vec<u32>>,
    /// Those of which such a variable is hidden in part.
    vague: Vec<u32>,
}

struct Desk<'f> {
    joint: &'f Joint,
    patterns: Vec<&'f Pattern>,
    tables: Vec<Table<'f>>,
}

/// A search under way.
struct Search {
    sure: bool,
    fuel: u64,
    chosen: Vec<u32>,
    /// What is bound, by step.
    values: Vec<Values>,
    best: Vec<u32>,
    found: bool,
}

impl Search {
    const fn outcome(&self) -> SearchEnd {
        match self {
            Self { found: true, .. } => SearchEnd::All,
            Self { fuel: 0, .. } => SearchEnd::GaveUp,
            _ => SearchEnd::None,
        }
    }
}

impl<'f> Desk<'f> {
    fn new(flow: &'f Flow, plan: &'f CheckPlan, inner: &Inner) -> Self {
        let joint = &flow.joint;
        let mut bound: HashSet<usize> = HashSet::new();
        let mut tables = Vec::with_capacity(flow.steps.len());
        for (step, candidates) in flow.steps.iter().enumerate() {
            let binds = joint.binds(step);
            let known = binds.iter().copied().filter(|at| bound.contains(at)).collect();
            bound.extend(binds);
            tables.push(Table::new(joint, candidates, known, inner));
        }
        Self {
            joint,
            patterns: plan.steps.iter().map(|step| &step.step.pattern).collect(),
            tables,
        }
    }

    fn search(&self, sure: bool, fuel: u64) -> Search {
        let nothing: Values = vec![None; self.joint.len()].into();
        let mut search = Search {
            sure,
            fuel,
            chosen: Vec::new(),
            values: vec![nothing],
            best: Vec::new(),
            found: false,
        };
        search.found = self.go(&mut search);
        search
    }

    /// Finds candidates for the step after those that have one.
    fn go(&self, search: &mut Search) -> bool {
        if search.chosen.len() > search.best.len() {
            search.best.clone_from(&search.chosen);
        }
        let Some(table) = self.tables.get(search.chosen.len()) else {
            return true;
        };
        let mut failed: HashMap<u32, u32> = HashMap::new();
        for at in table.candidates(self.joint, search.values.last()).iter().copied() {
            if search.fuel == 0 {
                return false;
            }
            search.fuel -= 1;
            let class = table.classes[at as usize];
            let before = failed.get(&class).map(|before| &table.spots[*before as usize]);
            if before.is_some_and(|before| is_later(before, &table.spots[at as usize])) {
                continue;
            }
            if !self.fits(search, table, at) {
                continue;
            }
            self.choose(search, table, at);
            if self.go(search) {
                return true;
            }
            search.chosen.pop();
            search.values.pop();
            failed.entry(class).or_insert(at);
        }
        false
    }

    fn choose(&self, search: &mut Search, table: &Table<'_>, at: u32) {
        let own = &table.candidates[at as usize].values;
        let before = search.values.last().map(|values| values.iter().copied());
        let all = before
            .into_iter()
            .flatten()
            .zip(own)
            .map(|(before, own)| before.or(*own));
        let all = all.collect();
        search.values.push(all);
        search.chosen.push(at);
    }

    fn fits(&self, search: &Search, table: &Table<'_>, at: u32) -> bool {
        let candidate = &table.candidates[at as usize];
        (candidate.sure || !search.sure)
            && self.follows(search, &table.spots[at as usize], candidate)
            && self.agrees(search, candidate)
    }

    /// Whether it comes after those of the earlier steps wherever they share a process, and is none of them.
    fn follows(&self, search: &Search, spots: &[Spot], candidate: &Candidate) -> bool {
        search.chosen.iter().enumerate().all(|(step, at)| {
            let table = &self.tables[step];
            let other = &table.candidates[*at as usize];
            other.place != candidate.place && comes_after(&table.spots[*at as usize], spots)
        })
    }

    fn agrees(&self, search: &Search, candidate: &Candidate) -> bool {
        let pattern = self.patterns[search.chosen.len()];
        let Some(before) = search.values.last() else {
            return true;
        };
        match self.joint.agree(pattern, before, &candidate.values) {
            Answer::Yes => true,
            Answer::No => false,
            Answer::Unknown(_) => !search.sure,
        }
    }

    /// Of the step after the best attempt: a candidate that only comes too early, else one that does not agree.
    fn nearest(&self, best: &[u32]) -> Option<Place> {
        let table = self.tables.get(best.len())?;
        let mut search = self.search(false, 0);
        for (step, at) in best.iter().enumerate() {
            self.choose(&mut search, &self.tables[step], *at);
        }
        let early = table.candidates.iter().find(|one| self.agrees(&search, one));
        early.or_else(|| table.candidates.first()).map(|one| one.place)
    }
}

impl<'f> Table<'f> {
    fn new(joint: &Joint, candidates: &'f [Candidate], bound: Vec<usize>, inner: &Inner) -> Self {
        let mut table = Self {
            candidates,
            spots: Vec::with_capacity(candidates.len()),
            classes: Vec::with_capacity(candidates.len()),
            bound,
            by_key: HashMap::new(),
            vague: Vec::new(),
        };
        let mut classes: HashMap<(&Values, Vec<TrackId>, bool), u32> = HashMap::new();
        for (at, candidate) in (0u32..).zip(candidates) {
            let spots = spots(inner, &candidate.place, candidate.from);
            let tracks = spots.iter().map(|spot| spot.track).collect();
            let next = classes.len() as u32;
            let class = *classes
                .entry((&candidate.values, tracks, candidate.sure))
                .or_insert(next);
            table.classes.push(if cfg!(mutant = "expect_flow_skips_unlike") {
                0
            } else {
                class
            });
            table.spots.push(spots);
            match joint.key(table.bound.iter().copied(), &candidate.values) {
                Some(key) => table.by_key.entry(key).or_default().push(at),
                None => table.vague.push(at),
            }
        }
        table
    }

    /// Those that may agree with what is bound, earliest first.
    fn candidates(&self, joint: &Joint, values: Option<&Values>) -> Cow<'_, [u32]> {
        let key = values.and_then(|values| joint.key(self.bound.iter().copied(), values));
        let Some(key) = key else {
            return (0..self.candidates.len() as u32).collect();
        };
        let exact = self.by_key.get(&key).map_or(&[][..], Vec::as_slice);
        if self.vague.is_empty() {
            return Cow::Borrowed(exact);
        }
        let mut all = [exact, &self.vague].concat();
        all.sort_unstable();
        Cow::Owned(all)
    }
}
