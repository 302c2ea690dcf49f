//! What waits in every process's queue, followed through a whole recording with stops on the way: the queues at a moment are
//! those of the last stop before it and what happened since, so that stepping back costs what stepping forward does.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use crate::event::{EventKind, Fields, Point};
use crate::store::{ChunkView, EventRow, Recording, StoreError, TrackId};
use crate::term::arena::{Arena, Node, NodeId};

use super::facts::{Facts, Stamp};
use super::history::sender_pid;
use super::index::Index;
use super::pairing::{call_tag, Pairs};
use super::rows::{field, point, term};
use super::shape::{envelope, is_internal, message, tuple, Behaviour, TransitionKind};
use super::words::Words;

/// Between two stops lie at least so many rows.
const STOP: usize = 4_096;
/// So many calls of its own that a process waits for are remembered.
const OWN_CALLS: usize = 1_024;
/// So many messages are followed on their way.
const FLIGHTS: usize = 65_536;

/// A message in a queue, with what it is recognised by.
#[derive(Clone, Debug)]
pub(super) struct Arrived {
    /// The event that told of it: its receive, or its send.
    pub(super) came: Stamp,
    /// Which of that event's terms it is.
    pub(super) at: usize,
    pub(super) from: Option<u64>,
    key: Key,
    complete: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    kind: TransitionKind,
    body: u64,
    tag: Option<u64>,
}

/// One track's queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    pub(super) waiting: VecDeque<Arrived>,
    /// Tags of calls that the track itself made: replies to them are taken by whoever waits.
    own_calls: HashSet<u64>,
    pub(super) handles: bool,
    pub(super) receives: bool,
    pub(super) lost: bool,
}

impl Queue {
    /// Whether it is known to be just this: an OTP loop whose receives and handlings were all seen.
    pub(super) const fn is_exact(&self) -> bool {
        self.handles && self.receives && !self.lost
    }

    fn row(&mut self, words: &Words, view: &ChunkView, row: &EventRow) {
        self.lost |= row.lost_before > 0;
        match row.kind {
            EventKind::Receive => {
                let from = term(row, 1).and_then(|sender| sender_pid(&view.arena, sender));
                self.arrive(words, view, row, 0, from);
            }
            EventKind::Send => {
                let tag = term(row, 1).and_then(|message| call_tag(words, &view.arena, message));
                if self.own_calls.len() < OWN_CALLS {
                    self.own_calls.extend(tag.map(|tag| view.arena.content_hash(tag)));
                }
                self.active();
            }
            EventKind::State => self.state(words, view, row),
            EventKind::Exit => self.waiting.clear(),
            EventKind::Call | EventKind::Return | EventKind::Spawn => self.active(),
            _ => {}
        }
    }

    /// A process without a known loop that does something has taken what came before: an estimate.
    fn active(&mut self) {
        if !self.handles {
            self.waiting.clear();
        }
    }

    fn arrive(&mut self, words: &Words, view: &ChunkView, row: &EventRow, at: usize, from: Option<u64>) {
        let Some(node) = term(row, at) else { return };
        let arena = &view.arena;
        if is_internal(words, arena, node) || self.answers_own_call(arena, node) {
            return;
        }
        let shape = envelope(words, arena, node);
        let key = Key {
            kind: shape.kind,
            body: arena.content_hash(shape.body),
            tag: shape.tag.map(|tag| arena.content_hash(tag)),
        };
        self.waiting.push_back(Arrived {
            came: Stamp::of(row),
            at,
            from: shape.from.or(from),
            key,
            complete: arena.is_complete(node),
        });
    }

    fn answers_own_call(&mut self, arena: &Arena, node: NodeId) -> bool {
        let [tag, _] = *tuple(arena, node) else { return false };
        matches!(arena.node(tag), Node::Ref(_)) && self.own_calls.remove(&arena.content_hash(tag))
    }

    fn state(&mut self, words: &Words, view: &ChunkView, row: &EventRow) {
        let at = point(row);
        if !matches!(at, Some(Point::Handled | Point::Step | Point::Callback)) {
            return;
        }
        self.handles = true;
        let Some(node) = field(row, Fields::MESSAGE) else {
            return;
        };
        let arena = &view.arena;
        let tag = field(row, Fields::BEHAVIOUR).and_then(|tag| super::shape::word(words, arena, tag));
        let behaviour = tag.map_or_else(|| Behaviour::assumed(at), Behaviour::from_word);
        let shape = message(words, arena, behaviour, node);
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
        let found = self.waiting.iter().position(exact).or_else(|| {
            // Cut differently in the two records: the tag of a call tells, or the kind must do.
            let alike =
                |one: &Arrived| !(complete && one.complete) && one.key.kind == key.kind && one.key.tag == key.tag;
            self.waiting.iter().position(alike)
        });
        if let Some(found) = found {
            let first = if cfg!(mutant = "timeline_mailbox_takes_one") {
                found
            } else {
                0
            };
            self.waiting.drain(first..=found);
        }
    }
}

/// All queues after some event, and the messages on their way.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame {
    /// The event that comes next.
    next_seq: u64,
    queues: HashMap<TrackId, Arc<Queue>>,
    /// Sends whose receive comes later, and to whom they go.
    flights: Arc<BTreeMap<u64, TrackId>>,
}

/// What it takes to follow queues.
#[derive(Clone, Copy)]
pub(super) struct Guide<'a> {
    pub(super) rec: &'a Recording,
    pub(super) words: &'a Words,
    pub(super) index: &'a Index,
    pub(super) pairs: &'a Pairs,
}

impl Frame {
    pub(super) fn queue(&self, track: TrackId) -> Option<&Queue> {
        self.queues.get(&track).map(|queue| &**queue)
    }

    /// Messages on their way: their sends, and to whom they go.
    pub(super) fn flights(&self) -> impl Iterator<Item = (u64, TrackId)> + '_ {
        self.flights.iter().map(|(send, to)| (*send, *to))
    }

    fn size(&self) -> usize {
        self.queues.len() + self.flights.len()
    }

    fn queue_mut(&mut self, track: TrackId) -> &mut Queue {
        Arc::make_mut(self.queues.entry(track).or_default())
    }

    /// Follows the rows up to an event; `each` is told after each.
    fn follow(&mut self, guide: Guide<'_>, upto: u64, mut each: impl FnMut(&Self)) -> Result<(), StoreError> {
        let chunks = &guide.index.chunks;
        let first = chunks.partition_point(|chunk| chunk.chunk.carried || chunk.next_seq <= self.next_seq);
        for chunk in chunks.iter().skip(first).take_while(|chunk| chunk.first_seq() <= upto) {
            match guide.rec.view(&chunk.chunk) {
                Ok(view) => {
                    self.see_receivers(&view);
                    for row in chunk.rows_from(&view, self.next_seq) {
                        if row.seq > upto {
                            break;
                        }
                        self.row(guide, &view, row);
                        each(self);
                    }
                }
                Err(StoreError::Evicted) => self.missing(guide, chunk),
                Err(error) => return Err(error),
            }
            if chunk.next_seq <= upto.saturating_add(1) {
                self.next_seq = self.next_seq.max(chunk.next_seq);
            }
        }
        Ok(())
    }

    /// Whose receives are recorded: for the others what was sent to them stands for what came.
    fn see_receivers(&mut self, view: &ChunkView) {
        for row in view.rows().iter().filter(|row| row.kind == EventKind::Receive) {
            if self.queue(row.track).is_some_and(|queue| queue.receives) {
                continue;
            }
            let queue = self.queue_mut(row.track);
            queue.receives = true;
            queue.waiting.clear();
        }
    }

    fn missing(&mut self, guide: Guide<'_>, chunk: &super::index::ChunkIndex) {
        for (track, _) in guide.rec.kinds_in(&chunk.chunk).unwrap_or_default().iter() {
            self.queue_mut(track).lost = true;
        }
    }

    fn row(&mut self, guide: Guide<'_>, view: &ChunkView, row: &EventRow) {
        self.next_seq = row.seq + 1;
        if matters(row) {
            self.queue_mut(row.track).row(guide.words, view, row);
        }
        match row.kind {
            EventKind::Send => self.send(guide, view, row),
            EventKind::Receive => {
                if let Some(send) = guide
                    .pairs
                    .partner(row.seq)
                    .filter(|_| !cfg!(mutant = "world_never_lands"))
                {
                    Arc::make_mut(&mut self.flights).remove(&send);
                }
            }
            EventKind::Exit => {
                let ended = row.track;
                if self.flights.values().any(|to| *to == ended) {
                    Arc::make_mut(&mut self.flights).retain(|_, to| *to != ended);
                }
            }
            _ => {}
        }
    }

    fn send(&mut self, guide: Guide<'_>, view: &ChunkView, row: &EventRow) {
        let Some(to) = guide.pairs.destination(row.seq) else {
            return;
        };
        if self.queue(to).is_some_and(|queue| queue.receives) {
            // The receive of one that was lost would never come.
            let lost = self.queue(to).is_some_and(|queue| queue.lost) && guide.pairs.partner(row.seq).is_none();
            if !lost && self.flights.len() < FLIGHTS && !has_ended(&guide.index.facts, to, row.seq) {
                Arc::make_mut(&mut self.flights).insert(row.seq, to);
            }
            return;
        }
        let from = guide.index.facts.track(row.track).map(|sender| sender.pid);
        self.queue_mut(to).arrive(guide.words, view, row, 1, from);
    }
}

/// Whether a row can change its own track's queue.
const fn matters(row: &EventRow) -> bool {
    row.lost_before > 0
        || matches!(
            row.kind,
            EventKind::Receive
                | EventKind::Send
                | EventKind::State
                | EventKind::Exit
                | EventKind::Call
                | EventKind::Return
                | EventKind::Spawn
        )
}

fn has_ended(facts: &Facts, track: TrackId, seq: u64) -> bool {
    let end = facts.track(track).and_then(|track| track.ended);
    end.is_some_and(|(end, _)| end.seq <= seq)
}

/// The stops of a recording, as far as it was followed.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    stops: Vec<Frame>,
    last: Frame,
}

impl Queues {
    /// All queues after an event.
    pub(super) fn at(&mut self, guide: Guide<'_>, seq: u64) -> Result<Frame, StoreError> {
        if self.last.next_seq <= seq {
            self.extend(guide, seq)?;
        }
        let after = self
            .stops
            .partition_point(|stop| stop.next_seq <= seq.saturating_add(1));
        let stop = after.checked_sub(1).map(|at| self.stops[at].clone());
        let mut frame = stop.unwrap_or_default();
        frame.follow(guide, seq, |_| {})?;
        Ok(frame)
    }

    fn extend(&mut self, guide: Guide<'_>, seq: u64) -> Result<(), StoreError> {
        let Self { stops, last } = self;
        let mut rows = 0;
        last.follow(guide, seq, |frame| {
            rows += 1;
            // As many rows as a stop takes entries: stops take no more than what they are for.
            if rows >= STOP.max(frame.size()) {
                stops.push(frame.clone());
                rows = 0;
            }
        })
    }
}
