//! Who of one recording has the role of whom of the other.

use std::collections::HashMap;

use crate::store::TrackId;

use super::roles::{Cast, Claim, Claimant, Crowd, Given, Party, RoleKey, RoleTable, What};

/// Matches the processes of two recordings.
pub(super) fn matched(crowds: [Crowd; 2], given: &[Given]) -> (RoleTable, [Cast; 2]) {
    let mut matching = Matching {
        table: RoleTable {
            given: given.iter().map(|one| one.text.clone()).collect(),
            ..RoleTable::default()
        },
        ..Matching::default()
    };
    for (side, crowd) in crowds.iter().enumerate() {
        matching.certain(side, &crowd.all);
    }
    matching.children([&crowds[0].all, &crowds[1].all]);
    let [mut one, mut other] = crowds.map(|crowd| crowd.cast);
    [one.of_track, other.of_track] = matching.of_track;
    for tracks in matching.table.tracks.iter_mut().flatten() {
        tracks.sort_unstable();
    }
    (matching.table, [one, other])
}

#[derive(Default)]
struct Matching {
    table: RoleTable,
    of_track: [HashMap<TrackId, Party>; 2],
    by_key: HashMap<String, usize>,
    /// How many of a kind there are.
    counts: HashMap<(Option<usize>, String), u32>,
}

/// Those that are alike, on either side.
type Group<'c> = [Vec<&'c Claimant>; 2];

impl Matching {
    /// Who needs nobody else to know who it is.
    fn certain(&mut self, side: usize, all: &[Claimant]) {
        for one in all {
            let party = match &one.claim {
                Claim::Is(key) => self.role(key),
                Claim::Noise => Party::NOISE,
                Claim::Nobody => Party::OTHER,
                Claim::Again(_) | Claim::Child(_) => continue,
            };
            self.enter(side, one.track, party);
        }
    }

    fn role(&mut self, key: &RoleKey) -> Party {
        let text = format!("{key:?}");
        if let Some(known) = self.by_key.get(&text) {
            return Party(*known as u32);
        }
        let role = self.new_role(key.clone());
        self.by_key.insert(text, role);
        Party(role as u32)
    }

    fn new_role(&mut self, key: RoleKey) -> usize {
        self.table.keys.push(key);
        self.table.tracks.push([Vec::new(), Vec::new()]);
        self.table.keys.len() - 1
    }

    fn enter(&mut self, side: usize, track: TrackId, party: Party) {
        if let Some(role) = party.role() {
            self.table.tracks[role][side].push(track);
        }
        self.of_track[side].insert(track, party);
    }

    /// Children of those who are known, then theirs.
    fn children(&mut self, crowds: [&[Claimant]; 2]) {
        let mut waiting: [HashMap<Option<TrackId>, Vec<&Claimant>>; 2] = Default::default();
        for side in 0..2 {
            for one in crowds[side] {
                if matches!(one.claim, Claim::Again(_) | Claim::Child(_)) {
                    waiting[side].entry(one.parent).or_default().push(one);
                }
            }
        }
        let known = |side: usize| self.of_track[side].keys().copied().map(Some).chain([None]).collect();
        let mut frontier: [Vec<Option<TrackId>>; 2] = [known(0), known(1)];
        loop {
            let ready: Group<'_> = [0, 1].map(|side| {
                let mut ready: Vec<&Claimant> = frontier[side]
                    .iter()
                    .filter_map(|parent| waiting[side].remove(parent))
                    .flatten()
                    .collect();
                ready.sort_by_key(|one| one.track);
                ready
            });
            if ready.iter().all(Vec::is_empty) {
                if waiting.iter().all(HashMap::is_empty) {
                    return;
                }
                // Their parents have no role, or wait for each other: they are nobody's children.
                frontier = [0, 1].map(|side| waiting[side].keys().copied().collect());
                continue;
            }
            frontier = [0, 1].map(|side| ready[side].iter().map(|one| Some(one.track)).collect());
            self.generation(ready);
        }
    }

    fn generation(&mut self, ready: Group<'_>) {
        let mut order: Vec<(Option<usize>, What)> = Vec::new();
        let mut groups: HashMap<(Option<usize>, String), Group<'_>> = HashMap::new();
        for (side, all) in ready.iter().enumerate() {
            for one in all {
                let Claim::Child(what) = &one.claim else { continue };
                let parent = self.parent(side, one);
                let group = groups.entry((parent, format!("{what:?}"))).or_insert_with(|| {
                    order.push((parent, what.clone()));
                    Group::default()
                });
                group[side].push(one);
            }
        }
        for (parent, what) in order {
            if let Some(group) = groups.remove(&(parent, format!("{what:?}"))) {
                self.equals(parent, &what, &group);
            }
        }
        for (side, all) in ready.iter().enumerate() {
            all.iter().for_each(|one| self.again(side, one));
        }
    }

    /// Who was started again is who it was before; those before it have their roles already.
    fn again(&mut self, side: usize, one: &Claimant) {
        let Claim::Again(old) = &one.claim else { return };
        let party = self.of_track[side].get(old).copied();
        let party = party.unwrap_or_else(|| {
            let parent = self.parent(side, one);
            self.next(parent, &What::Process)
        });
        self.enter(side, one.track, party);
    }

    /// What the user's own processes start is called as if nobody had started it, as what starts by itself.
    fn parent(&self, side: usize, one: &Claimant) -> Option<usize> {
        let parent = self.of_track[side].get(&one.parent?)?.role()?;
        (!matches!(self.table.keys[parent], RoleKey::Given(_))).then_some(parent)
    }

    /// Those that were started with the same first; the others in the order of their births.
    fn equals(&mut self, parent: Option<usize>, what: &What, group: &Group<'_>) {
        if let What::Id(_) = what {
            // Its supervisor has one of them at a time.
            let role = self.next(parent, what);
            for (side, all) in group.iter().enumerate() {
                all.iter().for_each(|one| self.enter(side, one.track, role));
            }
            return;
        }
        let [ours, theirs] = group;
        let mut by_args: HashMap<u64, Vec<usize>> = HashMap::new();
        for (at, one) in theirs.iter().enumerate().rev() {
            by_args.entry(one.args).or_default().push(at);
        }
        let mut partner: Vec<Option<usize>> = ours
            .iter()
            .map(|one| by_args.get_mut(&one.args).and_then(Vec::pop))
            .collect();
        let mut left: Vec<usize> = by_args.into_values().flatten().collect();
        left.sort_unstable_by(|a, b| b.cmp(a));
        for partner in partner.iter_mut().filter(|partner| partner.is_none()) {
            *partner = left.pop();
        }
        left.reverse();
        for (one, partner) in ours.iter().zip(partner) {
            let role = self.next(parent, what);
            self.enter(0, one.track, role);
            if let Some(other) = partner {
                self.enter(1, theirs[other].track, role);
            }
        }
        for other in left {
            let role = self.next(parent, what);
            self.enter(1, theirs[other].track, role);
        }
    }

    fn next(&mut self, parent: Option<usize>, what: &What) -> Party {
        let count = self.counts.entry((parent, format!("{what:?}"))).or_default();
        *count += 1;
        let (what, nth) = (what.clone(), *count);
        Party(self.new_role(RoleKey::Child { parent, what, nth }) as u32)
    }
}
