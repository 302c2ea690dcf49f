//! Steps through a recording, and everything that was so at a moment.

use beam_scope_core::pattern::Pattern;
use beam_scope_core::query::contents;
use beam_scope_core::store::Recording;
use beam_scope_core::term::Value;
use beam_scope_core::timeline::{path, Outcome, Selector, Timeline, Transition, Verdict, Wanted, Way};
use rustler::{Atom, Encoder, Env, Error, Term};

use crate::answer::{self, question, refused, stored, Terms};
use crate::atoms;
use crate::fault::{fault, ok, Answer};
use crate::resource;

/// Everything that was so just after a moment: `{:ok, map}`; `wanted` is `%{states: boolean, messages: n}`.
#[rustler::nif(schedule = "DirtyCpu")]
fn world<'a>(env: Env<'a>, rec: Term<'a>, moment: Term<'a>, wanted: Term<'a>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let timeline = rec.timeline()?;
    let default = Wanted::default();
    let wanted = Wanted {
        states: question::given(wanted, atoms::states())
            .is_none_or(|term| !question::is(term, rustler::types::atom::false_())),
        messages: question::limit(question::given(wanted, atoms::messages()))?.unwrap_or(default.messages),
    };
    let found = timeline.world(question::moment(moment)?, wanted).map_err(refused)?;
    let answer = timeline
        .with_facts(|facts| answer::world(&mut Terms::new(env, rec.origin()), facts, &found))
        .map_err(|error| stored(&error))?;
    ok(env, answer)
}

/// The event next to one: `{:ok, seq | nil}`. `how` is `%{process, from, kinds, order}`.
#[rustler::nif(schedule = "DirtyCpu")]
fn next_event<'a>(env: Env<'a>, rec: Term<'a>, how: Term<'a>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let step = Step::of(how, &rec.shared.store)?;
    let kinds = question::given(how, atoms::kinds()).map_or(Ok(u32::MAX), question::kinds)?;
    let timeline = rec.timeline()?;
    let found = timeline.next_event(step.who.as_ref(), step.from, kinds, step.way);
    ok(env, found.map_err(refused)?)
}

/// The transition next to one that passes all tests: `{:ok, %{transition, unknown}}`. `how` is as above with `check` (`message`,
/// `state`, `crash` or `nil`), `state` and `message` (patterns) and `changed` (a path).
#[rustler::nif(schedule = "DirtyCpu")]
fn next_transition<'a>(env: Env<'a>, rec: Term<'a>, how: Term<'a>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let timeline = rec.timeline()?;
    let step = Step::of(how, timeline.recording())?;
    let test = Test::of(how, timeline.recording())?;
    let found = timeline
        .next_transition(step.who.as_ref(), step.from, step.way, |one| test.judge(&timeline, one))
        .map_err(refused)?;
    let answer = timeline
        .with_facts(|facts| {
            let mut terms = Terms::new(env, rec.origin());
            let mut differ = |terms: &mut Terms<'a, '_>, one: &Transition| {
                super::timeline::difference(terms, rec.origin(), &timeline, one)
            };
            let one = found
                .transition
                .as_ref()
                .map(|one| answer::transition(&mut terms, facts, one, &mut differ));
            answer::Map::default()
                .put(atoms::transitions(), one.encode(env))
                .put(atoms::unknown(), found.unknown.encode(env))
                .finish(env)
        })
        .map_err(|error| stored(&error))?;
    ok(env, answer)
}

/// From where, which way, and of whom.
struct Step {
    who: Option<Selector>,
    from: Option<u64>,
    way: Way,
}

impl Step {
    fn of(how: Term<'_>, rec: &Recording) -> Result<Self, Error> {
        let who = question::given(how, atoms::process()).map(|term| question::selector(term, rec));
        let from = question::given(how, atoms::from()).map(|term| term.decode());
        Ok(Self {
            who: who.transpose()?,
            from: from
                .transpose()
                .map_err(|_| fault("bad_query", "a step begins at the number of an event"))?,
            way: match question::given(how, atoms::order()) {
                Some(order) if question::is(order, atoms::desc()) => Way::Backward,
                _ => Way::Forward,
            },
        })
    }
}

/// What a transition must be.
struct Test {
    what: What,
    state: Option<Pattern>,
    message: Option<Pattern>,
    changed: Option<Vec<Value>>,
}

#[derive(PartialEq, Eq)]
enum What {
    Any,
    Handled,
    Changed,
    Crash,
}

impl Test {
    fn of(how: Term<'_>, rec: &Recording) -> Result<Self, Error> {
        let pattern = |key: Atom| {
            question::given(how, key)
                .map(|data| question::pattern(data, rec))
                .transpose()
        };
        let path = |list: Term<'_>| -> Result<Vec<Value>, Error> {
            let keys: Vec<Term<'_>> = list.decode().map_err(|_| fault("bad_query", "a path is a list"))?;
            keys.into_iter().map(|key| question::local(key, rec)).collect()
        };
        Ok(Self {
            what: match question::given(how, atoms::check()) {
                Some(what) if question::is(what, atoms::state()) => What::Changed,
                Some(what) if question::is(what, atoms::crash()) => What::Crash,
                Some(what) if question::is(what, atoms::message()) => What::Handled,
                _ => What::Any,
            },
            state: pattern(atoms::state())?,
            message: pattern(atoms::message())?,
            changed: question::given(how, atoms::changed()).map(path).transpose()?,
        })
    }

    fn judge(&self, timeline: &Timeline, one: &Transition) -> Verdict {
        let is = match self.what {
            What::Any => true,
            What::Handled => one.is_handling(),
            What::Changed => one.is_change(),
            What::Crash => matches!(one.outcome, Outcome::Crash(..)),
        };
        if !is {
            return Verdict::No;
        }
        let verdicts = [self.by_state(one), self.by_message(timeline, one), self.by_change(one)];
        if verdicts.contains(&Verdict::No) {
            Verdict::No
        } else if verdicts.contains(&Verdict::Unknown) {
            Verdict::Unknown
        } else {
            Verdict::Yes
        }
    }

    fn by_state(&self, one: &Transition) -> Verdict {
        match (&self.state, one.to.term()) {
            (None, _) => Verdict::Yes,
            (Some(pattern), Some(state)) => question::verdict(pattern, state.arena(), state.node()),
            (Some(_), None) => Verdict::No,
        }
    }

    fn by_message(&self, timeline: &Timeline, one: &Transition) -> Verdict {
        let Some(pattern) = &self.message else {
            return Verdict::Yes;
        };
        let mut verdict = Verdict::No;
        for term in [&one.raw, &one.message].into_iter().flatten() {
            for node in contents(timeline.words(), term.arena(), term.node()).iter() {
                match question::verdict(pattern, term.arena(), *node) {
                    Verdict::Yes => return Verdict::Yes,
                    Verdict::Unknown => verdict = Verdict::Unknown,
                    Verdict::No => {}
                }
            }
        }
        verdict
    }

    fn by_change(&self, one: &Transition) -> Verdict {
        let Some(keys) = &self.changed else { return Verdict::Yes };
        let (Some(from), Some(to)) = (one.from.term(), one.to.term()) else {
            return Verdict::No;
        };
        let there = |term: &beam_scope_core::timeline::TermRef| {
            path::at(term.arena(), term.node(), keys).map(|node| node.map(|node| term.arena().content_hash(node)))
        };
        match (there(from), there(to)) {
            (Ok(from), Ok(to)) if from == to => Verdict::No,
            (Ok(_), Ok(_)) => Verdict::Yes,
            _ => Verdict::Unknown,
        }
    }
}
