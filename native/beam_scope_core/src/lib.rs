//! The core of BeamScope: everything between a tracer callback and an answer, with no BEAM in it.
//!
//! The way of an event, one direction, no way back up:
//!
//! 1. [`capture`]: a record is written into the ring of the thread it happened on; one drainer merges the rings by time.
//! 2. [`store`]: records become rows in chunks; their terms are interned, so equal terms are stored once.
//! 3. [`timeline`]: processes, transitions, mailboxes, the supervision tree and who caused what, read from chunks.
//! 4. [`diff`], [`pattern`], [`query`], [`expect`], [`infer`], [`align`], [`compare`]: what a user asks of the above.
//!
//! [`reserve`] is what there is when there is no memory. [`redact`] decides which keys are secrets', before anything is written. [`term`] is the language all of them share: the wire form of a captured BEAM term, its interned form and an owned one.
#![deny(unsafe_code)]

pub mod align;
pub mod busy;
pub mod capture;
pub mod compare;
pub mod diff;
pub mod event;
pub mod expect;
pub mod infer;
mod mixed;
pub mod pattern;
pub mod query;
pub mod redact;
pub mod reserve;
pub mod store;
pub mod term;
pub mod timeline;

#[cfg(all(test, not(loom)))]
mod fuzz;
