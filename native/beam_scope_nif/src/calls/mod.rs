//! The functions that `BeamScope.Native` lists, one file per room of the core. Registered by rustler's inventory.

mod align;
mod check;
mod compare;
pub(crate) mod diff;
mod expect;
mod infer;
mod library;
mod live;
mod load;
pub(crate) mod pattern;
mod query;
mod recording;
mod replay;
mod roundtrip;
mod rows;
mod store;
mod timeline;
