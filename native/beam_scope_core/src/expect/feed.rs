//! From rows to things that happened, for all processes in one pass.
//!
//! Each process that somebody looks at has a machine of its own, fed as its rows come; so a pass over the chunks in their
//! order is enough for the transitions of all of them. What a machine keeps holds on to the chunk that it came from: a
//! process that has been idle for some chunks has its terms copied out, so that no more than a few chunks stay decoded.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::sync::Arc;

use crate::event::EventKind;
use crate::mixed::MixedMap;
use crate::pattern::Part;
use crate::query::plan::Function;
use crate::store::{ChunkView, EventRow, TrackId};
use crate::timeline::machine::Machine;
use crate::timeline::view::Inner;
use crate::timeline::{term, KnownHow, Outcome, TermRef, Transition, TransitionKind, Words};

use super::calls::{Calls, End, OpenCall};
use super::check::What;
use super::content::{part, Content};
use super::crash::is_failure;
use super::plan::StepPlan;
use super::subject::{Happened, Mail, Place, Stage};

/// So many chunks, or readings of one, may stay in memory for what is kept of them.
const PINNED: usize = 8;

/// One process.
struct Fed {
    machine: Machine,
    calls: Calls,
    /// Where the state was told that is known now.
    told: Option<Place>,
    /// The last event that completed something, and how much.
    completed: (u64, u32),
    crashed: bool,
    /// The reading that it had a row in last.
    fed: u64,
}

/// All processes.
pub(crate) struct Feed {
    words: Arc<Words>,
    tracks: MixedMap<TrackId, Box<Fed>>,
    reading: u64,
    /// Who had rows in the last readings.
    recent: VecDeque<Vec<TrackId>>,
    /// Who was in the middle of something when this reading began, and who had rows since.
    busy: Vec<TrackId>,
    done: Vec<Transition>,
}

/// Where what happened goes.
pub(crate) trait Sink {
    fn take(&mut self, happened: &Happened<'_>);
}

/// Whose calls and states are looked at. Messages are told whoever they are of.
pub(crate) trait Interest {
    /// Whether anybody asks for what happens of this kind to a process.
    fn follows(&self, what: What, track: TrackId) -> bool;
}

impl Feed {
    pub(crate) fn new(words: Arc<Words>) -> Self {
        Self {
            words,
            tracks: MixedMap::default(),
            reading: 0,
            recent: VecDeque::from([Vec::new()]),
            busy: Vec::new(),
            done: Vec::new(),
        }
    }

    /// The rows of another chunk follow, or newer ones of the same. Lets go of what is kept of old ones.
    pub(crate) fn next_reading(&mut self) {
        self.reading += 1;
        self.forget_idle();
        self.recent.push_back(Vec::new());
        if self.recent.len() <= PINNED {
            return;
        }
        let oldest = self.reading.saturating_sub(PINNED as u64);
        for track in self.recent.pop_front().unwrap_or_default() {
            let fed = self.tracks.get_mut(&track);
            if let Some(fed) = fed.filter(|fed| fed.fed <= oldest) {
                TermRef::unpin(fed.machine.held_mut().chain(fed.calls.held_mut()));
            }
        }
    }

    /// Takes the next row of the recording.
    pub(crate) fn row(
        &mut self,
        interest: &impl Interest,
        inner: &Inner,
        view: &Arc<ChunkView>,
        row: &EventRow,
        sink: &mut impl Sink,
    ) {
        if row.lost_before > 0 {
            self.lost(row, sink);
        }
        match row.kind {
            EventKind::Send | EventKind::SendToDead => self.message(inner, view, row, What::Sent, sink),
            EventKind::Receive => self.message(inner, view, row, What::Received, sink),
            EventKind::Call if interest.follows(What::Called, row.track) => self.call(inner, view, row, sink),
            EventKind::Return | EventKind::Exception => self.returned(view, row, sink),
            EventKind::State if follows_states(interest, row.track) => self.state(inner, view, row, sink),
            EventKind::Exit => self.exit(interest, inner, view, row, sink),
            _ => {}
        }
    }

    fn fed(&mut self, inner: &Inner, track: TrackId) -> &mut Fed {
        let (words, reading) = (&self.words, self.reading);
        let fed = self.tracks.entry(track).or_insert_with(|| {
            let index = &inner.index;
            let spawned = index
                .facts
                .track(track)
                .is_some_and(|track| track.known == KnownHow::Spawned);
            let born = spawned && !index.is_carried(track);
            Box::new(Fed {
                machine: Machine::new(Arc::clone(words), track, born),
                calls: Calls::default(),
                told: None,
                completed: (u64::MAX, 0),
                crashed: false,
                fed: u64::MAX,
            })
        });
        if fed.fed != reading {
            fed.fed = reading;
            if let Some(recent) = self.recent.back_mut() {
                recent.push(track);
            }
            self.busy.push(track);
        }
        fed
    }

    fn existing(&mut self, track: TrackId) -> Option<&mut Fed> {
        self.tracks.get_mut(&track).map(|fed| &mut **fed)
    }

    // ---- messages ----

    fn message(&self, inner: &Inner, view: &Arc<ChunkView>, row: &EventRow, what: What, sink: &mut impl Sink) {
        let Some(content) = Content::message(&self.words, &view.arena, row) else {
            return;
        };
        let mut happened = Happened::new(place(what, row), content);
        happened.mail = Some(Mail {
            inner,
            view,
            row,
            ends: OnceCell::new(),
        });
        sink.take(&happened);
    }

    // ---- calls ----

    fn call(&mut self, inner: &Inner, view: &Arc<ChunkView>, row: &EventRow, sink: &mut impl Sink) {
        let (Some(function), Some(args)) = (Function::of(&view.arena, row), term(row, 2)) else {
            return;
        };
        let args = TermRef::in_chunk(view, args);
        let call = OpenCall {
            function,
            seq: row.seq,
            args: Some(args),
        };
        tell_call(row, &call, Part::Absent, Stage::Made, sink);
        let forgotten = self.fed(inner, row.track).calls.begin(call);
        if let Some(call) = forgotten {
            tell_call(row, &call, Part::Unknown, Stage::Ended, sink);
        }
    }

    fn returned(&mut self, view: &Arc<ChunkView>, row: &EventRow, sink: &mut impl Sink) {
        let Some(function) = Function::of(&view.arena, row) else {
            return;
        };
        let ended = self.existing(row.track).map(|fed| fed.calls.end(function));
        let value = match row.kind {
            EventKind::Return => term(row, 3).map_or(Part::Unknown, |node| Part::Term(&view.arena, node)),
            _ => Part::Absent,
        };
        for (call, how) in ended.unwrap_or_default() {
            let value = if how == End::Here { value } else { Part::Absent };
            tell_call(row, &call, value, Stage::Ended, sink);
        }
    }

    // ---- states ----

    fn state(&mut self, inner: &Inner, view: &Arc<ChunkView>, row: &EventRow, sink: &mut impl Sink) {
        self.fed(inner, row.track).machine.feed(view, row);
        self.transitions(row.track, sink);
    }

    /// Tells what the machine of a process has completed.
    fn transitions(&mut self, track: TrackId, sink: &mut impl Sink) {
        let mut done = std::mem::take(&mut self.done);
        if let Some(fed) = self.existing(track) {
            done.extend(fed.machine.take());
            for transition in &done {
                fed.tell(transition, sink);
            }
        }
        done.clear();
        self.done = done;
    }

    fn exit(
        &mut self,
        interest: &impl Interest,
        inner: &Inner,
        view: &Arc<ChunkView>,
        row: &EventRow,
        sink: &mut impl Sink,
    ) {
        if follows_states(interest, row.track) {
            self.fed(inner, row.track).machine.feed(view, row);
            self.transitions(row.track, sink);
        }
        let fed = self.tracks.remove(&row.track);
        let crashed = fed.as_ref().is_some_and(|fed| fed.crashed);
        for (call, _) in fed.map(|mut fed| fed.calls.all(End::Never)).unwrap_or_default() {
            tell_call(row, &call, Part::Absent, Stage::Ended, sink);
        }
        let Some(reason) = term(row, 0) else { return };
        let content = Content::reason(&view.arena, reason);
        sink.take(&Happened::new(place(What::Exited, row), content));
        if !is_failure(&self.words, &view.arena, reason) {
            return;
        }
        let mut happened = Happened::new(place(What::Crashed, row), Content::reason(&view.arena, reason));
        happened.again = crashed;
        sink.take(&happened);
    }

    fn lost(&mut self, row: &EventRow, sink: &mut impl Sink) {
        let Some(fed) = self.existing(row.track) else { return };
        let calls = fed.calls.all(End::Lost);
        if cfg!(mutant = "expect_states_survive_losses") {
            return;
        }
        if !matches!(row.kind, EventKind::State | EventKind::Exit) {
            fed.machine.gap(row.seq, row.at_ns, row.lost_before);
        }
        for (call, _) in calls {
            tell_call(row, &call, Part::Unknown, Stage::Ended, sink);
        }
        self.transitions(row.track, sink);
    }

    /// Rows were dropped before they could be read: nobody's state or calls are known.
    pub(super) fn skipped(&mut self, seq: u64, at_ns: u64) {
        for fed in self.tracks.values_mut() {
            fed.machine.gap(seq, at_ns, 0);
            fed.machine.take();
            fed.calls.all(End::Lost);
            fed.told = None;
        }
    }

    /// Calls that have not ended when the recording does.
    pub(super) fn finish(&mut self, last: &EventRow, sink: &mut impl Sink) {
        let mut tracks: Vec<TrackId> = self.tracks.keys().copied().collect();
        tracks.sort_unstable();
        for track in tracks {
            let calls = self.existing(track).map(|fed| fed.calls.all(End::Never));
            for (call, _) in calls.unwrap_or_default() {
                let row = EventRow { track, ..*last };
                tell_call(&row, &call, Part::Absent, Stage::Open, sink);
            }
        }
    }

    fn forget_idle(&mut self) {
        let mut busy = std::mem::take(&mut self.busy);
        busy.sort_unstable();
        busy.dedup();
        busy.retain(|track| self.existing(*track).is_some_and(|fed| fed.is_busy()));
        self.busy = busy;
    }

    /// Since which event, at the earliest, something has been going on that a step will be told of when it is over.
    pub(super) fn busy_since(&self, step: &StepPlan) -> Option<u64> {
        let follows = |track: &&TrackId| step.follows(**track);
        let fed = |track: &TrackId| self.tracks.get(track).map(|fed| &**fed);
        let busy = self.busy.iter().filter(follows).filter_map(fed);
        busy.filter_map(|fed| fed.busy_since(step)).min()
    }

    /// The states that are known now, in the order in which their processes began.
    pub(super) fn states(&self) -> impl Iterator<Item = (Place, &TermRef)> {
        let mut fed: Vec<(&TrackId, &Fed)> = self.tracks.iter().map(|(track, fed)| (track, &**fed)).collect();
        fed.sort_unstable_by_key(|(track, _)| **track);
        fed.into_iter()
            .filter_map(|(_, fed)| Some((fed.told?, fed.machine.known().term()?)))
    }
}

impl Fed {
    fn tell(&mut self, transition: &Transition, sink: &mut impl Sink) {
        let nth = self.number(transition.seq);
        let place = |what| Place {
            what,
            track: transition.track,
            seq: transition.seq,
            at_ns: transition.at_ns,
            began: if what == What::Transition {
                transition.began_seq
            } else {
                transition.seq
            },
            // Before a process has begun it has no state, whatever it does.
            since: match transition.kind {
                TransitionKind::Init | TransitionKind::Read => transition.seq,
                _ => transition.began_seq,
            },
            nth,
            by_transition: true,
        };
        let is_step = !matches!(
            transition.kind,
            TransitionKind::Gap | TransitionKind::End | TransitionKind::Read
        );
        let is_state = is_step || transition.kind == TransitionKind::Read;
        if let (Some(state), true) = (transition.to.term(), is_state) {
            self.told = Some(place(What::State));
            let content = Content::State(part(state));
            sink.take(&Happened::new(place(What::State), content));
        }
        if is_step && !matches!(transition.outcome, Outcome::Pending) {
            sink.take(&Happened::new(place(What::Transition), Content::step(transition)));
        }
        if let Outcome::Crash(_, reason) = &transition.outcome {
            self.crashed = true;
            sink.take(&Happened::new(
                place(What::Crashed),
                Content::reason(reason.arena(), reason.node()),
            ));
        }
    }

    fn is_busy(&self) -> bool {
        self.machine.busy_since().is_some() || !self.calls.is_empty()
    }

    /// Since when it has been at something that the step will be told of when it is over.
    fn busy_since(&self, step: &StepPlan) -> Option<u64> {
        match step.step.what {
            What::State | What::Transition => self.machine.busy_since(),
            What::Called if !step.at_call => self.calls.since(|function| step.is_about(Some(function))),
            _ => None,
        }
    }

    /// Which of those that the same event completed.
    fn number(&mut self, seq: u64) -> u32 {
        match &mut self.completed {
            (last, n) if *last == seq => {
                *n += 1;
                *n
            }
            completed => {
                *completed = (seq, 0);
                0
            }
        }
    }
}

fn follows_states(interest: &impl Interest, track: TrackId) -> bool {
    [What::State, What::Transition, What::Crashed]
        .into_iter()
        .any(|what| interest.follows(what, track))
}

const fn place(what: What, row: &EventRow) -> Place {
    Place {
        what,
        track: row.track,
        seq: row.seq,
        at_ns: row.at_ns,
        began: row.seq,
        since: row.seq,
        nth: 0,
        by_transition: false,
    }
}

fn tell_call(row: &EventRow, call: &OpenCall, value: Part<'_>, stage: Stage, sink: &mut impl Sink) {
    let Some(args) = &call.args else { return };
    let place = Place {
        began: call.seq,
        since: call.seq,
        ..place(What::Called, row)
    };
    let mut happened = Happened::new(place, Content::Call([part(args), value]));
    happened.function = Some(call.function);
    happened.stage = stage;
    sink.take(&happened);
}
