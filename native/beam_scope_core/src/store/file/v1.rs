//! Files of version 1: read whole, refused when they are damaged.
//!
//! Sections had a shorter head, `kind u32 · CRC-32C of the content u32 · length u64`: a head with everything but the chunks, the
//! chunks, and an end that said how many there were.

use std::sync::Arc;

use serde::Deserialize;

use super::super::chunk;
use super::super::codec::read_header;
use super::super::config::StopReason;
use super::super::crc::crc32c;
use super::super::error::StoreError;
use super::super::recording::Recording;
use super::super::row::{Counts, Loss, TrackInfo};
use super::super::sealed::{Body, Sealed};
use super::source::Source;
use super::{check, restore, Begin, Damage, End, Found, PREAMBLE};

const HEAD: u32 = 1;
const CHUNK: u32 = 2;
const END: u32 = 3;

#[derive(Deserialize)]
struct HeadV1 {
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

pub(super) fn read(source: &Source) -> Result<Arc<Recording>, StoreError> {
    let mut at = PREAMBLE;
    let (kind, content) = section(source, &mut at)?;
    check(kind == HEAD, "a section in the wrong place")?;
    let head: HeadV1 = read_header(&content)?;
    let (mut chunks, mut atoms) = (Vec::new(), Vec::new());
    loop {
        let (kind, content) = section(source, &mut at)?;
        match kind {
            CHUNK => {
                let header = chunk::header(&content)?;
                chunks.push(Sealed::of(&header, Body::Held(content.into())));
                atoms.extend(header.atoms);
            }
            END => {
                check(content == (chunks.len() as u64).to_le_bytes(), "chunks are missing")?;
                check(at == source.len(), "bytes after the end")?;
                return finish(head, chunks, atoms);
            }
            other => return Err(StoreError::Corrupt(format!("a section of unknown kind {other}"))),
        }
    }
}

fn finish(head: HeadV1, chunks: Vec<Sealed>, atoms: Vec<(u64, String)>) -> Result<Arc<Recording>, StoreError> {
    restore(Found {
        end: End {
            begin: Begin {
                start_unix_ns: head.start_unix_ns,
                pid_shape: Vec::new(),
                meta: head.meta,
            },
            stopped_ns: head.stopped_ns,
            stop_reason: head.stop_reason,
            counts: head.counts,
            absent: head.evicted,
            losses: head.losses,
            absent_loss: head.evicted_loss,
            next_seq: head.next_seq,
            last_ns: head.last_ns,
            ..End::default()
        },
        tracks: head.tracks,
        atoms,
        chunks,
        summary: None,
        damage: Damage::default(),
    })
}

fn section(source: &Source, at: &mut u64) -> Result<(u32, Vec<u8>), StoreError> {
    let head = source.read(*at, 16)?;
    let word = |at: usize| {
        head[at..at + 4]
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u32::from(*byte))
    };
    let len = u64::from(word(12)) << 32 | u64::from(word(8));
    let content = source.read(*at + 16, len)?;
    check(crc32c(&content) == word(4), "the checksum of a section does not fit")?;
    *at += 16 + len;
    Ok((word(0), content))
}
