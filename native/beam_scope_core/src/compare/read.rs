//! One pass over a recording: what happens in it becomes the stories of those whom it happens to.

use std::collections::HashSet;
use std::sync::Arc;

use super::Matcher;
use crate::event::{EventKind, Fields, Point};
use crate::mixed::MixedMap;
use crate::store::{ChunkView, EventRow, StoreError, TrackId};
use crate::term::arena::{Arena, Node, NodeId};
use crate::timeline::view::Inner;
use crate::timeline::{
    envelope, field, message, point, term, Behaviour, TermRef, Timeline, TransitionKind, Word, Words,
};

use super::causes::{Causes, NONE};
use super::clock::Clock;
use super::hash::mix;
use super::life::{Life, Opening};
use super::noise::is_system;
use super::print::Printer;
use super::roles::{Cast, Party};
use super::story::{ActKind, At, Story};

/// A process that has been idle for so many chunks has its terms copied out, so that no more than a few stay decoded.
const PINNED: u64 = 8;

/// What one recording tells.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// By role.
    pub(super) stories: Vec<Story>,
    pub(super) causes: Causes,
    /// How many messages could not be told from those that are to be left out.
    pub(super) unclear: u64,
}

impl Told {
    /// From when to when anything is told, in nanoseconds since the recording's start.
    pub(super) fn span(&self) -> (u64, u64) {
        let units = self
            .stories
            .iter()
            .flat_map(|story| story.units.iter().map(|unit| unit.at));
        let acts = self
            .stories
            .iter()
            .flat_map(|story| story.acts.iter().map(|act| act.at));
        let gots = self
            .stories
            .iter()
            .flat_map(|story| story.gots.iter().map(|got| got.at));
        let bounds = |(low, high): (u64, u64), at: At| (low.min(at.at_ns), high.max(at.at_ns));
        units.chain(acts).chain(gots).fold((u64::MAX, 0), bounds)
    }
}

/// What is read of a recording.
pub(super) struct Source<'a> {
    pub(super) timeline: &'a Timeline,
    pub(super) cast: &'a Cast,
    pub(super) clock: &'a Clock,
    /// Messages that match are left out.
    pub(super) ignore: &'a [Matcher],
    /// How many roles there are.
    pub(super) roles: usize,
    /// Whether its end, or its beginning, was cut off.
    pub(super) cut: bool,
}

/// Reads a recording.
pub(super) fn read(source: &Source<'_>, inner: &Inner) -> Result<Told, StoreError> {
    let words = Arc::clone(source.timeline.words());
    let mut reading = Reading {
        printer: Printer::new(Arc::clone(&words), Some(source.cast), source.clock),
        words,
        source,
        inner,
        lives: MixedMap::default(),
        causes: Causes::default(),
        asked: HashSet::new(),
        system: HashSet::new(),
        unclear: 0,
        chunk: 0,
    };
    for chunk in &inner.index.chunks {
        let view = match source.timeline.recording().view(&chunk.chunk) {
            // Dropped since: as if it had never been.
            Err(StoreError::Evicted) => continue,
            view => view?,
        };
        reading.next_chunk(&view);
        for row in chunk.rows_from(&view, 0) {
            reading.row(&view, row);
        }
    }
    reading.finish()
}

pub(super) struct Reading<'a> {
    pub(super) words: Arc<Words>,
    pub(super) source: &'a Source<'a>,
    pub(super) inner: &'a Inner,
    pub(super) printer: Printer<'a>,
    lives: MixedMap<TrackId, Box<Life>>,
    pub(super) causes: Causes,
    /// Tags of requests to processes without a role.
    pub(super) asked: HashSet<u64>,
    /// Tags of system messages.
    pub(super) system: HashSet<u64>,
    pub(super) unclear: u64,
    chunk: u64,
}

impl Reading<'_> {
    fn next_chunk(&mut self, view: &ChunkView) {
        self.chunk += 1;
        self.printer.enter(&view.arena);
        let oldest = self.chunk.saturating_sub(PINNED);
        for life in self.lives.values_mut().filter(|life| life.chunk == oldest) {
            TermRef::unpin(life.machine.held_mut());
        }
    }

    fn row(&mut self, view: &Arc<ChunkView>, row: &EventRow) {
        let Some(role) = self.source.cast.of(row.track).role() else {
            return;
        };
        self.enter(row, role);
        if row.lost_before > 0 {
            self.life(row.track, |life| life.lose(row));
        }
        match row.kind {
            EventKind::Send | EventKind::SendToDead => self.send(&view.arena, row),
            EventKind::Receive => self.receive(&view.arena, row),
            EventKind::Call => self.call(&view.arena, row),
            EventKind::Return | EventKind::Exception => self.returned(&view.arena, row),
            EventKind::State => self.state(view, row),
            EventKind::Exit => self.exit(view, row),
            _ => {}
        }
    }

    fn enter(&mut self, row: &EventRow, role: usize) {
        let (words, index, chunk) = (&self.words, &self.inner.index, self.chunk);
        let life = self.lives.entry(row.track).or_insert_with(|| {
            let carried = index.is_carried(row.track);
            Box::new(Life::new(words, index.facts.track(row.track), row, role, carried))
        });
        life.chunk = chunk;
    }

    pub(super) fn life<T>(&mut self, track: TrackId, with: impl FnOnce(&mut Life) -> T) -> Option<T> {
        self.lives.get_mut(&track).map(|life| with(life))
    }

    // ---- calls ----

    fn function(&mut self, arena: &Arena, row: &EventRow) -> u64 {
        let of = |reading: &mut Self, i| term(row, i).map_or(0, |node| reading.printer.of(arena, node, row.seq));
        let arity = match term(row, 2).map(|node| (node, arena.node(node))) {
            Some((_, Node::Int(n))) => n as u64,
            Some((_, Node::TruncatedList { full, .. } | Node::Truncated(_, full))) => full,
            Some((node, _)) => arena.list_len(node) as u64,
            None => 0,
        };
        mix(mix(of(self, 0), of(self, 1)), arity)
    }

    fn call(&mut self, arena: &Arena, row: &EventRow) {
        let Some(args) = term(row, 2) else { return };
        let function = self.function(arena, row);
        let mut face = self.face(3, Party::RUNTIME, arena, args, row.seq);
        face.key = mix(face.key, function);
        self.life(row.track, |life| life.called(function, face, at(row)));
    }

    fn returned(&mut self, arena: &Arena, row: &EventRow) {
        let function = self.function(arena, row);
        let (kind, value) = match row.kind {
            EventKind::Return => (ActKind::Returned, term(row, 3)),
            _ => (ActKind::Raised, term(row, 4)),
        };
        let Some(value) = value else { return };
        let mut face = self.face(3, Party::RUNTIME, arena, value, row.seq);
        face.key = mix(mix(face.key, function), kind as u64);
        self.life(row.track, |life| life.returned(kind, function, face, at(row)));
    }

    // ---- states ----

    fn state(&mut self, view: &Arc<ChunkView>, row: &EventRow) {
        if matches!(point(row), Some(Point::Handled | Point::Callback | Point::Step)) {
            self.open(&view.arena, row);
        }
        self.life(row.track, |life| life.machine.feed(view, row));
        self.transitions(row.track);
    }

    /// A message is taken up: which one that came, and so from whom.
    fn open(&mut self, arena: &Arena, row: &EventRow) {
        let raw = field(row, Fields::MESSAGE);
        let bodies = raw.map(|raw| {
            let behaviour = self.behaviour(arena, row);
            let inner = message(&self.words, arena, behaviour, raw).body;
            [envelope(&self.words, arena, raw).body, inner].map(|node| arena.content_hash(node))
        });
        let Some(Some(opening)) = self.life(row.track, |life| bodies.map(|bodies| life.take_up(bodies))) else {
            return;
        };
        let cause = opening.received.map_or(NONE, |received| received.cause);
        let node = self.causes.add(row.seq, row.track, NONE, cause);
        let late = point(row) == Some(Point::Step);
        let first = self.life(row.track, |life| life.begin(Opening { node, ..opening }, late));
        if let Some(Some(first)) = first {
            self.causes.precede(first, node);
        }
    }

    fn behaviour(&self, arena: &Arena, row: &EventRow) -> Behaviour {
        let tag = field(row, Fields::BEHAVIOUR).map(|node| arena.node(node));
        match tag {
            Some(Node::Atom(id)) => Behaviour::from_word(self.words.of(id)),
            _ if point(row) == Some(Point::Step) => Behaviour::GenStatem,
            _ => Behaviour::GenServer,
        }
    }

    fn transitions(&mut self, track: TrackId) {
        let done: Vec<_> = self
            .life(track, |life| life.machine.take().collect())
            .unwrap_or_default();
        for transition in done {
            self.transition(track, &transition);
        }
    }

    fn transition(&mut self, track: TrackId, transition: &crate::timeline::Transition) {
        let Some(life) = self.lives.get_mut(&track) else {
            return;
        };
        let cast = self.source.cast;
        let caller = transition
            .from_process
            .map(|pid| cast.of_pid(pid, transition.began_seq));
        let raw = transition.raw.as_ref().or(transition.message.as_ref());
        let told = raw.is_none_or(|raw| !is_system(&self.words, raw.arena(), raw.node()));
        life.transition(&mut self.printer, &self.words, transition, caller, told);
        if self.source.ignore.is_empty() {
            return;
        }
        let ignored = raw.is_some_and(|raw| self.is_ignored(raw.arena(), raw.node()));
        if ignored && transition.kind != TransitionKind::Gap {
            self.life(track, Life::untell);
        }
    }

    fn exit(&mut self, view: &Arc<ChunkView>, row: &EventRow) {
        self.life(row.track, |life| life.machine.feed(view, row));
        self.transitions(row.track);
        let Some(reason) = term(row, 0) else { return };
        let arena = &view.arena;
        let orderly = is_orderly(&self.words, arena, reason);
        let normal = matches!(arena.node(reason), Node::Atom(id) if self.words.of(id) == Word::Normal);
        let face = self.face(4, Party::RUNTIME, arena, reason, row.seq);
        self.life(row.track, |life| {
            life.story.crashes += u32::from(!orderly);
            if !normal {
                life.act(ActKind::Ended, face, at(row));
            }
        });
    }

    // ---- the end ----

    fn finish(mut self) -> Result<Told, StoreError> {
        let mut stories: Vec<Story> = (0..self.source.roles).map(|_| Story::default()).collect();
        let rec = self.source.timeline.recording();
        let mut tracks: Vec<TrackId> = self.lives.keys().copied().collect();
        tracks.sort_unstable();
        for track in tracks {
            let open = self.life(track, |life| life.machine.finish());
            if let Some(Some(transition)) = open {
                self.transition(track, &transition);
            }
            let Some(life) = self.lives.remove(&track) else {
                continue;
            };
            let tail = self.inner.index.tail_loss(rec, track, u64::MAX)?;
            let lost = tail.map_or(0, |loss| loss.count);
            let (role, story) = life.finish(lost, self.source.cut);
            if let Some(whole) = stories.get_mut(role) {
                whole.append(story);
            }
        }
        Ok(Told {
            stories,
            causes: self.causes,
            unclear: self.unclear,
        })
    }
}

/// `normal`, `shutdown` and `{shutdown, _}` are no failures.
fn is_orderly(words: &Words, arena: &Arena, reason: NodeId) -> bool {
    let word = |id| match arena.node(id) {
        Node::Atom(atom) => words.of(atom),
        _ => Word::Other,
    };
    match arena.node(reason) {
        Node::Tuple(&[tag, _]) => word(tag) == Word::Shutdown,
        _ => matches!(word(reason), Word::Normal | Word::Shutdown),
    }
}

pub(super) const fn at(row: &EventRow) -> At {
    At {
        track: row.track,
        seq: row.seq,
        at_ns: row.at_ns,
    }
}
