//! Merging rings by time.

use super::record::Header;
use super::ring::Reader;
use std::collections::VecDeque;

/// A record from the control plane, for one recording.
pub(crate) struct Injected {
    pub(crate) recording: u64,
    pub(crate) header: Header,
    pub(crate) payload: Box<[u8]>,
}

/// What the merge hands out.
pub(crate) enum Item<'a> {
    Record(&'a Header, &'a [u8]),
    Injected(&'a Injected),
}

/// How far a merge came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Merged {
    /// How many items were handed out.
    pub(crate) items: usize,
    /// Everything older than this was handed out, now or before.
    pub(crate) until: u64,
}

/// The order of records. Time decides; two records of one process that share a reading keep the order of their numbers.
type Key = (u64, u64, u32, usize);

/// Bytes read from a ring before its writer gets them back in the middle of a run.
const GIVE_BACK_BYTES: usize = 32 * 1024;

/// Hands out what is older than `below`, oldest first, up to about `limit` items.
///
/// All that is older than `below` must be visible already (`Horizon::look` says when): a ring seen empty stays out.
pub(crate) fn merge(
    readers: &mut [Reader<'_>],
    injected: &mut VecDeque<Injected>,
    below: u64,
    limit: usize,
    mut emit: impl FnMut(Item<'_>),
) -> Merged {
    let end: Key = (below, 0, 0, 0);
    let mut heads: Vec<Key> = readers
        .iter()
        .enumerate()
        .map(|(index, reader)| head(reader, index, end))
        .collect();
    let mut items = 0;
    loop {
        let (mut least, mut next) = (end, front(injected, end));
        for &key in &heads {
            if key < least {
                next = next.min(least);
                least = key;
            } else {
                next = next.min(key);
            }
        }
        if items >= limit {
            return Merged {
                items,
                until: least.min(next).0,
            };
        }
        if next < least {
            // The control plane's record is the oldest.
            if let Some(record) = injected.pop_front() {
                emit(Item::Injected(&record));
                items += 1;
            }
            continue;
        }
        if least == end {
            return Merged { items, until: below };
        }
        let index = least.3;
        items += run(&mut readers[index], index, next, limit - items, &mut emit);
        heads[index] = head(&readers[index], index, end);
    }
}

/// Hands out a ring's records as long as they are older than any other's.
#[inline]
fn run(reader: &mut Reader<'_>, index: usize, next: Key, limit: usize, emit: &mut impl FnMut(Item<'_>)) -> usize {
    let mut items = 0;
    while let Some((header, payload)) = reader.peek() {
        let ours = (header.time, header.pid, header.seq, index);
        if (ours >= next && !cfg!(mutant = "merge_ignores_other_rings")) || items >= limit {
            break;
        }
        emit(Item::Record(&header, payload));
        reader.advance(&header);
        items += 1;
        if reader.kept() >= GIVE_BACK_BYTES {
            reader.give_back();
        }
    }
    reader.give_back();
    items
}

fn head(reader: &Reader<'_>, index: usize, end: Key) -> Key {
    let key = reader
        .peek()
        .map_or(end, |(header, _)| (header.time, header.pid, header.seq, index));
    key.min(end)
}

fn front(injected: &VecDeque<Injected>, end: Key) -> Key {
    injected
        .front()
        .map_or(end, |record| (record.header.time, 0, 0, 0))
        .min(end)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::capture::ring::{ring, Consumer};
    use proptest::prelude::*;

    /// `(time, pid, seq)` of what was handed out; records of the control plane have pid 0.
    type Out = Vec<(u64, u64, u32)>;

    /// Rings whose records have these times (made to rise within a ring), each ring a process of its own.
    fn rings(times: &[Vec<u8>]) -> (Vec<Consumer>, Out) {
        let mut all = Vec::new();
        let fill = |(index, times): (usize, &Vec<u8>)| {
            let (mut producer, consumer) = ring(1 << 14);
            let mut times = times.clone();
            times.sort_unstable();
            for (seq, &time) in times.iter().enumerate() {
                let (time, pid, seq) = (u64::from(time), index as u64 + 1, seq as u32);
                let header = Header {
                    kind: 1,
                    time,
                    pid,
                    seq,
                    ..Header::default()
                };
                assert!(producer.push(header, 0, |_| 0));
                all.push((time, pid, seq));
            }
            consumer
        };
        let consumers = times.iter().enumerate().map(fill).collect();
        all.sort_unstable();
        (consumers, all)
    }

    fn take(consumers: &mut [Consumer], injected: &mut VecDeque<Injected>, below: u64, limit: usize) -> (Merged, Out) {
        let mut out = Vec::new();
        let mut readers: Vec<Reader<'_>> = consumers.iter_mut().map(Consumer::reader).collect();
        let merged = merge(&mut readers, injected, below, limit, |item| {
            let header = match item {
                Item::Record(header, _) => header,
                Item::Injected(injected) => &injected.header,
            };
            out.push((header.time, header.pid, header.seq));
        });
        (merged, out)
    }

    fn note(time: u64) -> Injected {
        let header = Header {
            kind: 18,
            time,
            ..Header::default()
        };
        Injected {
            recording: 1,
            header,
            payload: Box::default(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// Whatever the portions, what comes out is everything below the bound, sorted; and `until` is never too late.
        #[test]
        fn hands_out_what_is_older_than_the_bound_in_order(
            times in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 1..5),
            mut notes in proptest::collection::vec(any::<u8>(), 0..5),
            below in any::<u8>(),
            limit in 1usize..10,
        ) {
            let (mut consumers, mut all) = rings(&times);
            notes.sort_unstable();
            all.extend(notes.iter().map(|&time| (u64::from(time), 0, 0)));
            all.sort_unstable();
            let mut injected: VecDeque<Injected> = notes.iter().map(|&time| note(u64::from(time))).collect();
            let below = u64::from(below);
            let mut out = Vec::new();
            loop {
                let (merged, more) = take(&mut consumers, &mut injected, below, limit);
                prop_assert_eq!(merged.items, more.len());
                out.extend(more);
                let older = all.iter().filter(|record| record.0 < merged.until).count();
                prop_assert!(out.len() >= older, "said to be whole until {}", merged.until);
                if merged.items == 0 {
                    prop_assert_eq!(merged.until, below);
                    break;
                }
            }
            let older: Out = all.iter().copied().filter(|record| record.0 < below).collect();
            prop_assert_eq!(out, older);
            let (_, rest) = take(&mut consumers, &mut injected, u64::MAX, usize::MAX);
            let younger: Out = all.iter().copied().filter(|record| record.0 >= below).collect();
            prop_assert_eq!(rest, younger);
        }
    }
}
