//! What a process was started to be, read from the call it was spawned with.
//!
//! OTP spawns nearly everything through `proc_lib:init_p/5`, so the call itself says little and its arguments everything:
//! `[Parent, Ancestors, gen, init_it, [gen_server, Starter, Parent, {local, Name}, Module, Args, Options]]`. Arguments cut by
//! the budget are read as far as they go.

use crate::term::arena::{Arena, Node, NodeId};
use crate::term::AtomId;

use super::shape::{pid, tuple, word};
use super::words::{Word, Words};

/// What kind of process it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Role {
    GenServer,
    GenStatem,
    GenEvent,
    Supervisor,
    DynamicSupervisor,
    TaskSupervisor,
    Task,
    Agent,
    /// Started through `proc_lib`, with a loop of its own.
    Special,
    /// A plain process.
    Plain,
}

impl Role {
    /// The name that users see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GenServer => "gen_server",
            Self::GenStatem => "gen_statem",
            Self::GenEvent => "gen_event",
            Self::Supervisor => "supervisor",
            Self::DynamicSupervisor => "dynamic_supervisor",
            Self::TaskSupervisor => "task_supervisor",
            Self::Task => "task",
            Self::Agent => "agent",
            Self::Special => "special",
            Self::Plain => "plain",
        }
    }

    /// Whether it starts children and starts them again.
    #[must_use]
    pub const fn is_supervisor(self) -> bool {
        matches!(self, Self::Supervisor | Self::DynamicSupervisor | Self::TaskSupervisor)
    }

    pub(super) fn from_word(word: Word) -> Option<Self> {
        Some(match word {
            Word::GenServer | Word::ElixirGenServer => Self::GenServer,
            Word::GenStatem => Self::GenStatem,
            Word::GenEvent => Self::GenEvent,
            Word::Supervisor | Word::ElixirSupervisor | Word::SupervisorDefault => Self::Supervisor,
            Word::DynamicSupervisor => Self::DynamicSupervisor,
            Word::TaskSupervisor => Self::TaskSupervisor,
            Word::AgentServer | Word::ElixirAgent => Self::Agent,
            Word::TaskSupervised => Self::Task,
            _ => return None,
        })
    }
}

/// An atom that is known by its number, or only by its text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AtomName {
    /// It occurred in the recording.
    Id(AtomId),
    /// It was derived.
    Text(String),
}

/// Module, function, arity.
pub type InitialCall = (AtomName, AtomName, u32);

/// What the spawning call told. Nodes belong to the arena it was read from.
#[derive(Clone, Debug)]
pub struct Initial {
    /// As `proc_lib:initial_call/1` would tell.
    pub call: Option<InitialCall>,
    /// The module whose code it is: the callback module of a behaviour.
    pub module: Option<AtomName>,
    /// What kind of process it is.
    pub role: Role,
    /// The name it is started under: an atom, `{global, _}` or `{via, _, _}`.
    pub name: Option<NodeId>,
    /// The arguments of its `init`.
    pub args: Option<NodeId>,
    /// Its parent as `proc_lib` knows it: a pid or a name.
    pub parent: Option<NodeId>,
    /// Its further ancestors.
    pub ancestors: Option<NodeId>,
}

impl Initial {
    pub(super) const fn of(role: Role) -> Self {
        Self {
            call: None,
            module: None,
            role,
            name: None,
            args: None,
            parent: None,
            ancestors: None,
        }
    }
}

/// Reads `{Module, Function, Args}`.
#[must_use]
pub(super) fn read(words: &Words, arena: &Arena, mfa: NodeId) -> Option<Initial> {
    let [module, function, args] = *known_tuple(arena, mfa) else {
        return None;
    };
    let (m, f) = (atom(arena, module)?, atom(arena, function)?);
    let items: Vec<NodeId> = arena.list_iter(args).collect();
    match (words.of(m), words.of(f), items.as_slice()) {
        (Word::ProcLib, Word::InitP, &[parent, ancestors, m, f, inner]) => {
            let mut initial = through_proc_lib(words, arena, m, f, inner).unwrap_or_else(|| Initial::of(Role::Special));
            (initial.parent, initial.ancestors) = (Some(parent), Some(ancestors));
            Some(initial)
        }
        (Word::ProcLib, Word::InitP, &[parent, ancestors, fun]) => {
            let mut initial = from_fun(arena, fun, Role::Special);
            (initial.parent, initial.ancestors) = (Some(parent), Some(ancestors));
            Some(initial)
        }
        // Newer Elixirs start tasks themselves, and hand over what they need to set the ancestors.
        (Word::TaskSupervised, _, &[_, ancestors, ..]) => {
            let mut initial = task(words, arena, &items);
            initial.ancestors = Some(ancestors);
            Some(initial)
        }
        (Word::Erlang, Word::Apply, &[fun, _]) => Some(from_fun(arena, fun, Role::Plain)),
        _ => Some(plain(arena, (m, f), args, Role::Plain)),
    }
}

fn plain(arena: &Arena, (m, f): (AtomId, AtomId), args: NodeId, role: Role) -> Initial {
    let mut initial = Initial::of(role);
    initial.call = Some((AtomName::Id(m), AtomName::Id(f), full_len(arena, args)));
    initial.module = Some(AtomName::Id(m));
    initial.args = Some(args);
    initial
}

fn through_proc_lib(words: &Words, arena: &Arena, m: NodeId, f: NodeId, args: NodeId) -> Option<Initial> {
    let (m, f) = (atom(arena, m)?, atom(arena, f)?);
    let items: Vec<NodeId> = arena.list_iter(args).collect();
    match (words.of(m), words.of(f)) {
        (Word::Gen, Word::InitIt) => behaviour(words, arena, &items),
        (Word::TaskSupervised, _) => Some(task(words, arena, &items)),
        _ => Some(plain(arena, (m, f), args, Role::Special)),
    }
}

/// `[gen_server, Starter, Parent, Name?, Module, Args, Options]`
fn behaviour(words: &Words, arena: &Arena, items: &[NodeId]) -> Option<Initial> {
    let role = word(words, arena, *items.first()?)
        .and_then(Role::from_word)
        .unwrap_or(Role::Special);
    let named = items
        .get(3)
        .is_some_and(|item| !matches!(arena.node(*item), Node::Atom(_)));
    let rest = items.get(if named { 4 } else { 3 }..)?;
    let module = atom(arena, *rest.first()?)?;
    let mut initial = Initial::of(role);
    initial.name = items
        .get(3)
        .filter(|_| named)
        .and_then(|name| started_name(words, arena, *name));
    initial.args = rest.get(1).copied();
    initial.module = Some(AtomName::Id(module));
    initial.call = Some((AtomName::Id(module), AtomName::Text("init".into()), 1));
    refine(words, arena, module, &mut initial);
    Some(initial)
}

/// `{local, Name}` is the atom; `{global, _}` and `{via, _, _}` stay as they are.
fn started_name(words: &Words, arena: &Arena, name: NodeId) -> Option<NodeId> {
    match *tuple(arena, name) {
        [tag, local] if word(words, arena, tag) == Some(Word::Local) => Some(local),
        [_, _] | [_, _, _] => Some(name),
        _ => None,
    }
}

/// Behaviours built on `gen_server` say in their arguments whose code runs.
fn refine(words: &Words, arena: &Arena, module: AtomId, initial: &mut Initial) {
    let args = initial.args.map(|args| known_tuple(arena, args)).unwrap_or_default();
    let by_word = words.of(module);
    match (by_word, args) {
        (Word::Supervisor, &[_, callback, _]) => {
            initial.role = Role::Supervisor;
            if let Some(callback) = atom(arena, callback) {
                initial.module = Some(AtomName::Id(callback));
                initial.call = Some((AtomName::Id(module), AtomName::Id(callback), 1));
                if words.of(callback) == Word::TaskSupervisor {
                    initial.role = Role::TaskSupervisor;
                }
            }
        }
        (Word::DynamicSupervisor, &[callback, ..]) => {
            initial.role = Role::DynamicSupervisor;
            if let Some(callback) = atom(arena, callback) {
                initial.module = Some(AtomName::Id(callback));
                if words.of(callback) == Word::TaskSupervisor {
                    initial.role = Role::TaskSupervisor;
                }
            }
        }
        (Word::AgentServer, _) => {
            initial.role = Role::Agent;
            let fun = initial.args.map(|args| from_fun(arena, args, Role::Agent));
            if let Some(Initial {
                module: Some(module), ..
            }) = fun
            {
                initial.module = Some(module);
            }
        }
        _ => {
            if let Some(role) = Role::from_word(by_word) {
                initial.role = role;
            }
        }
    }
}

/// The last argument of a task is the call it makes.
fn task(words: &Words, arena: &Arena, items: &[NodeId]) -> Initial {
    let called = items.iter().rev().find_map(|item| match *known_tuple(arena, *item) {
        [m, f, args] => Some((atom(arena, m)?, atom(arena, f)?, args)),
        _ => None,
    });
    let Some((m, f, args)) = called else {
        return Initial::of(Role::Task);
    };
    if (words.of(m), words.of(f)) == (Word::Erlang, Word::Apply) {
        if let Some(fun) = arena.list_get(args, 0) {
            return from_fun(arena, fun, Role::Task);
        }
    }
    plain(arena, (m, f), args, Role::Task)
}

/// A fun prints as `#Fun<module.index.unique>`: its module is there to read.
fn from_fun(arena: &Arena, fun: NodeId, role: Role) -> Initial {
    let mut initial = Initial::of(role);
    match arena.node(fun) {
        Node::Export(m, f, arity) => {
            initial.call = Some((AtomName::Id(m), AtomName::Id(f), arity));
            initial.module = Some(AtomName::Id(m));
        }
        Node::Opaque(_, text) => initial.module = fun_module(text).map(|module| AtomName::Text(module.to_owned())),
        Node::Tuple(_) => {
            if let [m, f, args] = *tuple(arena, fun) {
                if let (Some(m), Some(f)) = (atom(arena, m), atom(arena, f)) {
                    return plain(arena, (m, f), args, role);
                }
            }
        }
        _ => {}
    }
    initial
}

fn fun_module(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("#Fun<")?.strip_suffix('>')?;
    let (rest, _unique) = inner.rsplit_once('.')?;
    let (module, _index) = rest.rsplit_once('.')?;
    (!module.is_empty()).then_some(module.trim_matches('\''))
}

/// The atom of a node.
pub(super) fn atom(arena: &Arena, id: NodeId) -> Option<AtomId> {
    match arena.node(id) {
        Node::Atom(atom) => Some(atom),
        _ => None,
    }
}

/// The elements of a tuple, or what is known of a cut one.
fn known_tuple(arena: &Arena, id: NodeId) -> &[NodeId] {
    match arena.node(id) {
        Node::Tuple(items) | Node::TruncatedTuple(items, _) => items,
        _ => &[],
    }
}

/// The length of a list before it was cut.
fn full_len(arena: &Arena, id: NodeId) -> u32 {
    let len = match arena.node(id) {
        Node::TruncatedList { full, .. } => full,
        Node::Truncated(_, full) => full,
        Node::Int(n) => n.unsigned_abs(),
        _ => arena.list_len(id) as u64,
    };
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// The facts of a process that lived before the recording: a map with atom keys.
pub(super) fn baseline(words: &Words, arena: &Arena, facts: NodeId) -> Initial {
    let mut initial = Initial::of(Role::Plain);
    let mut role = None;
    for (key, value) in arena.map_iter(facts) {
        match word(words, arena, key) {
            Some(Word::Name) if !is_nothing(words, arena, value) => initial.name = Some(value),
            Some(Word::Parent) if !is_nothing(words, arena, value) => initial.parent = Some(value),
            Some(Word::Ancestors) => initial.ancestors = Some(value),
            Some(Word::Module) if !is_nothing(words, arena, value) => {
                initial.module = atom(arena, value).map(AtomName::Id);
            }
            Some(Word::Behaviour) => role = word(words, arena, value).and_then(Role::from_word).or(role),
            Some(Word::InitialCall) => initial_call(words, arena, value, &mut initial),
            _ => {}
        }
    }
    // The loop tells less than the initial call of a supervisor or an agent.
    if initial.role == Role::Plain {
        initial.role = role.unwrap_or(Role::Plain);
    }
    initial
}

fn initial_call(words: &Words, arena: &Arena, value: NodeId, initial: &mut Initial) {
    let [m, f, arity] = *known_tuple(arena, value) else {
        return;
    };
    let (Some(m), Some(f)) = (atom(arena, m), atom(arena, f)) else {
        return;
    };
    initial.call = Some((AtomName::Id(m), AtomName::Id(f), full_len(arena, arity)));
    let by_module = Role::from_word(words.of(m));
    initial.role = by_module.unwrap_or(Role::Plain);
    let module = if words.of(m) == Word::Supervisor { f } else { m };
    initial.module.get_or_insert(AtomName::Id(module));
}

/// `nil`, `undefined` and `[]`: how baselines say "none".
fn is_nothing(words: &Words, arena: &Arena, id: NodeId) -> bool {
    match arena.node(id) {
        Node::Atom(atom) => matches!(words.of(atom), Word::Nil | Word::Undefined),
        Node::List { len: 0 } => true,
        _ => false,
    }
}

/// The pid word of a parent, when it is given as a pid.
pub(super) fn parent_pid(arena: &Arena, initial: &Initial) -> Option<u64> {
    initial.parent.and_then(|parent| pid(arena, parent))
}
