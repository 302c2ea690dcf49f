//! The questions.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::store::{Recording, StoreError, TrackId};
use crate::term::arena::{Arena, NodeId};

use super::facts::{Facts, KnownHow};
use super::handlers;
use super::history::{Output, Span, Walk};
use super::index::{ChunkIndex, Index};
use super::mailbox::{self, Mailbox};
use super::moment::{Moment, Selector, TimelineError};
use super::pairing::Pairs;
use super::processes::{self, Processes, Tree};
use super::queues::Queues;
use super::state::{Look, StateAt};
use super::transition::{Known, Transition};
use super::words::Words;

/// So many processes more than the recording has are no reason yet to read it anew.
const OUTGROWN: usize = 4096;

/// What a pattern says of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It matches.
    Yes,
    /// It does not.
    No,
    /// The part that decides is not in the recording.
    Unknown,
}

/// What a search for a state found.
#[derive(Debug)]
pub enum Found {
    /// The transition that made the state match first, and how many states before it could not be decided.
    At(Box<Transition>, u64),
    /// None matched; so many could not be decided.
    Nowhere(u64),
}

/// Transitions of the processes that a selector stands for.
#[derive(Debug, Default)]
pub struct History {
    /// The processes, oldest first, as they were at the end of the span.
    pub processes: Processes,
    /// Their transitions, process by process.
    pub transitions: Vec<Transition>,
    /// Whether a limit cut them.
    pub more: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub(crate) index: Index,
    pub(crate) pairs: Pairs,
    pub(crate) queues: Queues,
}

/// A recording, and what was learnt by reading it. Shared between threads; one question at a time.
#[derive(Debug)]
pub struct Timeline {
    rec: Arc<Recording>,
    words: Arc<Words>,
    inner: Mutex<Inner>,
}

impl Timeline {
    /// A timeline over a recording. Reads nothing yet.
    #[must_use]
    pub fn new(rec: Arc<Recording>) -> Self {
        let atoms = Arc::clone(rec.atoms());
        let words = Arc::new(Words::new(Box::new(move |id| atoms.text(id))));
        Self {
            rec,
            words,
            inner: Mutex::default(),
        }
    }

    /// The recording.
    #[must_use]
    pub const fn recording(&self) -> &Arc<Recording> {
        &self.rec
    }

    /// What atoms mean in it.
    #[must_use]
    pub const fn words(&self) -> &Arc<Words> {
        &self.words
    }

    /// Whether it knows much that is no longer in the recording, which dropped its oldest chunks since: a new timeline, that reads what
    /// is there, takes less memory.
    #[must_use]
    pub fn has_outgrown(&self) -> bool {
        let Some(inner) = self.inner.try_lock() else {
            return false;
        };
        inner.index.facts.tracks().len() > 2 * self.rec.track_count() + OUTGROWN
    }

    /// What was learnt, brought up to date.
    pub(crate) fn fresh(&self) -> Result<MutexGuard<'_, Inner>, StoreError> {
        let mut inner = self.inner.lock();
        inner.index.refresh(&self.rec, &self.words)?;
        Ok(inner)
    }

    /// The same, with sends and receives paired.
    pub(crate) fn paired(&self) -> Result<MutexGuard<'_, Inner>, StoreError> {
        let mut inner = self.fresh()?;
        let Inner { index, pairs, .. } = &mut *inner;
        if let Some(oldest) = index.chunks.iter().find(|chunk| !chunk.chunk.carried) {
            pairs.forget_before(oldest.first_seq());
        }
        for chunk in &index.chunks {
            if chunk.chunk.carried || chunk.next_seq <= pairs.next_seq {
                continue;
            }
            let view = match self.rec.view(&chunk.chunk) {
                Err(StoreError::Evicted) => continue,
                found => found?,
            };
            let rows = view.rows();
            let start = rows.partition_point(|row| row.seq < pairs.next_seq);
            let end = rows.partition_point(|row| row.seq < chunk.next_seq);
            for row in &rows[start.min(end)..end] {
                pairs.feed(&self.words, &index.facts, &view, row);
            }
        }
        self.rec.set_reader_bytes(index.bytes() + pairs.bytes());
        Ok(inner)
    }

    /// Gives what is known of processes to a reader.
    pub fn with_facts<T>(&self, read: impl FnOnce(&Facts) -> T) -> Result<T, StoreError> {
        Ok(read(&self.fresh()?.index.facts))
    }

    /// Every process that had begun by a moment.
    pub fn processes(&self, at: Moment) -> Result<Processes, TimelineError> {
        let inner = self.fresh()?;
        let seq = self.seq_of(&inner.index, at)?;
        Ok(processes::at(&inner.index.facts, seq))
    }

    /// Who started whom among those alive at a moment.
    pub fn tree(&self, at: Moment) -> Result<Tree, TimelineError> {
        let inner = self.fresh()?;
        let seq = self.seq_of(&inner.index, at)?;
        Ok(processes::tree(&inner.index.facts, seq))
    }

    /// The transitions of a process, or of all that bore a name, completed within a span of time.
    pub fn history(
        &self,
        who: &Selector,
        since: Moment,
        until: Moment,
        limit: Option<usize>,
    ) -> Result<History, TimelineError> {
        let inner = self.fresh()?;
        let index = &inner.index;
        let tracks = select(&index.facts, who)?;
        let span = Span {
            from: self.seq_of(index, since)?,
            to: self.seq_of(index, until)?,
        };
        let span = if since == Moment::Start {
            Span { from: 0, ..span }
        } else {
            span
        };
        let walk = Walk {
            rec: &self.rec,
            words: &self.words,
            index,
        };
        let limit = limit.unwrap_or(usize::MAX);
        let mut history = History::default();
        for id in tracks {
            if let Some(track) = index.facts.track(id) {
                history.processes.add(&index.facts, track, span.to);
            }
            let left = limit - history.transitions.len();
            let mut found = walk.transitions(id, span, left.saturating_add(1))?;
            history.more |= found.len() > left;
            found.truncate(left);
            history.transitions.append(&mut found);
        }
        Ok(history)
    }

    /// The state of a process just after a moment.
    pub fn state_at(&self, who: &Selector, at: Moment) -> Result<StateAt, TimelineError> {
        let inner = self.fresh()?;
        self.state_in(&inner, who, at)
    }

    pub(super) fn state_in(&self, inner: &Inner, who: &Selector, at: Moment) -> Result<StateAt, TimelineError> {
        let index = &inner.index;
        let look = Look {
            rec: &self.rec,
            words: &self.words,
            index,
        };
        let seq = self.seq_of(index, at)?;
        let track = select_at(&index.facts, who, seq)?;
        let facts = index.facts.track(track).ok_or(TimelineError::NoSuchProcess)?;
        if facts.began.seq > seq && facts.known == KnownHow::Spawned {
            return Err(TimelineError::NotBegun(facts.began));
        }
        let mut found = match look.state_at(track, seq) {
            // The state of a process that lived before is told a little after the recording's start.
            Err(TimelineError::NeverSeen) if at == Moment::Start => look.first(track)?,
            other => other?,
        };
        if let Some(loss) = index.tail_loss(&self.rec, track, seq)? {
            return Err(TimelineError::Lost {
                count: loss.count,
                seq: None,
            });
        }
        if let Some(shown) = handlers::present(&self.words, &found.state) {
            found.state = shown;
        }
        Ok(found)
    }

    /// The first transition after which a state matches. States that equal one already judged are not judged again.
    pub fn find_state(
        &self,
        who: &Selector,
        mut judge: impl FnMut(&Arena, NodeId) -> Verdict,
    ) -> Result<Found, TimelineError> {
        let inner = self.fresh()?;
        let walk = Walk {
            rec: &self.rec,
            words: &self.words,
            index: &inner.index,
        };
        let mut judged: HashMap<u64, Verdict> = HashMap::new();
        let (mut unknown, mut found) = (0, None);
        for track in select(&inner.index.facts, who)? {
            let mut out = Output::default();
            let mut visit = |out: &mut Output| {
                for transition in out.take() {
                    match verdict(&transition.to, &mut judged, &mut judge) {
                        Verdict::Yes => {
                            found = Some(Box::new(transition));
                            return ControlFlow::Break(());
                        }
                        Verdict::Unknown => unknown += 1,
                        Verdict::No => {}
                    }
                }
                ControlFlow::Continue(())
            };
            walk.each(track, Span { from: 0, to: u64::MAX }, &mut visit, &mut out)?;
            let _ = visit(&mut out);
            if let Some(found) = found {
                return Ok(Found::At(found, unknown));
            }
        }
        Ok(Found::Nowhere(unknown))
    }

    /// What waited in the queue of a process at a moment.
    pub fn mailbox(&self, who: &Selector, at: Moment) -> Result<Mailbox, TimelineError> {
        let mut inner = self.paired()?;
        let seq = self.seq_of(&inner.index, at)?;
        let track = select_at(&inner.index.facts, who, seq)?;
        let seq = seq.min(inner.index.next_seq.saturating_sub(1));
        let frame = self.frame(&mut inner, seq)?;
        let mailbox = frame
            .queue(track)
            .map(|queue| mailbox::of(&self.rec, queue, usize::MAX));
        Ok(mailbox.transpose()?.unwrap_or_default())
    }

    /// The transitions of a track that an event completed, with who sent their message and what was replied, as far as the
    /// recording tells.
    pub(crate) fn completed_at(&self, inner: &Inner, track: TrackId, seq: u64) -> Result<Vec<Transition>, StoreError> {
        let walk = Walk {
            rec: &self.rec,
            words: &self.words,
            index: &inner.index,
        };
        let mut found = walk.transitions(track, Span { from: seq, to: seq }, usize::MAX)?;
        found.retain(|one| one.seq == seq);
        found.iter_mut().try_for_each(|one| walk.complete(one))?;
        Ok(found)
    }

    /// The receive of a send, or the send of a receive.
    pub fn partner(&self, seq: u64) -> Result<Option<u64>, StoreError> {
        Ok(self.paired()?.pairs.partner(seq))
    }

    /// The last event that counts as "by this moment".
    pub(crate) fn seq_of(&self, index: &Index, at: Moment) -> Result<u64, TimelineError> {
        match at {
            Moment::Start => Ok(index.chunks.front().map_or(0, ChunkIndex::first_seq)),
            Moment::End => Ok(u64::MAX),
            Moment::Seq(seq) if seq >= index.next_seq => Err(TimelineError::OutsideRecording),
            Moment::Seq(seq) => Ok(seq),
            Moment::AtNs(ns) => Ok(index.seq_after(&self.rec, ns)?.saturating_sub(1)),
        }
    }
}

fn verdict(
    state: &Known,
    judged: &mut HashMap<u64, Verdict>,
    judge: &mut impl FnMut(&Arena, NodeId) -> Verdict,
) -> Verdict {
    let Some(state) = state.term() else { return Verdict::No };
    *judged
        .entry(state.hash())
        .or_insert_with(|| judge(state.arena(), state.node()))
}

/// The tracks that a selector stands for, oldest first.
pub(crate) fn select(facts: &Facts, who: &Selector) -> Result<Vec<TrackId>, TimelineError> {
    let mut tracks = facts.of(who).concat();
    if let Selector::Module(_) | Selector::Bearer(..) = who {
        tracks.sort_unstable();
        tracks.dedup();
    }
    if tracks.is_empty() {
        return Err(TimelineError::NoSuchProcess);
    }
    Ok(tracks)
}

/// The one track that a selector stands for after an event.
fn select_at(facts: &Facts, who: &Selector, seq: u64) -> Result<TrackId, TimelineError> {
    let all = select(facts, who)?;
    let now = match who {
        Selector::Track(id) => Some(*id),
        Selector::Pid(pid) => facts.of_pid_at(*pid, seq),
        Selector::Name(name) => facts.arena.find(name).and_then(|name| facts.of_name_at(name, seq)),
        Selector::Bearer(_, pid) => facts.of_pid_at(*pid, seq),
        Selector::Module(_) => None,
    };
    let begun = |id: &&TrackId| facts.track(**id).is_some_and(|track| track.began.seq <= seq);
    now.or_else(|| all.iter().rev().find(begun).copied())
        .or_else(|| all.first().copied())
        .ok_or(TimelineError::NoSuchProcess)
}
