//! What roles are called: a name that is the same in every run, as text.

use crate::infer::atoms::Atoms;
use crate::term::{AtomId, Value};

use super::roles::{RoleKey, RoleTable, What};

/// As deep as a supervision tree is told; one that starts itself again and again is cut.
const MOST_DEPTH: usize = 16;

/// The text of a role.
pub(super) fn text(table: &RoleTable, atoms: &Atoms, role: usize) -> String {
    let mut parts = Vec::new();
    let mut next = Some(role);
    while let Some(key) = next.and_then(|role| table.keys.get(role)) {
        let (part, parent) = match key {
            RoleKey::Given(at) => (
                table.given.get(*at).map_or_else(String::new, |text| text.to_string()),
                None,
            ),
            RoleKey::Name(name) => (value(atoms, name), None),
            RoleKey::Child { parent, what, nth } => (child(atoms, what, *nth), *parent),
        };
        parts.push(part);
        if parts.len() == MOST_DEPTH {
            parts.push("…".to_owned());
            break;
        }
        next = parent;
    }
    parts.reverse();
    parts.join("/")
}

/// The first of a kind has no number: it keeps its name when another comes.
fn child(atoms: &Atoms, what: &What, nth: u32) -> String {
    let base = match what {
        What::Id(id) => value(atoms, id),
        What::Module(module) => atom(atoms.text(*module)),
        What::Call(module, function, arity) => {
            format!("{}.{}/{arity}", atom(atoms.text(*module)), atoms.text(*function))
        }
        What::Task => "Task".to_owned(),
        What::Agent => "Agent".to_owned(),
        What::Process => "process".to_owned(),
    };
    if nth <= 1 {
        base
    } else {
        format!("{base} {nth}")
    }
}

/// A name as Elixir writes it. Names are small.
pub(super) fn value(atoms: &Atoms, value: &Value) -> String {
    match value {
        Value::Atom(id) => atom_of(atoms, *id),
        Value::Int(n) => n.to_string(),
        Value::Binary(bytes) => format!("{:?}", String::from_utf8_lossy(bytes)),
        Value::Tuple(items) => format!("{{{}}}", all(atoms, items)),
        Value::List(items) => format!("[{}]", all(atoms, items)),
        _ => "…".to_owned(),
    }
}

fn all(atoms: &Atoms, items: &[Value]) -> String {
    let texts: Vec<String> = items.iter().map(|item| value(atoms, item)).collect();
    texts.join(", ")
}

fn atom_of(atoms: &Atoms, id: AtomId) -> String {
    atom(atoms.text(id))
}

/// `Elixir.A.B` is `A.B`, `foo` is `:foo`, anything else is quoted.
pub(super) fn atom(text: &str) -> String {
    let word = |text: &str| {
        let body = text.strip_suffix(['?', '!']).unwrap_or(text);
        body.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && body.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '@')
    };
    let alias = |text: &str| {
        let part = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_uppercase())
                && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        text.split('.').all(part)
    };
    match text.strip_prefix("Elixir.") {
        Some(rest) if alias(rest) => rest.to_owned(),
        _ if matches!(text, "nil" | "true" | "false") => text.to_owned(),
        None if word(text) => format!(":{text}"),
        _ => format!(":{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::atom;

    #[test]
    fn atoms_are_written_as_elixir_does() {
        let cases = [
            ("Elixir.My.App", "My.App"),
            ("foo", ":foo"),
            ("ok?", ":ok?"),
            ("a b", ":\"a b\""),
            ("Elixir.my", ":\"Elixir.my\""),
            ("nil", "nil"),
            ("node@host", ":node@host"),
        ];
        for (text, written) in cases {
            assert_eq!(atom(text), written);
        }
    }
}
