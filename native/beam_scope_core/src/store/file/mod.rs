//! A recording as a file, or as any sequence of bytes that is kept elsewhere.
//!
//! ```text
//! magic 8 bytes · version u32 · byte order u32 · sections · trailer
//! section: kind u32 · length u64 · CRC-32C of the content u32 · CRC-32C of these 16 bytes u32 · content
//! trailer: offset of the end section u64 · CRC-32C of it u32 · magic 4 bytes
//! ```
//! A *begin* section, then *chunks* in order: the very bytes that memory holds, each with all that it needs. What is written as
//! it is recorded ends there when it is cut off, and is still a recording up to its last whole section ([`scan`]). A file that
//! was finished goes on with lists of atoms, tracks and chunks, a *summary* of what makes processes what they are, and the
//! *end* that says where these are: it opens without a look at the chunks ([`open`]), which are read when they are asked for.
//!
//! All integers are little-endian; the byte order mark refuses a file that some other writer made in another order. Versions:
//! 1 had no summary and was read whole ([`v1`]).

mod compose;
mod open;
mod scan;
mod section;
mod source;
mod stream;
mod summary;
mod v1;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::atoms::AtomTable;
use super::config::{Status, StopReason, StoreConfig};
use super::error::StoreError;
use super::index::{Index, Restored};
use super::recording::Recording;
use super::row::{Counts, Loss, TrackInfo};
use super::sealed::Sealed;
use super::view::ChunkView;
use crate::term::AtomId;

use crate::reserve;
use compose::Composer;
pub(crate) use source::{Filed, Source};
pub use stream::Piece;
pub(crate) use stream::Stream;
use summary::Summary;

const MAGIC: [u8; 8] = *b"BEAMSCOP";
/// The version that this build writes.
pub const VERSION: u32 = 2;
const BYTE_ORDER: u32 = 0x0102_0304;
/// Bytes before the first section.
const PREAMBLE: u64 = 16;

/// Some bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    at: u64,
    len: u64,
}

/// What a file says before its first chunk.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Begin {
    start_unix_ns: u64,
    /// See [`StoreConfig::pid_shape`]: pids print as they did where they lived.
    pid_shape: Vec<(u32, u32)>,
    meta: Vec<u8>,
}

/// What it says at its end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct End {
    begin: Begin,
    stopped_ns: u64,
    stop_reason: Option<StopReason>,
    /// Every event ever offered, and of those that were stored the ones that are not in the file.
    counts: Counts,
    absent: Counts,
    /// Why those are not: losses by span.
    losses: Vec<Loss>,
    absent_loss: Option<Loss>,
    /// Of the absent, those that could not be read.
    damaged: u64,
    next_seq: u64,
    last_ns: u64,
    atoms: Vec<Place>,
    tracks: Vec<Place>,
    chunks: Vec<Place>,
    /// Nothing where there is no summary: it would have been too large.
    summary: Vec<Place>,
}

/// What is wrong with a file that was read all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// It has no end: whoever wrote it was cut off, or it was cut or damaged later.
    pub cut_off: bool,
    /// Bytes at its end that belong to no whole section.
    pub bytes: u64,
    /// Chunks that cannot be read, as far as it is known by now.
    pub chunks: u64,
}

/// A recording's state apart from its chunks, at one moment.
pub(super) struct Head {
    end: End,
    tracks: Vec<TrackInfo>,
    atoms: Vec<(u64, String)>,
}

impl Recording {
    /// Writes the recording, as it is now, to a file: first beside it, then renamed into place. Answers its size.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<u64, StoreError> {
        let path = path.as_ref();
        let beside = beside(path)?;
        let written = self
            .write_to(&beside)
            .and_then(|size| fs::rename(&beside, path).map(|()| size).map_err(StoreError::from));
        if written.is_err() {
            // The error that counts is the one before.
            let _ = fs::remove_file(&beside);
        }
        written
    }

    fn write_to(&self, path: &Path) -> Result<u64, StoreError> {
        let (head, chunks) = {
            let index = self.up_to_date();
            if index.closed {
                return Err(StoreError::Closed);
            }
            self.fed()?;
            if !reserve::is_there(2 * index.open_bytes()) {
                return Err(StoreError::Memory);
            }
            (self.head(&index), index.all_sealed(&self.context())?)
        };
        let mut out = BufWriter::new(fs::OpenOptions::new().write(true).create_new(true).open(path)?);
        let mut composer = Composer::default();
        out.write_all(&composer.begin(&head.end.begin)?)?;
        let mut summary = Summary::default();
        for sealed in &chunks {
            let bytes = match sealed.body.bytes() {
                Ok(bytes) => bytes,
                // A damaged file saved anew: what cannot be read is not in it.
                Err(_) if sealed.damaged => continue,
                Err(error) => return Err(error),
            };
            out.write_all(&composer.chunk(sealed, &bytes)?)?;
            summary.take(sealed, &bytes);
        }
        composer.end(head, summary, &mut |bytes| Ok(out.write_all(bytes)?))?;
        let file = out.into_inner().map_err(|error| StoreError::Io(error.to_string()))?;
        file.sync_all()?;
        Ok(composer.size())
    }

    pub(super) fn head(&self, index: &Index) -> Head {
        let intake = self.intake.lock();
        let mut losses: Vec<Loss> = index.losses.all().to_vec();
        losses.extend(intake.untold(index.last_ns));
        let mut counts = intake.counts.clone();
        counts.truncated += index.found_cut;
        drop(intake);
        let text = |id: &AtomId| (id.0, self.atoms.text(*id).map_or_else(String::new, String::from));
        Head {
            end: End {
                begin: self.begin(),
                stopped_ns: self.stopped_ns.load(Ordering::Relaxed),
                stop_reason: match self.status() {
                    Status::Running => None,
                    Status::Stopped(reason) => Some(reason),
                },
                counts,
                losses,
                absent_loss: index.evicted_loss(),
                damaged: index.damaged_rows(),
                next_seq: index.next_seq,
                last_ns: index.last_ns,
                ..End::default()
            },
            tracks: index.tracks.all(),
            atoms: index.atoms().iter().map(text).collect(),
        }
    }

    fn begin(&self) -> Begin {
        Begin {
            start_unix_ns: self.config.start_unix_ns,
            pid_shape: self.config.pid_shape.clone(),
            meta: self.meta(),
        }
    }

    /// Opens a recording that was written to a file. It is stopped; its chunks are read when they are asked for, and its atoms
    /// are in its [`table`](Self::table).
    pub fn load(path: impl AsRef<Path>) -> Result<Arc<Self>, StoreError> {
        Self::open(Source::file(File::open(path)?)?)
    }

    /// The same from bytes at hand.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Arc<Self>, StoreError> {
        Self::open(Source::bytes(bytes))
    }

    fn open(source: Source) -> Result<Arc<Self>, StoreError> {
        if !reserve::is_there(0) {
            return Err(StoreError::Memory);
        }
        let source = Arc::new(source);
        match section::preamble(&source)? {
            1 => v1::read(&source),
            VERSION => open::open(&source).or_else(|_| scan::scan(&source)),
            found => Err(StoreError::Version { found, known: VERSION }),
        }
    }

    /// What is wrong with the file that it was read from; `None`: nothing that is known by now.
    pub fn damage(&self) -> Option<Damage> {
        let damage = self.index.lock().damage.clone();
        (damage != Damage::default()).then_some(damage)
    }
}

/// What a file yields.
struct Found {
    end: End,
    tracks: Vec<TrackInfo>,
    atoms: Vec<(u64, String)>,
    chunks: Vec<Sealed>,
    summary: Option<Vec<ChunkView>>,
    damage: Damage,
}

fn restore(found: Found) -> Result<Arc<Recording>, StoreError> {
    let Found {
        end,
        tracks,
        atoms,
        chunks,
        summary,
        damage,
    } = found;
    check_account(&end, &tracks, &chunks)?;
    let ids = atoms.iter().map(|(id, _)| AtomId(*id)).collect();
    let table = Arc::new(AtomTable::new(atoms));
    let config = StoreConfig {
        start_unix_ns: end.begin.start_unix_ns,
        pid_shape: end.begin.pid_shape,
        ..StoreConfig::default()
    };
    let index = Index::restore(Restored {
        tracks,
        losses: end.losses,
        evicted: end.absent,
        evicted_loss: end.absent_loss,
        damaged: end.damaged,
        next_seq: end.next_seq,
        last_ns: end.last_ns,
        chunks,
        summary: summary.map(Into::into),
        damage,
        atoms: ids,
    })?;
    let mut recording = Recording::with_index(config, table.clone(), index);
    recording.table = Some(table);
    recording.intake.get_mut().counts = end.counts;
    recording.intake.get_mut().last_ns = end.last_ns;
    *recording.meta.get_mut() = end.begin.meta;
    *recording.status.get_mut() = Status::Stopped(end.stop_reason.unwrap_or(StopReason::Requested));
    *recording.running.get_mut() = false;
    *recording.stopped_ns.get_mut() = end.stopped_ns;
    Ok(Arc::new(recording))
}

/// What other parts of the recording rely on when they subtract or look up.
fn check_account(end: &End, tracks: &[TrackInfo], chunks: &[Sealed]) -> Result<(), StoreError> {
    let (counts, gone) = (&end.counts, &end.absent);
    let enough = gone.stored <= counts.stored
        && gone.truncated <= counts.truncated
        && gone.redacted <= counts.redacted
        && end.damaged <= gone.stored
        && gone.by_kind.iter().zip(counts.by_kind).all(|(gone, all)| *gone <= all);
    check(
        enough && counts.stored.checked_add(counts.dropped) == Some(counts.offered),
        "the account does not add up",
    )?;
    check(
        tracks.windows(2).all(|pair| pair[0].id < pair[1].id),
        "tracks out of order",
    )?;
    let rows = chunks
        .iter()
        .filter(|one| !one.chunk.carried)
        .try_fold(0u64, |rows, one| rows.checked_add(one.chunk.len as u64));
    check(
        rows == Some(counts.stored - gone.stored) && end.next_seq == counts.stored,
        "the chunks have another number of rows than the account",
    )
}

fn check(holds: bool, what: &str) -> Result<(), StoreError> {
    if holds {
        Ok(())
    } else {
        Err(StoreError::corrupt(what))
    }
}

/// A name beside the file that no other save uses.
fn beside(path: &Path) -> Result<PathBuf, StoreError> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path
        .file_name()
        .ok_or_else(|| StoreError::Io("the path names no file".to_owned()))?;
    let mut beside = name.to_os_string();
    beside.push(format!(
        ".{}-{}.part",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    ));
    Ok(path.with_file_name(beside))
}
