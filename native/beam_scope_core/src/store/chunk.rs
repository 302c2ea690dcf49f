//! A sealed chunk: all that its rows need, in bytes.
//!
//! ```text
//! magic u32 · version u16 · flags u16 · CRC-32C of the rest u32 · streams
//! ```
//! Streams: header, shapes, times, tracks, extras, terms, and the five of the packed arena. Rows are columns: a row's
//! *shape* (kind, point, fields, flags, number of terms) is an index into the header's list; terms are columns by shape
//! and place, each entry the difference to the one before it, so that what repeats costs nothing and what grows by a
//! steady step costs next to nothing.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::codec::{read_header, read_number, read_stream, write_header, write_stream, MAX_STREAMS};
use super::crc::crc32c;
use super::error::StoreError;
use super::row::{Counts, EventRow, Loss, Terms, TrackId, TrackInfo};
use super::view::ChunkView;
use crate::event::{EventKind, Fields};
use crate::term::arena::{Arena, NodeId};
use crate::term::wire::{unzigzag, write_varint, zigzag};

const MAGIC: u32 = u32::from_le_bytes(*b"BSck");
/// Version of the chunk's form.
pub(crate) const VERSION: u16 = 1;
const HEAD: usize = 12;
/// A row takes a hundred times the room that it takes in a file.
const MAX_ROWS: usize = 4 << 20;

/// What a chunk says of itself and of the world around it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChunkHeader {
    /// Which chunk of its recording.
    pub(crate) index: u64,
    /// Whether its rows were carried forward from chunks that are gone.
    pub(crate) carried: bool,
    /// The first row's position.
    pub(crate) first_seq: u64,
    /// How many rows.
    pub(crate) rows: u32,
    /// Times of the first and of the last row.
    pub(crate) first_ns: u64,
    /// See above.
    pub(crate) last_ns: u64,
    /// The recording's start in Unix time.
    pub(crate) start_unix_ns: u64,
    /// Tracks with rows here; a row names its track by its place in this list.
    pub(crate) tracks: Vec<TrackInfo>,
    /// Atoms that occur, with their texts.
    pub(crate) atoms: Vec<(u64, String)>,
    /// Losses within the chunk's span.
    pub(crate) losses: Vec<Loss>,
    /// The kinds of rows of each of [`tracks`](Self::tracks), as sets of bits.
    pub(crate) kinds: Vec<u32>,
    /// The rows' account.
    pub(crate) counts: Counts,
    /// Filled in by [`encode`].
    pub(crate) shapes: Vec<Shape>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Shape {
    kind: u8,
    point: u8,
    fields: u16,
    flags: u8,
    terms: u8,
}

impl Shape {
    fn of(row: &EventRow) -> Self {
        Self {
            kind: row.kind as u8,
            point: row.point,
            fields: row.fields.0,
            flags: row.flags,
            terms: row.terms.len() as u8,
        }
    }
}

/// The columns of a chunk's rows.
#[derive(Default)]
struct Columns {
    shapes: Vec<u8>,
    times: Vec<u8>,
    tracks: Vec<u8>,
    /// What few rows have: losses before them, and positions that do not follow the row before.
    extras: Vec<u8>,
    terms: Vec<u8>,
}

/// Seals a view. `header` brings what the view does not know (index, atoms, tracks, losses); the rest is filled in.
pub(crate) fn encode(view: &ChunkView, mut header: ChunkHeader) -> Result<Vec<u8>, StoreError> {
    let rows = view.rows();
    let columns = write_columns(rows, &mut header);
    header.rows = rows.len() as u32;
    header.first_seq = rows.first().map_or(view.first_seq, |row| row.seq);
    header.first_ns = rows.first().map_or(0, |row| row.at_ns);
    header.last_ns = rows.last().map_or(0, |row| row.at_ns);
    let mut body = Vec::new();
    write_stream(&write_header(&header)?, &mut body);
    for column in [
        &columns.shapes,
        &columns.times,
        &columns.tracks,
        &columns.extras,
        &columns.terms,
    ] {
        write_stream(column, &mut body);
    }
    for stream in view.arena.pack().streams {
        write_stream(&stream, &mut body);
    }
    let mut out = Vec::with_capacity(HEAD + body.len());
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&crc32c(&body).to_le_bytes());
    out.extend_from_slice(&body);
    Ok(out)
}

/// Reads only the header of a sealed chunk; the checksum of the whole is verified.
pub(crate) fn header(bytes: &[u8]) -> Result<ChunkHeader, StoreError> {
    let mut body = checked_body(bytes)?;
    read_header(&read_stream(&mut body, &mut MAX_STREAMS.clone())?)
}

/// A sealed chunk, decoded.
pub(crate) fn decode(bytes: &[u8]) -> Result<(ChunkHeader, ChunkView), StoreError> {
    let mut body = checked_body(bytes)?;
    let mut allowance = MAX_STREAMS;
    let mut stream = || read_stream(&mut body, &mut allowance);
    let header: ChunkHeader = read_header(&stream()?)?;
    let columns = Columns {
        shapes: stream()?,
        times: stream()?,
        tracks: stream()?,
        extras: stream()?,
        terms: stream()?,
    };
    let mut streams: [Vec<u8>; 5] = Default::default();
    for packed in &mut streams {
        *packed = stream()?;
    }
    if !body.is_empty() {
        return Err(StoreError::corrupt("bytes after the chunk's end"));
    }
    let arena = Arena::unpack(streams.each_ref().map(Vec::as_slice))
        .map_err(|bad| StoreError::Corrupt(format!("the terms of a chunk: {}", bad.0)))?;
    let rows = read_columns(&columns, &header, arena.len() as u64)?;
    let first_seq = header.first_seq;
    Ok((header, ChunkView::from_parts(arena, first_seq, rows)))
}

fn checked_body(bytes: &[u8]) -> Result<&[u8], StoreError> {
    let (head, body) = bytes
        .split_at_checked(HEAD)
        .ok_or_else(|| StoreError::corrupt("a chunk ends too early"))?;
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    if word(0) != MAGIC {
        return Err(StoreError::corrupt("no chunk where one should be"));
    }
    if word(4) != u32::from(VERSION) {
        return Err(StoreError::Version {
            found: word(4),
            known: u32::from(VERSION),
        });
    }
    if word(8) != crc32c(body) && !cfg!(mutant = "chunk_unchecked") {
        return Err(StoreError::corrupt("the checksum of a chunk does not fit"));
    }
    Ok(body)
}

fn write_columns(rows: &[EventRow], header: &mut ChunkHeader) -> Columns {
    let mut columns = Columns::default();
    let places: HashMap<TrackId, u64> = header
        .tracks
        .iter()
        .zip(0..)
        .map(|(info, place)| (info.id, place))
        .collect();
    let mut shapes: HashMap<Shape, usize> = HashMap::new();
    let mut by_shape: Vec<Vec<(Vec<u8>, u32)>> = Vec::new();
    let (mut time, mut seq, mut extra_at) = (0, rows.first().map_or(0, |row| row.seq), 0);
    for (i, row) in rows.iter().enumerate() {
        let shape = Shape::of(row);
        let place = *shapes.entry(shape).or_insert_with(|| {
            header.shapes.push(shape);
            by_shape.push(vec![(Vec::new(), 0); row.terms.len()]);
            header.shapes.len() - 1
        });
        write_varint(place as u64, &mut columns.shapes);
        write_varint(zigzag(row.at_ns.wrapping_sub(time) as i64), &mut columns.times);
        time = row.at_ns;
        write_varint(places.get(&row.track).copied().unwrap_or(0), &mut columns.tracks);
        if (row.lost_before > 0 && !cfg!(mutant = "chunk_forgets_losses")) || row.seq != seq {
            write_varint(i as u64 - extra_at, &mut columns.extras);
            write_varint(u64::from(row.lost_before), &mut columns.extras);
            write_varint(row.seq.wrapping_sub(seq), &mut columns.extras);
            extra_at = i as u64;
        }
        seq = row.seq + 1;
        for (id, (column, last)) in row.terms.iter().zip(&mut by_shape[place]) {
            write_varint(zigzag(i64::from(id.0) - i64::from(*last)), column);
            *last = id.0;
        }
    }
    columns.terms = by_shape.into_iter().flatten().flat_map(|(column, _)| column).collect();
    columns
}

fn read_columns(columns: &Columns, header: &ChunkHeader, nodes: u64) -> Result<Vec<EventRow>, StoreError> {
    let count = header.rows as usize;
    if count > MAX_ROWS {
        return Err(StoreError::TooLarge(format!("a chunk of {count} rows")));
    }
    // Every row has at least a byte in each of three columns: no announced count can make us allocate more than that.
    if columns.shapes.len() < count || columns.times.len() < count || columns.tracks.len() < count {
        return Err(StoreError::corrupt("fewer rows than announced"));
    }
    let mut shapes = &columns.shapes[..];
    let mut places = Vec::with_capacity(count);
    let mut counts = vec![0usize; header.shapes.len()];
    for _ in 0..count {
        let place = read_number(&mut shapes)? as usize;
        *counts
            .get_mut(place)
            .ok_or_else(|| StoreError::corrupt("a row of unknown shape"))? += 1;
        places.push(place as u32);
    }
    let mut terms = read_terms(&columns.terms, &header.shapes, &counts, nodes)?;
    let (mut times, mut tracks, mut extras) = (&columns.times[..], &columns.tracks[..], &columns.extras[..]);
    let (mut time, mut seq) = (0u64, header.first_seq);
    let mut next_extra = if extras.is_empty() {
        None
    } else {
        Some(read_number(&mut extras)?)
    };
    let mut rows: Vec<EventRow> = Vec::with_capacity(count);
    for (i, place) in places.into_iter().enumerate() {
        let shape = header.shapes[place as usize];
        time = time.wrapping_add(unzigzag(read_number(&mut times)?) as u64);
        let track = header.tracks.get(read_number(&mut tracks)? as usize);
        let track = track
            .ok_or_else(|| StoreError::corrupt("a row of an unknown track"))?
            .id;
        let mut lost_before = 0;
        if next_extra == Some(i as u64) {
            lost_before = read_number(&mut extras)? as u32;
            seq = seq.wrapping_add(read_number(&mut extras)?);
            next_extra = if extras.is_empty() {
                None
            } else {
                Some((i as u64).saturating_add(read_number(&mut extras)?))
            };
        }
        if rows.last().is_some_and(|last| last.seq >= seq) {
            return Err(StoreError::corrupt("rows out of order"));
        }
        let kind = EventKind::from_u8(shape.kind).ok_or_else(|| StoreError::corrupt("a row of an unknown kind"))?;
        let terms = terms[place as usize].next().unwrap_or(Terms::NONE);
        let (point, fields, flags) = (shape.point, Fields(shape.fields), shape.flags);
        rows.push(EventRow {
            seq,
            at_ns: time,
            kind,
            point,
            fields,
            flags,
            track,
            lost_before,
            terms,
        });
        seq = seq
            .checked_add(1)
            .ok_or_else(|| StoreError::corrupt("a position out of range"))?;
    }
    Ok(rows)
}

/// The terms of each shape's rows, in the rows' order.
fn read_terms(
    mut column: &[u8],
    shapes: &[Shape],
    counts: &[usize],
    nodes: u64,
) -> Result<Vec<std::vec::IntoIter<Terms>>, StoreError> {
    let mut out = Vec::with_capacity(shapes.len());
    for (shape, count) in shapes.iter().zip(counts) {
        let mut rows = vec![Terms::NONE; *count];
        for _ in 0..shape.terms {
            let mut last = 0i64;
            for terms in &mut rows {
                last = last.wrapping_add(unzigzag(read_number(&mut column)?));
                let id = u32::try_from(last).ok().filter(|id| u64::from(*id) < nodes);
                let id = id.ok_or_else(|| StoreError::corrupt("a term that is not there"))?;
                if !terms.push(NodeId(id)) {
                    return Err(StoreError::corrupt("a row with too many terms"));
                }
            }
        }
        out.push(rows.into_iter());
    }
    Ok(out)
}
