//! Which kinds of events each track has in a chunk, in a few bytes: a file of a terabyte has a million of these in memory.

use super::row::TrackId;
use crate::term::wire::{read_varint, write_varint};

/// Beside the kinds: a row that tells of events lost before it.
pub(crate) const LOST: u32 = 1 << 31;

/// Sets of [`crate::event::EventKind::bit`] and [`LOST`] by track: differences of tracks, sets only where they change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kinds(Box<[u8]>);

impl Kinds {
    /// From pairs in the order of their tracks.
    pub(crate) fn new(sets: &[(TrackId, u32)]) -> Self {
        let mut bytes = Vec::with_capacity(sets.len() + 8);
        let (mut track, mut kinds) = (0, 0);
        for (id, set) in sets {
            let changed = *set != kinds;
            write_varint(
                u64::from(id.0.wrapping_sub(track)) << 1 | u64::from(changed),
                &mut bytes,
            );
            if changed {
                write_varint(u64::from(*set), &mut bytes);
            }
            (track, kinds) = (id.0, *set);
        }
        Self(bytes.into())
    }

    /// From bytes that nobody vouches for: what is no track's set ends the list.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (TrackId, u32)> + '_ {
        let (mut rest, mut track, mut kinds) = (&self.0[..], 0u32, 0u32);
        let mut number = move |most: u64| {
            let (value, used) = read_varint(rest).ok()?;
            rest = &rest[used..];
            (value <= most).then_some(value)
        };
        std::iter::from_fn(move || {
            let step = number(u64::from(u32::MAX) << 1 | 1)?;
            track = track.wrapping_add((step >> 1) as u32);
            if step & 1 == 1 {
                kinds = number(u64::from(u32::MAX))? as u32;
            }
            Some((TrackId(track), kinds))
        })
    }

    pub(crate) fn of(&self, track: TrackId) -> u32 {
        self.iter()
            .take_while(|(id, _)| *id <= track)
            .find(|(id, _)| *id == track)
            .map_or(0, |(_, kinds)| kinds)
    }

    /// The kinds of all tracks together.
    pub(crate) fn all(&self) -> u32 {
        self.iter().fold(0, |all, (_, kinds)| all | kinds)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sets_come_back(sets in prop::collection::btree_map(any::<u32>(), any::<u32>(), 0..50), other in any::<u32>()) {
            let sets: Vec<(TrackId, u32)> = sets.into_iter().map(|(id, kinds)| (TrackId(id), kinds)).collect();
            let kinds = Kinds::new(&sets);
            prop_assert_eq!(kinds.iter().collect::<Vec<_>>(), sets.clone());
            prop_assert_eq!(Kinds::from_bytes(kinds.as_bytes().to_vec()), kinds.clone());
            for (id, set) in &sets {
                prop_assert_eq!(kinds.of(*id), *set);
            }
            if sets.iter().all(|(id, _)| id.0 != other) {
                prop_assert_eq!(kinds.of(TrackId(other)), 0);
            }
        }

        #[test]
        fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..40), track in any::<u32>()) {
            let kinds = Kinds::from_bytes(bytes);
            let _ = (kinds.all(), kinds.of(TrackId(track)));
        }
    }
}
