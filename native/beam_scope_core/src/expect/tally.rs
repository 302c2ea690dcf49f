//! Checks of one step: how many match, and whether each does.

use std::collections::HashSet;

use crate::pattern::Answer;
use crate::store::TrackId;

use super::check::Rule;
use super::finding::Verdict;
use super::plan::{CheckPlan, Lens};
use super::subject::{Happened, Place, Stage};

/// What has been counted so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) count: u64,
    pub(super) seen: u64,
    pub(super) unknown: u64,
    pub(super) first: Option<Place>,
    pub(super) violation: Option<Place>,
    /// The first that could not be decided.
    pub(super) doubt: Option<Place>,
    crashes: Crashes,
}

/// Processes whose crash has matched as their last transition told it: their exit tells it again.
#[derive(Debug, Default)]
pub(super) struct Crashes(HashSet<TrackId>);

impl Crashes {
    /// Whether this is the exit of a process whose crash has matched.
    pub(super) fn is_known(&mut self, happened: &Happened<'_>) -> bool {
        happened.again && self.0.remove(&happened.place.track)
    }

    pub(super) fn note(&mut self, happened: &Happened<'_>) {
        if happened.place.by_transition && happened.place.what == super::check::What::Crashed {
            self.0.insert(happened.place.track);
        }
    }
}

impl Tally {
    /// Takes the next thing that is of the check's kind.
    pub(super) fn take(&mut self, plan: &CheckPlan, at: usize, lens: &Lens<'_>, happened: &Happened<'_>) {
        if self.crashes.is_known(happened) {
            return;
        }
        let every = match plan.rule {
            Rule::Every { negate } => Some(!negate),
            _ => None,
        };
        // Of a call that has not ended nobody can say that it will not end as it should.
        if every == Some(true) && (happened.stage == Stage::Open || happened.again) {
            return;
        }
        let scope = lens.scope(at).map(|scope| happened.content.ask_message(scope));
        let in_scope = scope.as_ref().map_or(Answer::Yes, |scope| scope.answer);
        if in_scope == Answer::No {
            return;
        }
        let prepared = lens.step(at, 0);
        let answer = match scope {
            Some(scope) => happened.content.ask(prepared, &scope.given()).answer,
            None => happened.content.answer(prepared),
        };
        self.seen += u64::from(!happened.again && in_scope == Answer::Yes);
        if answer == Answer::Yes && in_scope == Answer::Yes {
            self.crashes.note(happened);
        }
        self.judge(every, in_scope, answer, happened.place);
        self.limit(plan, happened.place);
    }

    fn judge(&mut self, every: Option<bool>, in_scope: Answer, answer: Answer, place: Place) {
        let wanted = every != Some(false);
        match (in_scope, answer) {
            (Answer::Yes, Answer::Yes) => {
                self.count += 1;
                self.first.get_or_insert(place);
                if !wanted {
                    self.violation.get_or_insert(place);
                }
            }
            (Answer::Yes, Answer::No) if every == Some(true) => {
                self.violation.get_or_insert(place);
            }
            (_, Answer::Unknown(_)) => self.doubt(place),
            // Whether it counts at all is not known; that matters where it would.
            (Answer::Unknown(_), Answer::Yes) if every != Some(true) => self.doubt(place),
            (Answer::Unknown(_), Answer::No) if every == Some(true) => self.doubt(place),
            _ => {}
        }
    }

    fn doubt(&mut self, place: Place) {
        self.unknown += 1;
        self.doubt.get_or_insert(place);
    }

    fn limit(&mut self, plan: &CheckPlan, place: Place) {
        if let Rule::Count { max: Some(max), .. } = plan.rule {
            if self.count > max {
                self.violation.get_or_insert(place);
            }
        }
    }

    /// Whether more events cannot change the answer.
    pub(super) fn decided(&self, plan: &CheckPlan) -> Option<Verdict> {
        match plan.rule {
            _ if self.violation.is_some() => Some(Verdict::Broken),
            Rule::Count {
                min: Some(min),
                max: None,
            } if self.count >= min => Some(Verdict::Held),
            _ => None,
        }
    }

    /// The answer when nothing more comes.
    pub(super) fn verdict(&self, plan: &CheckPlan, lost: bool) -> Verdict {
        let lost = lost && !cfg!(mutant = "expect_never_ignores_gaps");
        let (min, max) = match plan.rule {
            Rule::Count { min, max } => (min.unwrap_or(0), max),
            _ => (0, Some(0)),
        };
        let most = self.count + self.unknown;
        let hangs = match plan.rule {
            Rule::Count { .. } => self.count < min && most >= min || max.is_some_and(|max| most > max),
            _ => self.unknown > 0,
        };
        match () {
            () if self.violation.is_some() => Verdict::Broken,
            () if self.count >= min && max.is_none() => self.held(),
            () if hangs => Verdict::Unknown,
            () if lost => Verdict::Gap,
            () if self.seen == 0 => Verdict::Empty,
            () if self.count < min => Verdict::Broken,
            () => Verdict::Held,
        }
    }

    const fn held(&self) -> Verdict {
        if self.seen == 0 {
            Verdict::Empty
        } else {
            Verdict::Held
        }
    }
}
