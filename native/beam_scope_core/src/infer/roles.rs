//! Who is looked at together: processes that bear a name, and processes that run a module.

use std::collections::{HashMap, HashSet};

use crate::store::TrackId;
use crate::term::arena::{Arena, Node, NodeId};
use crate::term::{AtomId, Value};
use crate::timeline::{AtomName, Facts, Role as Behaviour, Track};

use super::atoms::{Atoms, Local};
use super::literal::literal;

/// No more roles are looked at.
pub(super) const MOST_ROLES: usize = 64;
/// A module whose processes have more names than this is one role.
const MOST_NAMES: usize = 8;

/// What a role's processes have in common.
#[derive(Clone, Debug, PartialEq)]
pub enum RoleKey {
    /// They bear this name: an atom, or `{:global, name}`.
    Name(Value),
    /// They run this module.
    Module(AtomId),
}

/// What was found out of the processes of all recordings before they are read.
#[derive(Debug, Default)]
pub(super) struct Census {
    /// By module: the names of its processes, and whether some have none.
    modules: Vec<(AtomId, Vec<Value>, bool)>,
    /// Names of processes whose module is not known.
    names: Vec<Value>,
    /// What was asked for, if not everything.
    only: Vec<Box<str>>,
}

/// A role and its module.
pub(super) type Keyed = (RoleKey, Option<AtomId>);

impl Census {
    pub(super) fn new(only: Vec<Box<str>>) -> Self {
        Self {
            only,
            ..Self::default()
        }
    }

    /// Looks at the processes of a recording.
    pub(super) fn count(&mut self, local: &mut Local, atoms: &mut Atoms, facts: &Facts) {
        for track in facts.tracks() {
            let module = module(local, atoms, track);
            let name = name(local, atoms, facts, track);
            if !self.wants(atoms, track, module, name.as_ref()) {
                continue;
            }
            match (module, name) {
                (Some(module), name) => self.enter(module, name),
                (None, Some(name)) if !self.names.contains(&name) => self.names.push(name),
                (None, _) => {}
            }
        }
    }

    /// Supervisors and tasks have states of OTP's own, and of what began in `erlang:apply/2` nobody knows whose code it runs: they are
    /// looked at only where they are asked for.
    fn wants(&self, atoms: &Atoms, track: &Track, module: Option<AtomId>, name: Option<&Value>) -> bool {
        if self.only.is_empty() {
            let behaviour = track.initial.as_ref().map(|initial| initial.role);
            let applied = name.is_none() && module.is_some_and(|module| atoms.text(module) == "erlang");
            return !applied && !behaviour.is_some_and(|role| role.is_supervisor() || role == Behaviour::Task);
        }
        let name = match name {
            Some(Value::Atom(name)) => Some(*name),
            _ => None,
        };
        let texts = [module, name].into_iter().flatten().map(|atom| atoms.text(atom));
        texts.into_iter().any(|text| self.only.iter().any(|one| **one == *text))
    }

    fn enter(&mut self, module: AtomId, name: Option<Value>) {
        let at = match self.modules.iter().position(|(one, ..)| *one == module) {
            Some(at) => at,
            None => {
                self.modules.push((module, Vec::new(), false));
                self.modules.len() - 1
            }
        };
        let (_, names, unnamed) = &mut self.modules[at];
        match name {
            Some(name) if names.len() <= MOST_NAMES && !names.contains(&name) => names.push(name),
            Some(_) => {}
            None => *unnamed = true,
        }
    }

    /// The roles, and whether there were more.
    pub(super) fn roles(self) -> (Vec<Keyed>, bool) {
        let mut roles = Vec::new();
        for (module, names, unnamed) in self.modules {
            let many = names.len() > MOST_NAMES;
            if !many {
                roles.extend(names.into_iter().map(|name| (RoleKey::Name(name), Some(module))));
            }
            if many || unnamed {
                roles.push((RoleKey::Module(module), Some(module)));
            }
        }
        roles.extend(self.names.into_iter().map(|name| (RoleKey::Name(name), None)));
        let cut = roles.len() > MOST_ROLES;
        roles.truncate(MOST_ROLES);
        (roles, cut)
    }
}

/// The tracks of a recording, each with its roles, and how many each role has.
pub(super) fn assign(
    roles: &[Keyed],
    local: &mut Local,
    atoms: &mut Atoms,
    facts: &Facts,
) -> HashMap<TrackId, Vec<usize>> {
    let mut of_track: HashMap<TrackId, Vec<usize>> = HashMap::new();
    for track in facts.tracks() {
        // As `role :x, module: M` has it: those whose callback module it is, or the module of their initial call.
        let modules = [module(local, atoms, track), called(local, atoms, track)];
        let names: Vec<Value> = names(facts, track)
            .filter_map(|name| literal(local, atoms, &facts.arena, name))
            .collect();
        let is_its = |(key, _): &Keyed| match key {
            RoleKey::Module(one) => modules.contains(&Some(*one)),
            RoleKey::Name(name) => names.contains(name),
        };
        let own: Vec<usize> = (0..roles.len()).filter(|at| is_its(&roles[*at])).collect();
        if !own.is_empty() {
            of_track.insert(track.id, own);
        }
    }
    of_track
}

fn module(local: &mut Local, atoms: &mut Atoms, track: &Track) -> Option<AtomId> {
    shared(local, atoms, track.initial.as_ref()?.module.as_ref()?)
}

fn called(local: &mut Local, atoms: &mut Atoms, track: &Track) -> Option<AtomId> {
    let (module, ..) = track.initial.as_ref()?.call.as_ref()?;
    shared(local, atoms, module)
}

fn shared(local: &mut Local, atoms: &mut Atoms, name: &AtomName) -> Option<AtomId> {
    match name {
        AtomName::Id(id) => local.shared(atoms, *id),
        AtomName::Text(text) => Some(atoms.of_text(text)),
    }
}

/// The names that a process ever bore.
fn names<'f>(facts: &'f Facts, track: &'f Track) -> impl Iterator<Item = NodeId> + 'f {
    let mut met = HashSet::new();
    let all = track.names.iter().map(|span| span.what);
    all.filter(move |name| met.insert(*name) && facts.of_name(*name).contains(&track.id))
}

/// The name that it is known by: an atom, or a global one.
fn name(local: &mut Local, atoms: &mut Atoms, facts: &Facts, track: &Track) -> Option<Value> {
    let fits = |name: &NodeId| match facts.arena.node(*name) {
        Node::Atom(_) => true,
        Node::Tuple(&[kind, _]) => is_atom(local, &facts.arena, kind, "global"),
        _ => false,
    };
    let all: Vec<NodeId> = names(facts, track).filter(fits).collect();
    all.into_iter()
        .find_map(|name| literal(local, atoms, &facts.arena, name))
}

fn is_atom(local: &Local, arena: &Arena, node: NodeId, text: &str) -> bool {
    match arena.node(node) {
        Node::Atom(id) => local.words().text(id).is_some_and(|own| *own == *text),
        _ => false,
    }
}
