//! The atoms of the tracer's contract, as words.

use std::sync::OnceLock;

use beam_scope_core::capture::engine::Deed;
use beam_scope_core::event::EventKind;
use rustler::{Atom, Env};

use crate::vm::{self, Word};

macro_rules! tags {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// Words of atoms.
        #[derive(Debug, Default)]
        pub(crate) struct Tags {
            $(pub(crate) $name: Word,)*
            numbers: Numbers,
        }

        impl Tags {
            fn make(env: Env<'_>) -> Option<Self> {
                Some(Self {
                    $($name: vm::word(Atom::from_str(env, $text).ok()?.as_c_arg()),)*
                    numbers: Numbers::make(env)?,
                })
            }
        }
    };
}

tags! {
    trace = "trace",
    discard = "discard",
    remove = "remove",
    ok = "ok",
    floor = "floor",
    trace_status = "trace_status",
    send = "send",
    send_to_dead = "send_to_non_existing_process",
    receive = "receive",
    call = "call",
    return_from = "return_from",
    exception_from = "exception_from",
    spawn = "spawn",
    spawned = "spawned",
    exit = "exit",
    link = "link",
    unlink = "unlink",
    getting_linked = "getting_linked",
    getting_unlinked = "getting_unlinked",
    register = "register",
    unregister = "unregister",
    extra = "extra",
    match_spec_result = "match_spec_result",
    clock_service = "clock_service",
    timeout = "timeout",
    undefined = "undefined",
    erlang = "erlang",
    put = "put",
    get = "get",
    erase = "erase",
    probes = "Elixir.BeamScope.Line",
    line = "line",
    mark = "mark",
    gc_minor_start = "gc_minor_start",
    gc_minor_end = "gc_minor_end",
    gc_major_start = "gc_major_start",
    gc_major_end = "gc_major_end",
    gc_max_heap_size = "gc_max_heap_size",
    scheduled_in = "in",
    scheduled_out = "out",
}

static TAGS: OnceLock<Tags> = OnceLock::new();
static NONE: OnceLock<Tags> = OnceLock::new();

/// Makes the atoms; called when the library is loaded, before any callback can come.
pub(crate) fn make(env: Env<'_>) -> bool {
    match Tags::make(env) {
        Some(tags) => {
            let _ = TAGS.set(tags);
            true
        }
        None => false,
    }
}

/// The atoms.
#[inline]
pub(crate) fn tags() -> &'static Tags {
    TAGS.get().unwrap_or_else(|| NONE.get_or_init(Tags::default))
}

/// How the VM writes small integers, by its own hand: each a step above the one before. Serves where layouts were not learned.
#[derive(Debug, Default)]
struct Numbers {
    zero: Word,
    step: Word,
}

impl Numbers {
    /// `None` where they do not go by steps.
    fn make(env: Env<'_>) -> Option<Self> {
        let word = |n: u32| vm::word(rustler::Encoder::encode(&n, env).as_c_arg());
        let (zero, one) = (word(0), word(1));
        let numbers = Self {
            zero,
            step: one.checked_sub(zero).filter(|step| *step > 0)?,
        };
        let samples = (0..u32::BITS).flat_map(|bit| [1 << bit, u32::MAX >> bit]);
        let fits = samples.into_iter().all(|n| numbers.number(word(n)) == Some(n));
        fits.then_some(numbers)
    }

    fn number(&self, word: Word) -> Option<u32> {
        let above = word.checked_sub(self.zero)?;
        let is_one = above.checked_rem(self.step)? == 0;
        is_one.then(|| u32::try_from(above / self.step).ok()).flatten()
    }
}

/// The number of a small integer's word, if it is one of 32 bits.
pub(super) fn small(word: Word) -> Option<u32> {
    tags().numbers.number(word)
}

const CALLS: u32 = EventKind::Call.bit()
    | EventKind::Return.bit()
    | EventKind::Exception.bit()
    | EventKind::State.bit()
    | EventKind::Line.bit()
    | EventKind::Mark.bit();

impl Tags {
    /// The kinds of events that a callback with this tag may make.
    #[inline]
    pub(crate) fn kinds_of(&self, tag: Word) -> u32 {
        if tag == self.call {
            return CALLS;
        }
        if tag == self.receive {
            return EventKind::Receive.bit();
        }
        if tag == self.send {
            return EventKind::Send.bit();
        }
        if tag == self.trace_status {
            return u32::MAX;
        }
        if tag == self.return_from || tag == self.exception_from {
            return CALLS;
        }
        if self.is_running(tag) {
            return EventKind::Running.bit();
        }
        self.simple(tag)
            .or((tag == self.send_to_dead).then_some(EventKind::SendToDead))
            .map_or(0, EventKind::bit)
    }

    /// Whether a callback tells of a garbage collection.
    #[inline]
    pub(crate) fn is_gc(&self, tag: Word) -> bool {
        [
            self.gc_minor_start,
            self.gc_minor_end,
            self.gc_major_start,
            self.gc_major_end,
            self.gc_max_heap_size,
        ]
        .contains(&tag)
    }

    /// Whether a callback tells that a process goes on or pauses.
    #[inline]
    pub(crate) fn is_running(&self, tag: Word) -> bool {
        tag == self.scheduled_in || tag == self.scheduled_out
    }

    /// What a callback with this tag is counted as.
    #[inline]
    pub(crate) fn deed(&self, tag: Word) -> Deed {
        if tag == self.call {
            Deed::Call
        } else if tag == self.receive {
            Deed::Receive
        } else if tag == self.send || tag == self.send_to_dead {
            Deed::Send
        } else if tag == self.return_from || tag == self.exception_from {
            Deed::Return
        } else {
            Deed::Lifecycle
        }
    }

    /// The kind of an event whose tag says all.
    pub(crate) fn simple(&self, tag: Word) -> Option<EventKind> {
        let kinds = [
            (self.spawn, EventKind::Spawn),
            (self.spawned, EventKind::Spawned),
            (self.exit, EventKind::Exit),
            (self.link, EventKind::Link),
            (self.unlink, EventKind::Unlink),
            (self.getting_linked, EventKind::GettingLinked),
            (self.getting_unlinked, EventKind::GettingUnlinked),
            (self.register, EventKind::Register),
            (self.unregister, EventKind::Unregister),
        ];
        kinds.iter().find(|(known, _)| *known == tag).map(|(_, kind)| *kind)
    }
}
