//! Processes and trees.

use beam_scope_core::timeline::{Branch, Process, Processes, Tree};
use rustler::{Encoder, Term};

use crate::atoms;

use super::{name, nil, Map, Terms};

/// A list of process maps.
pub(crate) fn processes<'a, 'o>(terms: &mut Terms<'a, 'o>, found: &'o Processes) -> Term<'a> {
    let list: Vec<Term<'a>> = found.list.iter().map(|one| process(terms, found, one)).collect();
    list.encode(terms.env)
}

pub(super) fn process<'a, 'o>(terms: &mut Terms<'a, 'o>, found: &'o Processes, one: &'o Process) -> Term<'a> {
    let env = terms.env;
    let nodes = |terms: &mut Terms<'a, 'o>, list: &'o [_]| -> Vec<Term<'a>> {
        list.iter().map(|node| terms.node(&found.arena, *node)).collect()
    };
    let names = nodes(terms, &one.names);
    let (ancestors, links) = (nodes(terms, &one.ancestors), nodes(terms, &one.links));
    let call = one
        .initial_call
        .as_ref()
        .map(|(module, function, arity)| (terms.atom_name(module), terms.atom_name(function), *arity).encode(env));
    let module = one.module.as_ref().map(|module| terms.atom_name(module));
    let reason = one.exited.map(|(_, reason)| terms.node(&found.arena, reason));
    let or_nil = |term: Option<Term<'a>>| term.unwrap_or_else(|| nil(env));
    Map::default()
        .put(atoms::track(), one.track.0.encode(env))
        .put(atoms::pid(), terms.pid(one.pid))
        .put(atoms::name(), or_nil(names.first().copied()))
        .put(atoms::names(), names.encode(env))
        .put(atoms::module(), or_nil(module))
        .put(atoms::behaviour(), or_nil(one.role.map(|role| name(env, role.name()))))
        .put(atoms::initial_call(), or_nil(call))
        .put(atoms::parent(), or_nil(one.parent.map(|pid| terms.pid(pid))))
        .put(
            atoms::parent_track(),
            or_nil(one.parent_track.map(|track| track.0.encode(env))),
        )
        .put(atoms::ancestors(), ancestors.encode(env))
        .put(atoms::links(), links.encode(env))
        .put(
            atoms::spawned_at(),
            or_nil(one.spawned_at.as_ref().map(|at| terms.stamp(at))),
        )
        .put(
            atoms::exited_at(),
            or_nil(one.exited.as_ref().map(|(at, _)| terms.stamp(at))),
        )
        .put(atoms::exit_reason(), or_nil(reason))
        .put(atoms::known(), name(env, one.known.name()))
        .put(
            atoms::restart_of(),
            or_nil(one.restart_of.map(|track| track.0.encode(env))),
        )
        .put(atoms::restarts(), one.restarts.encode(env))
        .finish(env)
}

/// Nested maps of process, children and restarts; deep trees are built from the leaves.
pub(crate) fn tree<'a, 'o>(terms: &mut Terms<'a, 'o>, tree: &'o Tree) -> Term<'a> {
    let roots: Vec<Term<'a>> = tree.roots.iter().map(|root| branch(terms, tree, root)).collect();
    roots.encode(terms.env)
}

/// A chain of processes each of which started the next can be as long as the process table: no recursion.
fn branch<'a, 'o>(terms: &mut Terms<'a, 'o>, tree: &'o Tree, root: &'o Branch) -> Term<'a> {
    let mut open: Vec<(&'o Branch, Vec<Term<'a>>)> = vec![(root, Vec::new())];
    loop {
        let Some((branch, done)) = open.last() else {
            return nil(terms.env);
        };
        if let Some(child) = branch.children.get(done.len()) {
            open.push((child, Vec::new()));
            continue;
        }
        let Some((branch, children)) = open.pop() else {
            return nil(terms.env);
        };
        let node = node(terms, tree, branch, &children);
        match open.last_mut() {
            Some((_, siblings)) => siblings.push(node),
            None => return node,
        }
    }
}

fn node<'a, 'o>(terms: &mut Terms<'a, 'o>, tree: &'o Tree, branch: &'o Branch, children: &[Term<'a>]) -> Term<'a> {
    let env = terms.env;
    let (process, restarts) = match tree.processes.list.get(branch.process) {
        Some(one) => (process(terms, &tree.processes, one), one.restarts),
        None => (nil(env), 0),
    };
    Map::default()
        .put(atoms::process(), process)
        .put(atoms::children(), children.encode(env))
        .put(atoms::restarts(), restarts.encode(env))
        .finish(env)
}
