//! Processes, states, mailboxes and causes, read from a recording's chunks.
//!
//! [`Timeline`] is the way in: it reads a recording's rows once, as they come, into an index of where each process's
//! state is told and into a table of facts about each process. A question then looks up and reads only what it needs.
//!
//! ```text
//! records of one track ──machine──▶ transitions        (history, find_state)
//! index: track ▶ chunk ▶ position ──▶ one row           (state_at)
//! lifecycle records ──facts──▶ names, parents, links, ends, restarts   (processes, tree)
//! sends and receives ──pairing──▶ partner of each       (messages)
//! every row ──queues──▶ stops on the way               (mailbox, world)
//! ```

mod ends;
mod facts;
mod handlers;
pub(crate) mod history;
pub(crate) mod index;
mod initial;
pub(crate) mod machine;
mod mailbox;
mod moment;
pub(crate) mod pairing;
pub mod path;
mod processes;
mod queues;
mod returned;
mod rows;
mod shape;
mod state;
mod steps;
mod term_ref;
mod transition;
pub(crate) mod view;
mod words;
mod world;

#[cfg(test)]
pub(crate) mod tests;

pub use facts::{Facts, KnownHow, Span as FactSpan, Stamp, Track};
pub use initial::{AtomName, Initial, InitialCall, Role};
pub use mailbox::{Mailbox, Waiting};
pub use moment::{Module, Moment, Selector, TimelineError};
pub use pairing::is_from_runtime;
pub use processes::{Branch, Process, Processes, Tree};
pub use rows::{field, point, term};
pub use shape::{envelope, message, Behaviour, Shape, TransitionKind};
pub use state::StateAt;
pub use steps::{Hit, Way};
pub use term_ref::TermRef;
pub use transition::{Known, Outcome, Transition};
pub use view::{Found, History, Timeline, Verdict};
pub use words::{Word, Words};
pub use world::{Flight, Wanted, World};
