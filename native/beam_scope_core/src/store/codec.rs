//! Bytes at rest: compressed streams, and headers behind a size limit.
//!
//! A stream is cut into blocks of at most [`BLOCK`] bytes, each compressed by itself.

use serde::{de::DeserializeOwned, Serialize};

use super::error::StoreError;
use crate::term::wire::{read_varint, write_varint};

/// Largest block before compression.
pub(crate) const BLOCK: usize = 256 << 10;
/// Most that the streams of one chunk, or of one section, may hold together when they are read.
pub(crate) const MAX_STREAMS: u64 = 256 << 20;
/// Largest header that is accepted when reading.
const MAX_HEADER: u64 = 64 << 20;

/// Compresses a stream: its length, then for each block the compressed length (0: not compressed) and the bytes.
pub(crate) fn write_stream(stream: &[u8], out: &mut Vec<u8>) {
    write_varint(stream.len() as u64, out);
    for block in stream.chunks(BLOCK) {
        let packed = lz4_flex::block::compress(block);
        if packed.len() < block.len() {
            write_varint(packed.len() as u64, out);
            out.extend_from_slice(&packed);
        } else {
            write_varint(0, out);
            out.extend_from_slice(block);
        }
    }
}

/// Takes the next stream from the front of `bytes`, and what it holds from what may still be read.
pub(crate) fn read_stream(bytes: &mut &[u8], allowance: &mut u64) -> Result<Vec<u8>, StoreError> {
    let len = read_number(bytes)?;
    *allowance = allowance
        .checked_sub(len)
        .ok_or_else(|| StoreError::TooLarge(format!("a stream of {len} bytes")))?;
    let mut out = Vec::new();
    let mut left = len as usize;
    while left > 0 {
        let size = left.min(BLOCK);
        let packed = read_number(bytes)?;
        if packed == 0 {
            out.extend_from_slice(read_bytes(bytes, size as u64)?);
        } else {
            let packed = read_bytes(bytes, packed)?;
            let block = lz4_flex::block::decompress(packed, size)
                .map_err(|error| StoreError::Corrupt(format!("a block does not decompress: {error}")))?;
            if block.len() != size {
                return Err(StoreError::corrupt("a block has the wrong size"));
            }
            out.extend_from_slice(&block);
        }
        left -= size;
    }
    Ok(out)
}

/// Takes a varint from the front.
pub(crate) fn read_number(bytes: &mut &[u8]) -> Result<u64, StoreError> {
    let (value, used) = read_varint(bytes).map_err(|_| StoreError::corrupt("a number that is none"))?;
    *bytes = &bytes[used..];
    Ok(value)
}

/// Takes `n` bytes from the front.
pub(crate) fn read_bytes<'a>(bytes: &mut &'a [u8], n: u64) -> Result<&'a [u8], StoreError> {
    let n = usize::try_from(n).unwrap_or(usize::MAX);
    let (taken, rest) = bytes
        .split_at_checked(n)
        .ok_or_else(|| StoreError::corrupt("it ends too early"))?;
    *bytes = rest;
    Ok(taken)
}

fn options() -> impl bincode::Options {
    use bincode::Options;
    bincode::DefaultOptions::new().with_limit(MAX_HEADER)
}

/// A header's bytes.
pub(crate) fn write_header<T: Serialize>(header: &T) -> Result<Vec<u8>, StoreError> {
    use bincode::Options;
    options()
        .serialize(header)
        .map_err(|error| StoreError::TooLarge(format!("a header: {error}")))
}

/// A header from all of its bytes.
pub(crate) fn read_header<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    use bincode::Options;
    options()
        .deserialize(bytes)
        .map_err(|error| StoreError::Corrupt(format!("a header: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_come_back() {
        let noise: Vec<u8> = (0..600_000u64)
            .map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8)
            .collect();
        for stream in [vec![], vec![7; 1_000_000], noise] {
            let mut out = Vec::new();
            write_stream(&stream, &mut out);
            out.push(9);
            let mut rest = &out[..];
            assert_eq!(read_stream(&mut rest, &mut MAX_STREAMS.clone()).unwrap(), stream);
            assert_eq!(rest, [9]);
        }
    }
}
