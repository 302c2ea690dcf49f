//! The head of a record in a ring.
//!
//! A record is a head of [`HEADER_LEN`] bytes and its terms in wire form (`crate::term::tag`), padded to 8 bytes. All
//! integers little-endian. The terms of records with the flag [`flags::STREAM`] are their track's *stream*, one after the other
//! within an `epoch`: such terms may refer back to earlier ones by their place in it.

/// Bytes of a record's head.
pub const HEADER_LEN: usize = 48;

/// The head of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Bytes of head and terms, without padding.
    pub len: u32,
    /// [`crate::event::EventKind`] as a number.
    pub kind: u8,
    /// [`crate::event::Point`] as a number for state events, else 0.
    pub point: u8,
    /// [`crate::event::Fields`] for state events, else 0.
    pub fields: u16,
    /// Nanoseconds of the engine's monotonic clock.
    pub time: u64,
    /// The process it happened to, by its word.
    pub pid: u64,
    /// Which tracer state the record came in under: a recording's id, or 0 for the classic tracer that all share.
    pub route: u32,
    /// How many terms follow.
    pub terms: u8,
    /// [`flags`].
    pub flags: u8,
    /// Reserved, 0.
    pub reserved: u16,
    /// The number of this event among all that this track was *offered* under this route, dropped ones included. A
    /// recording that does not want every kind sees holes that are no losses: count by `lost`.
    pub seq: u32,
    /// The epoch of the track's stream, if the record is part of it, else 0.
    pub epoch: u32,
    /// Where the terms begin in the track's stream of this epoch, else 0.
    pub offset: u32,
    /// How many events of this track were offered and dropped directly before this record. The sum of these and of the
    /// losses that [`super::sink::RecordSink::lost`] reports is all that was dropped.
    pub lost: u32,
}

/// Bits of [`Header::flags`].
pub mod flags {
    /// Some term of the record was truncated.
    pub const TRUNCATED: u8 = 1;
    /// Some term of the record was redacted.
    pub const REDACTED: u8 = 1 << 1;
    /// Written by the control plane, not by a tracer callback.
    pub const SYNTHETIC: u8 = 1 << 2;
    /// Some term holds a value that only this VM instance can make live again (a local reference, a local pid).
    pub const LOCAL: u8 = 1 << 3;
    /// The terms are part of their track's stream: see [`Header::offset`](super::Header::offset).
    pub const STREAM: u8 = 1 << 4;
    /// From here on its process does what nobody records: what was known of it is not known any more, as after a loss.
    pub const UNSEEN: u8 = 1 << 5;
}

impl Header {
    /// Writes the head into its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[0..4].copy_from_slice(&self.len.to_le_bytes());
        out[4] = self.kind;
        out[5] = self.point;
        out[6..8].copy_from_slice(&self.fields.to_le_bytes());
        out[8..16].copy_from_slice(&self.time.to_le_bytes());
        out[16..24].copy_from_slice(&self.pid.to_le_bytes());
        out[24..28].copy_from_slice(&self.route.to_le_bytes());
        out[28] = self.terms;
        out[29] = self.flags;
        out[30..32].copy_from_slice(&self.reserved.to_le_bytes());
        out[32..36].copy_from_slice(&self.seq.to_le_bytes());
        out[36..40].copy_from_slice(&self.epoch.to_le_bytes());
        out[40..44].copy_from_slice(&self.offset.to_le_bytes());
        out[44..48].copy_from_slice(&self.lost.to_le_bytes());
        out
    }

    /// Reads a head from the front of `bytes`; `None` when there are too few, or the length cannot be right.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let head: &[u8; HEADER_LEN] = bytes.get(..HEADER_LEN)?.try_into().ok()?;
        let u16_at = |i: usize| u16::from_le_bytes([head[i], head[i + 1]]);
        let u32_at = |i: usize| u32::from_le_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]);
        let u64_at = |i: usize| u64::from(u32_at(i)) | u64::from(u32_at(i + 4)) << 32;
        let header = Self {
            len: u32_at(0),
            kind: head[4],
            point: head[5],
            fields: u16_at(6),
            time: u64_at(8),
            pid: u64_at(16),
            route: u32_at(24),
            terms: head[28],
            flags: head[29],
            reserved: u16_at(30),
            seq: u32_at(32),
            epoch: u32_at(36),
            offset: u32_at(40),
            lost: u32_at(44),
        };
        (header.len as usize >= HEADER_LEN && header.len as usize <= bytes.len()).then_some(header)
    }
}
