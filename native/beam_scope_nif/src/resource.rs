//! Recordings as resources of the VM: how calls reach them.

use rustler::{Error, ResourceArc, Term};

use crate::fault::fault;
pub(crate) use crate::recording::RecordingResource as Handle;

/// The recording behind a term.
pub(crate) fn recording(term: Term<'_>) -> Result<ResourceArc<Handle>, Error> {
    term.decode().map_err(|_| {
        fault(
            "closed",
            "this is no recording of the library that is loaded now; was BeamScope reloaded in between?",
        )
    })
}
