//! The atoms of the tracer's contract, as words.

use std::sync::OnceLock;

use beam_scope_core::event::EventKind;
use rustler::{Atom, Env};

use crate::vm::{self, Word};

macro_rules! tags {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// Words of atoms.
        #[derive(Debug, Default)]
        pub(crate) struct Tags {
            $(pub(crate) $name: Word,)*
            /// Words of 0 to 255, for VMs whose small integers were not learned.
            numbers: Vec<Word>,
        }

        impl Tags {
            fn make(env: Env<'_>) -> Option<Self> {
                Some(Self {
                    $($name: vm::word(Atom::from_str(env, $text).ok()?.as_c_arg()),)*
                    numbers: (0..256).map(|n: u32| vm::word(rustler::Encoder::encode(&n, env).as_c_arg())).collect(),
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

/// The number of a small integer's word, if it is one of the first 256.
pub(super) fn small(word: Word) -> Option<u32> {
    tags().numbers.iter().position(|known| *known == word).map(|n| n as u32)
}

const CALLS: u32 =
    EventKind::Call.bit() | EventKind::Return.bit() | EventKind::Exception.bit() | EventKind::State.bit();

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
        self.simple(tag)
            .or((tag == self.send_to_dead).then_some(EventKind::SendToDead))
            .map_or(0, EventKind::bit)
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
