//! What is known of every process of a recording: gathered once from lifecycle events, kept with times, so that a question
//! about any moment is a look, not a replay.

use std::collections::HashMap;

use crate::event::{EventKind, Fields};
use crate::store::{ChunkView, EventRow, TrackId};
use crate::term::arena::{Arena, NodeId};
use crate::term::Value;

use super::initial::{self, parent_pid, AtomName, Initial, Role};
use super::moment::{Module, Selector};
use super::rows::{field, term};
use super::shape::{pid, tuple, word};
use super::words::{Word, Words};

/// How a process came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KnownHow {
    /// Its beginning is in the recording.
    Spawned,
    /// It lived before, and the recorder looked at it.
    Baseline,
    /// Some event of it was seen.
    Seen,
}

impl KnownHow {
    /// The name that users see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spawned => "spawned",
            Self::Baseline => "baseline",
            Self::Seen => "seen",
        }
    }
}

/// A position in the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// The event.
    pub seq: u64,
    /// Nanoseconds since the start.
    pub at_ns: u64,
}

impl Stamp {
    pub(super) const fn of(row: &EventRow) -> Self {
        Self {
            seq: row.seq,
            at_ns: row.at_ns,
        }
    }
}

/// Something that was so for a while: a name that was borne, a link that held.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// The name, or the other process. A node of [`Facts::arena`].
    pub what: NodeId,
    /// From this event on.
    pub from: u64,
    /// Until this one.
    pub to: Option<u64>,
}

impl Span {
    /// Whether it was so after the event `seq`.
    #[must_use]
    pub fn holds_at(&self, seq: u64) -> bool {
        self.from <= seq && self.to.is_none_or(|to| seq < to)
    }
}

/// One process. Nodes belong to [`Facts::arena`].
#[derive(Clone, Debug)]
pub struct Track {
    /// Its track.
    pub id: TrackId,
    /// Its pid word.
    pub pid: u64,
    /// Its first event.
    pub began: Stamp,
    /// How it is known.
    pub known: KnownHow,
    /// What it was started to be.
    pub initial: Option<Initial>,
    /// The pid of the process that spawned it.
    pub parent: Option<u64>,
    /// That process's track.
    pub parent_track: Option<TrackId>,
    /// Names it bore.
    pub names: Vec<Span>,
    /// Links it had.
    pub links: Vec<Span>,
    /// Its end.
    pub ended: Option<(Stamp, NodeId)>,
    /// The track that it replaced under the same supervisor.
    pub restart_of: Option<TrackId>,
    /// How many it replaced, all told.
    pub restarts: u32,
    /// The first of the chain of restarts.
    pub(super) lineage: TrackId,
}

impl Track {
    /// Whether it lived after the event `seq`.
    #[must_use]
    pub fn alive_at(&self, seq: u64) -> bool {
        (self.began.seq <= seq || self.known == KnownHow::Baseline)
            && self.ended.as_ref().is_none_or(|(end, _)| seq < end.seq)
    }

    /// The names it bore after the event `seq`.
    pub fn names_at(&self, seq: u64) -> impl Iterator<Item = NodeId> + '_ {
        self.names
            .iter()
            .filter(move |span| span.holds_at(seq))
            .map(|span| span.what)
    }
}

/// Every process of a recording.
#[derive(Debug, Default)]
pub struct Facts {
    /// Where names, reasons and arguments live.
    pub arena: Arena,
    tracks: Vec<Track>,
    places: HashMap<TrackId, usize>,
    by_pid: HashMap<u64, Vec<TrackId>>,
    by_name: HashMap<NodeId, Vec<TrackId>>,
    by_module: HashMap<AtomName, Vec<TrackId>>,
    /// Children announced by their parent: the call they were spawned with.
    announced: HashMap<u64, (TrackId, u64, NodeId)>,
    /// Ended tracks that may be replaced, by what makes a child the same child; of those without a name the ones that failed.
    ended: HashMap<ChildKey, Vec<TrackId>>,
}

/// What makes a child of a supervisor the same child after a restart: its name, or else its module and arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ChildKey {
    parent: TrackId,
    name: Option<NodeId>,
    module: Option<u64>,
    args: Option<NodeId>,
}

impl Facts {
    /// Every process, in the order of their first events.
    #[must_use]
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// One process.
    #[must_use]
    pub fn track(&self, id: TrackId) -> Option<&Track> {
        self.places.get(&id).map(|place| &self.tracks[*place])
    }

    fn track_mut(&mut self, id: TrackId) -> Option<&mut Track> {
        self.places.get(&id).map(|place| &mut self.tracks[*place])
    }

    /// The tracks of a pid, oldest first.
    #[must_use]
    pub fn of_pid(&self, pid: u64) -> &[TrackId] {
        self.by_pid.get(&pid).map_or(&[], Vec::as_slice)
    }

    /// The tracks that bore a name at any time, in the order in which they took it.
    #[must_use]
    pub fn of_name(&self, name: NodeId) -> &[TrackId] {
        self.by_name.get(&name).map_or(&[], Vec::as_slice)
    }

    /// The tracks that run a module, in the order in which they began: those that are known by its atom, and by its text only.
    /// One may be in both.
    #[must_use]
    pub fn of_module(&self, module: &Module) -> [&[TrackId]; 2] {
        let of = |name: &AtomName| self.by_module.get(name).map_or(&[][..], Vec::as_slice);
        [
            of(&AtomName::Id(module.id)),
            of(&AtomName::Text(module.text.to_string())),
        ]
    }

    /// Whether a selector stands for any process.
    #[must_use]
    pub fn knows(&self, who: &Selector) -> bool {
        self.of(who).iter().any(|list| !list.is_empty())
    }

    /// The pids of all processes that a selector stands for.
    #[must_use]
    pub fn pids_of(&self, who: &Selector) -> Vec<u64> {
        let tracks = self.of(who).concat();
        let pids = tracks.iter().filter_map(|track| Some(self.track(*track)?.pid));
        pids.collect()
    }

    fn named_so(&self, name: &Value) -> &[TrackId] {
        self.arena.find(name).map_or(&[], |name| self.of_name(name))
    }

    /// The tracks that a selector stands for. Both lists only ever grow.
    pub(crate) fn of<'a>(&'a self, who: &'a Selector) -> [&'a [TrackId]; 2] {
        match who {
            Selector::Track(id) if self.places.contains_key(id) => [std::slice::from_ref(id), &[]],
            Selector::Track(_) => [&[], &[]],
            Selector::Pid(pid) => [self.of_pid(*pid), &[]],
            Selector::Name(name) => [self.named_so(name), &[]],
            Selector::Bearer(name, pid) => [self.of_pid(*pid), self.named_so(name)],
            Selector::Module(module) => self.of_module(module),
        }
    }

    /// The track of a pid at an event: the last that began by then, else the first.
    #[must_use]
    pub fn of_pid_at(&self, pid: u64, seq: u64) -> Option<TrackId> {
        let tracks = self.of_pid(pid);
        let begun = tracks
            .iter()
            .rev()
            .find(|id| self.track(**id).is_some_and(|track| track.began.seq <= seq));
        begun.or_else(|| tracks.first()).copied()
    }

    /// The track that bore a name after an event.
    #[must_use]
    pub fn of_name_at(&self, name: NodeId, seq: u64) -> Option<TrackId> {
        let bears = |id: &&TrackId| {
            self.track(**id)
                .is_some_and(|track| track.names_at(seq).any(|one| one == name))
        };
        self.of_name(name).iter().rev().find(bears).copied()
    }

    /// The name that a node of another arena is, if anything bears or bore it.
    #[must_use]
    pub fn name(&self, arena: &Arena, name: NodeId) -> Option<NodeId> {
        self.arena.find(&arena.to_value(name))
    }

    /// Takes the next row of the recording. Of a track that the recording has forgotten since (it was over, and its rows have gone while
    /// they were read) there is no pid: it is as if the row had not been read.
    pub fn feed(&mut self, words: &Words, view: &ChunkView, row: &EventRow, pid_of: impl Fn(TrackId) -> Option<u64>) {
        // It happened to nobody: whose pid it carries did not become a process of the recording by that.
        if row.kind == EventKind::System {
            return;
        }
        if !self.seen(row, pid_of) {
            return;
        }
        let import = |facts: &mut Self, i: usize| term(row, i).map(|node| facts.arena.import(&view.arena, node));
        match row.kind {
            EventKind::Spawn => {
                let (Some(child), Some(mfa)) = (term(row, 0), import(self, 1)) else {
                    return;
                };
                if let Some(child) = pid(&view.arena, child) {
                    self.announced.insert(child, (row.track, row.seq, mfa));
                }
            }
            EventKind::Spawned => {
                let parent = term(row, 0).and_then(|parent| pid(&view.arena, parent));
                let mfa = import(self, 1);
                self.spawned(words, row, parent, mfa);
            }
            EventKind::Exit => {
                if let Some(reason) = import(self, 0) {
                    self.exited(words, row, reason);
                }
            }
            EventKind::Link | EventKind::GettingLinked => {
                if let Some(other) = import(self, 0) {
                    self.linked(row, other);
                }
            }
            EventKind::Unlink | EventKind::GettingUnlinked => {
                if let Some(other) = import(self, 0) {
                    self.unlinked(row, other);
                }
            }
            EventKind::Register => {
                if let Some(name) = import(self, 0) {
                    self.named(row.track, name, row.seq);
                }
            }
            EventKind::Unregister => {
                if let Some(name) = import(self, 0) {
                    self.unnamed(row, name);
                }
            }
            EventKind::State => self.behaves(words, view, row),
            EventKind::Baseline => {
                if let Some(facts) = import(self, 0) {
                    self.baseline(words, row, facts);
                }
            }
            _ => {}
        }
    }

    /// Enters a track at its first event; `false`: it is not known any more. One whose parent announced it knows its parent even if its
    /// own first event was lost.
    fn seen(&mut self, row: &EventRow, pid_of: impl Fn(TrackId) -> Option<u64>) -> bool {
        if self.places.contains_key(&row.track) {
            return true;
        }
        let Some(pid) = pid_of(row.track) else { return false };
        self.places.insert(row.track, self.tracks.len());
        self.by_pid.entry(pid).or_default().push(row.track);
        self.tracks.push(Track {
            id: row.track,
            pid,
            began: Stamp::of(row),
            known: KnownHow::Seen,
            initial: None,
            parent: None,
            parent_track: None,
            names: Vec::new(),
            links: Vec::new(),
            ended: None,
            restart_of: None,
            restarts: 0,
            lineage: row.track,
        });
        true
    }

    fn spawned(&mut self, words: &Words, row: &EventRow, parent: Option<u64>, mfa: Option<NodeId>) {
        let Some(pid) = self.track(row.track).map(|track| track.pid) else {
            return;
        };
        let announced = self.announced.remove(&pid);
        let mfa = mfa.or(announced.map(|(_, _, mfa)| mfa));
        let initial = mfa.and_then(|mfa| initial::read(words, &self.arena, mfa));
        let parent_track = announced.map(|(track, _, _)| track);
        let parent_track = parent_track.or_else(|| parent.and_then(|parent| self.of_pid_at(parent, row.seq)));
        let name = initial.as_ref().and_then(|initial| initial.name);
        if let Some(track) = self.track_mut(row.track) {
            track.known = KnownHow::Spawned;
            track.initial = initial;
            track.parent = parent;
            track.parent_track = parent_track;
        }
        self.runs(row.track);
        // A name of `{local, Name}` is borne once it is registered; `global` and `via` names register elsewhere.
        if let Some(name) = name.filter(|name| initial::atom(&self.arena, *name).is_none()) {
            self.named(row.track, name, row.seq);
        }
        self.find_restart(row.track);
    }

    /// A loop that was seen tells what a process is, where its beginning does not.
    fn behaves(&mut self, words: &Words, view: &ChunkView, row: &EventRow) {
        let Some(track) = self.track_mut(row.track) else { return };
        let vague = |initial: &Initial| matches!(initial.role, Role::Plain | Role::Special);
        if track.initial.as_ref().is_some_and(|initial| !vague(initial)) {
            return;
        }
        let tag = field(row, Fields::BEHAVIOUR).and_then(|tag| word(words, &view.arena, tag));
        if let Some(role) = tag.and_then(Role::from_word) {
            track.initial.get_or_insert_with(|| Initial::of(role)).role = role;
        }
    }

    fn baseline(&mut self, words: &Words, row: &EventRow, facts: NodeId) {
        let initial = initial::baseline(words, &self.arena, facts);
        let links = words_links(words, &self.arena, facts);
        let parent = parent_pid(&self.arena, &initial);
        let parent_track = parent.and_then(|parent| self.of_pid_at(parent, row.seq));
        let name = initial.name;
        let Some(track) = self.track_mut(row.track) else { return };
        if track.known == KnownHow::Seen {
            track.known = KnownHow::Baseline;
            track.parent = parent;
            track.parent_track = parent_track;
            track.initial = Some(initial);
        }
        let from = if track.known == KnownHow::Baseline { 0 } else { row.seq };
        for other in links {
            if !track.links.iter().any(|span| span.what == other && span.to.is_none()) {
                track.links.push(Span {
                    what: other,
                    from,
                    to: None,
                });
            }
        }
        if let Some(name) = name {
            self.named(row.track, name, from);
        }
        self.runs(row.track);
    }

    /// Notes whose code a process runs, as far as its beginning tells.
    fn runs(&mut self, id: TrackId) {
        let initial = self.track(id).and_then(|track| track.initial.as_ref());
        let module = initial.and_then(|initial| initial.module.clone());
        let called = initial.and_then(|initial| Some(initial.call.as_ref()?.0.clone()));
        for module in module.into_iter().chain(called) {
            let tracks = self.by_module.entry(module).or_default();
            if tracks.last() != Some(&id) {
                tracks.push(id);
            }
        }
    }

    fn named(&mut self, id: TrackId, name: NodeId, from: u64) {
        let Some(track) = self.track_mut(id) else { return };
        if track.names.iter().any(|span| span.what == name && span.to.is_none()) {
            return;
        }
        track.names.push(Span {
            what: name,
            from,
            to: None,
        });
        let tracks = self.by_name.entry(name).or_default();
        if !tracks.contains(&id) {
            tracks.push(id);
        }
        if self
            .track(id)
            .is_some_and(|track| track.known == KnownHow::Spawned && track.restart_of.is_none())
        {
            self.find_restart(id);
        }
    }

    fn unnamed(&mut self, row: &EventRow, name: NodeId) {
        if let Some(track) = self.track_mut(row.track) {
            let open = track
                .names
                .iter_mut()
                .rev()
                .find(|span| span.what == name && span.to.is_none());
            if let Some(span) = open {
                span.to = Some(row.seq);
            }
        }
    }

    fn linked(&mut self, row: &EventRow, other: NodeId) {
        if let Some(track) = self.track_mut(row.track) {
            if !track.links.iter().any(|span| span.what == other && span.to.is_none()) {
                track.links.push(Span {
                    what: other,
                    from: row.seq,
                    to: None,
                });
            }
        }
    }

    fn unlinked(&mut self, row: &EventRow, other: NodeId) {
        if let Some(track) = self.track_mut(row.track) {
            for span in track
                .links
                .iter_mut()
                .filter(|span| span.what == other && span.to.is_none())
            {
                span.to = Some(row.seq);
            }
        }
    }

    fn exited(&mut self, words: &Words, row: &EventRow, reason: NodeId) {
        let Some(track) = self.track_mut(row.track) else { return };
        track.ended = Some((Stamp::of(row), reason));
        for span in track
            .names
            .iter_mut()
            .chain(&mut track.links)
            .filter(|span| span.to.is_none())
        {
            span.to = Some(row.seq);
        }
        let abnormal = !self.is_normal(words, reason);
        for key in self.child_keys(row.track) {
            // Without a name all children of a pool are alike: one that ended as it should was hardly started again.
            if key.name.is_some() || abnormal {
                self.ended.entry(key).or_default().push(row.track);
            }
        }
    }

    /// `normal`, `shutdown`, `{shutdown, _}`.
    fn is_normal(&self, words: &Words, reason: NodeId) -> bool {
        let expected = |node| matches!(word(words, &self.arena, node), Some(Word::Normal | Word::Shutdown));
        match *tuple(&self.arena, reason) {
            [tag, _] => word(words, &self.arena, tag) == Some(Word::Shutdown),
            _ => expected(reason),
        }
    }

    /// The keys under which a child may be recognised: one for each name it bore, or its module and arguments.
    fn child_keys(&self, id: TrackId) -> Vec<ChildKey> {
        let Some(track) = self.track(id) else { return Vec::new() };
        let Some(parent) = track.parent_track.and_then(|parent| self.track(parent)) else {
            return Vec::new();
        };
        let key = |name| ChildKey {
            parent: parent.lineage,
            name,
            module: None,
            args: None,
        };
        let started = track.initial.as_ref().and_then(|initial| initial.name);
        let mut names: Vec<NodeId> = track.names.iter().map(|span| span.what).chain(started).collect();
        names.sort_unstable();
        names.dedup();
        if !names.is_empty() {
            return names.into_iter().map(|name| key(Some(name))).collect();
        }
        let is_supervisor = parent
            .initial
            .as_ref()
            .is_some_and(|initial| initial.role == initial::Role::Supervisor);
        let Some(initial) = track.initial.as_ref().filter(|_| is_supervisor) else {
            return Vec::new();
        };
        let Some(args) = initial.args else { return Vec::new() };
        let module = initial.module.as_ref().map(hash_of);
        vec![ChildKey {
            parent: parent.lineage,
            name: None,
            module,
            args: Some(args),
        }]
    }

    /// A child of the same supervisor with the same name, or (of a plain supervisor) the same module and arguments, that ended
    /// before this one began: this one replaced it.
    fn find_restart(&mut self, id: TrackId) {
        let Some(began) = self.track(id).map(|track| track.began.seq) else {
            return;
        };
        let parent_role = self
            .track(id)
            .and_then(|track| track.parent_track)
            .and_then(|parent| self.track(parent));
        if parent_role
            .and_then(|parent| parent.initial.as_ref())
            .is_none_or(|initial| !initial.role.is_supervisor())
        {
            return;
        }
        for key in self.child_keys(id) {
            let Some(candidates) = self.ended.get(&key) else {
                continue;
            };
            let found = candidates.iter().copied().find(|old| {
                self.track(*old)
                    .and_then(|old| old.ended.as_ref())
                    .is_some_and(|(end, _)| end.seq < began)
            });
            if let Some(old) = found {
                self.replace(id, old);
                return;
            }
        }
    }

    fn replace(&mut self, id: TrackId, old: TrackId) {
        for key in self.child_keys(old) {
            if let Some(list) = self.ended.get_mut(&key) {
                list.retain(|one| *one != old);
            }
        }
        let Some((lineage, restarts)) = self.track(old).map(|old| (old.lineage, old.restarts)) else {
            return;
        };
        if let Some(track) = self.track_mut(id) {
            track.restart_of = Some(old);
            track.lineage = lineage;
            track.restarts = restarts + 1;
        }
    }
}

fn hash_of(name: &AtomName) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

fn words_links(words: &Words, arena: &Arena, facts: NodeId) -> Vec<NodeId> {
    use super::words::Word;
    let is_links = |key| super::shape::word(words, arena, key) == Some(Word::Links);
    let links = arena.map_iter(facts).find(|(key, _)| is_links(*key));
    links
        .map(|(_, list)| arena.list_iter(list).collect())
        .unwrap_or_default()
}
