//! Which of several places comes first: the one that happened before the others in either recording, else the earlier one.

/// The order of places: `before` says for each which ones happened before it, as bits, in either recording; `at_ns` when it was.
pub(super) fn order(before: &[[u64; 2]], at_ns: &[u64]) -> Vec<usize> {
    let mut left: Vec<usize> = (0..at_ns.len()).collect();
    left.sort_by_key(|at| at_ns[*at]);
    let mut order = Vec::with_capacity(left.len());
    let mut waiting = bits(left.len());
    while !left.is_empty() {
        let is_first = |at: &usize| {
            let known = before.get(*at).map_or(0, |sides| sides[0] | sides[1]);
            known & waiting & !bit(*at) == 0
        };
        // The two recordings may say opposite things: then time decides.
        let next = left.iter().position(is_first).unwrap_or(0);
        let at = left.remove(next);
        waiting &= !bit(at);
        order.push(at);
    }
    order
}

const fn bit(at: usize) -> u64 {
    if at < 64 {
        1 << at
    } else {
        0
    }
}

const fn bits(len: usize) -> u64 {
    if len >= 64 {
        u64::MAX
    } else {
        (1 << len) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn what_happened_before_comes_before_what_was_earlier() {
        assert_eq!(order(&[[0, 0], [0, 0]], &[20, 10]), [1, 0]);
        assert_eq!(order(&[[0, 0], [1, 0]], &[20, 10]), [0, 1]);
        assert_eq!(order(&[[2, 0], [0, 1]], &[20, 10]), [1, 0]);
        assert_eq!(order(&[[0, 0], [0, 0b100], [0, 0b001]], &[30, 20, 10]), [0, 2, 1]);
    }
}
