//! Two recordings side by side, for `BeamScope.compare/3`.

use std::sync::Arc;

use beam_scope_core::compare::{self, CompareError, Evidence, Given, Matcher, Noise, Options, Window};
use beam_scope_core::term::arena::{Arena, NodeId};
use beam_scope_core::timeline::{Selector, Timeline};
use rustler::{Env, Error, ResourceArc, Term};

use crate::answer::question::{pattern, selector, verdict};
use crate::answer::{comparison, stored};
use crate::decode::Origin;
use crate::fault::{fault, ok, Answer};
use crate::maps::{get, invalid, name, optional, required};
use crate::resource::{self, Handle};

/// What differs between two recordings: `{:ok, comparison}`, see [`comparison`]. `options` is
/// `%{given: [%{text, first, second, unless_named}], only: [text], ignore: [text], names: [atom], families: [text],
/// days: [{ns, ns}], monotonic: [{ns, ns}], messages: [pattern], cut: {boolean, boolean}, focus: text | nil}`.
#[rustler::nif(schedule = "DirtyCpu", name = "compare")]
fn compare_two<'a>(env: Env<'a>, first: Term<'a>, second: Term<'a>, options: Term<'a>) -> Answer<'a> {
    let recs = [resource::recording(first)?, resource::recording(second)?];
    let timelines = [recs[0].timeline()?, recs[1].timeline()?];
    let cut: (bool, bool) = required(options, "cut")?;
    let evidence = [
        evidence(&recs[0], &timelines[0], cut.0, options)?,
        evidence(&recs[1], &timelines[1], cut.1, options)?,
    ];
    let asked = asked(&recs, options)?;
    let found = compare::compare([&evidence[0], &evidence[1]], &asked).map_err(|error| match error {
        CompareError::Store(error) => stored(&error),
        CompareError::NoSuchRole(role) => fault("no_such_role", role),
    })?;
    let origins: [&dyn Origin; 2] = [recs[0].origin(), recs[1].origin()];
    ok(env, comparison::term(env, &found, &origins))
}

fn evidence<'t>(
    rec: &ResourceArc<Handle>,
    timeline: &'t Arc<Timeline>,
    cut: bool,
    options: Term<'_>,
) -> Result<Evidence<'t>, Error> {
    let patterns: Vec<Term<'_>> = required(options, "messages")?;
    let ignore = patterns.into_iter().map(|data| {
        let pattern = pattern(data, &rec.shared.store)?;
        Ok(Arc::new(move |arena: &Arena, node: NodeId| verdict(&pattern, arena, node)) as Matcher)
    });
    Ok(Evidence {
        timeline,
        cut,
        ignore: ignore.collect::<Result<Vec<Matcher>, Error>>()?,
    })
}

fn asked(recs: &[ResourceArc<Handle>; 2], options: Term<'_>) -> Result<Options, Error> {
    let names: Vec<Term<'_>> = required(options, "names")?;
    let names = names.into_iter().map(|term| name(term).ok_or_else(|| invalid("names")));
    let given: Vec<Term<'_>> = required(options, "given")?;
    Ok(Options {
        given: given
            .into_iter()
            .map(|one| role(recs, one))
            .collect::<Result<_, Error>>()?,
        only: texts(options, "only")?,
        ignore: texts(options, "ignore")?,
        noise: Noise {
            names: names
                .map(|text| text.map(String::into_boxed_str))
                .collect::<Result<_, Error>>()?,
            families: texts(options, "families")?,
        },
        days: required::<Vec<Window>>(options, "days")?,
        monotonic: required::<Vec<Window>>(options, "monotonic")?,
        focus: optional::<String>(options, "focus")?.map(String::into_boxed_str),
    })
}

fn texts(options: Term<'_>, key: &'static str) -> Result<Vec<Box<str>>, Error> {
    let texts: Vec<String> = required(options, key)?;
    Ok(texts.into_iter().map(String::into_boxed_str).collect())
}

fn role(recs: &[ResourceArc<Handle>; 2], one: Term<'_>) -> Result<Given, Error> {
    let who = |rec: &ResourceArc<Handle>, key| -> Result<Option<Selector>, Error> {
        get(one, key).map(|who| selector(who, &rec.shared.store)).transpose()
    };
    Ok(Given {
        text: required::<String>(one, "text")?.into_boxed_str(),
        who: [who(&recs[0], "first")?, who(&recs[1], "second")?],
        unless_named: required(one, "unless_named")?,
    })
}
