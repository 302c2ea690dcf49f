//! From a tracer callback to the drainer: records, rings, the clock, the merge by time.
//!
//! ```text
//! callback ─ Engine::writer ─▶ gate ─▶ slot (seq, epoch) ─▶ ring        one of each per thread, wait-free
//!                                                            │
//! drainer thread ── horizon of all gates ── merge by time ◀──┘
//!                    │
//!                    └─▶ routes: which recordings want it ─▶ RecordSink::append
//! ```
//!
//! `unsafe` lives in the modules marked below and nowhere else in the crate.

pub mod record;
pub mod sink;

mod sync;

/// Zeroed memory that the system commits page by page. Unsafe: raw allocation.
#[allow(unsafe_code)]
mod words;

/// One thread's announcement that it is inside a callback.
mod gate;

/// The byte ring. Unsafe: two threads share one buffer.
#[allow(unsafe_code)]
pub mod ring;

mod merge;

pub mod clock;

// The rest stands on the parts above, which loom models; loom itself cannot run threads, timeouts and condition variables.
#[cfg(not(loom))]
mod drain;
#[cfg(not(loom))]
pub mod engine;
#[cfg(not(loom))]
mod handle;
#[cfg(not(loom))]
pub mod load;
#[cfg(not(loom))]
mod members;
#[cfg(not(loom))]
mod memo;
#[cfg(not(loom))]
mod pool;
#[cfg(not(loom))]
mod routes;
/// Per-process slots. Unsafe: a view of zeroed memory as atomics.
#[cfg(not(loom))]
#[allow(unsafe_code)]
mod slots;
#[cfg(not(loom))]
mod starters;
/// The writer. Unsafe: follows the route table's pointers, under its gate.
#[cfg(not(loom))]
#[allow(unsafe_code)]
mod writer;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod stress_tests;
