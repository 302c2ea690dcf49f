//! Of messages.

use crate::infer::calls::Call;
use crate::infer::candidate::{Property, Reply, Tag};
use crate::infer::chance;
use crate::infer::follows::{Effect, Link};
use crate::term::Value;

use super::Choice;

impl Choice<'_> {
    pub(super) fn mail(&mut self) {
        let role = self.role;
        if !role.calls.vague {
            for call in &role.calls.list {
                if let Some(in_time) = call.answered() {
                    self.answered(call, in_time);
                }
            }
        }
        let links = &role.follows.links;
        for (at, link) in links.iter().enumerate().filter(|(_, link)| link.holds()) {
            let better = links
                .iter()
                .enumerate()
                .any(|(other, one)| beats((other, one), (at, link)));
            if let (Some(ends), false) = (role.follows.ends(link), better) {
                self.follows(link, ends);
            }
        }
    }

    fn answered(&mut self, call: &Call, in_time: bool) {
        let n = call.answered;
        let property = |reply| Property::Answered {
            call: call.tag,
            reply,
            by_itself: !call.by_others,
            in_time,
        };
        let alike = reply(call).is_some_and(|reply| self.propose(property(Some(reply)), n, chance::alike(n)));
        if !alike {
            self.propose(property(None), n, chance::halves(n));
        }
    }

    fn follows(&mut self, link: &Link, (cause, effect): (Tag, &Effect)) {
        for caused in [false, true] {
            let property = Property::Follows {
                cause,
                effect: effect.tag,
                to: effect.to,
                by: link.by.map(|(i, j)| (i + 1, j + 1)),
                caused,
                in_time: link.open_at_end,
            };
            self.propose(property, link.n, link.ln_chance());
        }
    }
}

/// What all answers have in common.
fn reply(call: &Call) -> Option<Reply> {
    let value = call.value.as_ref().filter(|value| !has_map(value));
    let value = value.map(|value| Reply::Constant(value.clone()));
    value.or(call.kind.map(Reply::Tagged)).or(call.sort.map(Reply::Sort))
}

/// A map in a pattern stands for any that has as much.
fn has_map(value: &Value) -> bool {
    match value {
        Value::Map(_) => true,
        Value::List(items) | Value::Tuple(items) => items.iter().any(has_map),
        _ => false,
    }
}

/// Whether another link between the same kinds says more.
fn beats((other, one): (usize, &Link), (at, link): (usize, &Link)) -> bool {
    let same = other != at && one.holds() && (one.cause, one.effect) == (link.cause, link.effect);
    if !same {
        return false;
    }
    match (one.by, link.by) {
        (Some(_), None) => true,
        (None, _) => false,
        _ => (one.ln_chance(), other) < (link.ln_chance(), at),
    }
}
