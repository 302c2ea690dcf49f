//! Captured BEAM terms in their three forms.
//!
//! * *wire* ([`wire`], tags in [`tag`]): bytes, as the encoder in a tracer callback writes them into a ring;
//! * *interned* ([`arena`]): nodes of a hash-consed arena, as the store keeps and compares them;
//! * *owned* ([`Value`]): a plain tree, for tests, literals in patterns and small results.

pub mod arena;
mod atoms;
pub mod tag;
mod value;
pub mod wire;

pub use atoms::AtomSource;
pub use value::{AtomId, Kind, Opaque, Value};
