//! How many events of each kind there are, in files.
//!
//! The first files had 19 numbers, and the one at place 0, which is no kind's, was always 0. Now it says how many more follow: those
//! of kinds that came later. A file without such events is the same, byte by byte, and files of before are read as ever. A reader of
//! before would take the others for damaged, as it does with the rows themselves: it knows no such kind. No version with only the
//! first kinds was ever released, so the files' version stays.

use std::fmt;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{SerializeTuple, Serializer};

use super::row::ByKind;

/// Places that every file has.
const FIRST: usize = 19;
/// More kinds than a set of them can hold.
const MOST: usize = 32;

pub(super) fn serialize<S: Serializer>(by_kind: &ByKind, serializer: S) -> Result<S::Ok, S::Error> {
    let later = &by_kind[FIRST..];
    let used = later.iter().rposition(|n| *n != 0).map_or(0, |last| last + 1);
    let mut tuple = serializer.serialize_tuple(FIRST + used)?;
    tuple.serialize_element(&(used as u64))?;
    for number in &by_kind[1..FIRST + used] {
        tuple.serialize_element(number)?;
    }
    tuple.end()
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByKind, D::Error> {
    deserializer.deserialize_tuple(FIRST + MOST, Numbers)
}

struct Numbers;

impl<'de> Visitor<'de> for Numbers {
    type Value = ByKind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number for each kind of event")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<ByKind, A::Error> {
        let mut next = || {
            numbers
                .next_element::<u64>()?
                .ok_or_else(|| A::Error::custom("too few kinds"))
        };
        let later = next()?;
        let mut by_kind = ByKind::default();
        let places = usize::try_from(later).ok().filter(|later| *later <= MOST);
        let places = FIRST + places.ok_or_else(|| A::Error::custom("too many kinds"))?;
        for place in 1..places {
            let number = next()?;
            // What a later version counts, this one has no name for.
            if let Some(one) = by_kind.get_mut(place) {
                *one = number;
            }
        }
        Ok(by_kind)
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::Counts;
    use crate::event::EventKind;

    fn bytes(counts: &Counts) -> Vec<u8> {
        bincode::serialize(counts).expect("it is written")
    }

    #[test]
    fn without_later_kinds_it_is_as_it_ever_was() {
        let mut counts = Counts::default();
        counts.by_kind[EventKind::Note as usize] = 7;
        let old: (u64, [u64; 6], [u64; 19]) = bincode::deserialize(&bytes(&counts)).expect("as before");
        assert_eq!((old.2[0], old.2[18]), (0, 7));
        assert_eq!(bytes(&counts).len(), 8 * (7 + 19));
        assert_eq!(
            bincode::deserialize::<Counts>(&bytes(&counts)).expect("it is read"),
            counts
        );
    }

    #[test]
    fn later_kinds_come_back_and_what_follows_is_read() {
        for kind in [
            EventKind::System,
            EventKind::Gc,
            EventKind::Running,
            EventKind::Line,
            EventKind::Mark,
        ] {
            let mut counts = Counts::default();
            counts.by_kind[kind as usize] = 3;
            let both = bincode::serialize(&(&counts, 42u64)).expect("it is written");
            let read: (Counts, u64) = bincode::deserialize(&both).expect("it is read");
            assert_eq!(read, (counts, 42));
        }
    }

    #[test]
    fn kinds_of_the_future_are_passed_over_and_nonsense_is_refused() {
        let mut counts = bytes(&Counts::default());
        counts[8 * 7] = 5;
        counts.extend([0; 40]);
        assert!(bincode::deserialize::<Counts>(&counts).is_ok());
        counts[8 * 7] = 99;
        assert!(bincode::deserialize::<Counts>(&counts).is_err());
        assert!(bincode::deserialize::<Counts>(&counts[..60]).is_err());
    }
}
