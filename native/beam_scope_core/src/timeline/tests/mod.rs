//! Tests over recordings made by hand.

mod behaviours;
pub(crate) mod kit;
pub(crate) mod law3;
mod law5;
mod law9;
mod mailboxes;
mod processes;
mod rings;
mod worlds;
