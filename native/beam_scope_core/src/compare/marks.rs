//! Terms that are others in every run by what they are: dates, timestamps, stacktraces, local functions.

use crate::term::arena::{Arena, Node, NodeId};
use crate::timeline::Words;

use super::clock::{unix_ns, Clock};

/// A `DateTime` or `NaiveDateTime` within the windows.
pub(super) fn is_date(words: &Words, clock: &Clock, arena: &Arena, id: NodeId) -> bool {
    const FIELDS: [&str; 6] = ["year", "month", "day", "hour", "minute", "second"];
    let (mut named, mut found) = (false, [None; 6]);
    for (key, value) in arena.map_iter(id) {
        let Node::Atom(key) = arena.node(key) else { return false };
        let Some(key) = words.text(key) else { return false };
        match arena.node(value) {
            Node::Atom(name) if &*key == "__struct__" => {
                let name = words.text(name);
                named = matches!(name.as_deref(), Some("Elixir.DateTime" | "Elixir.NaiveDateTime"));
                if !named {
                    return false;
                }
            }
            Node::Int(n) => {
                if let Some(at) = FIELDS.iter().position(|field| *field == &*key) {
                    found[at] = Some(n);
                }
            }
            _ => {}
        }
    }
    let [Some(y), Some(mo), Some(d), Some(h), Some(mi), Some(s)] = found else {
        return false;
    };
    named && unix_ns([y, mo, d, h, mi, s]).is_some_and(|ns| clock.is_within(ns))
}

/// `{MegaSeconds, Seconds, MicroSeconds}`, as `os:timestamp/0` has it.
pub(super) fn is_timestamp(arena: &Arena, kids: &[NodeId], clock: &Clock) -> bool {
    let [mega, second, micro] = *kids else { return false };
    let numbers = (arena.node(mega), arena.node(second), arena.node(micro));
    let (Node::Int(mega), Node::Int(second), Node::Int(micro)) = numbers else {
        return false;
    };
    let fits = mega > 0 && (0..1_000_000).contains(&second) && (0..1_000_000).contains(&micro);
    fits && clock
        .is_within(((i128::from(mega) * 1_000_000 + i128::from(second)) * 1_000_000 + i128::from(micro)) * 1_000)
}

/// `[{Module, Function, Arity, Location}, …]`
pub(super) fn is_stacktrace(arena: &Arena, list: NodeId) -> bool {
    let Some(Node::Tuple(&[m, f, _, location])) = arena.list_get(list, 0).map(|entry| arena.node(entry)) else {
        return false;
    };
    matches!(
        (arena.node(m), arena.node(f), arena.node(location)),
        (Node::Atom(_), Node::Atom(_), Node::List { .. })
    )
}

/// `#Fun<Elixir.Counter.3.105768164>`: the numbers change with every change of the module.
pub(super) fn fun_module(text: &str) -> &str {
    let inner = text.strip_prefix("#Fun<").and_then(|rest| rest.strip_suffix('>'));
    let Some(inner) = inner else { return text };
    inner.trim_end_matches(|c: char| c == '.' || c.is_ascii_digit())
}
