//! The process table and the supervision tree at a moment.

use std::collections::HashMap;

use crate::store::TrackId;
use crate::term::arena::{Arena, NodeId};

use super::facts::{Facts, KnownHow, Stamp, Track};
use super::initial::{AtomName, InitialCall, Role};

/// One process at a moment. Nodes belong to the arena of the [`Processes`] it came in.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its track.
    pub track: TrackId,
    /// Its pid word.
    pub pid: u64,
    /// The names it bore at the moment, or last bore when it had ended; the first one is its name.
    pub names: Vec<NodeId>,
    /// The module whose code it runs: a behaviour's callback module.
    pub module: Option<AtomName>,
    /// What kind of process it is, when that is known.
    pub role: Option<Role>,
    /// As `proc_lib:initial_call/1` would tell.
    pub initial_call: Option<InitialCall>,
    /// The pid of its parent.
    pub parent: Option<u64>,
    /// The parent's track.
    pub parent_track: Option<TrackId>,
    /// Its ancestors, nearest first: pids and names.
    pub ancestors: Vec<NodeId>,
    /// What it was linked to at the moment.
    pub links: Vec<NodeId>,
    /// Its beginning, when the recording saw it.
    pub spawned_at: Option<Stamp>,
    /// Its end, when that was before the moment, and why.
    pub exited: Option<(Stamp, NodeId)>,
    /// How it is known.
    pub known: KnownHow,
    /// The track it replaced.
    pub restart_of: Option<TrackId>,
    /// How many processes it replaced, all told.
    pub restarts: u32,
}

impl Process {
    /// Whether it was alive at the moment.
    #[must_use]
    pub const fn alive(&self) -> bool {
        self.exited.is_none()
    }
}

/// Processes, and the arena that their names and reasons live in.
#[derive(Debug, Default)]
pub struct Processes {
    /// Where nodes live.
    pub arena: Arena,
    /// In the order in which they appeared.
    pub list: Vec<Process>,
}

impl Processes {
    /// The process of a track.
    #[must_use]
    pub fn get(&self, track: TrackId) -> Option<&Process> {
        self.list.iter().find(|process| process.track == track)
    }

    pub(super) fn add(&mut self, facts: &Facts, track: &Track, seq: u64) {
        let mut copy = |node: NodeId| self.arena.import(&facts.arena, node);
        let exited = track.ended.filter(|(end, _)| end.seq <= seq);
        let until = exited.map_or(seq, |(end, _)| end.seq.saturating_sub(1));
        let initial = track.initial.as_ref();
        let mut names: Vec<NodeId> = track.names_at(until).collect();
        if names.is_empty() && exited.is_some() {
            names.extend(track.names.last().map(|span| span.what));
        }
        let ancestors = initial.map(|initial| ancestors(facts, initial)).unwrap_or_default();
        let process = Process {
            track: track.id,
            pid: track.pid,
            names: names.into_iter().map(&mut copy).collect(),
            module: initial.and_then(|initial| initial.module.clone()),
            role: initial.map(|initial| initial.role),
            initial_call: initial.and_then(|initial| initial.call.clone()),
            parent: track.parent,
            parent_track: track.parent_track,
            ancestors: ancestors.into_iter().map(&mut copy).collect(),
            links: track
                .links
                .iter()
                .filter(|span| span.holds_at(until))
                .map(|span| copy(span.what))
                .collect(),
            spawned_at: (track.known == KnownHow::Spawned).then_some(track.began),
            exited: exited.map(|(end, reason)| (end, copy(reason))),
            known: track.known,
            restart_of: track.restart_of,
            restarts: track.restarts,
        };
        self.list.push(process);
    }
}

/// The parent first, then its ancestors.
fn ancestors(facts: &Facts, initial: &super::initial::Initial) -> Vec<NodeId> {
    let further = initial
        .ancestors
        .map(|list| facts.arena.list_iter(list).collect::<Vec<_>>())
        .unwrap_or_default();
    let parent = initial.parent.filter(|parent| further.first() != Some(parent));
    parent.into_iter().chain(further).collect()
}

/// All that had begun by an event: the living and the ended.
pub(super) fn at(facts: &Facts, seq: u64) -> Processes {
    let mut out = Processes::default();
    for track in facts.tracks() {
        if track.began.seq <= seq || track.known == KnownHow::Baseline {
            out.add(facts, track, seq);
        }
    }
    out
}

/// A process and those under it.
#[derive(Clone, Debug)]
pub struct Branch {
    /// Its place in [`Tree::processes`]' list.
    pub process: usize,
    /// Those whose parent it is, in the order in which they began.
    pub children: Vec<Branch>,
}

impl Drop for Branch {
    /// A chain of processes each of which started the next can be as long as the process table: no recursion.
    fn drop(&mut self) {
        let mut below = std::mem::take(&mut self.children);
        while let Some(mut branch) = below.pop() {
            below.append(&mut branch.children);
        }
    }
}

/// Who started whom, at a moment: the living only.
#[derive(Debug, Default)]
pub struct Tree {
    /// The processes in it.
    pub processes: Processes,
    /// Those whose parent is not alive, or not in the recording.
    pub roots: Vec<Branch>,
}

/// The tree after an event.
pub(super) fn tree(facts: &Facts, seq: u64) -> Tree {
    let mut tree = Tree::default();
    for track in facts.tracks().iter().filter(|track| track.alive_at(seq)) {
        tree.processes.add(facts, track, seq);
    }
    let places: HashMap<TrackId, usize> = tree
        .processes
        .list
        .iter()
        .enumerate()
        .map(|(place, process)| (process.track, place))
        .collect();
    let mut children: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut roots = Vec::new();
    for (place, process) in tree.processes.list.iter().enumerate() {
        match parent_place(&tree.processes.arena, facts, process, &places, seq) {
            Some(parent) if parent != place => children.entry(parent).or_default().push(place),
            _ => roots.push(place),
        }
    }
    tree.roots = branches(&roots, &children);
    tree
}

/// The nearest ancestor that lives.
fn parent_place(
    arena: &Arena,
    facts: &Facts,
    process: &Process,
    places: &HashMap<TrackId, usize>,
    seq: u64,
) -> Option<usize> {
    let by_track = process.parent_track.and_then(|parent| places.get(&parent)).copied();
    by_track.or_else(|| {
        process.ancestors.iter().find_map(|ancestor| {
            let track = match super::shape::pid(arena, *ancestor) {
                Some(pid) => facts.of_pid_at(pid, seq),
                None => facts.of_name_at(facts.name(arena, *ancestor)?, seq),
            };
            places.get(&track?).copied()
        })
    })
}

/// Builds branches without recursion over depth: children are attached deepest first.
fn branches(roots: &[usize], children: &HashMap<usize, Vec<usize>>) -> Vec<Branch> {
    let mut order = Vec::new();
    let mut stack: Vec<usize> = roots.to_vec();
    let mut seen = std::collections::HashSet::new();
    while let Some(place) = stack.pop() {
        if seen.insert(place) {
            order.push(place);
            stack.extend(children.get(&place).into_iter().flatten());
        }
    }
    let mut built: HashMap<usize, Branch> = HashMap::new();
    for place in order.into_iter().rev() {
        let below = children.get(&place).into_iter().flatten();
        let children = below.filter_map(|child| built.remove(child)).collect();
        built.insert(
            place,
            Branch {
                process: place,
                children,
            },
        );
    }
    roots.iter().filter_map(|root| built.remove(root)).collect()
}
