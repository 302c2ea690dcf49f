//! What waited in a process's queue at a moment: messages that had come and were not yet taken up.

use std::collections::{HashSet, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::event::{EventKind, Fields, Point};
use crate::store::{ChunkView, EventRow, Recording, StoreError, TrackId};
use crate::term::arena::{Arena, Node};

use super::facts::Stamp;
use super::history::{each_step, sender_pid, Span, Step};
use super::index::Index;
use super::pairing::{call_tag, Pairs};
use super::rows::{field, point, term};
use super::shape::{envelope, is_internal, message, tuple, Behaviour, TransitionKind};
use super::term_ref::TermRef;
use super::words::Words;

/// A message that waits.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The event that told of it: its receive, or its send.
    pub came: Stamp,
    /// The message.
    pub message: TermRef,
    /// Who sent it: a pid word.
    pub from: Option<u64>,
}

/// A mailbox at a moment.
#[derive(Clone, Debug, Default)]
pub struct Mailbox {
    /// Oldest first.
    pub messages: Vec<Waiting>,
    /// Whether it is known to be just this: an OTP loop whose receives and handlings were all seen.
    pub exact: bool,
}

/// A message in the queue, with what it is recognised by.
struct Arrived {
    waiting: Waiting,
    key: Key,
    complete: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    kind: TransitionKind,
    body: u64,
    tag: Option<u64>,
}

/// Follows one track's queue.
struct Queue<'a> {
    words: &'a Words,
    queue: VecDeque<Arrived>,
    /// Tags of calls that the track itself made: replies to them are taken by whoever waits.
    own_calls: HashSet<u64>,
    handles: bool,
    receives: bool,
    lost: bool,
}

impl Queue<'_> {
    fn row(&mut self, view: &Arc<ChunkView>, row: &EventRow) {
        self.lost |= row.lost_before > 0;
        match row.kind {
            EventKind::Receive => {
                self.receives = true;
                let from = term(row, 1).and_then(|sender| sender_pid(&view.arena, sender));
                self.arrive(view, row, 0, from);
            }
            EventKind::Send => {
                let tag = term(row, 1).and_then(|message| call_tag(self.words, &view.arena, message));
                self.own_calls.extend(tag.map(|tag| view.arena.content_hash(tag)));
                self.active();
            }
            EventKind::State => self.state(view, row),
            EventKind::Exit => self.queue.clear(),
            EventKind::Call | EventKind::Return | EventKind::Spawn => self.active(),
            _ => {}
        }
    }

    /// A process without a known loop that does something has taken what came before: an estimate.
    fn active(&mut self) {
        if !self.handles {
            self.queue.clear();
        }
    }

    fn arrive(&mut self, view: &Arc<ChunkView>, row: &EventRow, at: usize, from: Option<u64>) {
        let Some(node) = term(row, at) else { return };
        let arena = &view.arena;
        if is_internal(self.words, arena, node) || self.answers_own_call(arena, node) {
            return;
        }
        let shape = envelope(self.words, arena, node);
        let tag = shape.tag.map(|tag| arena.content_hash(tag));
        let key = Key {
            kind: shape.kind,
            body: arena.content_hash(shape.body),
            tag,
        };
        let waiting = Waiting {
            came: Stamp::of(row),
            message: TermRef::in_chunk(view, node),
            from: shape.from.or(from),
        };
        self.queue.push_back(Arrived {
            waiting,
            key,
            complete: arena.is_complete(node),
        });
    }

    fn answers_own_call(&self, arena: &Arena, node: crate::term::arena::NodeId) -> bool {
        let [tag, _] = *tuple(arena, node) else { return false };
        matches!(arena.node(tag), Node::Ref(_)) && self.own_calls.contains(&arena.content_hash(tag))
    }

    fn state(&mut self, view: &Arc<ChunkView>, row: &EventRow) {
        let at = point(row);
        if !matches!(at, Some(Point::Handled | Point::Step | Point::Callback)) {
            return;
        }
        if !self.handles {
            self.handles = true;
        }
        let Some(node) = field(row, Fields::MESSAGE) else {
            return;
        };
        let tag = field(row, Fields::BEHAVIOUR).and_then(|tag| super::shape::word(self.words, &view.arena, tag));
        let behaviour = tag.map_or_else(|| Behaviour::assumed(at), Behaviour::from_word);
        let arena = &view.arena;
        let shape = message(self.words, arena, behaviour, node);
        let tag = shape.tag.map(|tag| arena.content_hash(tag));
        let body = if behaviour == Behaviour::GenStatem || shape.kind != TransitionKind::Info {
            shape.body
        } else {
            node
        };
        let key = Key {
            kind: shape.kind,
            body: arena.content_hash(body),
            tag,
        };
        self.taken(key, arena.content_hash(node), arena.is_complete(node));
    }

    /// An OTP loop takes the first message in its queue: whatever came before this one was taken by somebody else.
    fn taken(&mut self, key: Key, raw: u64, complete: bool) {
        let exact = |one: &Arrived| one.key == key || one.key.body == raw && one.key.tag.is_none();
        let found = self.queue.iter().position(exact).or_else(|| {
            // Cut differently in the two records: the tag of a call tells, or the kind must do.
            let alike =
                |one: &Arrived| !(complete && one.complete) && one.key.kind == key.kind && one.key.tag == key.tag;
            self.queue.iter().position(alike)
        });
        if let Some(found) = found {
            let first = if cfg!(mutant = "timeline_mailbox_takes_one") {
                found
            } else {
                0
            };
            self.queue.drain(first..=found);
        }
    }
}

/// The mailbox of a track after an event.
pub(super) fn at(
    rec: &Recording,
    words: &Words,
    index: &Index,
    pairs: &Pairs,
    track: TrackId,
    seq: u64,
) -> Result<Mailbox, StoreError> {
    let mut queue = Queue {
        words,
        queue: VecDeque::new(),
        own_calls: HashSet::new(),
        handles: false,
        receives: has_kind(rec, index, track, EventKind::Receive)?,
        lost: false,
    };
    if queue.receives {
        each_step(rec, index, track, Span { from: 0, to: seq }, |step| {
            match step {
                Step::Row(view, row) => queue.row(view, row),
                Step::Missing(_) => queue.lost = true,
            }
            ControlFlow::Continue(())
        })?;
    } else {
        by_sends(rec, index, pairs, track, seq, &mut queue)?;
    }
    let exact = queue.handles && queue.receives && !queue.lost;
    Ok(Mailbox {
        messages: queue.queue.into_iter().map(|one| one.waiting).collect(),
        exact,
    })
}

/// Receives are not traced: what was sent to the track stands for what came.
fn by_sends(
    rec: &Recording,
    index: &Index,
    pairs: &Pairs,
    track: TrackId,
    seq: u64,
    queue: &mut Queue<'_>,
) -> Result<(), StoreError> {
    for chunk in index.chunks.iter().take_while(|chunk| chunk.first_seq() <= seq) {
        let view = match rec.view(&chunk.chunk) {
            Err(StoreError::Evicted) => continue,
            found => found?,
        };
        for row in view.rows().iter().take_while(|row| row.seq <= seq) {
            if row.track == track {
                queue.row(&view, row);
            }
            if row.kind == EventKind::Send && pairs.destination(row.seq) == Some(track) {
                let from = index.facts.track(row.track).map(|sender| sender.pid);
                queue.arrive(&view, row, 1, from);
            }
        }
    }
    Ok(())
}

fn has_kind(rec: &Recording, index: &Index, track: TrackId, kind: EventKind) -> Result<bool, StoreError> {
    let mut found = false;
    if index.chunks.iter().all(|chunk| chunk.kinds & kind.bit() == 0) {
        return Ok(false);
    }
    each_step(rec, index, track, Span { from: 0, to: u64::MAX }, |step| {
        found = matches!(step, Step::Row(_, row) if row.kind == kind);
        if found {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    Ok(found)
}
