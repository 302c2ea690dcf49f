//! One process while it is being read: its rows become units.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::store::EventRow;
use crate::timeline::machine::Machine;
use crate::timeline::{Known, KnownHow, Outcome, Role as Behaviour, TermRef, Track, Transition, TransitionKind, Words};

use super::causes::NONE;
use super::hash::mix;
use super::noise::tells_an_end;
use super::print::Printer;
use super::roles::Party;
use super::story::{ActKind, At, End, Face, Got, State, Story, Unit, UnitKind, UNSENT};

/// A message that came to a server and waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    pub(super) body: u64,
    pub(super) party: Party,
    /// The event that sent it.
    pub(super) sent: Option<u64>,
    /// Its node.
    pub(super) cause: u32,
    /// Whether it is worth telling.
    pub(super) told: bool,
}

/// A message being handled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    pub(super) received: Option<Received>,
    /// Its own node.
    pub(super) node: u32,
    /// How many messages waited, this one included.
    pub(super) queue: u32,
}

/// One process.
pub(super) struct Life {
    pub(super) machine: Machine,
    pub(super) story: Story,
    /// Whether it is of a kind that is seen handling its messages.
    pub(super) serves: bool,
    /// The last node of its unit.
    pub(super) last: u32,
    pub(super) open_calls: Vec<(u64, u64)>,
    /// The chunk in which it had a row last.
    pub(super) chunk: u64,
    role: usize,
    supervises: bool,
    /// The first node since it was seen to handle something.
    first: Option<u32>,
    waiting: HashMap<u64, VecDeque<Received>>,
    queue: u32,
    opening: Option<Opening>,
    /// Up to here its acts belong to units.
    taken: usize,
    known: State,
    replies: Vec<bool>,
}

impl Life {
    pub(super) fn new(words: &Arc<Words>, track: Option<&Track>, row: &EventRow, role: usize, carried: bool) -> Self {
        let spawned = track.is_some_and(|track| track.known == KnownHow::Spawned);
        let kind = track
            .and_then(|track| track.initial.as_ref())
            .map(|initial| initial.role);
        let mut life = Self {
            machine: Machine::new(Arc::clone(words), row.track, spawned && !carried),
            story: Story {
                processes: 1,
                began: Some(At {
                    track: row.track,
                    seq: row.seq,
                    at_ns: row.at_ns,
                }),
                ..Story::default()
            },
            serves: false,
            last: NONE,
            open_calls: Vec::new(),
            chunk: 0,
            role,
            supervises: kind.is_some_and(Behaviour::is_supervisor),
            first: None,
            waiting: HashMap::new(),
            queue: 0,
            opening: None,
            taken: 0,
            known: State::None,
            replies: Vec::new(),
        };
        if carried {
            life.lose_at(row.seq);
        }
        life
    }

    fn lose_at(&mut self, seq: u64) {
        self.story.lost_from.get_or_insert(seq);
    }

    /// Events were lost before this one.
    pub(super) fn lose(&mut self, row: &EventRow) {
        self.lose_at(row.seq);
        self.story.lost += u64::from(row.lost_before);
        self.opening = None;
        self.waiting.clear();
        self.last = NONE;
        let is_told = matches!(row.kind, crate::event::EventKind::State | crate::event::EventKind::Exit);
        if self.serves && !is_told {
            // The machine tells it with its next transition.
            self.machine.gap(row.seq, row.at_ns, row.lost_before);
        }
        let gap = super::story::Act {
            kind: ActKind::Gap,
            face: Face::new(9, Party::RUNTIME, 0),
            at: At {
                track: row.track,
                seq: row.seq,
                at_ns: row.at_ns,
            },
        };
        self.story.acts.push(gap);
    }

    /// It did something, or learnt of something.
    pub(super) fn did(&mut self, node: u32) {
        self.first.get_or_insert(node);
        self.last = node;
    }

    pub(super) fn received(&mut self, received: Received, is_reply: bool) {
        self.story.messages += u64::from(received.told);
        if is_reply {
            return;
        }
        self.queue += 1;
        self.waiting.entry(received.body).or_default().push_back(received);
    }

    pub(super) fn got(&mut self, got: Got, is_reply: bool) {
        self.story.gots.push(got);
        self.replies.push(is_reply);
    }

    // ---- units ----

    /// The message that came first of those with this content.
    pub(super) fn take_up(&mut self, bodies: [u64; 2]) -> Opening {
        self.serve();
        let queue = self.queue;
        let found = bodies.iter().find_map(|body| self.waiting.get_mut(body)?.pop_front());
        self.queue = queue.saturating_sub(u32::from(found.is_some()));
        Opening {
            received: found,
            node: NONE,
            queue,
        }
    }

    /// It handles messages, so what came and was not handled yet waits. Answers never do.
    fn serve(&mut self) {
        if self.serves {
            return;
        }
        self.serves = true;
        let mut replies = std::mem::take(&mut self.replies).into_iter();
        self.story.gots.retain(|_| replies.next().unwrap_or(true));
    }

    /// Handling begins; where it is only told when it is over, what was done meanwhile was because of it: the first node of that.
    pub(super) fn begin(&mut self, opening: Opening, late: bool) -> Option<u32> {
        let first = self.first.take().filter(|_| late);
        if !late || first.is_none() {
            self.last = opening.node;
        }
        self.opening = Some(opening);
        first
    }

    pub(super) fn transition(
        &mut self,
        printer: &mut Printer<'_>,
        words: &Words,
        one: &Transition,
        caller: Option<Party>,
        told: bool,
    ) {
        self.serve();
        let at = At {
            track: one.track,
            seq: one.seq,
            at_ns: one.at_ns,
        };
        let state = self.state(printer, one);
        let acts = (self.taken as u32, self.story.acts.len() as u32);
        match one.kind {
            TransitionKind::Gap => {
                self.known = State::Unknown;
                return self.push(self.unit(UnitKind::Gap, at, acts));
            }
            TransitionKind::Read | TransitionKind::Init => {
                let again = self.story.units.iter().any(|unit| !unit.is_gap());
                self.known = state;
                if !again {
                    let mut unit = self.unit(UnitKind::Start, at, acts);
                    unit.state = state;
                    self.push(unit);
                }
                return;
            }
            TransitionKind::End if one.message.is_none() => return,
            _ => {}
        }
        let opening = self.opening.take();
        if self.follows(one) {
            return self.follow(printer, one, state);
        }
        let before = std::mem::replace(&mut self.known, state);
        let received = opening.and_then(|opening| opening.received);
        let mut unit = self.unit(UnitKind::Handled(one.kind), at, acts);
        if one.kind == TransitionKind::Changed && one.message.is_none() {
            unit.kind = UnitKind::Changed;
        }
        unit.party = caller
            .or(received.map(|received| received.party))
            .unwrap_or(Party::RUNTIME);
        unit.face = face(printer, one, unit.party);
        unit.face.sent = received.and_then(|received| received.sent).unwrap_or(UNSENT);
        unit.state = state;
        unit.end = end(printer, one);
        unit.began_seq = one.began_seq;
        unit.queue = opening.map_or(0, |opening| opening.queue);
        unit.took_ns = match unit.end {
            End::On => one.at_ns.saturating_sub(one.began_ns),
            _ => 0,
        };
        let told = told && received.is_none_or(|received| received.told) && unit.party != Party::NOISE;
        if told && !self.is_idle(words, one, &unit, before) {
            self.push(unit);
        } else {
            self.taken = self.story.acts.len();
        }
    }

    const fn unit(&self, kind: UnitKind, at: At, acts: (u32, u32)) -> Unit {
        Unit {
            kind,
            party: Party::RUNTIME,
            face: Face::new(0, Party::RUNTIME, kind_number(kind)),
            after: 0,
            state: State::None,
            end: End::On,
            acts,
            at,
            began_seq: at.seq,
            last_seq: at.seq,
            took_ns: 0,
            queue: 0,
        }
    }

    fn push(&mut self, unit: Unit) {
        self.taken = unit.acts.1 as usize;
        self.story.units.push(unit);
    }

    /// The last unit is not to be told after all.
    pub(super) fn untell(&mut self) {
        if self
            .story
            .units
            .last()
            .is_some_and(|unit| matches!(unit.kind, UnitKind::Handled(_)))
        {
            self.story.units.pop();
        }
    }

    fn state(&self, printer: &mut Printer<'_>, one: &Transition) -> State {
        if self.supervises {
            return State::None;
        }
        match &one.to {
            Known::Is(state) if state.arena().is_complete(state.node()) => State::Is(of(printer, state, one.seq)),
            _ => State::Unknown,
        }
    }

    /// What a server does by itself right after a message belongs to that; so does what its other handlers make of it.
    fn follows(&self, one: &Transition) -> bool {
        let Some(last) = self.story.units.last().filter(|last| !last.is_gap()) else {
            return false;
        };
        match one.kind {
            TransitionKind::Continue | TransitionKind::Internal | TransitionKind::Enter => true,
            TransitionKind::Event => one.handler.is_some() && last.began_seq == one.began_seq,
            _ => false,
        }
    }

    fn follow(&mut self, printer: &mut Printer<'_>, one: &Transition, state: State) {
        let content = one.message.as_ref().map_or(0, |term| of(printer, term, one.seq));
        let handler = one.handler.as_ref().map_or(0, |term| of(printer, term, one.seq));
        let end = end(printer, one);
        let acts = self.story.acts.len();
        let Some(last) = self.story.units.last_mut() else {
            return;
        };
        last.after = mix(mix(mix(last.after, content), handler), one.kind as u64);
        last.state = match (last.state, state) {
            (State::Is(before), State::Is(now)) if handler != 0 => State::Is(mix(before, now)),
            _ => state,
        };
        last.end = if last.end == End::On { end } else { last.end };
        last.at.at_ns = one.at_ns;
        last.last_seq = one.seq;
        last.acts.1 = acts as u32;
        self.taken = acts;
        self.known = state;
    }

    /// A message of the runtime's, a timer mostly, that changed nothing: how many there were is how long it took.
    fn is_idle(&self, words: &Words, one: &Transition, unit: &Unit, before: State) -> bool {
        let by_itself = matches!(
            one.kind,
            TransitionKind::Info | TransitionKind::Timeout | TransitionKind::StateTimeout | TransitionKind::Event
        );
        let unchanged = unit.end == End::Pending || unit.end == End::On && unit.state == before;
        let tells = one
            .message
            .as_ref()
            .is_some_and(|message| tells_an_end(words, message.arena(), message.node()));
        by_itself && unit.party == Party::RUNTIME && unit.acts.0 == unit.acts.1 && unchanged && !tells
    }

    // ---- the end ----

    /// Its role, and its story; `cut`: it may have gone on.
    pub(super) fn finish(mut self, lost_last: u64, cut: bool) -> (usize, Story) {
        let acts = (self.taken as u32, self.story.acts.len() as u32);
        let at = self.story.acts.last().map(|act| act.at).or(self.story.began);
        if let Some(at) = at.filter(|_| acts.0 < acts.1 || self.story.units.is_empty()) {
            let unit = self.unit(UnitKind::Life, at, acts);
            self.push(unit);
        }
        self.story.lost += lost_last;
        if let (true, Some(at)) = (lost_last > 0 || cut, at) {
            self.lose_at(u64::MAX);
            let end = (self.story.acts.len() as u32, self.story.acts.len() as u32);
            let unit = self.unit(UnitKind::Gap, at, end);
            self.push(unit);
        }
        (self.role, self.story)
    }
}

const fn kind_number(kind: UnitKind) -> u64 {
    match kind {
        UnitKind::Start => 1,
        UnitKind::Handled(_) => 2,
        UnitKind::Changed => 3,
        UnitKind::Life => 4,
        UnitKind::Gap => 5,
    }
}

fn of(printer: &mut Printer<'_>, term: &TermRef, seq: u64) -> u64 {
    printer.of(term.arena(), term.node(), seq)
}

fn face(printer: &mut Printer<'_>, one: &Transition, party: Party) -> Face {
    let Some(message) = &one.message else {
        return Face::new(0, party, kind_number(UnitKind::Changed));
    };
    let mut face = Face::new(0, party, mix(of(printer, message, one.began_seq), one.kind as u64));
    face.hidden = !message.arena().is_complete(message.node()) && !cfg!(mutant = "compare_hidden_is_known");
    face
}

fn end(printer: &mut Printer<'_>, one: &Transition) -> End {
    match &one.outcome {
        Outcome::Ok => End::On,
        Outcome::Pending => End::Pending,
        Outcome::Stop(reason) => End::Stop(of(printer, reason, one.seq)),
        Outcome::Crash(_, reason) => End::Crash(of(printer, reason, one.seq)),
    }
}
