//! Invariants found, not written: what held in every state, transition and exchange of messages of a role's processes.
//!
//! After Daikon (Ernst, Perkins, Guo, McCamant, Pacheco, Tschantz, Xiao, "The Daikon system for dynamic detection of likely
//! invariants", Science of Computer Programming 69, 2007): templates are set up over what a state holds, each observation
//! drops those that it contradicts, and what is left is shown if so many observations would hardly have obeyed by
//! chance ([`chance`]).
//!
//! ```text
//! rows ──expect::feed──▶ states, steps, messages ──read──▶ Role: fields, pairs, steps, calls, follows ──choose──▶ Candidate
//!                                                  layout: a state as a row of cells
//! ```
//!
//! What is proposed holds of what was read in the very sense in which [`expect`](crate::expect) checks it, since both are fed by
//! the same hand. What nobody knows (a gap, a term that was cut or redacted) is no observation, and takes with it what would have
//! had to look there.
//!
//! All is bounded: roles, fields, pairs, kinds of messages, values, what waits for an answer. What was left out is said in
//! [`Inference::notes`]. The time is that of one pass, whatever the states hold: a part that stayed the same is not looked at.

pub(crate) mod atoms;
mod calls;
mod candidate;
mod cell;
mod chance;
mod choose;
mod follows;
mod layout;
pub(crate) mod literal;
mod pairs;
mod read;
mod role;
mod roles;
mod sorted;
mod steps;
mod tag;
mod unary;

#[cfg(test)]
mod tests;

pub use atoms::SharedAtom;
pub use candidate::{Amount, Candidate, Measure, Operand, Property, Relation, Reply, Tag};
pub use cell::Sort;
pub use layout::{Path, Step};
pub use roles::RoleKey;

use std::sync::Arc;

use crate::store::{LossCause, StoreError};
use crate::term::AtomId;
use crate::timeline::Timeline;

use atoms::{Atoms, Local};
use read::Reading;
use role::Role;
use roles::{assign, Census};

/// A recording to infer from, and how long it has lasted.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The recording.
    pub timeline: &'a Timeline,
    /// Nanoseconds from its start to its end, or to now.
    pub now_ns: u64,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// No candidate is shown that would hold by chance with a larger probability.
    pub chance: f64,
    /// Only processes of these names or modules; empty: all but supervisors and tasks.
    pub only: Vec<Box<str>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            chance: 0.01,
            only: Vec::new(),
        }
    }
}

/// A role that was looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct RoleSeen {
    /// Who has it.
    pub key: RoleKey,
    /// The module that its processes run, where that is known.
    pub module: Option<AtomId>,
    /// How many there were.
    pub processes: u64,
    /// How many states they came to.
    pub states: u64,
    /// How many transitions there were between these.
    pub transitions: u64,
}

/// What was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// There were more roles.
    Roles,
    /// A role had more than is looked at, of what this says.
    Cut(usize, &'static str),
    /// Of a role's messages some could not be told apart, since they were cut or redacted: nothing that hangs on them is shown.
    Vague(usize, &'static str),
    /// A field could not be seen in every state.
    Unseen(usize, Path),
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Inference {
    /// The roles.
    pub roles: Vec<RoleSeen>,
    /// What holds of them, role by role.
    pub candidates: Vec<Candidate>,
    /// What was left out.
    pub notes: Vec<Note>,
    /// What the atoms in all of this are called.
    pub atoms: Vec<SharedAtom>,
    /// How many events of the recordings were lost.
    pub lost: u64,
}

/// Finds what held in all of these recordings.
///
/// # Errors
/// Where a recording cannot be read.
pub fn infer(recordings: &[Evidence<'_>], options: &Options) -> Result<Inference, StoreError> {
    let mut atoms = Atoms::default();
    let mut census = Census::new(options.only.clone());
    for (at, evidence) in recordings.iter().enumerate() {
        let timeline = evidence.timeline;
        let mut local = Local::new(at, Arc::clone(timeline.words()));
        timeline.with_facts(|facts| census.count(&mut local, &mut atoms, facts))?;
    }
    let (keys, cut) = census.roles();
    let mut roles: Vec<Role> = keys.iter().cloned().map(Role::new).collect();
    let mut lost = 0;
    for (at, evidence) in recordings.iter().enumerate() {
        let timeline = evidence.timeline;
        let mut local = Local::new(at, Arc::clone(timeline.words()));
        let inner = timeline.paired()?;
        let of_track = assign(&keys, &mut local, &mut atoms, &inner.index.facts);
        let reading = Reading::new(&mut atoms, local, &mut roles, of_track);
        reading.run(timeline, &inner, evidence.now_ns)?;
        let losses = timeline.recording().losses();
        let counted = losses.iter().filter(|loss| loss.cause != LossCause::Evicted);
        lost += counted.map(|loss| loss.count).sum::<u64>();
    }
    Ok(told(&roles, cut, atoms, lost, options))
}

fn told(roles: &[Role], cut: bool, atoms: Atoms, lost: u64, options: &Options) -> Inference {
    let ln_most = options.chance.ln();
    let mut inference = Inference {
        lost,
        ..Inference::default()
    };
    inference.notes.extend(cut.then_some(Note::Roles));
    for (at, role) in roles.iter().enumerate() {
        inference.candidates.extend(choose::choose(at, role, ln_most));
        inference.notes.extend(notes(at, role));
        inference.roles.push(RoleSeen {
            key: role.key.0.clone(),
            module: role.key.1,
            processes: role.processes,
            states: role.states,
            transitions: role.steps.n,
        });
    }
    inference.atoms = atoms.into_list();
    inference
}

fn notes(at: usize, role: &Role) -> Vec<Note> {
    let layout = role.layout.as_ref();
    let cuts = [
        (layout.is_some_and(|layout| layout.cut), "fields"),
        (role.pairs.cut, "pairs of fields"),
        (role.steps.cut, "kinds of messages handled"),
        (role.calls.cut, "calls"),
        (role.follows.cut, "messages that lead to others"),
    ];
    let cuts = cuts
        .into_iter()
        .filter(|(cut, _)| *cut)
        .map(|(_, what)| Note::Cut(at, what));
    let vague = [(role.steps.vague, "messages handled"), (role.calls.vague, "calls")];
    let vague = vague
        .into_iter()
        .filter(|(vague, _)| *vague)
        .map(|(_, what)| Note::Vague(at, what));
    let unseen = layout.into_iter().flat_map(|layout| {
        let hidden = |field: &usize| role.fields[*field].unknown;
        let outer = move |field: &usize| layout.parent(*field).is_none_or(|parent| !role.fields[parent].unknown);
        let fields = (0..layout.len()).filter(hidden).filter(outer);
        fields.map(move |field| Note::Unseen(at, layout.path(field)))
    });
    cuts.chain(vague).chain(unseen).collect()
}
