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
pub(super) enum Claim {
    Is(RoleKey),
    Again(TrackId),
    Child(What),
    Noise,
    Nobody,
}

/// One process of one recording.
#[derive(Debug)]
pub(super) struct Claimant {
    pub(super) track: TrackId,
    /// Whose child it is, those aside that only stand between.
    pub(super) parent: Option<TrackId>,
    pub(super) claim: Claim,
    /// What it was started with.
    pub(super) args: u64,
}

/// One recording's processes, before they are matched.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    pub(super) all: Vec<Claimant>,
    pub(super) cast: Cast,
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
