//! What is made from an older list or map is the node that building it from its parts makes.

use proptest::prelude::*;

use super::cases;
use crate::term::arena::{Arena, NodeId};
use crate::term::Value;

fn int(arena: &mut Arena, n: i64) -> NodeId {
    arena.intern(&Value::Int(n))
}

fn ints(arena: &mut Arena, numbers: impl IntoIterator<Item = i64>) -> Vec<NodeId> {
    numbers.into_iter().map(|n| int(arena, n)).collect()
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn a_spliced_list_is_the_list(
        new in prop::collection::vec(0i64..50, 0..60),
        length in 0usize..900,
        step in 1i64..7,
        from in 0usize..1000,
    ) {
        let arena = &mut Arena::new();
        let old = ints(arena, (0..length as i64).map(|i| i * step % 113));
        let list = arena.make_list(&old);
        let items = ints(arena, new);
        let expected: Vec<NodeId> = items.iter().copied().chain(old.iter().copied().skip(from)).collect();
        let spliced = arena.list_splice(&items, list, from);
        prop_assert_eq!(spliced, arena.make_list(&expected));
    }

    #[test]
    fn a_joined_list_is_the_list(
        before in prop::collection::vec(0i64..50, 0..40),
        length in 0usize..1500,
        step in 1i64..7,
        from in 0usize..1600,
        count in prop_oneof![0usize..1600, Just(1600)],
        after in prop::collection::vec(0i64..50, 0..40),
    ) {
        let arena = &mut Arena::new();
        let old = ints(arena, (0..length as i64).map(|i| i * step % 113));
        let list = arena.make_list(&old);
        let (before, after) = (ints(arena, before), ints(arena, after));
        let middle = old.iter().copied().skip(from).take(count);
        let expected: Vec<NodeId> = before.iter().copied().chain(middle).chain(after.iter().copied()).collect();
        let joined = arena.list_join(&before, list, from..from + count, &after);
        prop_assert_eq!(joined, arena.make_list(&expected));
    }

    #[test]
    fn a_list_from_somewhere_on_has_the_rest(length in 0usize..900, from in 0usize..1000) {
        let arena = &mut Arena::new();
        let items = ints(arena, 0..length as i64);
        let list = arena.make_list(&items);
        let rest: Vec<NodeId> = arena.list_from(list, from).collect();
        prop_assert_eq!(&rest[..], items.get(from..).unwrap_or(&[]));
    }

    #[test]
    fn a_changed_map_is_the_map(
        keys in 0i64..400,
        changes in prop::collection::vec((0i64..450, prop::option::of(0i64..9)), 0..60),
        batch in 1usize..20,
    ) {
        let arena = &mut Arena::new();
        let mut pairs: std::collections::BTreeMap<i64, i64> = (0..keys).map(|key| (key, key % 7)).collect();
        let mut map = made(arena, &pairs);
        for batch in changes.chunks(batch) {
            let mut ids = Vec::new();
            for (key, value) in batch {
                match value {
                    Some(value) => pairs.insert(*key, *value),
                    None => pairs.remove(key),
                };
                ids.push((int(arena, *key), value.map(|value| int(arena, value))));
            }
            map = arena.map_update(map, ids);
            prop_assert_eq!(map, made(arena, &pairs));
        }
    }
}

fn made(arena: &mut Arena, pairs: &std::collections::BTreeMap<i64, i64>) -> NodeId {
    let pairs: Vec<(NodeId, NodeId)> = pairs
        .iter()
        .map(|(key, value)| (int(arena, *key), int(arena, *value)))
        .collect();
    arena.make_map(pairs)
}

/// The cost follows the change: counted in nodes that are new.
#[test]
fn a_change_in_a_large_container_makes_few_nodes() {
    let arena = &mut Arena::new();
    let items = ints(arena, 0..100_000);
    let list = arena.make_list(&items);
    let before = arena.len();
    let new = int(arena, -1);
    arena.list_splice(&[new], list, 3);
    assert!(arena.len() - before < 20, "{} nodes", arena.len() - before);
    let before = arena.len();
    arena.list_join(&[new], list, 3..90_000, &[new, new]);
    assert!(arena.len() - before < 40, "{} nodes", arena.len() - before);
    let map = arena.make_map(items.iter().map(|item| (*item, *item)));
    let before = arena.len();
    arena.map_update(map, [(items[5], Some(new))]);
    assert!(arena.len() - before < 12, "{} nodes", arena.len() - before);
}
