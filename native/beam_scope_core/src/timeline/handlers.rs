//! gen_event: the state of the process is a list of handlers, and people think of each handler's own state.

use crate::term::arena::Node;
use crate::term::Value;

use super::shape::{tuple, word, TransitionKind};
use super::term_ref::TermRef;
use super::transition::{Known, Transition};
use super::words::{Word, Words};

/// One handler out of gen_event's list: the record `{handler, Module, Id, State, Supervised}`.
#[derive(Clone, Debug)]
struct Handler {
    name: TermRef,
    state: TermRef,
}

fn handlers(words: &Words, list: &TermRef) -> Option<Vec<Handler>> {
    let arena = list.arena();
    let Node::List { .. } = arena.node(list.node()) else {
        return None;
    };
    let one = |node| match *tuple(arena, node) {
        [tag, module, id, state, _] if word(words, arena, tag) == Some(Word::Handler) => {
            let name = TermRef::tuple(&[&list.at(module), &list.at(id)]);
            Some(Handler {
                name,
                state: list.at(state),
            })
        }
        _ => None,
    };
    arena.list_iter(list.node()).map(one).collect()
}

/// The list as `sys:get_state/1` would show it: `[{Module, Id, State}]`.
#[must_use]
pub(super) fn present(words: &Words, state: &TermRef) -> Option<TermRef> {
    let shown = |handler: &Handler| match handler.name.to_value() {
        Value::Tuple(mut parts) => {
            parts.push(handler.state.to_value());
            Value::Tuple(parts)
        }
        other => other,
    };
    let list = handlers(words, state)?;
    Some(TermRef::of(&Value::List(list.iter().map(shown).collect())))
}

/// One transition for each handler that was there before or is there after.
pub(super) fn split(words: &Words, whole: Transition, out: &mut Vec<Transition>) {
    let list = |known: &Known| known.term().and_then(|term| handlers(words, term));
    let (before, after) = (list(&whole.from), list(&whole.to));
    let Some(all) = merged(before.as_deref(), after.as_deref()) else {
        out.push(whole);
        return;
    };
    for name in all {
        let state = |list: &Option<Vec<Handler>>| {
            let found = list.iter().flatten().find(|handler| handler.name.same(&name));
            found.map_or(Known::Unknown, |handler| Known::Is(handler.state.clone()))
        };
        let mut one = whole.clone();
        (one.from, one.to) = (state(&before), state(&after));
        one.kind = kind_of(&one, before.is_some(), after.is_some());
        one.handler = Some(name);
        out.push(one);
    }
}

fn kind_of(one: &Transition, before_known: bool, after_known: bool) -> TransitionKind {
    match (&one.from, &one.to) {
        (Known::Unknown, Known::Is(_)) if before_known => TransitionKind::Init,
        (Known::Is(_), Known::Unknown) if after_known => TransitionKind::End,
        _ => one.kind,
    }
}

/// The handlers' names: those after, then those that were there only before. `None` when there are none at all.
fn merged(before: Option<&[Handler]>, after: Option<&[Handler]>) -> Option<Vec<TermRef>> {
    let mut names: Vec<TermRef> = after
        .unwrap_or_default()
        .iter()
        .map(|handler| handler.name.clone())
        .collect();
    for handler in before.unwrap_or_default() {
        if !names.iter().any(|name| name.same(&handler.name)) {
            names.push(handler.name.clone());
        }
    }
    (!names.is_empty()).then_some(names)
}
