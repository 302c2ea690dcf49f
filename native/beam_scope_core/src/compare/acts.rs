//! What was done in two units, or two lives, and what came to them.

use std::ops::Range;

use super::split::{first, groups, Place, SplitKind};
use super::story::{Act, ActKind, Got, Story, Unit, UnitKind};
use super::walk::{balanced, is_hidden, Walk};

/// What was done while the same message was handled. To different receivers it may have been in any order.
pub(super) fn compare(walk: &mut Walk<'_>, (i, a): (usize, &Unit), (j, b): (usize, &Unit)) {
    let [ours, theirs] = [walk.stories[0].acts_of(a), walk.stories[1].acts_of(b)];
    let same = ours
        .iter()
        .zip(theirs)
        .take_while(|(one, other)| one.face.key == other.face.key)
        .count();
    if same == ours.len() && same == theirs.len() {
        walk.out.unknown += ours
            .iter()
            .zip(theirs)
            .filter(|(one, other)| is_hidden(&one.face, &other.face))
            .count() as u64;
        return;
    }
    let is_life = a.kind == UnitKind::Life || b.kind == UnitKind::Life;
    let (ours, theirs) = (&ours[same..], &theirs[same..]);
    // Of a life that was cut off there may be more.
    let cut = [0, 1].map(|side| is_life && walk.stories[side].lost_from.is_some());
    let found = part(walk, ours, theirs, cut).or_else(|| is_life.then(|| order(walk, ours, theirs)).flatten());
    if let Some((kind, one, other)) = found {
        let place = |unit: usize| move |act: usize| Place::Act(unit, same + act);
        walk.split(kind, one.map(place(i)), other.map(place(j)));
    }
}

type Parted = (SplitKind, Option<usize>, Option<usize>);

/// The first receiver who got something else.
fn part(walk: &mut Walk<'_>, ours: &[Act], theirs: &[Act], cut: [bool; 2]) -> Option<Parted> {
    let lost = [ours, theirs].map(|acts| acts.iter().position(|act| act.kind == ActKind::Gap));
    let mut found: Option<(usize, Parted)> = None;
    for [a, b] in groups(ours, theirs) {
        let open = a
            .iter()
            .zip(&b)
            .filter(|(i, j)| is_hidden(&ours[**i].face, &theirs[**j].face))
            .count();
        walk.out.unknown += open as u64;
        for (i, j) in a.iter().zip(&b) {
            let (one, other) = (&ours[*i].face, &theirs[*j].face);
            if one.key != other.key && walk.is_passed_on(one, other) {
                walk.out.masked[0].push(one.sent);
                walk.out.masked[1].push(other.sent);
            }
        }
        let Some((one, other)) = first(&a, &b, |i, j| walk.is_same(&ours[i].face, &theirs[j].face)) else {
            continue;
        };
        let rank = one.into_iter().chain(other).min().unwrap_or(0);
        if lost.iter().flatten().any(|gap| *gap <= rank) || one.is_none() && cut[0] || other.is_none() && cut[1] {
            walk.out.unknown += 1;
            continue;
        }
        if found.as_ref().is_none_or(|(best, _)| rank < *best) {
            let kind = one
                .map(|i| &ours[i])
                .or(other.map(|j| &theirs[j]))
                .map_or(SplitKind::Sent, kind);
            found = Some((rank, (kind, one, other)));
        }
    }
    if found.is_none() && lost.iter().any(Option::is_some) {
        walk.out.unknown += 1;
    }
    found.map(|(_, parted)| parted)
}

pub(super) const fn kind(act: &Act) -> SplitKind {
    match act.kind {
        ActKind::Sent | ActKind::Gap => SplitKind::Sent,
        ActKind::Called | ActKind::Returned | ActKind::Raised => SplitKind::Called,
        ActKind::Ended => SplitKind::Ended,
    }
}

/// The same acts of a process that is not seen handling anything, in another order. That is free among messages that nothing came
/// between, and where what came to it came in another order as well.
fn order(walk: &Walk<'_>, ours: &[Act], theirs: &[Act]) -> Option<Parted> {
    let at = ours
        .iter()
        .zip(theirs)
        .position(|(one, other)| one.face.group != other.face.group)?;
    let keys = |acts: &[Act]| {
        acts[at..]
            .iter()
            .map(|act| act.face.key)
            .collect::<Vec<u64>>()
            .into_iter()
    };
    let until = at + balanced(keys(ours), keys(theirs)).unwrap_or(ours.len().min(theirs.len()) - at);
    let burst = |acts: &[Act], story: &Story| {
        let (from, to) = (acts[0].at.seq, acts[acts.len() - 1].at.seq);
        let all_sent = acts.iter().all(|act| act.kind == ActKind::Sent);
        all_sent && !story.gots.iter().any(|got| (from..to).contains(&got.at.seq))
    };
    let both_burst = burst(&ours[at..until], walk.stories[0]) && burst(&theirs[at..until], walk.stories[1]);
    let arrived = |side: usize| walk.stories[side].gots.iter().map(|got| got.party);
    if both_burst || !arrived(0).eq(arrived(1)) {
        return None;
    }
    Some((SplitKind::Order, Some(at), Some(at)))
}

/// What was done while the same messages were handled in another order: to each receiver as much as before, and of the same kind. Its
/// content may hang on the order. `strict`: else it is only found out what does.
pub(super) fn compare_free(walk: &mut Walk<'_>, a: Range<usize>, b: Range<usize>, strict: bool) {
    let all = |side: usize, range: Range<usize>| -> Vec<(usize, usize, Act)> {
        let story = walk.stories[side];
        let of = |at: usize| {
            let acts = story.acts_of(&story.units[at]).iter().enumerate();
            acts.map(move |(nth, act)| (at, nth, *act))
        };
        range.flat_map(of).collect()
    };
    let (ours, theirs) = (all(0, a), all(1, b));
    let faces = |acts: &[(usize, usize, Act)]| acts.iter().map(|(.., act)| *act).collect::<Vec<Act>>();
    let (faces_a, faces_b) = (faces(&ours), faces(&theirs));
    let mut masked: [Vec<u64>; 2] = Default::default();
    for [one, other] in groups(&faces_a, &faces_b) {
        for (i, j) in one.iter().zip(&other) {
            let (x, y) = (&faces_a[*i], &faces_b[*j]);
            if x.face.key != y.face.key && x.kind == ActKind::Sent {
                masked[0].push(x.face.sent);
                masked[1].push(y.face.sent);
            }
        }
        if one.len() == other.len() || !strict {
            continue;
        }
        let extra_a = one.get(other.len()).map(|i| &ours[*i]);
        let extra_b = other.get(one.len()).map(|j| &theirs[*j]);
        let act = extra_a.or(extra_b).map(|(.., act)| act);
        let place = |(unit, nth, _): &(usize, usize, Act)| Place::Act(*unit, *nth);
        walk.split(
            act.map_or(SplitKind::Sent, kind),
            extra_a.map(place),
            extra_b.map(place),
        );
        return;
    }
    let [one, other] = masked;
    walk.out.masked[0].extend(one);
    walk.out.masked[1].extend(other);
}

/// What came and was not seen handled: of each sender the same.
pub(super) fn compare_gots(walk: &mut Walk<'_>) {
    let [a, b]: [&[Got]; 2] = [&walk.stories[0].gots, &walk.stories[1].gots];
    let same = a
        .iter()
        .zip(b)
        .take_while(|(one, other)| one.face.key == other.face.key)
        .count();
    let hidden = a
        .iter()
        .take(same)
        .zip(b)
        .filter(|(one, other)| is_hidden(&one.face, &other.face));
    walk.out.unknown += hidden.count() as u64;
    if same == a.len() && same == b.len() {
        return;
    }
    let lost = [0, 1].map(|side| walk.stories[side].lost_from.unwrap_or(u64::MAX));
    let cut = [0, 1].map(|side| walk.stories[side].lost_from.is_some());
    let (a, b) = (&a[same..], &b[same..]);
    let mut found: Option<(usize, Option<usize>, Option<usize>)> = None;
    for [ours, theirs] in groups(a, b) {
        let open = ours
            .iter()
            .zip(&theirs)
            .filter(|(i, j)| is_hidden(&a[**i].face, &b[**j].face))
            .count();
        walk.out.unknown += open as u64;
        let Some((one, other)) = first(&ours, &theirs, |i, j| walk.is_same(&a[i].face, &b[j].face)) else {
            continue;
        };
        let beyond = one.is_some_and(|i| a[i].at.seq >= lost[0]) || other.is_some_and(|j| b[j].at.seq >= lost[1]);
        let unseen = one.is_none() && cut[0] || other.is_none() && cut[1];
        if beyond || unseen {
            walk.out.unknown += 1;
            continue;
        }
        let rank = one.into_iter().chain(other).min().unwrap_or(0);
        if found.is_none_or(|(best, ..)| rank < best) {
            found = Some((rank, one, other));
        }
    }
    if let Some((_, one, other)) = found {
        let place = |at: usize| Place::Got(same + at);
        walk.split(SplitKind::Received, one.map(place), other.map(place));
    }
}
