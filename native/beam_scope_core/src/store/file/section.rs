//! Sections: what a file is made of.

use serde::de::DeserializeOwned;
use serde::Serialize;

use super::super::codec::{read_header, read_stream, write_header, write_stream};
use super::super::crc::crc32c;
use super::super::error::StoreError;
use super::source::Source;
use super::{check, Place, BYTE_ORDER, MAGIC, PREAMBLE, VERSION};

pub(super) const BEGIN: u32 = 1;
pub(super) const CHUNK: u32 = 2;
pub(super) const ATOMS: u32 = 3;
pub(super) const TRACKS: u32 = 4;
pub(super) const CHUNKS: u32 = 5;
pub(super) const SUMMARY: u32 = 6;
pub(super) const END: u32 = 7;

/// Bytes before a section's content.
pub(super) const HEAD: u64 = 20;
/// Bytes after the last section.
pub(super) const TRAILER: u64 = 16;
const LAST: [u8; 4] = *b"BSnd";

/// The first bytes of a file.
pub(super) fn write_preamble() -> Vec<u8> {
    let numbers = [VERSION, BYTE_ORDER].map(u32::to_le_bytes);
    [&MAGIC[..], &numbers.concat()].concat()
}

/// The version of a file, if it is one of ours.
pub(super) fn preamble(source: &Source) -> Result<u32, StoreError> {
    let head = source.read(0, PREAMBLE).map_err(|error| match error {
        StoreError::Corrupt(_) => StoreError::NotARecording,
        error => error,
    })?;
    if head[..8] != MAGIC {
        return Err(StoreError::NotARecording);
    }
    // The version first: whatever comes after it may be otherwise in another one.
    let version = word(&head, 8);
    if version == 1 || version == VERSION {
        check(word(&head, 12) == BYTE_ORDER, "another byte order")?;
    }
    Ok(version)
}

/// A section around a content.
pub(super) fn write(kind: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD as usize + content.len());
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&(content.len() as u64).to_le_bytes());
    out.extend_from_slice(&crc32c(content).to_le_bytes());
    let sum = crc32c(&out);
    out.extend_from_slice(&sum.to_le_bytes());
    out.extend_from_slice(content);
    out
}

/// The last bytes of a file.
pub(super) fn write_trailer(end_at: u64) -> Vec<u8> {
    let at = end_at.to_le_bytes();
    [&at[..], &crc32c(&at).to_le_bytes(), &LAST].concat()
}

/// Where the end section is, in a file that was finished.
pub(super) fn trailer(source: &Source) -> Result<u64, StoreError> {
    let at = source.len().checked_sub(TRAILER);
    let bytes = source.read(at.ok_or_else(|| StoreError::corrupt("it has no end"))?, TRAILER)?;
    let whole = bytes[12..] == LAST && crc32c(&bytes[..8]) == word(&bytes, 8);
    check(whole, "it has no end")?;
    Ok(long(&bytes, 0))
}

/// A section's head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section {
    pub(super) kind: u32,
    /// Its content.
    pub(super) place: Place,
    sum: u32,
}

impl Section {
    /// The section that begins here.
    pub(super) fn at(source: &Source, at: u64) -> Result<Self, StoreError> {
        let head = source.read(at, HEAD)?;
        check(crc32c(&head[..16]) == word(&head, 16), "no section where one should be")?;
        let place = Place {
            at: at + HEAD,
            len: long(&head, 4),
        };
        let fits = place.at.checked_add(place.len).is_some_and(|end| end <= source.len());
        check(fits, "it ends too early")?;
        Ok(Self {
            kind: word(&head, 0),
            place,
            sum: word(&head, 12),
        })
    }

    /// Where the next one begins.
    pub(super) const fn end(&self) -> u64 {
        self.place.at + self.place.len
    }

    pub(super) fn content(&self, source: &Source) -> Result<Vec<u8>, StoreError> {
        let content = source.read(self.place.at, self.place.len)?;
        check(crc32c(&content) == self.sum, "the checksum of a section does not fit")?;
        Ok(content)
    }
}

/// A header, compressed.
pub(super) fn pack<T: Serialize>(header: &T) -> Result<Vec<u8>, StoreError> {
    let mut out = Vec::new();
    write_stream(&write_header(header)?, &mut out);
    Ok(out)
}

/// The same back. What it holds is taken from what may still be read.
pub(super) fn unpack<T: DeserializeOwned>(mut content: &[u8], allowance: &mut u64) -> Result<T, StoreError> {
    let header = read_header(&read_stream(&mut content, allowance)?)?;
    check(content.is_empty(), "bytes after a header")?;
    Ok(header)
}

/// The checksum of a content.
pub(super) fn sum(content: &[u8]) -> u32 {
    crc32c(content)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4]
        .iter()
        .rev()
        .fold(0, |word, byte| word << 8 | u32::from(*byte))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(word(bytes, at + 4)) << 32 | u64::from(word(bytes, at))
}
