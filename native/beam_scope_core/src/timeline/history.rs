//! The history of a process: its transitions, with who sent each message and what the caller got.

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::event::{EventKind, Point};
use crate::store::{ChunkRef, ChunkView, EventRow, Recording, StoreError, TrackId};
use crate::term::arena::{Arena, Node, NodeId};

use super::facts::KnownHow;
use super::index::{Index, Reading};
use super::machine::Machine;
use super::rows::{point, term};
use super::shape::{envelope, pid, tuple, TransitionKind};
use super::term_ref::TermRef;
use super::transition::{Known, Transition};
use super::words::Words;

/// Which part of a track's life.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// Transitions completed at or after this event.
    pub(super) from: u64,
    /// Events up to this one.
    pub(super) to: u64,
}

/// One step of a walk through the rows of a track.
pub(super) enum Step<'a> {
    Row(&'a Arc<ChunkView>, &'a EventRow),
    /// A chunk with rows of the track is not there: dropped since, or damaged on disk.
    Missing(&'a ChunkRef),
}

/// Walks the rows of one track in order. `visit` may stop the walk.
pub(super) fn each_step(
    rec: &Recording,
    index: &Index,
    track: TrackId,
    span: Span,
    mut visit: impl FnMut(Step<'_>) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    for chunk in index.chunks_of(track, span.from, span.to) {
        let view = match rec.view(&chunk.chunk) {
            Err(StoreError::Evicted) => {
                if visit(Step::Missing(&chunk.chunk)).is_break() {
                    return Ok(());
                }
                continue;
            }
            found => found?,
        };
        let rows = view.track_rows(track).skip_while(|row| row.seq < span.from);
        for row in rows.take_while(|row| row.seq <= span.to) {
            if visit(Step::Row(&view, row)).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Transitions on their way out. Those taken away keep their numbers.
#[derive(Debug, Default)]
pub(super) struct Output {
    taken: usize,
    list: Vec<Transition>,
}

impl Output {
    /// How many there are that were not taken away.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Takes all away.
    pub(super) fn take(&mut self) -> Vec<Transition> {
        self.taken += self.list.len();
        std::mem::take(&mut self.list)
    }

    fn next_number(&self) -> usize {
        self.taken + self.list.len()
    }

    fn get_mut(&mut self, number: usize) -> Option<&mut Transition> {
        self.list.get_mut(number.checked_sub(self.taken)?)
    }
}

/// The event of a receive, and who sent the message.
type Received = (u64, Option<u64>);

/// Completes transitions with what other events of the same track tell: who sent the message, what was replied.
#[derive(Default)]
struct Company {
    /// Messages received and not yet handled, by kind and body: who sent each.
    received: HashMap<(TransitionKind, u64), VecDeque<Received>>,
    /// Replies sent before their transition was complete, by tag.
    replied: HashMap<u64, TermRef>,
    /// Calls without a reply yet: tag to place in the output.
    waiting: HashMap<u64, usize>,
}

impl Company {
    fn row(&mut self, words: &Words, view: &Arc<ChunkView>, row: &EventRow, out: &mut Output) {
        match row.kind {
            EventKind::Receive => self.receive(words, &view.arena, row),
            EventKind::Send => self.send(view, row, out),
            _ => {}
        }
    }

    fn receive(&mut self, words: &Words, arena: &Arena, row: &EventRow) {
        let Some(message) = term(row, 0) else { return };
        let shape = envelope(words, arena, message);
        if shape.kind == TransitionKind::Call {
            return;
        }
        let sender = term(row, 1).and_then(|sender| sender_pid(arena, sender));
        let key = (shape.kind, arena.content_hash(shape.body));
        self.received.entry(key).or_default().push_back((row.seq, sender));
    }

    fn send(&mut self, view: &Arc<ChunkView>, row: &EventRow, out: &mut Output) {
        let Some((tag, reply)) = term(row, 1).and_then(|message| tagged_reply(&view.arena, message)) else {
            return;
        };
        let (tag, reply) = (view.arena.content_hash(tag), TermRef::in_chunk(view, reply));
        match self.waiting.remove(&tag).and_then(|number| out.get_mut(number)) {
            Some(call) => call.reply = Some(reply),
            None => {
                self.replied.insert(tag, reply);
            }
        }
    }

    fn complete(&mut self, transition: &mut Transition, number: usize) {
        if let Some(tag) = &transition.tag {
            let tag = tag.hash();
            match self.replied.remove(&tag) {
                Some(reply) => transition.reply = Some(reply),
                None => {
                    self.waiting.insert(tag, number);
                }
            }
        }
        if transition.from_process.is_some() {
            return;
        }
        let Some(message) = &transition.message else { return };
        let kind = match transition.kind {
            TransitionKind::Cast => TransitionKind::Cast,
            _ => TransitionKind::Info,
        };
        let body = if kind == TransitionKind::Cast {
            message
        } else {
            transition.raw.as_ref().unwrap_or(message)
        };
        let mut found = self.take(kind, body.hash(), transition.began_seq);
        if found.is_none() {
            found = self.take(kind, message.hash(), transition.began_seq);
        }
        transition.from_process = found.flatten();
    }

    /// The sender of the oldest message with this content that had come by then.
    fn take(&mut self, kind: TransitionKind, body: u64, seq: u64) -> Option<Option<u64>> {
        let queue = self.received.get_mut(&(kind, body))?;
        let sender = queue.front().filter(|(received, _)| *received <= seq)?.1;
        queue.pop_front();
        Some(sender)
    }
}

/// Whether a record can be understood without those before it, but for one.
fn begins(row: &EventRow) -> bool {
    let point = point(row);
    row.lost_before > 0
        || matches!(
            point,
            Some(Point::Handled | Point::Callback | Point::Step | Point::Loop)
        )
}

/// The pid in what the VM says of a sender: a pid, or `{Node, Pid}`.
pub(crate) fn sender_pid(arena: &Arena, sender: NodeId) -> Option<u64> {
    pid(arena, sender).or_else(|| tuple(arena, sender).get(1).and_then(|sender| pid(arena, *sender)))
}

/// `{Tag, Reply}` with a reference or `[alias | Ref]` as its tag.
pub(crate) fn tagged_reply(arena: &Arena, message: NodeId) -> Option<(NodeId, NodeId)> {
    let [tag, reply] = *tuple(arena, message) else {
        return None;
    };
    let is_tag = match arena.node(tag) {
        Node::Ref(_) => true,
        Node::Improper { len: 1, tail } => matches!(arena.node(tail), Node::Ref(_)),
        _ => false,
    };
    is_tag.then_some((tag, reply))
}

/// So many chunks are looked through for what belongs to a transition.
const NEAR: usize = 8;

/// What a walk through a history has found so far.
pub(super) struct Walk<'a> {
    pub(super) rec: &'a Recording,
    pub(super) words: &'a Arc<Words>,
    pub(super) index: &'a Index,
}

impl Walk<'_> {
    /// The transitions of one track that were completed within a span, at most `limit`.
    pub(super) fn transitions(&self, track: TrackId, span: Span, limit: usize) -> Result<Vec<Transition>, StoreError> {
        let mut out = Output::default();
        let enough = |out: &mut Output| {
            if out.len() >= limit {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        self.each(track, span, enough, &mut out)?;
        let mut list = out.take();
        list.truncate(limit);
        Ok(list)
    }

    /// Adds what rows further away tell of a transition that was looked up alone: who sent the message, what was replied.
    pub(super) fn complete(&self, one: &mut Transition) -> Result<(), StoreError> {
        if one.from_process.is_none() {
            one.from_process = self.sender(one)?;
        }
        if let (None, Some(tag)) = (&one.reply, &one.tag) {
            one.reply = self.reply(one.track, tag.hash(), one.began_seq)?;
        }
        Ok(())
    }

    /// The sender of the last message with this content that came before it was handled.
    fn sender(&self, one: &Transition) -> Result<Option<u64>, StoreError> {
        let wanted = [&one.message, &one.raw].map(|term| term.as_ref().map(TermRef::hash));
        let is_it = |arena: &Arena, message| {
            let body = envelope(self.words, arena, message).body;
            [message, body]
                .iter()
                .any(|node| wanted.contains(&Some(arena.content_hash(*node))))
        };
        let chunks: Vec<_> = self.index.chunks_of(one.track, 0, one.began_seq).collect();
        for chunk in chunks.into_iter().rev().take(NEAR).filter(|_| wanted[0].is_some()) {
            let view = match self.rec.view(&chunk.chunk) {
                Err(StoreError::Evicted) => continue,
                found => found?,
            };
            let rows = view.track_rows(one.track).rev().filter(|row| row.seq <= one.began_seq);
            for row in rows.filter(|row| row.kind == EventKind::Receive) {
                if term(row, 0).is_some_and(|message| is_it(&view.arena, message)) {
                    return Ok(term(row, 1).and_then(|sender| sender_pid(&view.arena, sender)));
                }
            }
        }
        Ok(None)
    }

    /// The reply with this tag that was sent after an event.
    fn reply(&self, track: TrackId, tag: u64, after: u64) -> Result<Option<TermRef>, StoreError> {
        for chunk in self.index.chunks_of(track, after, u64::MAX).take(NEAR) {
            let view = match self.rec.view(&chunk.chunk) {
                Err(StoreError::Evicted) => continue,
                found => found?,
            };
            let sent = view
                .track_rows(track)
                .filter(|row| row.kind == EventKind::Send && row.seq > after);
            for message in sent.filter_map(|row| term(row, 1)) {
                match tagged_reply(&view.arena, message) {
                    Some((own, reply)) if view.arena.content_hash(own) == tag => {
                        return Ok(Some(TermRef::in_chunk(&view, reply)));
                    }
                    _ => {}
                }
            }
        }
        Ok(None)
    }

    /// Walks the transitions of one track into `out`; after each addition `more` says whether to go on.
    pub(super) fn each(
        &self,
        track: TrackId,
        span: Span,
        mut more: impl FnMut(&mut Output) -> ControlFlow<()>,
        out: &mut Output,
    ) -> Result<(), StoreError> {
        let (mut machine, start) = self.machine(track, span.from)?;
        let mut company = Company::default();
        let mut stopped = false;
        each_step(
            self.rec,
            self.index,
            track,
            Span {
                from: start,
                to: span.to,
            },
            |step| {
                let (view, row) = match step {
                    Step::Row(view, row) => (view, row),
                    Step::Missing(chunk) => {
                        // How many of the rows there were of this track nobody knows.
                        machine.gap(chunk.first_seq, chunk.first_ns, 0);
                        return ControlFlow::Continue(());
                    }
                };
                company.row(self.words, view, row, out);
                machine.feed(view, row);
                let mut added = false;
                for mut transition in machine.take() {
                    company.complete(&mut transition, out.next_number());
                    if transition.seq >= span.from {
                        out.list.push(transition);
                        added = true;
                    }
                }
                let flow = if added { more(out) } else { ControlFlow::Continue(()) };
                stopped = flow.is_break();
                flow
            },
        )?;
        if !stopped {
            self.tail(track, span, &mut machine, &mut company, out)?;
        }
        Ok(())
    }

    /// A machine that stands before `from`, far enough back to know what was being handled then, and the first event to
    /// feed it.
    fn machine(&self, track: TrackId, from: u64) -> Result<(Machine, u64), StoreError> {
        let spawned = self
            .index
            .facts
            .track(track)
            .is_some_and(|track| track.known == KnownHow::Spawned);
        let machine = Machine::new(Arc::clone(self.words), track, spawned && !self.index.is_carried(track));
        let reading = Reading {
            rec: self.rec,
            words: self.words,
        };
        let before = |seq: u64| match seq.checked_sub(1) {
            Some(seq) => self.index.mark_at(reading, track, seq),
            None => Ok(None),
        };
        let mut next = before(from.saturating_add(1))?;
        // Not asked for again at each step: it may be too large for a cache.
        let mut open: Option<(u64, Arc<ChunkView>)> = None;
        while let Some((chunk, seq)) = next {
            let view = match open.take().filter(|(index, _)| *index == chunk.chunk.index) {
                Some((_, view)) => view,
                None => match self.rec.view(&chunk.chunk) {
                    // Nobody knows what was told there.
                    Err(StoreError::Evicted) => return Ok((machine.resume(Known::Unknown), chunk.next_seq)),
                    found => found?,
                },
            };
            if view.row(seq).is_some_and(begins) {
                break;
            }
            open = Some((chunk.chunk.index, view));
            next = before(seq)?;
        }
        // One mark further back stands what the loop waited for.
        let further = |next: Option<(_, u64)>| next.map_or(Ok(None), |(_, seq)| before(seq));
        let start = further(next)?;
        let (Some((_, start)), Some((_, known))) = (start, further(start)?) else {
            return Ok((machine, 0));
        };
        let look = super::state::Look {
            rec: self.rec,
            words: self.words,
            index: self.index,
        };
        let known = look
            .state_at(track, known)
            .map_or(Known::Unknown, |at| Known::Is(at.state));
        Ok((machine.resume(known), start))
    }

    /// What is still open at the end, and losses that no later event tells of.
    fn tail(
        &self,
        track: TrackId,
        span: Span,
        machine: &mut Machine,
        company: &mut Company,
        out: &mut Output,
    ) -> Result<(), StoreError> {
        if let Some(loss) = self.index.tail_loss(self.rec, track, span.to)? {
            machine.gap(
                loss.after.seq,
                loss.after.at_ns,
                u32::try_from(loss.count).unwrap_or(u32::MAX),
            );
        }
        let pending: Vec<Transition> = machine.take().collect();
        for mut transition in pending.into_iter().chain(machine.finish()) {
            company.complete(&mut transition, out.next_number());
            out.list.push(transition);
        }
        Ok(())
    }
}
