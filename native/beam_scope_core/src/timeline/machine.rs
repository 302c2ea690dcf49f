//! From the records of one track to its transitions, one record at a time.

use std::sync::Arc;

use crate::event::{EventKind, Fields, Point};
use crate::store::{ChunkView, EventRow, TrackId};
use crate::term::arena::Node;

use super::handlers;
use super::returned::{returned, Ending, NewState};
use super::rows::{field, is_unseen, point, term};
use super::shape::{self, message, word, Behaviour, Shape, TransitionKind};
use super::term_ref::TermRef;
use super::transition::{Known, Outcome, Transition};
use super::words::{Word, Words};

/// A record and the chunk it lies in.
#[derive(Clone, Copy)]
struct At<'a> {
    view: &'a Arc<ChunkView>,
    row: &'a EventRow,
}

impl At<'_> {
    fn field(self, bit: u16) -> Option<TermRef> {
        field(self.row, bit).map(|node| TermRef::in_chunk(self.view, node))
    }

    fn word(self, words: &Words, bit: u16) -> Option<Word> {
        field(self.row, bit).and_then(|node| word(words, &self.view.arena, node))
    }

    fn behaviour(self, words: &Words) -> Behaviour {
        let tag = self.word(words, Fields::BEHAVIOUR);
        tag.map_or_else(|| Behaviour::assumed(point(self.row)), Behaviour::from_word)
    }
}

/// A message that is being handled.
#[derive(Clone, Debug)]
struct Open {
    transition: Transition,
    behaviour: Behaviour,
    callback: Word,
}

/// What the last `Loop` said would come next.
#[derive(Clone, Debug, Default)]
enum Next {
    /// It did not say.
    #[default]
    Untold,
    /// Nothing but a message.
    Message,
    /// The atom `timeout`, unless a message comes first.
    Timeout,
    /// This term, unless a message comes first.
    Term(TermRef),
}

/// Makes transitions of one track's records, which must come in order and without holes that `lost_before` does not tell.
#[derive(Debug)]
pub(crate) struct Machine {
    words: Arc<Words>,
    track: TrackId,
    /// It began in the recording, so its first state is the one that `init` made.
    born: bool,
    seen: bool,
    ended: bool,
    known: Known,
    open: Option<Open>,
    next: Next,
    out: Vec<Transition>,
}

impl Machine {
    /// A machine for a track of which nothing is known yet.
    #[must_use]
    pub(crate) fn new(words: Arc<Words>, track: TrackId, born: bool) -> Self {
        let (known, open, next, out) = (Known::Unknown, None, Next::Untold, Vec::new());
        Self {
            words,
            track,
            born,
            seen: false,
            ended: false,
            known,
            open,
            next,
            out,
        }
    }

    /// The state now, as far as it is known.
    pub(crate) const fn known(&self) -> &Known {
        &self.known
    }

    /// Since which event it has been handling what it handles. Of a first state nobody says since when it came about.
    pub(crate) fn busy_since(&self) -> Option<u64> {
        let open = self.open.as_ref()?;
        (open.transition.kind != TransitionKind::Init).then_some(open.transition.began_seq)
    }

    /// Every term that it keeps.
    pub(crate) fn held_mut(&mut self) -> impl Iterator<Item = &mut TermRef> {
        let next = match &mut self.next {
            Next::Term(term) => Some(term),
            _ => None,
        };
        let open = self.open.as_mut().map(|open| open.transition.terms_mut());
        self.known
            .term_mut()
            .into_iter()
            .chain(next)
            .chain(open.into_iter().flatten())
    }

    /// Starts in the middle: this was the state before the first record that will be fed.
    #[must_use]
    pub(super) fn resume(mut self, known: Known) -> Self {
        self.seen = true;
        self.known = known;
        self
    }

    /// The transitions completed since the last call.
    pub(crate) fn take(&mut self) -> std::vec::Drain<'_, Transition> {
        self.out.drain(..)
    }

    /// The transition still open, if any: its message was taken up and nothing more is in the recording.
    pub(crate) fn finish(&mut self) -> Option<Transition> {
        self.open.take().map(|open| open.transition)
    }

    /// Records of the track that are not in the recording: whatever was known no longer is.
    pub(crate) fn gap(&mut self, seq: u64, at_ns: u64, lost: u32) {
        if let Some(open) = self.open.take() {
            self.out.push(open.transition);
        }
        self.known = Known::Unknown;
        self.next = Next::Untold;
        let mut gap = self.blank(seq, at_ns, TransitionKind::Gap);
        gap.lost = lost;
        self.out.push(gap);
    }

    /// Takes the next record of the track.
    pub(crate) fn feed(&mut self, view: &Arc<ChunkView>, row: &EventRow) {
        if row.lost_before > 0 && !cfg!(mutant = "timeline_gap_keeps_state") {
            // Of what nobody looked for nobody knows how much it was.
            let lost = if is_unseen(row) { 0 } else { row.lost_before };
            self.gap(row.seq, row.at_ns, lost);
        }
        let at = At { view, row };
        match row.kind {
            EventKind::State => self.state(at),
            EventKind::Exit => self.exit(at),
            _ => {}
        }
    }

    fn state(&mut self, at: At<'_>) {
        match point(at.row) {
            Some(Point::Handled) => self.handled(at),
            Some(Point::Loop) => self.looped(at),
            Some(Point::End) => self.end(at),
            Some(Point::Step) => self.step(at),
            Some(Point::Read) => self.read(at),
            Some(Point::Callback) => self.callback(at),
            Some(Point::Returned) => self.callback_returned(at),
            None => {}
        }
    }

    fn handled(&mut self, at: At<'_>) {
        let before = at.field(Fields::BEFORE);
        self.close_late(at, before.as_ref());
        let behaviour = at.behaviour(&self.words);
        let mut transition = self.opening(at, behaviour);
        self.name_timeout(&mut transition);
        self.next = Next::Untold;
        self.open = Some(Open {
            transition,
            behaviour,
            callback: Word::Other,
        });
    }

    /// Without `Loop` records a state is seen only when the next message is taken up.
    fn close_late(&mut self, at: At<'_>, before: Option<&TermRef>) {
        if let Some(open) = self.open.take() {
            let to = before.cloned().map_or(Known::Unknown, Known::Is);
            self.close(at, open, to, Outcome::Ok);
        } else if let Some(before) = before {
            self.reveal(at, before);
        }
    }

    fn looped(&mut self, at: At<'_>) {
        let Some(after) = at.field(Fields::AFTER) else { return };
        match self.open.take() {
            Some(open) => self.close(at, open, Known::Is(after.clone()), Outcome::Ok),
            None => self.reveal(at, &after),
        }
        self.next_action(at, after);
    }

    fn next_action(&mut self, at: At<'_>, after: TermRef) {
        let Some(action) = at.field(Fields::ACTION) else {
            self.next = Next::Untold;
            return;
        };
        let arena = action.arena();
        let items = shape::tuple(arena, action.node());
        let head = items.first().and_then(|head| word(&self.words, arena, *head));
        self.next = match (head, items, arena.node(action.node())) {
            (Some(Word::Continue), &[_, what], _) => {
                let mut transition = self.blank(at.row.seq, at.row.at_ns, TransitionKind::Continue);
                transition.message = Some(action.at(what));
                transition.raw = Some(action.clone());
                transition.from = Known::Is(after);
                let behaviour = at.behaviour(&self.words);
                self.open = Some(Open {
                    transition,
                    behaviour,
                    callback: Word::Other,
                });
                Next::Untold
            }
            (Some(Word::TimeoutZero), &[_, what], _) => Next::Term(action.at(what)),
            (Some(Word::Timeout), &[_, timer, _], _) => match arena.node(timer) {
                Node::Improper { len: 1, tail } => Next::Term(action.at(tail)),
                _ => Next::Message,
            },
            (_, _, Node::Int(_)) => Next::Timeout,
            _ => Next::Message,
        };
    }

    /// A handled message is a timeout when the loop waited for just that. Where the loop was not seen, the atom `timeout` is
    /// taken for one.
    fn name_timeout(&self, transition: &mut Transition) {
        let Some(message) = transition
            .message
            .as_ref()
            .filter(|_| transition.kind == TransitionKind::Info)
        else {
            return;
        };
        let is_word = word(&self.words, message.arena(), message.node()) == Some(Word::Timeout);
        let timeout = match &self.next {
            Next::Untold | Next::Timeout => is_word,
            Next::Message => false,
            Next::Term(term) => term.same(message),
        };
        if timeout {
            transition.kind = TransitionKind::Timeout;
        }
    }

    fn end(&mut self, at: At<'_>) {
        let before = at.field(Fields::BEFORE);
        if self.ended && self.open.is_none() && before.as_ref().is_none_or(|before| self.known.is_same(before)) {
            // A return has said so already.
            return;
        }
        let outcome = self.ending(at);
        if let (None, Some(before)) = (&self.open, &before) {
            self.reveal(at, before);
        }
        let to = before.map_or_else(|| self.known.clone(), Known::Is);
        let open = self.open.take().unwrap_or_else(|| {
            let behaviour = at.behaviour(&self.words);
            let mut transition = self.opening(at, behaviour);
            if behaviour != Behaviour::GenStatem || transition.message.is_none() {
                transition.kind = TransitionKind::End;
            }
            Open {
                transition,
                behaviour,
                callback: Word::Terminate,
            }
        });
        self.close(at, open, to, outcome);
        self.ended = true;
    }

    /// `terminate` is told `exit` and a reason both when a callback asked to stop and when it called `exit/1`; a bad return
    /// comes that way too, and is a crash.
    fn ending(&self, at: At<'_>) -> Outcome {
        let Some(reason) = at.field(Fields::REASON) else {
            return Outcome::Pending;
        };
        let Some(class) = at.field(Fields::CLASS) else {
            // `terminate` as the fallback sees it tells no class; a callback that did not return before it has crashed.
            let unreturned = self.open.as_ref().is_some_and(|open| open.callback != Word::Other);
            let orderly = !unreturned || is_orderly(&self.words, &reason);
            return by_reason(reason, !orderly);
        };
        let by_exit = word(&self.words, class.arena(), class.node()) == Some(Word::Exit);
        let head = shape::tuple(reason.arena(), reason.node()).first().copied();
        let bad_return = head.and_then(|head| word(&self.words, reason.arena(), head)) == Some(Word::BadReturnValue);
        if by_exit && !bad_return {
            Outcome::Stop(reason)
        } else {
            Outcome::Crash(Some(class), reason)
        }
    }

    fn step(&mut self, at: At<'_>) {
        let behaviour = at.behaviour(&self.words);
        self.open = None;
        let mut transition = self.opening(at, behaviour);
        match at.field(Fields::BEFORE) {
            _ if transition.kind == TransitionKind::Init => transition.from = Known::Unknown,
            Some(before) => {
                self.reveal(at, &before);
                transition.from = Known::Is(before);
            }
            None => transition.from = self.known.clone(),
        }
        let to = at.field(Fields::AFTER).map_or(Known::Unknown, Known::Is);
        self.close(
            at,
            Open {
                transition,
                behaviour,
                callback: Word::Other,
            },
            to,
            Outcome::Ok,
        );
    }

    fn read(&mut self, at: At<'_>) {
        if let Some(after) = at.field(Fields::AFTER) {
            self.close_late(at, Some(&after));
        }
    }

    fn callback(&mut self, at: At<'_>) {
        let behaviour = at.behaviour(&self.words);
        let callback = at.word(&self.words, Fields::CALLBACK).unwrap_or(Word::Other);
        if let Some(open) = self.open.take() {
            self.out.push(open.transition);
        }
        let before = at.field(Fields::BEFORE);
        if callback != Word::Init {
            if let Some(before) = &before {
                self.reveal(at, before);
            }
        }
        if callback == Word::Terminate {
            return self.terminate_callback(at, behaviour);
        }
        let mut transition = self.opening(at, behaviour);
        transition.from = match before {
            Some(before) => Known::Is(before),
            None if callback == Word::Init => Known::Unknown,
            None => self.known.clone(),
        };
        transition.kind = callback_kind(behaviour, callback, transition.kind);
        self.name_timeout(&mut transition);
        self.next = Next::Untold;
        self.open = Some(Open {
            transition,
            behaviour,
            callback,
        });
    }

    fn terminate_callback(&mut self, at: At<'_>, behaviour: Behaviour) {
        if self.ended {
            return;
        }
        let reason = at.field(Fields::REASON).or_else(|| at.field(Fields::MESSAGE));
        let mut transition = self.blank(at.row.seq, at.row.at_ns, TransitionKind::End);
        transition.from = self.known.clone();
        let to = self.known.clone();
        let outcome = reason.map_or(Outcome::Pending, Outcome::Stop);
        self.close(
            at,
            Open {
                transition,
                behaviour,
                callback: Word::Terminate,
            },
            to,
            outcome,
        );
        self.ended = true;
    }

    fn callback_returned(&mut self, at: At<'_>) {
        let Some(value) = at.field(Fields::RETURNED) else {
            return;
        };
        let callback = at.word(&self.words, Fields::CALLBACK).unwrap_or(Word::Other);
        let Some(mut open) = self.open.take() else {
            return self.returned_alone(at, callback, &value);
        };
        let what = returned(&self.words, value.arena(), open.behaviour, open.callback, value.node());
        let to = new_state(&value, what.state, &open.transition.from);
        open.transition.reply = what.reply.map(|reply| value.at(reply));
        let outcome = match what.ending {
            Ending::On => Outcome::Ok,
            Ending::Stop(reason) => reason.map_or(Outcome::Ok, |reason| Outcome::Stop(value.at(reason))),
        };
        self.ended |= matches!(outcome, Outcome::Stop(_));
        self.next = match what.action.map(|action| value.arena().node(action)) {
            Some(Node::Int(_)) => Next::Timeout,
            Some(_) => Next::Untold,
            None => Next::Message,
        };
        self.close(at, open, to, outcome);
    }

    /// A return whose call was lost still tells the state.
    fn returned_alone(&mut self, at: At<'_>, callback: Word, value: &TermRef) {
        let what = returned(
            &self.words,
            value.arena(),
            at.behaviour(&self.words),
            callback,
            value.node(),
        );
        if let Known::Is(state) = new_state(value, what.state, &Known::Unknown) {
            self.reveal(at, &state);
        }
    }

    fn exit(&mut self, at: At<'_>) {
        let reason = term(at.row, 0).map(|node| TermRef::in_chunk(at.view, node));
        // A callback that did not return, in a module without terminate/2: nobody else tells of its crash.
        let unreturned = self.open.as_ref().is_some_and(|open| open.callback != Word::Other);
        let outcome = reason.map_or(Outcome::Pending, |reason| {
            let orderly = !unreturned || is_orderly(&self.words, &reason);
            by_reason(reason, !orderly)
        });
        if let Some(open) = self.open.take() {
            self.close(at, open, Known::Unknown, outcome);
        } else if self.seen && !self.ended {
            let mut transition = self.blank(at.row.seq, at.row.at_ns, TransitionKind::End);
            transition.from = self.known.clone();
            transition.outcome = outcome;
            self.out.push(transition);
        }
        self.ended = true;
        self.known = Known::Unknown;
    }

    /// The state was seen, and no message is to thank for it.
    fn reveal(&mut self, at: At<'_>, state: &TermRef) {
        if self.known.is_same(state) || cfg!(mutant = "timeline_changes_unseen") {
            return;
        }
        let kind = match &self.known {
            Known::Is(_) => TransitionKind::Changed,
            Known::Unknown if self.born && !self.seen => TransitionKind::Init,
            Known::Unknown => TransitionKind::Read,
        };
        let mut transition = self.blank(at.row.seq, at.row.at_ns, kind);
        transition.from = self.known.clone();
        let behaviour = at.behaviour(&self.words);
        self.close(
            at,
            Open {
                transition,
                behaviour,
                callback: Word::Other,
            },
            Known::Is(state.clone()),
            Outcome::Ok,
        );
    }

    fn close(&mut self, at: At<'_>, open: Open, to: Known, outcome: Outcome) {
        let mut transition = open.transition;
        transition.seq = at.row.seq;
        transition.at_ns = at.row.at_ns;
        transition.to = to.clone();
        transition.outcome = outcome;
        self.seen = true;
        self.known = to;
        if open.behaviour == Behaviour::GenEvent && transition.handler.is_none() {
            handlers::split(&self.words, transition, &mut self.out);
        } else {
            self.out.push(transition);
        }
    }

    fn opening(&self, at: At<'_>, behaviour: Behaviour) -> Transition {
        let mut transition = self.blank(at.row.seq, at.row.at_ns, TransitionKind::Info);
        transition.from = at.field(Fields::BEFORE).map_or_else(|| self.known.clone(), Known::Is);
        transition.handler = at.field(Fields::HANDLER);
        if let Some(raw) = at.field(Fields::MESSAGE) {
            let Shape { kind, body, from, tag } = message(&self.words, raw.arena(), behaviour, raw.node());
            transition.kind = kind;
            transition.message = Some(raw.at(body));
            transition.from_process = from;
            transition.tag = tag.map(|tag| raw.at(tag));
            transition.raw = Some(raw);
        }
        transition
    }

    const fn blank(&self, seq: u64, at_ns: u64, kind: TransitionKind) -> Transition {
        Transition {
            seq,
            at_ns,
            began_seq: seq,
            began_ns: at_ns,
            track: self.track,
            kind,
            message: None,
            raw: None,
            from: Known::Unknown,
            to: Known::Unknown,
            outcome: Outcome::Pending,
            reply: None,
            from_process: None,
            tag: None,
            handler: None,
            lost: 0,
        }
    }
}

fn callback_kind(behaviour: Behaviour, callback: Word, by_shape: TransitionKind) -> TransitionKind {
    match callback {
        Word::Init => TransitionKind::Init,
        Word::HandleCall => TransitionKind::Call,
        Word::HandleCast => TransitionKind::Cast,
        Word::HandleInfo => TransitionKind::Info,
        Word::HandleContinue => TransitionKind::Continue,
        Word::CodeChange => TransitionKind::Changed,
        Word::HandleEvent if behaviour == Behaviour::GenEvent => TransitionKind::Event,
        _ => by_shape,
    }
}

/// An exit reason as an error makes it: `{Reason, Stacktrace}`.
fn is_error_reason(reason: &TermRef) -> bool {
    let arena = reason.arena();
    let [_, trace] = *shape::tuple(arena, reason.node()) else {
        return false;
    };
    let entry = arena.list_get(trace, 0).map(|entry| arena.node(entry));
    matches!(entry, Some(Node::Tuple(parts)) if parts.len() == 4)
}

/// An exit reason that somebody asked for: `normal`, `shutdown`, `{shutdown, _}`, `killed`.
fn is_orderly(words: &Words, reason: &TermRef) -> bool {
    let arena = reason.arena();
    let head = shape::tuple(arena, reason.node()).first().copied();
    match word(words, arena, head.unwrap_or(reason.node())) {
        Some(Word::Shutdown) => true,
        Some(Word::Normal | Word::Killed) => head.is_none(),
        _ => false,
    }
}

/// What an end without a class says: an error, or a stop.
fn by_reason(reason: TermRef, unreturned: bool) -> Outcome {
    if unreturned || is_error_reason(&reason) {
        Outcome::Crash(None, reason)
    } else {
        Outcome::Stop(reason)
    }
}

/// The state after a return, given the one before it.
pub(super) fn new_state(value: &TermRef, state: NewState, before: &Known) -> Known {
    let name = |known: &Known| {
        let before = known.term()?;
        shape::tuple(before.arena(), before.node())
            .first()
            .map(|name| before.at(*name))
    };
    match state {
        NewState::Same => before.clone(),
        NewState::Whole(state) => Known::Is(value.at(state)),
        NewState::Named(name, data) => Known::Is(TermRef::tuple(&[&value.at(name), &value.at(data)])),
        NewState::Data(data) => name(before).map_or(Known::Unknown, |name| {
            Known::Is(TermRef::tuple(&[&name, &value.at(data)]))
        }),
        NewState::Gone | NewState::Unknown => Known::Unknown,
    }
}
