//! What can happen: the kinds of events and the terms that each carries.

/// The kind of an event. The comment lists the terms that its record carries, in order.
///
/// The *track* of an event is the process it happened to (the record's `pid`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum EventKind {
    /// `[to, message]`: the track sent a message. `to` is a pid, port, name, `{name, node}` or alias reference.
    Send = 1,
    /// `[to, message]`: the same to a process that did not exist.
    SendToDead = 2,
    /// `[message, sender?]`: a message was taken into the track's queue. `sender` is what the VM told: a pid, a port, an
    /// atom (`clock_service`, `system`, `undefined`) or absent.
    Receive = 3,
    /// `[child, mfa]`: the track spawned `child`; `mfa` is `{m, f, args}`, the args within budget.
    Spawn = 4,
    /// `[parent, mfa]`: the track began.
    Spawned = 5,
    /// `[reason]`: the track ended.
    Exit = 6,
    /// `[other]`
    Link = 7,
    /// `[other]`
    Unlink = 8,
    /// `[other]`
    GettingLinked = 9,
    /// `[other]`
    GettingUnlinked = 10,
    /// `[name]`
    Register = 11,
    /// `[name]`
    Unregister = 12,
    /// `[module, function, args, stack?]`: the stack where [`Fields::STACK`] says so.
    Call = 13,
    /// `[module, function, arity, value]`
    Return = 14,
    /// `[module, function, arity, class, reason]`
    Exception = 15,
    /// A step of a behaviour's loop. The record's `fields` say which terms follow, in the order of [`Fields`]' bits;
    /// its `point` says which kind of step ([`Point`]).
    State = 16,
    /// `[facts]`: what was known of a process that lived before the recording: a map with the atom keys `name`,
    /// `initial_call`, `parent`, `ancestors`, `links`, `module`, each optional. Written by the control plane.
    Baseline = 17,
    /// `[text, detail]`: something the recorder did or noticed (a level changed, a process did not answer, a session
    /// was lost). Written by the control plane.
    Note = 18,
    /// `[what, detail]`: how the whole system stood, or something that the VM's own monitor told: `what` is an atom (`memory`,
    /// `long_gc`, ...). It happened to no process in particular: whom it is about stands in `detail`. Written by the control plane.
    System = 19,
    /// `[what, sizes]`: a garbage collection of the track began or ended: `what` is the VM's tag (`gc_minor_start`, ...).
    Gc = 20,
    /// `[what, function]`: the track was scheduled in or out: `what` is `in` or `out`, `function` `{m, f, a}` or 0.
    Running = 21,
    /// `[id, values, stack?]`: the track came to a place of instrumented code: a line, or a part of one. `id` is the place's number,
    /// which the recording's tables explain; `values` a list of what the place's variables held.
    Line = 22,
    /// `[site, values, stack?]`: the track came to a place that was marked in its source. `site` is `{{module, function, arity,
    /// line, label}, name...}`; `values` a list of what these variables held.
    Mark = 23,
}

impl EventKind {
    /// Every kind, in the order of its number.
    pub const ALL: [Self; 23] = [
        Self::Send,
        Self::SendToDead,
        Self::Receive,
        Self::Spawn,
        Self::Spawned,
        Self::Exit,
        Self::Link,
        Self::Unlink,
        Self::GettingLinked,
        Self::GettingUnlinked,
        Self::Register,
        Self::Unregister,
        Self::Call,
        Self::Return,
        Self::Exception,
        Self::State,
        Self::Baseline,
        Self::Note,
        Self::System,
        Self::Gc,
        Self::Running,
        Self::Line,
        Self::Mark,
    ];

    /// The kind with this number, if there is one.
    #[must_use]
    pub fn from_u8(n: u8) -> Option<Self> {
        Self::ALL.get(usize::from(n).wrapping_sub(1)).copied()
    }

    /// This kind's bit in a set of kinds.
    #[must_use]
    pub const fn bit(self) -> u32 {
        1 << (self as u8)
    }

    /// Lifecycle events: they keep trees and names right, so the last tenth of a ring is theirs alone.
    #[must_use]
    pub const fn is_lifecycle(self) -> bool {
        matches!(
            self,
            Self::Spawn
                | Self::Spawned
                | Self::Exit
                | Self::Link
                | Self::Unlink
                | Self::GettingLinked
                | Self::GettingUnlinked
                | Self::Register
                | Self::Unregister
                | Self::Baseline
                | Self::Note
        )
    }
}

/// Which step of a loop a [`EventKind::State`] record saw.
///
/// How steps make a transition (see `timeline`): `Loop` states the value after whatever came before it and what comes
/// next; `Handled` opens a transition with its message; the next `Loop` (or `End`) of the track closes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Point {
    /// A message is about to be handled: MESSAGE, BEFORE.
    Handled = 1,
    /// The loop was entered: AFTER, and ACTION where the profile has it (`{continue, c}` becomes the next message).
    Loop = 2,
    /// The loop ends: CLASS, REASON, MESSAGE, BEFORE (the last state known).
    End = 3,
    /// One event for the whole step: MESSAGE, BEFORE, AFTER (gen_statem; a user's profile that sees all of it).
    Step = 4,
    /// The state was read from a living process (`sys:handle_system_msg`): AFTER.
    Read = 5,
    /// Fallback: a documented callback was called: CALLBACK, MESSAGE, BEFORE.
    Callback = 6,
    /// Fallback: a documented callback returned: CALLBACK, RETURNED (`{reply, _, s}`, `{noreply, s}`, `{ok, s}` ...).
    Returned = 7,
}

impl Point {
    /// The point with this number, if there is one.
    #[must_use]
    pub const fn from_u8(n: u8) -> Option<Self> {
        Some(match n {
            1 => Self::Handled,
            2 => Self::Loop,
            3 => Self::End,
            4 => Self::Step,
            5 => Self::Read,
            6 => Self::Callback,
            7 => Self::Returned,
            _ => return None,
        })
    }
}

/// Which terms a [`EventKind::State`] record carries: bits, and the terms in the order of the bits. Of other kinds, what they carry
/// besides: a stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fields(pub u16);

impl Fields {
    /// The message being handled.
    pub const MESSAGE: u16 = 1;
    /// The state before it.
    pub const BEFORE: u16 = 1 << 1;
    /// The state after it.
    pub const AFTER: u16 = 1 << 2;
    /// What the loop does next (a timeout, `hibernate`, `{continue, c}`).
    pub const ACTION: u16 = 1 << 3;
    /// `error`, `exit` or `throw`.
    pub const CLASS: u16 = 1 << 4;
    /// Why it ended.
    pub const REASON: u16 = 1 << 5;
    /// The callback's function name, an atom.
    pub const CALLBACK: u16 = 1 << 6;
    /// What a callback returned.
    pub const RETURNED: u16 = 1 << 7;
    /// The behaviour's tag, an atom: `gen_server`, `gen_statem`, `gen_event`, or the user's module.
    pub const BEHAVIOUR: u16 = 1 << 8;
    /// gen_event: the handler `{module, id}` that this state belongs to.
    pub const HANDLER: u16 = 1 << 9;
    /// Of a call, a line or a mark: the call stack, as its last term.
    pub const STACK: u16 = 1 << 10;
    /// A fingerprint of the states of this record, taken by an independent walk: how the harness sees that what is rebuilt is
    /// what was there. Only written when a recording asks for it.
    pub const CHECK: u16 = 1 << 15;

    /// How many terms the record carries.
    #[must_use]
    pub const fn count(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Where among the record's terms this field stands, if it is there.
    #[must_use]
    pub const fn index_of(self, field: u16) -> Option<usize> {
        if self.0 & field == 0 {
            return None;
        }
        Some((self.0 & (field - 1)).count_ones() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_kinds_agree() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::from_u8(kind as u8), Some(kind));
        }
        assert_eq!(EventKind::from_u8(0), None);
        assert_eq!(EventKind::from_u8(24), None);
    }

    #[test]
    fn fields_count_from_the_lowest_bit() {
        let fields = Fields(Fields::MESSAGE | Fields::AFTER | Fields::REASON);
        assert_eq!(fields.count(), 3);
        assert_eq!(fields.index_of(Fields::AFTER), Some(1));
        assert_eq!(fields.index_of(Fields::BEFORE), None);
    }
}
