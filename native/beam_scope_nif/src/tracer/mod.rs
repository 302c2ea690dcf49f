//! The tracer: `enabled/3` and `trace/5` as the VM calls them, on the tracee's own thread.
//!
//! They never block, never unwind, and never remove the tracer by accident: the VM takes any answer but `trace` and
//! `discard` as a wish to be removed. Only `remove` for a recording that is closed is meant so: flags that were left on
//! clean themselves up. The stubs `trace_call/5` and `trace_send/5` must not exist: the VM calls them with three arguments.

pub(crate) mod compose;
pub(crate) mod config;
pub(crate) mod events;
pub(crate) mod own;
pub(crate) mod points;
mod probes;
pub(crate) mod tags;

use std::ffi::c_int;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};

use beam_scope_core::capture::engine::{Deed, Engine};
use beam_scope_core::event::EventKind;
use rustler::codegen_runtime::{ErlNifEnv, ErlNifTerm};

use crate::engine;
use crate::vm::{self, Vm, Word};
use config::Capture;
use tags::{tags, Tags};

/// Panics that were caught in callbacks.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// A recording with one of these bits among its kinds panics in one of its callbacks: how tests see that nothing escapes.
const PANIC_ENABLED: u32 = 1 << 31;
const PANIC_TRACE: u32 = 1 << 30;
const PANIC_COLLECTED: u32 = 1 << 29;
/// Panics that are printed; the rest is counted.
const PRINTED: u64 = 3;

/// Prints the first panics of the library only: a tracee's thread has better things to do.
pub(crate) fn quiet_panics() {
    static SEEN: AtomicU64 = AtomicU64::new(0);
    std::panic::set_hook(Box::new(|panic| {
        if SEEN.fetch_add(1, Ordering::Relaxed) < PRINTED {
            eprintln!("BeamScope: {panic}. This is a bug in BeamScope; the system goes on.");
        }
    }));
}

/// How many panics were caught in callbacks.
pub(crate) fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

rustler::codegen_runtime::inventory::submit!(rustler::Nif {
    name: c"enabled".as_ptr(),
    arity: 3,
    flags: 0,
    raw_func: enabled,
});

rustler::codegen_runtime::inventory::submit!(rustler::Nif {
    name: c"enabled_garbage_collection".as_ptr(),
    arity: 3,
    flags: 0,
    raw_func: enabled_garbage_collection,
});

rustler::codegen_runtime::inventory::submit!(rustler::Nif {
    name: c"trace".as_ptr(),
    arity: 5,
    flags: 0,
    raw_func: trace,
});

/// `enabled(tag, state, tracee)`: once or twice for each event, so it reads as little as it can.
unsafe extern "C" fn enabled(_env: *mut ErlNifEnv, argc: c_int, argv: *const ErlNifTerm) -> ErlNifTerm {
    let tags = tags();
    if argc < 3 || argv.is_null() {
        return vm::term(tags.discard);
    }
    // SAFETY: the VM passes `argc` terms.
    let [tag, state, tracee] = unsafe { std::array::from_fn(|i| vm::word(*argv.add(i))) };
    let answer = catch_unwind(AssertUnwindSafe(|| answer(tags, tag, state, tracee)));
    vm::term(answer.unwrap_or_else(|_| panicked(tags.discard)))
}

fn answer(tags: &Tags, tag: Word, state: Word, tracee: Word) -> Word {
    if state == tags.floor {
        return tags.trace;
    }
    let (Some(engine), Some(route)) = (engine::get(), route(state)) else {
        return tags.discard;
    };
    let wanted = engine.kinds(route);
    if wanted & tags.kinds_of(tag) == 0 {
        return if wanted == 0 && !engine.is_open(route) {
            tags.remove
        } else {
            tags.discard
        };
    }
    if own::has(tracee) {
        return tags.discard;
    }
    test_panic(wanted & PANIC_ENABLED);
    if tag == tags.trace_status {
        // A process that is traced is scheduled in. That is no event, but it is what its flags cost.
        scheduled(engine, route, tracee);
    }
    tags.trace
}

fn scheduled(engine: &Engine<Capture>, route: u32, tracee: Word) {
    // Of a process that is only about to be traced there is no pid yet.
    if tracee == tags().undefined {
        return;
    }
    if let Some(writer) = engine.writer(route) {
        writer.scheduled(tracee as u64, writer.config().schedule_ns);
    }
}

/// `enabled_garbage_collection(tag, state, tracee)`: the process's terms are moved. That is all that most recordings want to
/// know: no event is made. One that asked for collections gets them; on the releases on which two sessions do not survive that,
/// the control plane refuses the wish, so that nobody has the kind.
unsafe extern "C" fn enabled_garbage_collection(
    _env: *mut ErlNifEnv,
    argc: c_int,
    argv: *const ErlNifTerm,
) -> ErlNifTerm {
    if argc >= 3 && !argv.is_null() {
        // SAFETY: the VM passes `argc` terms.
        let [tag, state, tracee] = unsafe { std::array::from_fn(|i| vm::word(*argv.add(i))) };
        match catch_unwind(AssertUnwindSafe(|| {
            moved(tag, state, tracee);
            wants_collections(state, tracee)
        })) {
            Ok(true) => return vm::term(tags().trace),
            Ok(false) => {}
            Err(_) => {
                panicked(0);
            }
        }
    }
    vm::term(tags().discard)
}

/// Whether garbage collections are events of this recording.
fn wants_collections(state: Word, tracee: Word) -> bool {
    let (Some(engine), Some(route)) = (engine::get(), route(state)) else {
        return false;
    };
    engine.kinds(route) & EventKind::Gc.bit() != 0 && !own::has(tracee)
}

fn moved(tag: Word, state: Word, tracee: Word) -> Option<()> {
    let (engine, route) = (engine::get()?, route(state)?);
    let wanted = engine.kinds(route);
    test_panic(wanted & PANIC_COLLECTED);
    if wanted & EventKind::State.bit() == 0 {
        return None;
    }
    let (writer, tags) = (engine.writer(route)?, tags());
    let began = writer.count(Deed::Collection);
    // One that turns out to need a major one says that next.
    if tag == tags.gc_minor_start || tag == tags.gc_minor_end {
        writer.collected(tracee as u64);
    } else {
        writer.end_epoch(tracee as u64);
    }
    if let Some(began) = began {
        writer.timed(tracee as u64, began);
    }
    Some(())
}

/// `trace(tag, state, tracee, term, options)`: the answer is ignored.
unsafe extern "C" fn trace(env: *mut ErlNifEnv, argc: c_int, argv: *const ErlNifTerm) -> ErlNifTerm {
    let tags = tags();
    if argc < 5 || argv.is_null() {
        return vm::term(tags.ok);
    }
    // SAFETY: the VM passes `argc` terms.
    let [tag, state, tracee, term, options] = unsafe { std::array::from_fn(|i| vm::word(*argv.add(i))) };
    if state != tags.floor {
        let event = events::Event {
            vm: Vm::new(env),
            tags,
            tag,
            tracee,
            term,
            options,
        };
        if catch_unwind(AssertUnwindSafe(|| record(&event, state))).is_err() {
            panicked(0);
        }
    }
    vm::term(tags.ok)
}

fn record(event: &events::Event<'_>, state: Word) -> Option<()> {
    let (engine, route) = (engine::get()?, route(state)?);
    let wanted = engine.kinds(route);
    if wanted == 0 || !event.vm.is_pid(event.tracee) || own::has(event.tracee) {
        return None;
    }
    let mut writer = engine.writer(route)?;
    test_panic(wanted & PANIC_TRACE);
    let began = writer.count(event.tags.deed(event.tag));
    event.write(&mut writer, wanted);
    if let Some(began) = began {
        writer.timed(event.tracee as u64, began);
    }
    Some(())
}

#[inline]
fn test_panic(asked: u32) {
    if asked != 0 {
        // As a panic unwinds, but without a word on stderr.
        std::panic::resume_unwind(Box::new("a test asked for this"));
    }
}

#[cold]
fn panicked(answer: Word) -> Word {
    PANICS.fetch_add(1, Ordering::Relaxed);
    answer
}

/// A tracer's state is its route's number, a small integer: that is never copied, and needs no memory behind it.
fn route(state: Word) -> Option<u32> {
    let layout = vm::layout();
    if layout.immediates {
        return (state & 0xF == 0xF)
            .then(|| u32::try_from((state as i64) >> 4).ok())
            .flatten();
    }
    // Without an environment there is no asking: the load of the library found out how small integers are written instead.
    tags::small(state)
}
