//! What came nearest to what is missing: a second pass, on behalf of the checks that found too little.

use std::sync::Arc;

use crate::pattern::{Answer, Given, Prepared};
use crate::store::StoreError;
use crate::term::arena::Arena;
use crate::timeline::view::Inner;
use crate::timeline::{Timeline, Words};

use super::check::{Rule, What};
use super::content::Content;
use super::feed::{Feed, Sink};
use super::finding::{Finding, Verdict};
use super::plan::{CheckPlan, Lens, Plan};
use super::subject::{Happened, Place, Stage, Subject};

/// A step that lacks something.
struct Probe<'p> {
    check: usize,
    step: usize,
    given: Given<'p>,
    /// Between which events what is missing should have been.
    after: Option<u64>,
    before: Option<u64>,
    best: Option<(u32, Place)>,
}

/// What is known of what is missing.
struct Lack<'f> {
    step: usize,
    /// What the other steps have matched.
    matched: Vec<(usize, &'f Subject)>,
    after: Option<u64>,
    before: Option<u64>,
}

/// For each check that lacks something: what came nearest to it.
pub(super) fn nearest(
    plan: &Plan,
    findings: &[Finding],
    timeline: &Timeline,
    inner: &Inner,
) -> Result<Vec<(usize, Place)>, StoreError> {
    let nowhere = Arena::new();
    let words = timeline.words();
    let lacks: Vec<(usize, Lack<'_>)> = findings
        .iter()
        .enumerate()
        .filter_map(|(check, finding)| Some((check, lack(&plan.checks[check], finding)?)))
        .collect();
    if lacks.is_empty() {
        return Ok(Vec::new());
    }
    let known: Vec<Known<'_>> = lacks
        .iter()
        .map(|(check, lack)| Known::new(words, &plan.checks[*check], lack, &nowhere))
        .collect();
    let probes = lacks.iter().zip(&known).map(|((check, lack), known)| Probe {
        check: *check,
        step: lack.step,
        given: known.given(),
        after: lack.after,
        before: lack.before,
        best: None,
    });
    let mut probes: Vec<Probe<'_>> = probes.collect();
    pass(plan, timeline, inner, &mut probes)?;
    let found = probes.iter().filter_map(|probe| Some((probe.check, probe.best?.1)));
    Ok(found.collect())
}

fn lack<'f>(plan: &CheckPlan, finding: &'f Finding) -> Option<Lack<'f>> {
    let missing = matches!(finding.verdict, Verdict::Broken | Verdict::Gap) && finding.nearest.is_none();
    let mut lack = Lack {
        step: 0,
        matched: Vec::new(),
        after: None,
        before: None,
    };
    match plan.rule {
        _ if !missing => None,
        Rule::Count { min, .. } => (finding.count < min.unwrap_or(0)).then_some(lack),
        Rule::Every { .. } | Rule::Excludes { .. } => None,
        Rule::Flow => {
            lack.step = finding.failed_step?;
            let steps = finding.steps.iter().enumerate().take(lack.step);
            lack.matched = steps
                .filter_map(|(step, subject)| Some((step, subject.as_ref()?)))
                .collect();
            Some(lack)
        }
        Rule::LeadsTo { .. } | Rule::Precedes { .. } | Rule::Causality { .. } => {
            lack.step = finding.failed_step?;
            let violation = finding.violation.as_ref()?;
            lack.matched = vec![(1 - lack.step, violation)];
            let seq = Some(violation.seq());
            if lack.step == 1 {
                lack.after = seq;
                lack.before = finding.steps.get(2).and_then(|by| by.as_ref()).map(Subject::seq);
            } else {
                lack.before = seq;
            }
            Some(lack)
        }
    }
}

/// What the steps that have matched bind.
struct Known<'f> {
    matched: Vec<(Content<'f>, Prepared<'f>)>,
}

impl<'f> Known<'f> {
    fn new(words: &Words, plan: &'f CheckPlan, lack: &Lack<'f>, nowhere: &'f Arena) -> Self {
        let matched = lack.matched.iter().filter_map(|(step, subject)| {
            let pattern = &plan.steps[*step].step.pattern;
            Some((Content::of(words, subject)?, pattern.prepare(nowhere)))
        });
        Self {
            matched: matched.collect(),
        }
    }

    fn given(&self) -> Given<'_> {
        let mut given = Given::default();
        for (content, prepared) in &self.matched {
            let asked = content.ask(prepared, &given);
            given.add(asked.given());
        }
        given
    }
}

fn pass(plan: &Plan, timeline: &Timeline, inner: &Inner, probes: &mut [Probe<'_>]) -> Result<(), StoreError> {
    let mut feed = Feed::new(Arc::clone(timeline.words()));
    for chunk in &inner.index.chunks {
        let view = match timeline.recording().view(&chunk.chunk) {
            Err(StoreError::Evicted) => continue,
            view => view?,
        };
        feed.next_reading();
        let mut probing = Probing {
            plan,
            lens: Lens::new(plan, &view),
            probes: &mut *probes,
        };
        for row in chunk.rows_from(&view, 0) {
            feed.row(plan, inner, &view, row, &mut probing);
        }
    }
    Ok(())
}

/// A chunk being read on behalf of all probes.
struct Probing<'a, 'p> {
    plan: &'a Plan,
    lens: Lens<'a>,
    probes: &'a mut [Probe<'p>],
}

impl Sink for Probing<'_, '_> {
    fn take(&mut self, happened: &Happened<'_>) {
        for (check, step) in self.plan.asked(happened) {
            let of_step = |probe: &&mut Probe<'_>| probe.check == check && probe.step == step;
            for probe in self.probes.iter_mut().filter(of_step) {
                probe.take(&self.lens, happened);
            }
        }
    }
}

impl Probe<'_> {
    fn take(&mut self, lens: &Lens<'_>, happened: &Happened<'_>) {
        let seq = happened.place.seq;
        let outside = self.after.is_some_and(|after| seq <= after) || self.before.is_some_and(|before| seq >= before);
        if outside || happened.stage == Stage::Open {
            return;
        }
        let prepared = lens.step(self.check, self.step);
        let given = self.given.clone();
        let content = &happened.content;
        let near = content.nearness(prepared, &given);
        // Of states the last that came so near tells more, of messages the first.
        let later_wins = matches!(happened.place.what, What::State | What::Transition);
        let better = self
            .best
            .is_none_or(|(best, _)| near > best || later_wins && near == best);
        if near > 0 && better && content.ask(prepared, &given).answer != Answer::Yes {
            self.best = Some((near, happened.place));
        }
    }
}
