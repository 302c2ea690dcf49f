//! Likely invariants, for `BeamScope.infer/2`.

use std::sync::Arc;

use beam_scope_core::infer::{self, Evidence, Options};
use beam_scope_core::timeline::Timeline;
use rustler::{Env, Error, ResourceArc, Term};

use crate::answer::inference::Found;
use crate::answer::stored;
use crate::decode::Origin;
use crate::fault::{ok, Answer};
use crate::maps::{invalid, name, required};
use crate::resource::{self, Handle};

/// What held in all of these recordings: `{:ok, inference}`, see [`Found`]. `options` is
/// `%{chance: float, only: [name_or_module]}`.
#[rustler::nif(schedule = "DirtyCpu", name = "infer")]
fn infer_from<'a>(env: Env<'a>, recs: Vec<Term<'a>>, options: Term<'a>) -> Answer<'a> {
    let recs: Vec<ResourceArc<Handle>> = recs
        .into_iter()
        .map(resource::recording)
        .collect::<Result<_, Error>>()?;
    let timelines: Vec<Arc<Timeline>> = recs.iter().map(|rec| rec.timeline()).collect::<Result<_, Error>>()?;
    let evidence: Vec<Evidence<'_>> = recs
        .iter()
        .zip(&timelines)
        .map(|(rec, timeline)| Evidence {
            timeline,
            now_ns: rec.shared.duration_ns(),
        })
        .collect();
    let only: Vec<Term<'_>> = required(options, "only")?;
    let only = only.into_iter().map(|term| name(term).ok_or_else(|| invalid("only")));
    let options = Options {
        chance: required(options, "chance")?,
        only: only
            .map(|text| text.map(String::into_boxed_str))
            .collect::<Result<_, Error>>()?,
    };
    let found = infer::infer(&evidence, &options).map_err(|error| stored(&error))?;
    let origins: Vec<&dyn Origin> = recs.iter().map(|rec| rec.origin()).collect();
    ok(env, Found::new(env, &found, &origins).term())
}
