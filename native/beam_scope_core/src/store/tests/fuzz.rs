//! Bytes that no store wrote, behind checksums that fit: what is read back is an error or makes sense.

use super::*;
use crate::fuzz::fuzz;
use crate::store::chunk;
use crate::store::codec::{read_stream, write_stream};
use crate::store::crc::crc32c;

/// Magic, version and checksum of a chunk.
const CHUNK_HEAD: usize = 12;
/// Magic, version and byte order of a file.
const PREAMBLE: usize = 16;
/// Kind, checksum and length of a section of a file.
const SECTION_HEAD: usize = 20;
const TRAILER: usize = 16;

fn sample() -> Arc<Recording> {
    let rec = recording(StoreConfig {
        chunk_events: 256,
        ..StoreConfig::default()
    });
    record(&rec, 1, 5, EventKind::Spawned, &[Value::Pid(1), Value::Int(1)]);
    for made in workload::gen_server(200, true, workload::counter) {
        rec.append(&made.header, &made.payload);
    }
    rec.lost(5, 3, 1 << 40);
    rec.stop(StopReason::Requested);
    rec
}

fn file() -> Vec<u8> {
    let path = std::env::temp_dir().join(format!("beam_scope-fuzz-{}", std::process::id()));
    sample().save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    bytes
}

/// The sections of a file: kind and content.
fn sections(file: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut out = Vec::new();
    let mut rest = &file[PREAMBLE..];
    while rest.len() > TRAILER {
        let len = u64::from_le_bytes(rest[4..12].try_into().unwrap()) as usize;
        let (section, after) = rest.split_at(SECTION_HEAD + len);
        out.push((section[..4].to_vec(), section[SECTION_HEAD..].to_vec()));
        rest = after;
    }
    out
}

fn file_of(preamble: &[u8], sections: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let (mut out, mut last) = (preamble.to_vec(), 0);
    for (kind, content) in sections {
        last = out.len() as u64;
        let mut head = kind.clone();
        head.extend_from_slice(&(content.len() as u64).to_le_bytes());
        head.extend_from_slice(&crc32c(content).to_le_bytes());
        head.extend_from_slice(&crc32c(&head).to_le_bytes());
        out.extend_from_slice(&head);
        out.extend_from_slice(content);
    }
    let at = last.to_le_bytes();
    [&out[..], &at, &crc32c(&at).to_le_bytes(), b"BSnd"].concat()
}

fn streams(chunk: &[u8]) -> Vec<Vec<u8>> {
    let mut body = &chunk[CHUNK_HEAD..];
    let mut out = Vec::new();
    while !body.is_empty() {
        out.push(read_stream(&mut body, &mut crate::store::codec::MAX_STREAMS.clone()).unwrap());
    }
    out
}

fn chunk_of(head: &[u8], streams: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::new();
    streams.iter().for_each(|stream| write_stream(stream, &mut body));
    let mut out = head[..8].to_vec();
    out.extend_from_slice(&crc32c(&body).to_le_bytes());
    out.extend_from_slice(&body);
    out
}

/// Each part with its number in front: a mutation changes one of them, or which of them it stands for.
fn numbered(parts: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let one = |(n, part): (usize, &Vec<u8>)| [&[n as u8], &part[..]].concat();
    parts.iter().enumerate().map(one).collect()
}

#[test]
fn fuzz_chunks() {
    let file = file();
    let chunk = sections(&file).swap_remove(1).1;
    let parts = streams(&chunk);
    fuzz("chunks", numbered(&parts), |bytes| {
        let Some((which, part)) = bytes.split_first() else {
            return 0;
        };
        let mut parts = parts.clone();
        let which = usize::from(*which) % parts.len();
        parts[which] = part.to_vec();
        let Ok((_, view)) = chunk::decode(&chunk_of(&chunk, &parts)) else {
            return which;
        };
        for row in view.rows() {
            row.terms.iter().for_each(|id| drop(view.arena.to_value(*id)));
        }
        100 + view.rows().len()
    });
}

#[test]
fn fuzz_files() {
    let file = file();
    let parts = sections(&file);
    let contents: Vec<_> = parts.iter().map(|(_, content)| content.clone()).collect();
    fuzz("files", numbered(&contents), |bytes| {
        let Some((which, content)) = bytes.split_first() else {
            return 0;
        };
        let mut parts = parts.clone();
        let which = usize::from(*which) % parts.len();
        parts[which].1 = content.to_vec();
        let bytes = file_of(&file[..PREAMBLE], &parts);
        let Ok(rec) = Recording::from_bytes(bytes.to_vec()) else {
            return which;
        };
        let mut rows = 0;
        for one in rec.chunks() {
            rows += rec.view(&one).map_or(0, |view| view.rows().len());
        }
        let (counts, _) = (rec.counts(), rec.losses());
        assert_eq!(counts.offered, counts.stored + counts.dropped);
        100 + rows
    });
}

#[test]
fn fuzz_records() {
    let seeds = workload::gen_server(8, true, workload::counter);
    let bytes = |made: &Made| [&made.header.to_bytes()[..], &made.payload].concat();
    fuzz("records", seeds.iter().map(bytes).collect(), |bytes| {
        let Some(header) = Header::from_bytes(bytes) else {
            return 0;
        };
        let rec = recording(StoreConfig {
            chunk_events: 4,
            ..StoreConfig::default()
        });
        for _ in 0..6 {
            rec.append(&header, &bytes[HEADER_LEN.min(bytes.len())..]);
        }
        let rows = everything(&rec).len();
        assert_account(&rec);
        rows
    });
}
