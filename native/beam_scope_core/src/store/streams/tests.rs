//! Streams: hand-made ones. What a writer makes of them is tested where the writer is.

use super::*;
use crate::capture::record::{flags, HEADER_LEN};
use crate::event::EventKind;
use crate::term::wire::{self, write_varint};
use crate::term::{tag, Kind, Value};

/// Records of one track, one after the other.
#[derive(Default)]
struct Track {
    streams: Streams,
    arena: Arena,
    chunk: u64,
    offset: u32,
    epoch: u32,
}

impl Track {
    fn header(&self, len: usize) -> Header {
        Header {
            len: (HEADER_LEN + len) as u32,
            kind: EventKind::State as u8,
            flags: flags::STREAM,
            terms: 1,
            epoch: self.epoch,
            offset: self.offset,
            ..Header::default()
        }
    }

    /// The term of a record with these bytes, and whether it is whole.
    fn read(&mut self, payload: &[u8]) -> (Value, bool) {
        let header = self.header(payload.len());
        self.offset += payload.len() as u32;
        let (terms, whole) = self
            .streams
            .read(TrackId(0), &header, payload, &mut self.arena, self.chunk);
        (self.arena.to_value(terms[0]), whole)
    }

    fn lose(&mut self, payload: &[u8]) {
        self.offset += payload.len() as u32;
    }

    /// The open chunk is sealed.
    fn seal(&mut self) {
        self.chunk += 1;
        self.arena = Arena::new();
    }
}

fn plain(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    wire::write(value, &mut out);
    out
}

fn tagged(tag: u8, numbers: &[u64]) -> Vec<u8> {
    let mut out = vec![tag];
    numbers.iter().for_each(|n| write_varint(*n, &mut out));
    out
}

fn ints(numbers: std::ops::Range<i64>) -> Value {
    Value::List(numbers.map(Value::Int).collect())
}

#[test]
fn a_reference_is_the_term_that_was_written_also_in_a_later_chunk() {
    for seals in [false, true] {
        let mut track = Track::default();
        let state = Value::Tuple(vec![Value::Binary(vec![7; 40]), ints(0..100)]);
        let bytes = plain(&state);
        assert_eq!(track.read(&bytes), (state.clone(), true));
        if seals {
            track.seal();
        }
        assert_eq!(track.read(&tagged(tag::REF, &[0])), (state, true));
        // The list in it begins behind the tuple's head and the binary.
        let list = 2 + 2 + 40;
        assert_eq!(track.read(&tagged(tag::REF, &[list])), (ints(0..100), true));
    }
}

#[test]
fn a_list_goes_on_with_an_older_one() {
    for seals in [false, true] {
        let mut track = Track::default();
        track.read(&plain(&ints(0..100)));
        if seals {
            track.seal();
        }
        let mut bytes = vec![tag::LIST];
        bytes.extend(plain(&Value::Int(-1)));
        // An item takes two bytes up to 63, then three; the cells that can be referred to are each eighth.
        bytes.extend(tagged(tag::TREF, &[1 + 8 * 2]));
        let expected: Vec<Value> = [-1].into_iter().chain(8..100).map(Value::Int).collect();
        assert_eq!(track.read(&bytes), (Value::List(expected), true));
    }
}

#[test]
fn a_list_is_made_of_runs() {
    for seals in [false, true] {
        let mut track = Track::default();
        let mut cut = vec![tag::LIST];
        (0..20).for_each(|n| wire::write(&Value::Int(n), &mut cut));
        cut.extend(tagged(tag::TRUNC_TAIL, &[30]));
        let known = (0..20).map(Value::Int).collect();
        assert_eq!(track.read(&cut), (Value::TruncatedList(known, 30), true));
        if seals {
            track.seal();
        }
        let mut bytes = vec![tag::LIST];
        bytes.extend(tagged(tag::LCHUNK, &[1 + 8 * 2, 12]));
        (20..30).for_each(|n| wire::write(&Value::Int(n), &mut bytes));
        bytes.push(tag::END);
        assert_eq!(track.read(&bytes), (ints(8..30), true));
    }
}

/// Each record has an item more at the front and some more at the end, and all that was known between by runs.
#[test]
fn a_list_that_comes_bit_by_bit_costs_what_is_new() {
    let mut track = Track::default();
    let mut payload = vec![tag::LIST];
    (0..5_000).for_each(|n| wire::write(&Value::Int(n), &mut payload));
    payload.extend(tagged(tag::TRUNC_TAIL, &[90_000]));
    // Cells of the first list that are not by reference: each takes two bytes up to 63, then three.
    let mut starts: Vec<u64> = Vec::new();
    let mut at = 1;
    for n in 0..5_000u64 {
        starts.push(at);
        at += if n < 64 { 2 } else { 3 };
    }
    let mut runs: Vec<(u64, u64)> = (0..5_000)
        .step_by(512)
        .map(|n| (starts[n], 512.min(5_000 - n as u64)))
        .collect();
    track.read(&payload);
    let mut nodes = Vec::new();
    for round in 0..300i64 {
        let base = u64::from(track.offset);
        let mut bytes = vec![tag::LIST];
        let first = bytes.len() as u64;
        wire::write(&Value::Int(-1 - round), &mut bytes);
        let mut next = vec![(base + first, 1)];
        for (cell, count) in &runs {
            next.push((base + bytes.len() as u64, *count));
            bytes.extend(tagged(tag::LCHUNK, &[*cell, *count]));
        }
        next.push((base + bytes.len() as u64, 8));
        (0..8).for_each(|n| wire::write(&Value::Int(5_000 + round * 8 + n), &mut bytes));
        bytes.extend(tagged(tag::TRUNC_TAIL, &[90_000]));
        let before = track.arena.len();
        let header = track.header(bytes.len());
        track.offset += bytes.len() as u32;
        let (terms, whole) = track
            .streams
            .read(TrackId(0), &header, &bytes, &mut track.arena, track.chunk);
        assert!(whole);
        assert_eq!(track.arena.list_len(terms[0]), 5_000 + 9 * (round as usize + 1));
        nodes.push(track.arena.len() - before);
        let ends = (-1 - round, 5_000 + round * 8 + 7);
        let item = |index| {
            track
                .arena
                .to_value(track.arena.list_get(terms[0], index).expect("an item"))
        };
        assert_eq!(item(0), Value::Int(ends.0));
        assert_eq!(item(5_000 + 9 * (round as usize + 1) - 1), Value::Int(ends.1));
        assert_eq!(item(round as usize + 1), Value::Int(0));
        runs = next;
    }
    assert!(nodes.iter().all(|new| *new < 60), "{nodes:?}");
}

/// In another chunk two terms are asked for, of which one refers to the other.
#[test]
fn what_several_refer_to_is_read_once_and_whole() {
    let mut track = Track::default();
    track.read(&plain(&ints(0..50)));
    let second = u64::from(track.offset);
    let mut bytes = tagged(tag::TUPLE, &[2]);
    bytes.extend(tagged(tag::REF, &[0]));
    bytes.extend(plain(&ints(50..99)));
    let (holder, _) = track.read(&bytes);
    track.seal();
    let mut bytes = tagged(tag::TUPLE, &[2]);
    bytes.extend(tagged(tag::REF, &[0]));
    bytes.extend(tagged(tag::REF, &[second]));
    assert_eq!(track.read(&bytes), (Value::Tuple(vec![ints(0..50), holder]), true));
}

fn pair(key: i64, value: i64) -> Vec<u8> {
    let mut out = vec![tag::PAIR];
    wire::write(&Value::Int(key), &mut out);
    wire::write(&Value::Int(value), &mut out);
    out
}

fn pairs(found: Value) -> std::collections::BTreeMap<i64, i64> {
    let (Value::Map(pairs) | Value::TruncatedMap(pairs, _)) = found else {
        panic!("no map: {found:?}")
    };
    let int = |value| match value {
        Value::Int(n) => n,
        other => panic!("no integer: {other:?}"),
    };
    pairs.into_iter().map(|(key, value)| (int(key), int(value))).collect()
}

/// A tree of 16 nodes of 16 pairs; of one of them a pair is changed, by reference to the others.
#[test]
fn a_map_is_what_changed_in_an_older_one() {
    for seals in [false, true] {
        let mut track = Track::default();
        let mut first = tagged(tag::TREE, &[256, 0xFFFF]);
        let mut at = Vec::new();
        for node in 0..16 {
            at.push(first.len() as u64);
            first.extend(tagged(tag::NODE, &[0xFFFF]));
            (0..16).for_each(|i| first.extend(pair(node * 16 + i, 0)));
        }
        let (map, whole) = track.read(&first);
        let mut expected: std::collections::BTreeMap<i64, i64> = (0..256).map(|key| (key, 0)).collect();
        assert!(whole);
        assert_eq!(pairs(map), expected);
        if seals {
            track.seal();
        }
        let before = track.arena.len();
        let mut second = tagged(tag::TREE, &[257, 0xFFFF]);
        (0..15).for_each(|node| second.extend(tagged(tag::NREF, &[at[node]])));
        second.extend(tagged(tag::NODE, &[0xFFFF]));
        (0..15).for_each(|i| second.extend(pair(240 + i, 0)));
        second.extend(tagged(tag::NODE, &[3]));
        second.extend(pair(255, 1));
        second.extend(pair(999, 2));
        expected.insert(255, 1);
        expected.insert(999, 2);
        let (map, whole) = track.read(&second);
        assert!(whole);
        assert_eq!(pairs(map), expected);
        if !seals {
            assert!(
                track.arena.len() - before < 20,
                "{} new nodes",
                track.arena.len() - before
            );
        }
    }
}

#[test]
fn a_tree_of_which_a_part_was_left_out_is_a_cut_map() {
    let mut track = Track::default();
    let mut bytes = tagged(tag::TREE, &[40, 3]);
    bytes.extend(pair(1, 2));
    bytes.push(tag::NCUT);
    let (map, whole) = track.read(&bytes);
    // The writer has marked the record itself.
    assert!(whole);
    assert!(matches!(map, Value::TruncatedMap(_, 40)), "{map:?}");
}

#[test]
fn what_was_lost_is_cut_and_nothing_else() {
    let mut track = Track::default();
    track.read(&plain(&ints(0..50)));
    let lost = u64::from(track.offset);
    track.lose(&plain(&ints(50..99)));
    let mut bytes = tagged(tag::TUPLE, &[2]);
    bytes.extend(tagged(tag::REF, &[0]));
    bytes.extend(tagged(tag::REF, &[lost]));
    let cut = Value::Truncated(Kind::Tuple, 0);
    assert_eq!(track.read(&bytes), (Value::Tuple(vec![ints(0..50), cut]), false));
}

#[test]
fn an_epoch_of_which_the_beginning_is_missing_tells_what_it_can() {
    let mut track = Track {
        epoch: 3,
        ..Track::default()
    };
    track.lose(&[0; 10]);
    assert_eq!(track.read(&plain(&ints(0..9))), (ints(0..9), true));
    assert_eq!(
        track.read(&tagged(tag::REF, &[2])),
        (Value::Truncated(Kind::Tuple, 0), false)
    );
}

#[test]
fn a_list_of_which_a_part_was_lost_ends_there_also_when_it_is_referred_to() {
    let mut track = Track::default();
    track.read(&plain(&ints(0..9)));
    let lost = u64::from(track.offset);
    track.lose(&plain(&ints(0..50)));
    for (seals, end) in [
        (false, tagged(tag::LCHUNK, &[lost + 1, 8])),
        (true, tagged(tag::TREF, &[lost + 1])),
    ] {
        let at = u64::from(track.offset);
        let mut bytes = vec![tag::LIST];
        bytes.extend(plain(&Value::Int(1)));
        bytes.extend(&end);
        if !seals {
            bytes.extend(plain(&Value::Int(2)));
            bytes.push(tag::END);
        }
        let cut = Value::TruncatedList(vec![Value::Int(1)], 0);
        assert_eq!(track.read(&bytes), (cut.clone(), false));
        if seals {
            track.seal();
        }
        assert_eq!(track.read(&tagged(tag::REF, &[at])), (cut, false));
    }
}

#[test]
fn runs_of_any_length_are_refused_not_added_up() {
    let mut track = Track::default();
    track.read(&plain(&ints(0..9)));
    let mut bytes = vec![tag::LIST];
    bytes.extend(tagged(tag::LCHUNK, &[1, u64::MAX]));
    bytes.extend(tagged(tag::LCHUNK, &[1, 2]));
    bytes.push(tag::END);
    assert!(!track.read(&bytes).1);
}

/// Each map has the node of the one before sixteen times.
#[test]
fn nodes_that_are_their_own_siblings_are_looked_at_once() {
    let mut track = Track::default();
    let mut first = tagged(tag::TREE, &[1, 1]);
    let mut at = first.len() as u64;
    first.extend(tagged(tag::NODE, &[1]));
    first.extend(pair(1, 1));
    track.read(&first);
    for _ in 0..10 {
        let begins = u64::from(track.offset);
        let head = tagged(tag::TREE, &[1, 1]);
        let mut bytes = head.clone();
        bytes.extend(tagged(tag::NODE, &[0xFFFF]));
        (0..16).for_each(|_| bytes.extend(tagged(tag::NREF, &[at])));
        at = begins + head.len() as u64;
        track.read(&bytes);
    }
}

#[test]
fn what_refers_to_itself_leads_nowhere() {
    let mut track = Track::default();
    let mut bytes = tagged(tag::TUPLE, &[1]);
    bytes.extend(tagged(tag::REF, &[0]));
    assert!(!track.read(&bytes).1);
    let at = u64::from(track.offset);
    assert!(!track.read(&tagged(tag::REF, &[at])).1);
    // Forward.
    assert!(!track.read(&tagged(tag::REF, &[at + 3])).1);
}

#[test]
fn lists_that_double_each_other_do_not_fill_the_memory() {
    let mut track = Track::default();
    track.read(&plain(&ints(0..1000)));
    let (mut cell, mut count) = (1u64, 1000u64);
    let mut refused = false;
    for _ in 0..40 {
        let mut bytes = vec![tag::LIST];
        bytes.extend(tagged(tag::LCHUNK, &[cell, count]));
        bytes.extend(tagged(tag::LCHUNK, &[cell, count]));
        bytes.push(tag::END);
        cell = u64::from(track.offset) + 1;
        count *= 2;
        let header = track.header(bytes.len());
        track.offset += bytes.len() as u32;
        let (_, whole) = track.streams.read(TrackId(0), &header, &bytes, &mut track.arena, 0);
        refused |= !whole;
        if refused {
            break;
        }
    }
    assert!(refused);
}

/// Each record goes on with the list of the one before: ten thousand deep, and then the chunk is sealed.
#[test]
fn a_long_chain_is_read_again_without_recursion() {
    let mut track = Track::default();
    track.read(&plain(&ints(0..20)));
    let mut first = 1u64;
    for n in 0..10_000 {
        let mut bytes = vec![tag::LIST];
        bytes.extend(plain(&Value::Int(n)));
        bytes.extend(tagged(tag::TREF, &[first]));
        first = u64::from(track.offset) + 1;
        if n == 9_999 {
            track.seal();
        }
        let header = track.header(bytes.len());
        track.offset += bytes.len() as u32;
        let (terms, whole) = track
            .streams
            .read(TrackId(0), &header, &bytes, &mut track.arena, track.chunk);
        assert!(whole);
        assert_eq!(track.arena.list_len(terms[0]), 21 + n as usize);
    }
}
