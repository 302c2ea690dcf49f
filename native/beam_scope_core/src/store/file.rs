//! A recording as a file.
//!
//! ```text
//! magic 8 bytes · version u32 · byte order u32 · sections
//! section: kind u32 · CRC-32C of the content u32 · length u64 · content
//! ```
//! The sections are the head, every chunk in order, and an end that says how many chunks there were: a file cut short is
//! told from a whole one. Chunks are the very bytes that memory holds. All integers are little-endian; the byte order mark
//! refuses a file that some other writer made in another order.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::atoms::AtomTable;
use super::chunk;
use super::codec::{read_header, write_header};
use super::config::{Status, StopReason, StoreConfig};
use super::crc::crc32c;
use super::error::StoreError;
use super::index::{Index, Restored};
use super::recording::Recording;
use super::row::{Counts, Loss, TrackInfo};
use super::sealed::Sealed;

const MAGIC: [u8; 8] = *b"BEAMSCOP";
const VERSION: u32 = 1;
const BYTE_ORDER: u32 = 0x0102_0304;
const HEAD: u32 = 1;
const CHUNK: u32 = 2;
const END: u32 = 3;

#[derive(Serialize, Deserialize)]
struct Head {
    start_unix_ns: u64,
    stopped_ns: u64,
    stop_reason: Option<StopReason>,
    counts: Counts,
    evicted: Counts,
    evicted_loss: Option<Loss>,
    losses: Vec<Loss>,
    tracks: Vec<TrackInfo>,
    next_seq: u64,
    last_ns: u64,
    meta: Vec<u8>,
}

/// A recording's head, encoded, and its sealed chunks.
type Snapshot = (Vec<u8>, Vec<Arc<[u8]>>);

impl Recording {
    /// Writes the recording, as it is now, to a file: first beside it, then renamed into place.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), StoreError> {
        let (head, chunks) = self.snapshot()?;
        let path = path.as_ref();
        let beside = beside(path)?;
        let written = write_file(&beside, &head, &chunks).and_then(|()| Ok(fs::rename(&beside, path)?));
        if written.is_err() {
            // The error that counts is the one before.
            let _ = fs::remove_file(&beside);
        }
        written
    }

    fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let index = self.up_to_date();
        if index.closed {
            return Err(StoreError::Closed);
        }
        let intake = self.intake.lock();
        let losses = index
            .losses
            .all()
            .iter()
            .copied()
            .chain(intake.untold(index.last_ns))
            .collect();
        let mut counts = intake.counts.clone();
        counts.truncated += index.found_cut;
        drop(intake);
        let head = Head {
            start_unix_ns: self.config.start_unix_ns,
            stopped_ns: self.stopped_ns.load(Ordering::Relaxed),
            stop_reason: match self.status() {
                Status::Running => None,
                Status::Stopped(reason) => Some(reason),
            },
            counts,
            evicted: index.evicted.clone(),
            evicted_loss: index.evicted_loss(),
            losses,
            tracks: index.tracks.all().to_vec(),
            next_seq: index.next_seq,
            last_ns: index.last_ns,
            meta: self.meta(),
        };
        Ok((write_header(&head)?, index.all_bytes(&self.context())?))
    }

    /// Reads a recording from a file. It is stopped, and its atoms are in its [`table`](Self::table).
    pub fn load(path: impl AsRef<Path>) -> Result<Arc<Self>, StoreError> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        Self::read(&mut BufReader::new(file), len)
    }

    /// The same from any reader of so many bytes.
    pub(crate) fn read(reader: &mut impl Read, len: u64) -> Result<Arc<Self>, StoreError> {
        let mut input = Input { reader, left: len };
        input.preamble()?;
        let head: Head = read_header(&input.section(HEAD)?)?;
        let mut chunks = Vec::new();
        let mut atoms = Vec::new();
        loop {
            let (kind, content) = input.any_section()?;
            match kind {
                CHUNK => {
                    let header = chunk::header(&content)?;
                    chunks.push(Sealed::of(&header, content));
                    atoms.extend(header.atoms);
                }
                END => {
                    check(content == (chunks.len() as u64).to_le_bytes(), "chunks are missing")?;
                    check(input.left == 0, "bytes after the end")?;
                    return restore(head, chunks, atoms);
                }
                other => return Err(StoreError::Corrupt(format!("a section of unknown kind {other}"))),
            }
        }
    }
}

fn restore(head: Head, chunks: Vec<Sealed>, atoms: Vec<(u64, String)>) -> Result<Arc<Recording>, StoreError> {
    check_account(&head, &chunks)?;
    let table = Arc::new(AtomTable::new(atoms));
    let config = StoreConfig {
        start_unix_ns: head.start_unix_ns,
        ..StoreConfig::default()
    };
    let index = Index::restore(Restored {
        tracks: head.tracks,
        losses: head.losses,
        evicted: head.evicted,
        evicted_loss: head.evicted_loss,
        next_seq: head.next_seq,
        last_ns: head.last_ns,
        chunks,
    })?;
    let mut recording = Recording::with_index(config, table.clone(), index);
    recording.table = Some(table);
    recording.intake.get_mut().counts = head.counts;
    recording.intake.get_mut().last_ns = head.last_ns;
    *recording.meta.get_mut() = head.meta;
    *recording.status.get_mut() = Status::Stopped(head.stop_reason.unwrap_or(StopReason::Requested));
    *recording.running.get_mut() = false;
    *recording.stopped_ns.get_mut() = head.stopped_ns;
    Ok(Arc::new(recording))
}

/// What other parts of the recording rely on when they subtract or look up.
fn check_account(head: &Head, chunks: &[Sealed]) -> Result<(), StoreError> {
    let (counts, gone) = (&head.counts, &head.evicted);
    let enough = gone.stored <= counts.stored
        && gone.truncated <= counts.truncated
        && gone.redacted <= counts.redacted
        && gone.by_kind.iter().zip(counts.by_kind).all(|(gone, all)| *gone <= all);
    check(
        enough && counts.stored.checked_add(counts.dropped) == Some(counts.offered),
        "the account does not add up",
    )?;
    check(
        head.tracks.iter().zip(0..).all(|(info, id)| info.id.0 == id),
        "tracks out of order",
    )?;
    let rows: u64 = chunks
        .iter()
        .filter(|one| !one.chunk.carried)
        .map(|one| one.chunk.len as u64)
        .sum();
    check(
        rows == counts.stored - gone.stored && head.next_seq == counts.stored,
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
    static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
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

fn write_file(path: &Path, head: &[u8], chunks: &[Arc<[u8]>]) -> Result<(), StoreError> {
    let mut out = BufWriter::new(fs::OpenOptions::new().write(true).create_new(true).open(path)?);
    write_all(&mut out, head, chunks)?;
    let file = out.into_inner().map_err(|error| StoreError::Io(error.to_string()))?;
    file.sync_all()?;
    Ok(())
}

fn write_all(out: &mut impl Write, head: &[u8], chunks: &[Arc<[u8]>]) -> Result<(), StoreError> {
    out.write_all(&MAGIC)?;
    out.write_all(&VERSION.to_le_bytes())?;
    out.write_all(&BYTE_ORDER.to_le_bytes())?;
    write_section(out, HEAD, head)?;
    for chunk in chunks {
        write_section(out, CHUNK, chunk)?;
    }
    write_section(out, END, &(chunks.len() as u64).to_le_bytes())
}

fn write_section(out: &mut impl Write, kind: u32, content: &[u8]) -> Result<(), StoreError> {
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&crc32c(content).to_le_bytes())?;
    out.write_all(&(content.len() as u64).to_le_bytes())?;
    Ok(out.write_all(content)?)
}

/// A reader that never asks for more than the file has.
struct Input<'a, R> {
    reader: &'a mut R,
    left: u64,
}

impl<R: Read> Input<'_, R> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let mut bytes = [0; N];
        self.left = self
            .left
            .checked_sub(N as u64)
            .ok_or_else(|| StoreError::corrupt("it ends too early"))?;
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, StoreError> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn preamble(&mut self) -> Result<(), StoreError> {
        if self.bytes::<8>().map_err(|_| StoreError::NotARecording)? != MAGIC {
            return Err(StoreError::NotARecording);
        }
        let found = self.u32()?;
        if found != VERSION {
            return Err(StoreError::Version { found, known: VERSION });
        }
        check(self.u32()? == BYTE_ORDER, "another byte order")
    }

    fn section(&mut self, kind: u32) -> Result<Vec<u8>, StoreError> {
        let (found, content) = self.any_section()?;
        check(found == kind, "a section in the wrong place")?;
        Ok(content)
    }

    fn any_section(&mut self) -> Result<(u32, Vec<u8>), StoreError> {
        let (kind, sum) = (self.u32()?, self.u32()?);
        let len = u64::from_le_bytes(self.bytes()?);
        self.left = self
            .left
            .checked_sub(len)
            .ok_or_else(|| StoreError::corrupt("it ends too early"))?;
        let mut content = Vec::new();
        self.reader.by_ref().take(len).read_to_end(&mut content)?;
        check(content.len() as u64 == len, "it ends too early")?;
        check(crc32c(&content) == sum, "the checksum of a section does not fit")?;
        Ok((kind, content))
    }
}
