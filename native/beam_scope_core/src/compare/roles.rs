//! Who of one recording is who of the other: roles, which have no pids in them.
//!
//! A process has the role that the user gave it; else that of its name; else that of the process that it was started again for;
//! else it is a child: one of those that the same role started and that run the same code (or bear the same id at their
//! supervisor). Children that are alike are told apart by what they were started with, and where that does not tell, by the
//! order of their births. Incarnations of one process are one role, one after the other.

use std::collections::{HashMap, HashSet};

use crate::infer::atoms::{Atoms, Local};
use crate::infer::literal::literal;
use crate::store::TrackId;
use crate::term::arena::{Arena, Node, NodeId};
use crate::term::{AtomId, Value};
use crate::timeline::{AtomName, Facts, KnownHow, Role as Behaviour, Selector, Track};

use super::print::Printer;

/// What makes a role.
#[derive(Clone, Debug, PartialEq)]
pub enum RoleKey {
    /// The user said so: its place in [`Options::given`](super::Options::given).
    Given(usize),
    /// A registered name, or `{:global, _}` and `{:via, _, _}`. Atoms are those of the comparison.
    Name(Value),
    /// A child without a name.
    Child {
        /// The role that started it.
        parent: Option<usize>,
        /// What it is.
        what: What,
        /// The how many-th of its kind, from 1.
        nth: u32,
    },
}

/// What a process without a name is.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Its id at its supervisor.
    Id(Value),
    /// It runs this module.
    Module(AtomId),
    /// It began with this function.
    Call(AtomId, AtomId, u32),
    /// A task.
    Task,
    /// An agent.
    Agent,
    /// Nobody knows.
    Process,
}

/// Who somebody is, seen from another's story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Party(pub(super) u32);

impl Party {
    /// A timer, a monitor, a port.
    pub(super) const RUNTIME: Self = Self(u32::MAX);
    /// A process that has no role.
    pub(super) const OTHER: Self = Self(u32::MAX - 1);
    /// One that is left out, with all that it says.
    pub(super) const NOISE: Self = Self(u32::MAX - 2);

    pub(super) fn role(self) -> Option<usize> {
        (self < Self::NOISE).then_some(self.0 as usize)
    }
}

/// A process that the user gave a role.
#[derive(Clone, Debug)]
pub struct Given {
    /// What the role is called.
    pub text: Box<str>,
    /// Who has it, in either recording.
    pub who: [Option<Selector>; 2],
    /// Only where the process has no name.
    pub unless_named: bool,
}

/// All roles of two recordings.
#[derive(Debug, Default)]
pub(super) struct RoleTable {
    pub(super) keys: Vec<RoleKey>,
    pub(super) given: Vec<Box<str>>,
    /// Who has them, in either recording, in the order of birth.
    pub(super) tracks: Vec<[Vec<TrackId>; 2]>,
}

/// Who has which role in one recording.
#[derive(Debug, Default)]
pub(super) struct Cast {
    pub(super) of_track: HashMap<TrackId, Party>,
    by_pid: HashMap<u64, Vec<(u64, TrackId)>>,
}

impl Cast {
    pub(super) fn of(&self, track: TrackId) -> Party {
        self.of_track.get(&track).copied().unwrap_or(Party::OTHER)
    }

    /// The track of a pid at an event.
    pub(super) fn track_of(&self, pid: u64, seq: u64) -> Option<TrackId> {
        let lives = self.by_pid.get(&pid)?;
        let begun = lives.iter().rev().find(|(began, _)| *began <= seq);
        begun.or_else(|| lives.first()).map(|(_, track)| *track)
    }

    pub(super) fn of_pid(&self, pid: u64, seq: u64) -> Party {
        self.track_of(pid, seq).map_or(Party::OTHER, |track| self.of(track))
    }
}

/// What a process says for itself.
#[derive(Debug)]
enum Claim {
    Is(RoleKey),
    Again(TrackId),
    Child(What),
    Noise,
    Nobody,
}

/// One process of one recording.
#[derive(Debug)]
struct Claimant {
    track: TrackId,
    /// Whose child it is, those aside that only stand between.
    parent: Option<TrackId>,
    claim: Claim,
    /// What it was started with.
    args: u64,
}

/// One recording's processes, before they are matched.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    all: Vec<Claimant>,
    cast: Cast,
}

/// Names and modules of the system's own processes.
#[derive(Clone, Debug, Default)]
pub struct Noise {
    /// These.
    pub names: Vec<Box<str>>,
    /// And all that begin so.
    pub families: Vec<Box<str>>,
}

impl Noise {
    fn has(&self, text: &str) -> bool {
        self.names.iter().any(|name| **name == *text) || self.families.iter().any(|family| text.starts_with(&**family))
    }
}

/// Looks at the processes of one recording.
pub(super) struct Looker<'a> {
    pub(super) side: usize,
    pub(super) facts: &'a Facts,
    pub(super) local: &'a mut Local,
    pub(super) atoms: &'a mut Atoms,
    pub(super) given: &'a [Given],
    pub(super) noise: &'a Noise,
    /// Ids at supervisors.
    pub(super) ids: &'a HashMap<u64, Value>,
}

impl Looker<'_> {
    pub(super) fn look(mut self, printer: &mut Printer<'_>) -> Crowd {
        let mut crowd = Crowd::default();
        let mut between: HashMap<TrackId, Option<TrackId>> = HashMap::new();
        let given = self.given();
        for track in self.facts.tracks() {
            crowd
                .cast
                .by_pid
                .entry(track.pid)
                .or_default()
                .push((track.began.seq, track.id));
            let parent = track
                .parent_track
                .map(|parent| between.get(&parent).copied().unwrap_or(Some(parent)));
            let parent = parent.flatten();
            if self.stands_between(track) {
                between.insert(track.id, parent);
            }
            let claim = self.claim(track, &given);
            let args = track.initial.as_ref().and_then(|initial| initial.args);
            crowd.all.push(Claimant {
                track: track.id,
                parent,
                claim,
                args: args.map_or(0, |args| printer.alone(&self.facts.arena, args)),
            });
        }
        crowd
    }

    fn given(&self) -> HashMap<TrackId, usize> {
        let mut given = HashMap::new();
        for (at, one) in self.given.iter().enumerate() {
            let Some(who) = &one.who[self.side] else { continue };
            for track in self.facts.of(who).concat() {
                given.entry(track).or_insert(at);
            }
        }
        given
    }

    fn claim(&mut self, track: &Track, given: &HashMap<TrackId, usize>) -> Claim {
        let given = given.get(&track.id).copied();
        if let Some(at) = given.filter(|at| !self.given[*at].unless_named) {
            return Claim::Is(RoleKey::Given(at));
        }
        if self.stands_between(track) || self.is_noise(track) {
            return Claim::Noise;
        }
        if let Some(name) = self.name(track) {
            return Claim::Is(RoleKey::Name(name));
        }
        if let Some(at) = given {
            return Claim::Is(RoleKey::Given(at));
        }
        if track.known == KnownHow::Seen {
            return Claim::Nobody;
        }
        match (self.ids.get(&track.pid), track.restart_of) {
            (Some(id), _) => Claim::Child(What::Id(id.clone())),
            (None, Some(old)) => Claim::Again(old),
            (None, None) => Claim::Child(self.what(track)),
        }
    }

    /// `Task.async_stream` has a process of its own between caller and tasks.
    fn stands_between(&mut self, track: &Track) -> bool {
        let Some(initial) = &track.initial else { return false };
        initial.role != Behaviour::Task
            && initial
                .module
                .as_ref()
                .is_some_and(|module| self.text(module) == "Elixir.Task.Supervised")
    }

    fn is_noise(&mut self, track: &Track) -> bool {
        let module = track.initial.as_ref().and_then(|initial| initial.module.clone());
        let module = module.map(|module| self.text(&module));
        let name = self
            .names(track)
            .into_iter()
            .find_map(|name| match self.facts.arena.node(name) {
                Node::Atom(id) => self.local.words().text(id),
                _ => None,
            });
        module.is_some_and(|text| self.noise.has(&text)) || name.is_some_and(|text| self.noise.has(&text))
    }

    fn names(&self, track: &Track) -> Vec<NodeId> {
        let mut met = HashSet::new();
        let all = track.names.iter().map(|span| span.what);
        all.filter(|name| met.insert(*name)).collect()
    }

    fn name(&mut self, track: &Track) -> Option<Value> {
        let arena = &self.facts.arena;
        let names = self.names(track);
        let rank = |name: &&NodeId| !matches!(arena.node(**name), Node::Atom(_));
        let best = names.iter().min_by_key(rank)?;
        literal(self.local, self.atoms, arena, *best)
    }

    fn text(&self, name: &AtomName) -> String {
        match name {
            AtomName::Id(id) => self.local.words().text(*id).map_or_else(String::new, String::from),
            AtomName::Text(text) => text.clone(),
        }
    }

    fn shared(&mut self, name: &AtomName) -> Option<AtomId> {
        match name {
            AtomName::Id(id) => self.local.shared(self.atoms, *id),
            AtomName::Text(text) => Some(self.atoms.of_text(text)),
        }
    }

    fn what(&mut self, track: &Track) -> What {
        let Some(initial) = track.initial.clone() else {
            return What::Process;
        };
        match initial.role {
            Behaviour::Task => return What::Task,
            Behaviour::Agent => return What::Agent,
            _ => {}
        }
        let module = initial.module.filter(|module| self.text(module) != "erlang");
        if let Some(module) = module.and_then(|module| self.shared(&module)) {
            return What::Module(module);
        }
        let Some((m, f, arity)) = initial.call else {
            return What::Process;
        };
        match (self.shared(&m), self.shared(&f)) {
            (Some(m), Some(f)) => What::Call(m, f, arity),
            _ => What::Process,
        }
    }
}

/// Ids of children, as far as a supervisor's state tells: `{state, _, _, {_, #{Id => {child, Pid, Id, …}}}, …}`.
/// How many were looked at.
pub(super) fn child_ids(
    local: &mut Local,
    atoms: &mut Atoms,
    arena: &Arena,
    state: NodeId,
    ids: &mut HashMap<u64, Value>,
) -> usize {
    let Node::Tuple(fields) = arena.node(state) else {
        return 1;
    };
    let Some(Node::Tuple(&[_, children])) = fields.get(3).map(|field| arena.node(*field)) else {
        return 1;
    };
    for (id, child) in arena.map_iter(children) {
        let Node::Tuple(&[_, pid, ..]) = arena.node(child) else {
            continue;
        };
        let Node::Pid(pid) = arena.node(pid) else { continue };
        if ids.contains_key(&pid) {
            continue;
        }
        if let Some(id) = literal(local, atoms, arena, id) {
            ids.insert(pid, id);
        }
    }
    1 + arena.map_len(children)
}

/// Matches the processes of two recordings.
pub(super) fn matched(crowds: [Crowd; 2], given: &[Given]) -> (RoleTable, [Cast; 2]) {
    let mut matching = Matching {
        table: RoleTable {
            given: given.iter().map(|one| one.text.clone()).collect(),
            ..RoleTable::default()
        },
        ..Matching::default()
    };
    for (side, crowd) in crowds.iter().enumerate() {
        matching.certain(side, &crowd.all);
    }
    matching.children([&crowds[0].all, &crowds[1].all]);
    let [mut one, mut other] = crowds.map(|crowd| crowd.cast);
    [one.of_track, other.of_track] = matching.of_track;
    for tracks in matching.table.tracks.iter_mut().flatten() {
        tracks.sort_unstable();
    }
    (matching.table, [one, other])
}

#[derive(Default)]
struct Matching {
    table: RoleTable,
    of_track: [HashMap<TrackId, Party>; 2],
    by_key: HashMap<String, usize>,
    /// How many of a kind there are.
    counts: HashMap<(Option<usize>, String), u32>,
}

/// Those that are alike, on either side.
type Group<'c> = [Vec<&'c Claimant>; 2];

impl Matching {
    /// Who needs nobody else to know who it is.
    fn certain(&mut self, side: usize, all: &[Claimant]) {
        for one in all {
            let party = match &one.claim {
                Claim::Is(key) => self.role(key),
                Claim::Noise => Party::NOISE,
                Claim::Nobody => Party::OTHER,
                Claim::Again(_) | Claim::Child(_) => continue,
            };
            self.enter(side, one.track, party);
        }
    }

    fn role(&mut self, key: &RoleKey) -> Party {
        let text = format!("{key:?}");
        if let Some(known) = self.by_key.get(&text) {
            return Party(*known as u32);
        }
        let role = self.new_role(key.clone());
        self.by_key.insert(text, role);
        Party(role as u32)
    }

    fn new_role(&mut self, key: RoleKey) -> usize {
        self.table.keys.push(key);
        self.table.tracks.push([Vec::new(), Vec::new()]);
        self.table.keys.len() - 1
    }

    fn enter(&mut self, side: usize, track: TrackId, party: Party) {
        if let Some(role) = party.role() {
            self.table.tracks[role][side].push(track);
        }
        self.of_track[side].insert(track, party);
    }

    /// Children of those who are known, then theirs.
    fn children(&mut self, crowds: [&[Claimant]; 2]) {
        let mut waiting: [HashMap<Option<TrackId>, Vec<&Claimant>>; 2] = Default::default();
        for side in 0..2 {
            for one in crowds[side] {
                if matches!(one.claim, Claim::Again(_) | Claim::Child(_)) {
                    waiting[side].entry(one.parent).or_default().push(one);
                }
            }
        }
        let known = |side: usize| self.of_track[side].keys().copied().map(Some).chain([None]).collect();
        let mut frontier: [Vec<Option<TrackId>>; 2] = [known(0), known(1)];
        loop {
            let ready: Group<'_> = [0, 1].map(|side| {
                let mut ready: Vec<&Claimant> = frontier[side]
                    .iter()
                    .filter_map(|parent| waiting[side].remove(parent))
                    .flatten()
                    .collect();
                ready.sort_by_key(|one| one.track);
                ready
            });
            if ready.iter().all(Vec::is_empty) {
                if waiting.iter().all(HashMap::is_empty) {
                    return;
                }
                // Their parents have no role, or wait for each other: they are nobody's children.
                frontier = [0, 1].map(|side| waiting[side].keys().copied().collect());
                continue;
            }
            frontier = [0, 1].map(|side| ready[side].iter().map(|one| Some(one.track)).collect());
            self.generation(ready);
        }
    }

    fn generation(&mut self, ready: Group<'_>) {
        let mut order: Vec<(Option<usize>, What)> = Vec::new();
        let mut groups: HashMap<(Option<usize>, String), Group<'_>> = HashMap::new();
        for (side, all) in ready.iter().enumerate() {
            for one in all {
                let Claim::Child(what) = &one.claim else { continue };
                let parent = self.parent(side, one);
                let group = groups.entry((parent, format!("{what:?}"))).or_insert_with(|| {
                    order.push((parent, what.clone()));
                    Group::default()
                });
                group[side].push(one);
            }
        }
        for (parent, what) in order {
            if let Some(group) = groups.remove(&(parent, format!("{what:?}"))) {
                self.equals(parent, &what, &group);
            }
        }
        for (side, all) in ready.iter().enumerate() {
            all.iter().for_each(|one| self.again(side, one));
        }
    }

    /// Who was started again is who it was before; those before it have their roles already.
    fn again(&mut self, side: usize, one: &Claimant) {
        let Claim::Again(old) = &one.claim else { return };
        let party = self.of_track[side].get(old).copied();
        let party = party.unwrap_or_else(|| {
            let parent = self.parent(side, one);
            self.next(parent, &What::Process)
        });
        self.enter(side, one.track, party);
    }

    /// What the user's own processes start is called as if nobody had started it, as what starts by itself.
    fn parent(&self, side: usize, one: &Claimant) -> Option<usize> {
        let parent = self.of_track[side].get(&one.parent?)?.role()?;
        (!matches!(self.table.keys[parent], RoleKey::Given(_))).then_some(parent)
    }

    /// Those that were started with the same first; the others in the order of their births.
    fn equals(&mut self, parent: Option<usize>, what: &What, group: &Group<'_>) {
        if let What::Id(_) = what {
            // Its supervisor has one of them at a time.
            let role = self.next(parent, what);
            for (side, all) in group.iter().enumerate() {
                all.iter().for_each(|one| self.enter(side, one.track, role));
            }
            return;
        }
        let [ours, theirs] = group;
        let mut by_args: HashMap<u64, Vec<usize>> = HashMap::new();
        for (at, one) in theirs.iter().enumerate().rev() {
            by_args.entry(one.args).or_default().push(at);
        }
        let mut partner: Vec<Option<usize>> = ours
            .iter()
            .map(|one| by_args.get_mut(&one.args).and_then(Vec::pop))
            .collect();
        let mut left: Vec<usize> = by_args.into_values().flatten().collect();
        left.sort_unstable_by(|a, b| b.cmp(a));
        for partner in partner.iter_mut().filter(|partner| partner.is_none()) {
            *partner = left.pop();
        }
        left.reverse();
        for (one, partner) in ours.iter().zip(partner) {
            let role = self.next(parent, what);
            self.enter(0, one.track, role);
            if let Some(other) = partner {
                self.enter(1, theirs[other].track, role);
            }
        }
        for other in left {
            let role = self.next(parent, what);
            self.enter(1, theirs[other].track, role);
        }
    }

    fn next(&mut self, parent: Option<usize>, what: &What) -> Party {
        let count = self.counts.entry((parent, format!("{what:?}"))).or_default();
        *count += 1;
        let (what, nth) = (what.clone(), *count);
        Party(self.new_role(RoleKey::Child { parent, what, nth }) as u32)
    }
}
