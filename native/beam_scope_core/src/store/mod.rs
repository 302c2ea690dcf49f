//! Where events are kept: a backlog of raw records, an open chunk, sealed chunks.
//!
//! The drainer calls [`Recording::append`], which copies and counts, nothing more. Interning and indexing happen in spare
//! time, or when somebody asks: every reader first brings the index up to date.
//!
//! ```text
//! append ─▶ backlog ─▶ open chunk ─▶ sealed chunks ─▶ (in `:ring` mode) carried chunk
//!           lz4        arena, rows   columns, lz4      what living tracks still need
//! ```
//!
//! **The account.** `offered == stored + dropped`, at every moment. Dropped are: what rings lost, what came after the
//! stop, what made no sense, and in `:ring` mode what was evicted (counted apart as well) or found no room. Every dropped
//! event is in some [`Loss`] with its span of time, and with its track where that is known.

mod atoms;
mod backlog;
mod budget;
mod cache;
mod carry;
mod chunk;
mod codec;
mod config;
mod crc;
mod error;
pub(crate) mod file;
mod freeze;
mod index;
mod intake;
mod kinds;
mod losses;
mod read;
mod recording;
mod row;
mod sealed;
mod sink;
mod streams;
mod tracks;
mod view;

#[cfg(test)]
mod tests;

pub use crate::term::AtomSource;
pub use atoms::AtomTable;
pub use budget::Budget;
pub use config::{Mode, Status, StopReason, StoreConfig};
pub use error::StoreError;
pub use file::{Damage, Piece, VERSION as FILE_VERSION};
pub(crate) use kinds::{Kinds, LOST};
pub use recording::Recording;
pub use row::{Counts, EventRow, Loss, LossCause, Terms, TrackId, TrackInfo};
pub use sealed::ChunkRef;
pub use view::ChunkView;
