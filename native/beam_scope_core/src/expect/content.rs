//! What a pattern is asked of, by what happened.

use crate::event::EventKind;
use crate::pattern::{Answer, Asked, Given, Part, Prepared};
use crate::query::plan::{contents, Contents};
use crate::store::EventRow;
use crate::term::arena::{Arena, NodeId};
use crate::timeline::{term, Outcome, TermRef, Transition, TransitionKind, Words};

use super::check::What;
use super::crash::inner_reason;
use super::subject::Subject;

/// What a step's pattern is asked of.
#[derive(Debug)]
pub(crate) enum Content<'v> {
    /// Any of these nodes.
    Message(&'v Arena, Contents),
    /// Arguments and value.
    Call([Part<'v>; 2]),
    /// The state.
    State(Part<'v>),
    /// State before and after, and the message in each of its forms.
    Step([Part<'v>; 2], [Part<'v>; 2]),
    /// The reason in each of its forms.
    Reason([Part<'v>; 2]),
}

impl<'v> Content<'v> {
    /// The message of a send or receive.
    pub(super) fn message(words: &Words, arena: &'v Arena, row: &EventRow) -> Option<Self> {
        let at = usize::from(row.kind != EventKind::Receive);
        let message = term(row, at)?;
        Some(Self::Message(arena, contents(words, arena, message)))
    }

    /// The parts of a transition. After the end of a process there is no state; before its first there is none either.
    pub(super) fn step(transition: &'v Transition) -> Self {
        let begins = transition.kind == TransitionKind::Init;
        let ends = matches!(transition.outcome, Outcome::Stop(_) | Outcome::Crash(..));
        let without = |absent: bool| if absent { Part::Absent } else { Part::Unknown };
        let from = transition.from.term().map_or(without(begins), part);
        let to = transition.to.term().map_or(without(ends), part);
        let message = transition.message.as_ref().map_or(Part::Absent, part);
        let raw = transition.raw.as_ref().map_or(message, part);
        Self::Step([from, to], [raw, message])
    }

    /// A reason as it is, and without the stacktrace that an error's reason has.
    pub(super) fn reason(arena: &'v Arena, reason: NodeId) -> Self {
        let inner = inner_reason(arena, reason);
        Self::Reason([Part::Term(arena, reason), Part::Term(arena, inner)])
    }

    /// Of something that was looked up.
    pub(super) fn of(words: &Words, subject: &'v Subject) -> Option<Self> {
        match subject {
            Subject::Transition { what, transition } => match (what, &transition.outcome) {
                (What::State, _) => transition.to.term().map(|state| Self::State(part(state))),
                (What::Crashed, Outcome::Crash(_, reason)) => Some(Self::reason(reason.arena(), reason.node())),
                _ => Some(Self::step(transition)),
            },
            Subject::Event { what, hit, end } => {
                let (arena, row) = (&hit.view.arena, &hit.row);
                match what {
                    What::Called => {
                        let value = end.as_ref().filter(|end| end.row.kind == EventKind::Return);
                        let value = value.and_then(|end| Some(Part::Term(&end.view.arena, term(&end.row, 3)?)));
                        let args = Part::Term(arena, term(row, 2)?);
                        Some(Self::Call([args, value.unwrap_or(Part::Absent)]))
                    }
                    What::Crashed | What::Exited => Some(Self::reason(arena, term(row, 0)?)),
                    _ => Self::message(words, arena, row),
                }
            }
        }
    }

    /// Asks a step's pattern.
    pub(super) fn ask<'b>(&'b self, prepared: &'b Prepared<'_>, given: &Given<'b>) -> Asked<'b> {
        match self {
            Self::Message(arena, contents) => best(contents, |node| prepared.ask_part(Part::Term(arena, *node), given)),
            Self::Call(parts) => prepared.ask_parts(parts, given),
            Self::State(state) => prepared.ask_part(*state, given),
            Self::Step([from, to], messages) => best(forms(messages), |message| {
                prepared.ask_parts(&[*from, *to, *message], given)
            }),
            Self::Reason(reasons) => best(forms(reasons), |reason| prepared.ask_part(*reason, given)),
        }
    }

    /// Asks a step's pattern of each form that there is: those that may match. A guard that hangs on another step may hold for
    /// one form and not for another, and so may a variable that they share.
    pub(super) fn ask_forms<'b>(&'b self, prepared: &'b Prepared<'_>) -> Vec<Asked<'b>> {
        let given = Given::default();
        let may = |one: &Asked<'_>| one.answer != Answer::No;
        // Most match in no form, and nothing is allocated for those.
        match self {
            Self::Message(arena, contents) => {
                let ask = |node: &NodeId| prepared.ask_part(Part::Term(arena, *node), &given);
                contents.iter().map(ask).filter(may).collect()
            }
            Self::Step([from, to], messages) => {
                let ask = |message: &Part<'b>| prepared.ask_parts(&[*from, *to, *message], &given);
                forms(messages).iter().map(ask).filter(may).collect()
            }
            Self::Reason(reasons) => {
                let ask = |reason: &Part<'b>| prepared.ask_part(*reason, &given);
                forms(reasons).iter().map(ask).filter(may).collect()
            }
            Self::Call(_) | Self::State(_) => Some(self.ask(prepared, &given)).into_iter().filter(may).collect(),
        }
    }

    /// Whether it matches, where nobody wants to know with which variables.
    pub(super) fn answer(&self, prepared: &Prepared<'_>) -> Answer {
        let any = |answers: &mut dyn Iterator<Item = Answer>| {
            let better = |one: Answer, other: Answer| match (one, other) {
                (Answer::No, other) | (_, other @ Answer::Yes) => other,
                (one, _) => one,
            };
            answers.fold(Answer::No, better)
        };
        match self {
            Self::Message(arena, contents) => {
                any(&mut contents.iter().map(|node| prepared.answer(Part::Term(arena, *node))))
            }
            Self::State(state) => prepared.answer(*state),
            Self::Reason(reasons) => any(&mut forms(reasons).iter().map(|reason| prepared.answer(*reason))),
            Self::Call(_) | Self::Step(..) => self.ask(prepared, &Given::default()).answer,
        }
    }

    /// How near it comes to a step's pattern.
    pub(super) fn nearness<'b>(&'b self, prepared: &'b Prepared<'_>, given: &Given<'b>) -> u32 {
        let most = |scores: &mut dyn Iterator<Item = u32>| scores.max().unwrap_or(0);
        match self {
            Self::Message(arena, contents) => most(
                &mut contents
                    .iter()
                    .map(|node| prepared.nearness(Part::Term(arena, *node), given)),
            ),
            Self::Call(parts) => prepared.nearness_of_parts(parts, given),
            Self::State(state) => prepared.nearness(*state, given),
            Self::Step([from, to], messages) => {
                let of = |message: &Part<'b>| prepared.nearness_of_parts(&[*from, *to, *message], given);
                most(&mut forms(messages).iter().map(of))
            }
            Self::Reason(reasons) => most(&mut forms(reasons).iter().map(|reason| prepared.nearness(*reason, given))),
        }
    }

    /// Asks a pattern of a transition's message alone.
    pub(super) fn ask_message<'b>(&'b self, prepared: &'b Prepared<'_>) -> Asked<'b> {
        let absent: &[Part<'_>] = &[Part::Absent];
        let messages = match self {
            Self::Step(_, messages) => forms(messages),
            _ => absent,
        };
        let given = Given::default();
        best(messages, |message| prepared.ask_part(*message, &given))
    }
}

/// A term of the recording.
pub(super) fn part(term: &TermRef) -> Part<'_> {
    Part::Term(term.arena(), term.node())
}

/// One form where both are the same.
fn forms<'p, 'v>(both: &'p [Part<'v>; 2]) -> &'p [Part<'v>] {
    match both {
        [Part::Term(a, i), Part::Term(b, j)] if i != j || !std::ptr::eq(*a, *b) => both,
        _ => &both[..1],
    }
}

/// The first form that matches; else one that cannot be decided; else none does.
fn best<'b, T: 'b>(forms: &'b [T], mut ask: impl FnMut(&'b T) -> Asked<'b>) -> Asked<'b> {
    let mut found: Option<Asked<'b>> = None;
    for form in forms {
        let asked = ask(form);
        let better = match &found {
            None => true,
            Some(before) => before.answer == Answer::No || asked.answer == Answer::Yes,
        };
        if better {
            found = Some(asked);
        }
        if found.as_ref().is_some_and(|found| found.answer == Answer::Yes) {
            break;
        }
    }
    found.expect("there is always one form")
}
