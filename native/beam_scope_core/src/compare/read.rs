//! One pass over a recording: what happens in it becomes the stories of those whom it happens to.

use std::collections::HashSet;
use std::sync::Arc;

use crate::event::{EventKind, Fields, Point};
use crate::query::plan::contents;
use crate::query::Matcher;
use crate::store::{ChunkView, EventRow, StoreError, TrackId};
use crate::term::arena::{Arena, Node, NodeId};
use crate::timeline::history::{sender_pid, tagged_reply};
use crate::timeline::view::Inner;
use crate::timeline::{
    envelope, field, message, point, term, Behaviour, TermRef, Timeline, TransitionKind, Verdict, Word, Words,
};

use super::causes::{Causes, NONE};
use super::clock::Clock;
use super::life::{Life, Opening, Received};
use super::noise::{is_system, system_tag};
use super::print::{mix, mix_bytes, Printer};
use super::roles::{Cast, Party};
use super::story::{Act, ActKind, At, Face, Got, Story};

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
        lives: Vec::new(),
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
    Ok(reading.finish())
}

struct Reading<'a> {
    words: Arc<Words>,
    source: &'a Source<'a>,
    inner: &'a Inner,
    printer: Printer<'a>,
    lives: Vec<Option<Box<Life>>>,
    causes: Causes,
    /// Tags of requests to processes without a role.
    asked: HashSet<u64>,
    /// Tags of system messages.
    system: HashSet<u64>,
    unclear: u64,
    chunk: u64,
}

impl Reading<'_> {
    fn next_chunk(&mut self, view: &ChunkView) {
        self.chunk += 1;
        self.printer.enter(&view.arena);
        let oldest = self.chunk.saturating_sub(PINNED);
        for life in self.lives.iter_mut().flatten().filter(|life| life.chunk == oldest) {
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
        let at = row.track.0 as usize;
        if at >= self.lives.len() {
            self.lives.resize_with(at + 1, || None);
        }
        let (words, index, chunk) = (&self.words, &self.inner.index, self.chunk);
        let life = self.lives[at].get_or_insert_with(|| {
            let carried = index.is_carried(row.track);
            Box::new(Life::new(words, index.facts.track(row.track), row, role, carried))
        });
        life.chunk = chunk;
    }

    fn life<T>(&mut self, track: TrackId, with: impl FnOnce(&mut Life) -> T) -> Option<T> {
        self.lives.get_mut(track.0 as usize)?.as_deref_mut().map(with)
    }

    // ---- messages ----

    /// Whether the user, or anybody, wants to know of it.
    fn is_told(&mut self, arena: &Arena, message: NodeId, party: Party) -> bool {
        if party == Party::NOISE || is_system(&self.words, arena, message) {
            if let Some(tag) = system_tag(&self.words, arena, message) {
                self.system.insert(arena.content_hash(tag));
            }
            return false;
        }
        let reply = tagged_reply(arena, message);
        if let Some((tag, _)) = reply.filter(|_| !self.system.is_empty()) {
            if self.system.contains(&arena.content_hash(tag)) {
                return false;
            }
        }
        !self.is_ignored(arena, message)
    }

    fn is_ignored(&mut self, arena: &Arena, message: NodeId) -> bool {
        if self.source.ignore.is_empty() {
            return false;
        }
        let mut unclear = false;
        for content in contents(&self.words, arena, message).iter() {
            for pattern in self.source.ignore {
                match pattern(arena, *content) {
                    Verdict::Yes => return true,
                    Verdict::Unknown => unclear = true,
                    Verdict::No => {}
                }
            }
        }
        self.unclear += u64::from(unclear);
        false
    }

    fn send(&mut self, arena: &Arena, row: &EventRow) {
        let (Some(to), Some(message)) = (term(row, 0), term(row, 1)) else {
            return;
        };
        let prev = self.life(row.track, |life| life.last).unwrap_or(NONE);
        let node = self.causes.add(row.seq, row.track, prev, NONE);
        self.life(row.track, |life| life.did(node));
        let party = self.receiver(arena, to, row.seq);
        if !self.is_told(arena, message, party) {
            return;
        }
        if party == Party::OTHER {
            if let Some(tag) = envelope(&self.words, arena, message).tag {
                self.asked.insert(arena.content_hash(tag));
            }
        }
        let mut face = self.mail(1, party, arena, message, row.seq);
        if party == Party::OTHER {
            face.key = mix(face.key, self.name_of(arena, to));
        }
        face.sent = row.seq;
        self.life(row.track, |life| {
            life.story.sends += 1;
            life.act(ActKind::Sent, face, at(row));
        });
    }

    fn receiver(&self, arena: &Arena, to: NodeId, seq: u64) -> Party {
        let cast = self.source.cast;
        let pairs = &self.inner.pairs;
        if let Some(track) = pairs.destination(seq) {
            return cast.of(track);
        }
        let pid = match arena.node(to) {
            Node::Pid(pid) => Some(pid),
            _ => pairs.behind_alias(seq),
        };
        pid.map_or(Party::OTHER, |pid| cast.of_pid(pid, seq))
    }

    /// What a message was sent to where nobody of the recording bears that name.
    fn name_of(&self, arena: &Arena, to: NodeId) -> u64 {
        match arena.node(to) {
            Node::Atom(id) => self.words.text(id).map_or(0, |text| mix_bytes(0, text.as_bytes())),
            _ => 0,
        }
    }

    fn face(&mut self, kind: u64, party: Party, arena: &Arena, content: NodeId, seq: u64) -> Face {
        let mut face = Face::new(kind, party, self.printer.of(arena, content, seq));
        face.hidden = !arena.is_complete(content) && !cfg!(mutant = "compare_hidden_is_known");
        face
    }

    /// The face of a message.
    fn mail(&mut self, kind: u64, party: Party, arena: &Arena, message: NodeId, seq: u64) -> Face {
        let mut face = self.face(kind, party, arena, message, seq);
        let inner = contents(&self.words, arena, message).last().copied();
        face.inner = inner.map_or(0, |inner| self.printer.of(arena, inner, seq));
        face
    }

    fn receive(&mut self, arena: &Arena, row: &EventRow) {
        let Some(message) = term(row, 0) else { return };
        let party = self.sender(arena, row);
        let sent = self.inner.pairs.partner(row.seq);
        let cause = sent.map_or(NONE, |sent| self.causes.find(sent));
        let reply = tagged_reply(arena, message);
        let told = self.is_told(arena, message, party) && !self.is_chance(arena, reply, party, sent);
        let body = arena.content_hash(envelope(&self.words, arena, message).body);
        let server = self.life(row.track, |life| {
            life.received(
                Received {
                    body,
                    party,
                    sent,
                    cause,
                    told,
                },
                reply.is_some(),
            );
            life.serves
        });
        if server == Some(false) || reply.is_some() {
            let prev = self.life(row.track, |life| life.last).unwrap_or(NONE);
            let node = self.causes.add(row.seq, row.track, prev, cause);
            self.life(row.track, |life| life.did(node));
        }
        if !told || server == Some(true) && reply.is_none() {
            return;
        }
        let mut face = self.mail(2, party, arena, message, row.seq);
        face.sent = sent.unwrap_or(face.sent);
        let got = Got {
            party,
            face,
            at: at(row),
        };
        self.life(row.track, |life| life.got(got, reply.is_some()));
    }

    /// An answer whose coming is chance: to what was asked before the recording began, of somebody who is not in it; or one that the
    /// virtual machine gave for a process, as it does when it is asked about one that runs at that moment.
    fn is_chance(&self, arena: &Arena, reply: Option<(NodeId, NodeId)>, party: Party, sent: Option<u64>) -> bool {
        let Some((tag, _)) = reply else { return false };
        let early = || !self.asked.contains(&arena.content_hash(tag));
        party == Party::OTHER && early() || party.role().is_some() && sent.is_none()
    }

    fn sender(&self, arena: &Arena, row: &EventRow) -> Party {
        let cast = self.source.cast;
        if let Some(pid) = term(row, 1).and_then(|sender| sender_pid(arena, sender)) {
            return cast.of_pid(pid, row.seq);
        }
        match self.inner.pairs.sender(row.seq) {
            Some(track) => cast.of(track),
            None => Party::RUNTIME,
        }
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
        let Some(life) = self.lives.get_mut(track.0 as usize).and_then(Option::as_deref_mut) else {
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

    fn finish(mut self) -> Told {
        let mut stories: Vec<Story> = (0..self.source.roles).map(|_| Story::default()).collect();
        let rec = self.source.timeline.recording();
        for track in 0..self.lives.len() {
            let track = TrackId(track as u32);
            let open = self.life(track, |life| life.machine.finish());
            if let Some(Some(transition)) = open {
                self.transition(track, &transition);
            }
            let Some(life) = self.lives[track.0 as usize].take() else {
                continue;
            };
            let tail = self.inner.index.tail_loss(rec, track, u64::MAX);
            let lost = tail.map_or(0, |loss| loss.count);
            let (role, story) = life.finish(lost, self.source.cut);
            if let Some(whole) = stories.get_mut(role) {
                whole.append(story);
            }
        }
        Told {
            stories,
            causes: self.causes,
            unclear: self.unclear,
        }
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

const fn at(row: &EventRow) -> At {
    At {
        track: row.track,
        seq: row.seq,
        at_ns: row.at_ns,
    }
}

/// Puts an act to those of a life.
impl Life {
    fn act(&mut self, kind: ActKind, face: Face, at: At) {
        self.story.acts.push(Act { kind, face, at });
    }

    fn called(&mut self, function: u64, face: Face, at: At) {
        self.story.calls += 1;
        self.open_calls.push((function, at.at_ns));
        self.act(ActKind::Called, face, at);
    }

    fn returned(&mut self, kind: ActKind, function: u64, face: Face, at: At) {
        // An exception leaves those behind that it went through.
        if let Some(depth) = self.open_calls.iter().rposition(|(open, _)| *open == function) {
            let since = self.open_calls[depth].1;
            self.open_calls.truncate(depth);
            self.story.call_ns.push(at.at_ns.saturating_sub(since));
        }
        self.act(kind, face, at);
    }
}
