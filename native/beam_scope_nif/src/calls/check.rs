//! The harness that watches over streams: what was rebuilt against what was there.

use beam_scope_core::capture::record::flags;
use beam_scope_core::event::Fields;
use beam_scope_core::store::{ChunkView, EventRow};
use beam_scope_core::term::arena::Node;
use rustler::{Encoder, Env, Term};

use crate::answer::stored;
use crate::decode::Decoder;
use crate::encode::check::{both, fingerprint};
use crate::fault::Answer;
use crate::maps::MapBuilder;
use crate::resource;
use crate::vm;

#[derive(Default)]
struct Tally {
    checked: u64,
    wrong: u64,
    incomplete: u64,
    unchecked: u64,
    first_wrong: Option<u64>,
}

/// `%{checked, wrong, incomplete, unchecked, first_wrong}` of the records that hold states and their fingerprints.
#[rustler::nif(schedule = "DirtyCpu")]
fn recording_check<'a>(env: Env<'a>, rec: Term<'a>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let shared = rec.usable()?;
    let mut tally = Tally::default();
    for chunk in shared.store.all_chunks().map_err(|e| stored(&e))? {
        let view = shared.store.view(&chunk).map_err(|e| stored(&e))?;
        for row in view.rows().iter().filter(|row| row.fields.0 & Fields::CHECK != 0) {
            // A process-independent environment each: terms of a million states must not pile up.
            let own = rustler::OwnedEnv::new();
            own.run(|env| {
                judge(
                    &mut tally,
                    row,
                    &view,
                    &mut Decoder::new(env, &view.arena, &*shared.origin),
                    env,
                )
            });
        }
    }
    let map = MapBuilder::new(env)
        .put("checked", tally.checked)
        .put("wrong", tally.wrong)
        .put("incomplete", tally.incomplete)
        .put("unchecked", tally.unchecked)
        .put("first_wrong", tally.first_wrong);
    Ok(map.finish().encode(env))
}

fn judge(tally: &mut Tally, row: &EventRow, view: &ChunkView, decoder: &mut Decoder<'_, '_>, env: Env<'_>) {
    let at = |field| row.fields.index_of(field).and_then(|i| row.terms.get(i)).copied();
    let expected = at(Fields::CHECK).map(|id| view.arena.node(id));
    if row.flags & flags::TRUNCATED != 0 {
        tally.incomplete += 1;
        return;
    }
    let Some(Node::Int(expected @ 1..)) = expected else {
        tally.unchecked += 1;
        return;
    };
    let prints = [Fields::BEFORE, Fields::AFTER].into_iter().filter_map(at).map(|id| {
        let term = decoder.term(id);
        fingerprint(env.as_c_arg(), vm::word(term.as_c_arg()))
    });
    let found = prints.collect::<Option<Vec<u64>>>().unwrap_or_default();
    let found = found.into_iter().fold(0, both) >> 1;
    tally.checked += 1;
    if found != expected as u64 {
        tally.wrong += 1;
        tally.first_wrong.get_or_insert(row.seq);
    }
}
