//! Tests over recordings made by hand.

mod behaviours;
pub(crate) mod kit;
mod law3;
mod law5;
mod mailboxes;
mod processes;
mod rings;
