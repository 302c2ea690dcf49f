//! Where two stories of one role part.

use super::story::Face;

/// What parted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SplitKind {
    /// It handled another message, or the same one of another sender, or more or fewer of them.
    Handled,
    /// Another message came to it.
    Received,
    /// It sent something else.
    Sent,
    /// It called a traced function otherwise, or got another result.
    Called,
    /// Its state was another one after the same message.
    State,
    /// It ended otherwise: it failed in one of them, or for another reason.
    Ended,
    /// It did the same in another order, though one came because of the other.
    Order,
    /// It is there in one recording only.
    Role,
}

impl SplitKind {
    /// The name that users see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Handled => "handled",
            Self::Received => "received",
            Self::Sent => "sent",
            Self::Called => "called",
            Self::State => "state",
            Self::Ended => "ended",
            Self::Order => "order",
            Self::Role => "role",
        }
    }
}

/// Which part of a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Unit(usize),
    /// Of a unit.
    Act(usize, usize),
    Got(usize),
    Birth,
}

/// Where they part: in either story, or where it is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) kind: SplitKind,
    pub(super) places: [Option<Place>; 2],
}

impl Split {
    pub(super) const fn new(kind: SplitKind, a: Option<Place>, b: Option<Place>) -> Self {
        Self { kind, places: [a, b] }
    }
}

/// So far is looked ahead for what is missing on one side, and how well either explanation fits.
const AHEAD: usize = 32;

/// Two sequences of one sender, by their places: where they part first.
///
/// The two that stand against each other differ; or one of them is missing on the other side, if what follows fits better then.
pub(super) fn first(
    a: &[usize],
    b: &[usize],
    same: impl Fn(usize, usize) -> bool,
) -> Option<(Option<usize>, Option<usize>)> {
    let common = a.iter().zip(b).take_while(|(a, b)| same(**a, **b)).count();
    let (a, b) = (&a[common..], &b[common..]);
    let (x, y) = match (a.first(), b.first()) {
        (None, None) => return None,
        (Some(x), Some(y)) => (*x, *y),
        (x, y) => return Some((x.copied(), y.copied())),
    };
    let fit = |a: &[usize], b: &[usize]| {
        let rest = a.len().min(b.len()).min(AHEAD);
        let fits = a.iter().zip(b).take(rest).take_while(|(a, b)| same(**a, **b)).count();
        // A single one that happens to be there again explains nothing, unless it explains all.
        let explains = 2 * fits > rest || fits > 0 && a.len() == b.len();
        if explains {
            fits
        } else {
            0
        }
    };
    let ahead = |list: &[usize], is: &dyn Fn(usize) -> bool| list.iter().take(AHEAD).position(|one| is(*one));
    let missing = ahead(a, &|one| same(one, y)).map_or(0, |at| fit(&a[at..], b));
    let too_many = ahead(b, &|one| same(x, one)).map_or(0, |at| fit(a, &b[at..]));
    let changed = fit(&a[1..], &b[1..]);
    Some(if missing > changed.max(too_many) {
        (Some(x), None)
    } else if too_many > changed.max(missing) {
        (None, Some(y))
    } else {
        (Some(x), Some(y))
    })
}

/// What can be put into groups of which each keeps its order.
pub(super) trait Faced {
    fn face(&self) -> &Face;
}

impl Faced for super::story::Unit {
    fn face(&self) -> &Face {
        &self.face
    }
}

impl Faced for super::story::Act {
    fn face(&self) -> &Face {
        &self.face
    }
}

impl Faced for super::story::Got {
    fn face(&self) -> &Face {
        &self.face
    }
}

/// The places of each group, on either side, groups in the order in which they come.
pub(super) fn groups<T: Faced>(a: &[T], b: &[T]) -> Vec<[Vec<usize>; 2]> {
    let mut places = std::collections::HashMap::new();
    let mut all: Vec<[Vec<usize>; 2]> = Vec::new();
    for (side, list) in [a, b].into_iter().enumerate() {
        for (at, one) in list.iter().enumerate() {
            let group = *places.entry(one.face().group).or_insert_with(|| {
                all.push(Default::default());
                all.len() - 1
            });
            all[group][side].push(at);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::first;

    fn of(a: &str, b: &str) -> Option<(Option<char>, Option<char>)> {
        let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
        let places = |n: usize| (0..n).collect::<Vec<usize>>();
        let found = first(&places(a.len()), &places(b.len()), |x, y| a[x] == b[y])?;
        Some((found.0.map(|at| a[at]), found.1.map(|at| b[at])))
    }

    #[test]
    fn what_differs_is_missing_or_too_many() {
        assert_eq!(of("abc", "abc"), None);
        assert_eq!(of("abc", "axc"), Some((Some('b'), Some('x'))));
        assert_eq!(of("abc", "ac"), Some((Some('b'), None)));
        assert_eq!(of("ac", "abc"), Some((None, Some('b'))));
        assert_eq!(of("abc", "ab"), Some((Some('c'), None)));
        assert_eq!(of("", "x"), Some((None, Some('x'))));
        assert_eq!(of("ab", "ba"), Some((Some('a'), Some('b'))));
        assert_eq!(of("aaabb", "xaabb"), Some((Some('a'), Some('x'))));
        assert_eq!(of("aaabb", "xaaabb"), Some((None, Some('x'))));
        assert_eq!(
            of("abc", "bdf"),
            Some((Some('a'), Some('b'))),
            "that b comes again is chance"
        );
    }
}
