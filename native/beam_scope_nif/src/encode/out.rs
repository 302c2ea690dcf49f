//! The bytes that a term is written to.

/// A buffer of fixed size with a write position. Writes check a limit, and write either all or nothing.
pub(crate) struct Out<'a> {
    bytes: &'a mut [u8],
    pos: usize,
}

/// Most bytes that a varint takes.
pub(crate) const VARINT_MAX: usize = 10;

/// How many bytes a varint takes.
pub(crate) const fn varint_len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

impl<'a> Out<'a> {
    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, pos: 0 }
    }

    pub(crate) fn pos(&self) -> usize {
        self.pos
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets what was written after `pos`.
    pub(crate) fn rewind(&mut self, pos: usize) {
        self.pos = self.pos.min(pos);
    }

    /// One byte; the caller checked the room.
    #[inline]
    pub(crate) fn byte(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.pos) {
            *slot = byte;
            self.pos += 1;
        }
    }

    /// A varint; the caller checked the room.
    #[inline]
    pub(crate) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte((value & 0x7F) as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    /// Bytes; the caller checked the room.
    #[inline]
    pub(crate) fn slice(&mut self, bytes: &[u8]) {
        if let Some(slot) = self.bytes.get_mut(self.pos..self.pos + bytes.len()) {
            slot.copy_from_slice(bytes);
            self.pos += bytes.len();
        }
    }

    /// A tag and a varint, if there is room below `limit`.
    #[inline]
    pub(crate) fn tagged(&mut self, limit: usize, tag: u8, value: u64) -> bool {
        let fits = self.fits(limit, 1 + varint_len(value));
        if fits {
            self.byte(tag);
            self.varint(value);
        }
        fits
    }

    /// One byte, if there is room.
    #[inline]
    pub(crate) fn one(&mut self, byte: u8) -> bool {
        let slot = self.bytes.get_mut(self.pos);
        if let Some(slot) = slot {
            *slot = byte;
            self.pos += 1;
            return true;
        }
        false
    }

    /// A tag and a varint, if there is room in the whole buffer.
    #[inline]
    pub(crate) fn number(&mut self, tag: u8, mut value: u64) -> bool {
        let Some(room) = self
            .bytes
            .get_mut(self.pos..)
            .and_then(<[u8]>::first_chunk_mut::<{ 1 + VARINT_MAX }>)
        else {
            return self.tagged(self.bytes.len(), tag, value);
        };
        room[0] = tag;
        let mut len = 1;
        while value >= 0x80 && len < VARINT_MAX {
            room[len] = value as u8 | 0x80;
            value >>= 7;
            len += 1;
        }
        room[len] = value as u8;
        self.pos += len + 1;
        true
    }

    /// A varint, if there is room in the whole buffer.
    #[inline]
    pub(crate) fn plain(&mut self, value: u64) -> bool {
        let fits = self.fits(self.bytes.len(), varint_len(value));
        if fits {
            self.varint(value);
        }
        fits
    }

    /// How many bytes there are in the whole buffer.
    #[inline]
    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.pos
    }

    /// A tag, the length of bytes and the bytes, if there is room below `limit`.
    pub(crate) fn sized(&mut self, limit: usize, tag: u8, bytes: &[u8]) -> bool {
        let fits = self.fits(limit, 1 + varint_len(bytes.len() as u64) + bytes.len());
        if fits {
            self.byte(tag);
            self.varint(bytes.len() as u64);
            self.slice(bytes);
        }
        fits
    }

    /// Whether `n` more bytes stay below `limit`.
    #[inline]
    pub(crate) fn fits(&self, limit: usize, n: usize) -> bool {
        n <= self.room(limit)
    }

    /// How many bytes there are below `limit`.
    #[inline]
    pub(crate) fn room(&self, limit: usize) -> usize {
        limit.min(self.bytes.len()).saturating_sub(self.pos)
    }

    /// Replaces the tag and the varint `old` at `at` by another tag and two varints, moving what follows.
    pub(crate) fn retag(&mut self, at: usize, old: u64, tag: u8, full: u64, kept: u64) {
        let body = at + 1 + varint_len(old);
        let new_body = at + 1 + varint_len(full) + varint_len(kept);
        let end = self.pos;
        if body > end || new_body + (end - body) > self.bytes.len() {
            return;
        }
        self.bytes.copy_within(body..end, new_body);
        self.pos = at;
        self.byte(tag);
        self.varint(full);
        self.varint(kept);
        self.pos = new_body + (end - body);
    }
}
