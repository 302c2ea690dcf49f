//! Redaction rules as they come from Elixir (`BeamScope.Recorder.Redaction.data/1`).

use std::sync::Arc;

use beam_scope_core::redact::{Expression, Flags};
use rustler::{Error, ListIterator, Term};

use crate::encode::secret::{ValueRule, Wanted};
use crate::fault::fault;
use crate::maps::{invalid, name};
use crate::vm;

/// Rules: atoms and strings, `{:regex, source, options}`, `{:field, module, field}`, `{:pattern, head, guard}`.
pub(crate) fn wanted(rules: Term<'_>) -> Result<Wanted, Error> {
    let rules: ListIterator<'_> = rules.decode().map_err(|_| invalid("redact"))?;
    let mut wanted = Wanted::default();
    for rule in rules {
        add(&mut wanted, rule).map_err(|why| fault("invalid_rule", why))?;
    }
    Ok(wanted)
}

fn add(wanted: &mut Wanted, rule: Term<'_>) -> Result<(), String> {
    if let Some(word) = name(rule).or_else(|| rule.decode::<String>().ok()) {
        wanted.words.push(word);
        return Ok(());
    }
    let (kind, first, second): (Term<'_>, Term<'_>, Term<'_>) = rule.decode().map_err(|_| "it is no rule")?;
    match name(kind).as_deref() {
        Some("regex") => wanted.expressions.push(Arc::new(expression(first, second)?)),
        Some("field") if first.is_atom() && second.is_atom() => {
            let word = |term: Term<'_>| vm::word(term.as_c_arg());
            wanted.fields.push((word(first), word(second)));
        }
        Some("pattern") => wanted.values.push(Arc::new(ValueRule::new(rule.as_c_arg())?)),
        _ => return Err("it is no rule".to_owned()),
    }
    Ok(())
}

fn expression(source: Term<'_>, options: Term<'_>) -> Result<Expression, String> {
    let source: String = source.decode().map_err(|_| "its source is no UTF-8")?;
    let options: ListIterator<'_> = options.decode().map_err(|_| "its options are no list")?;
    let mut flags = Flags::default();
    for option in options {
        match name(option).as_deref() {
            Some("caseless") => flags.caseless = true,
            Some("multiline") => flags.multiline = true,
            Some("dotall") => flags.dotall = true,
            Some("extended") => flags.extended = true,
            Some("unicode" | "ucp") => flags.unicode = true,
            // How much is matched does not matter, nor how the VM keeps it.
            Some("ungreedy" | "export") => {}
            other => return Err(format!("its option {}", other.unwrap_or("that is no atom"))),
        }
    }
    Expression::new(&source, flags).map_err(|refused| refused.0)
}
