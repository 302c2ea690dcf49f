//! The raw rows of a recording, for tests and for looking into one by hand.

use rustler::{Encoder, Env, Term};

use crate::answer::event::kind_name;
use crate::answer::stored;
use crate::decode::Decoder;
use crate::fault::Answer;
use crate::maps::{atom, MapBuilder};
use crate::resource;

/// Every row as a map: `seq, at_ns, kind, pid, track, lost_before, point, fields, flags, terms`.
#[rustler::nif(schedule = "DirtyCpu")]
fn recording_rows<'a>(env: Env<'a>, rec: Term<'a>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let shared = rec.usable()?;
    let mut rows: Vec<Term<'_>> = Vec::new();
    for chunk in shared.store.all_chunks().map_err(|e| stored(&e))? {
        let view = shared.store.view(&chunk).map_err(|e| stored(&e))?;
        let mut decoder = Decoder::new(env, &view.arena, &*shared.origin);
        for row in view.rows() {
            let pid = shared.store.track(row.track).map_or(0, |track| track.pid); // nobody's, where it was forgotten meanwhile
            let terms: Vec<Term<'_>> = row.terms.iter().map(|id| decoder.term(*id)).collect();
            // SAFETY: the origin's term for a pid.
            let pid = unsafe { Term::new(env, shared.origin.pid(env, pid)) };
            let map = MapBuilder::new(env)
                .put("seq", row.seq)
                .put("at_ns", row.at_ns)
                .put("kind", atom(env, kind_name(row.kind)))
                .put("pid", pid)
                .put("track", row.track.0)
                .put("lost_before", row.lost_before)
                .put("point", row.point)
                .put("fields", row.fields.0)
                .put("flags", row.flags)
                .put("terms", terms);
            rows.push(map.finish());
        }
    }
    Ok(rows.encode(env))
}
