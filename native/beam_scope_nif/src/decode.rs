//! From interned terms back to terms of the VM. Iterative; shared nodes become shared terms.

use std::collections::HashMap;

use beam_scope_core::term::arena::{Arena, Node, NodeId};
use beam_scope_core::term::{AtomId, Kind};
use rustler::codegen_runtime::ErlNifTerm;
use rustler::sys;
use rustler::{Env, Term};

use crate::atoms;
use crate::vm::{self, api};

/// Where atoms and processes of a recording live.
pub(crate) trait Origin {
    /// The term of an atom.
    fn atom(&self, env: Env<'_>, id: AtomId) -> ErlNifTerm;
    /// The term of a local pid.
    fn pid(&self, env: Env<'_>, word: u64) -> ErlNifTerm;
    /// Whether references of the recording are references of this VM.
    fn is_local(&self) -> bool;
}

/// A recording of this VM: atoms and pids are words that are still right.
pub(crate) struct Live;

impl Origin for Live {
    fn atom(&self, _env: Env<'_>, id: AtomId) -> ErlNifTerm {
        vm::term(id.0 as vm::Word)
    }

    fn pid(&self, env: Env<'_>, word: u64) -> ErlNifTerm {
        // What is no pid must never become a term: the virtual machine would take its bits for an address.
        if is_pid(word) {
            vm::term(word as vm::Word)
        } else {
            opaque(env, Kind::Pid, "#PID<?>")
        }
    }

    fn is_local(&self) -> bool {
        true
    }
}

/// Tag bits of a local pid.
const PID: u64 = 0x3;

/// Whether a word is a local pid's, as far as that can be told.
fn is_pid(word: u64) -> bool {
    word != 0 && (word & 0xF == PID || !vm::layout().immediates)
}

/// Builds terms from the nodes of one arena; remembers what it built.
pub(crate) struct Decoder<'a, 'o> {
    env: Env<'a>,
    arena: &'o Arena,
    origin: &'o dyn Origin,
    built: HashMap<NodeId, ErlNifTerm>,
    /// Node name and creation as references of this VM carry them, in external form; made when first needed.
    reference_head: Option<Vec<u8>>,
    /// Maps with more pairs are left out.
    largest_map: usize,
}

/// The VM keeps maps of up to so many pairs as arrays, sorted by a function of its own.
const SMALL_MAP: usize = 32;

/// One step of building.
enum Task {
    Visit(NodeId),
    Build(NodeId),
}

impl<'a, 'o> Decoder<'a, 'o> {
    pub(crate) fn new(env: Env<'a>, arena: &'o Arena, origin: &'o dyn Origin) -> Self {
        Self {
            env,
            arena,
            origin,
            built: HashMap::new(),
            reference_head: None,
            largest_map: usize::MAX,
        }
    }

    /// For threads that are none of the VM's: larger maps are left out, since to make one the VM up to OTP 25 sorts its keys with a
    /// function that takes every thread for a scheduler, and crashes.
    pub(crate) fn outside(env: Env<'a>, arena: &'o Arena, origin: &'o dyn Origin) -> Self {
        Self {
            largest_map: SMALL_MAP,
            ..Self::new(env, arena, origin)
        }
    }

    fn leaves_out(&self, id: NodeId) -> bool {
        self.arena.map_len(id) > self.largest_map
    }

    /// The term of a node.
    pub(crate) fn term(&mut self, root: NodeId) -> Term<'a> {
        let mut tasks = vec![Task::Visit(root)];
        while let Some(task) = tasks.pop() {
            match task {
                Task::Visit(id) if self.built.contains_key(&id) => {}
                Task::Visit(id) => {
                    tasks.push(Task::Build(id));
                    self.visit_parts(id, &mut tasks);
                }
                Task::Build(id) => {
                    let term = self.build(id);
                    self.built.insert(id, term);
                }
            }
        }
        let term = self.part(root);
        // SAFETY: built in this environment.
        unsafe { Term::new(self.env, term) }
    }

    fn visit_parts(&self, id: NodeId, tasks: &mut Vec<Task>) {
        match self.arena.node(id) {
            Node::List { .. } | Node::TruncatedList { .. } => tasks.extend(self.arena.list_iter(id).map(Task::Visit)),
            Node::Improper { tail, .. } => {
                tasks.push(Task::Visit(tail));
                tasks.extend(self.arena.list_iter(id).map(Task::Visit));
            }
            Node::Tuple(parts) | Node::TruncatedTuple(parts, _) => tasks.extend(parts.iter().copied().map(Task::Visit)),
            Node::Map { .. } | Node::TruncatedMap { .. } if self.leaves_out(id) => {}
            Node::Map { .. } | Node::TruncatedMap { .. } => {
                for (key, value) in self.arena.map_iter(id) {
                    tasks.push(Task::Visit(key));
                    tasks.push(Task::Visit(value));
                }
            }
            _ => {}
        }
    }

    fn part(&self, id: NodeId) -> ErlNifTerm {
        self.built.get(&id).copied().unwrap_or_else(|| atoms::nil().as_c_arg())
    }

    fn build(&mut self, id: NodeId) -> ErlNifTerm {
        let arena = self.arena;
        let env = self.env.as_c_arg();
        match arena.node(id) {
            Node::Atom(atom) => self.origin.atom(self.env, atom),
            // SAFETY: plain constructors in our environment, here and below.
            Node::Int(value) => unsafe { sys::enif_make_int64(env, value) },
            Node::Big(negative, magnitude) => self.big(negative, magnitude),
            Node::Float(bits) => self.float(bits),
            Node::Binary(bytes) => binary(self.env, bytes),
            Node::Bits(bytes, last) => self.bits(bytes, last),
            Node::List { .. } => self.list(id, None),
            Node::Improper { tail, .. } => self.list(id, Some(tail)),
            Node::Tuple(parts) => self.tuple(parts),
            Node::Map { .. } | Node::TruncatedMap { .. } if self.leaves_out(id) => {
                self.truncated(Kind::Map, self.arena.map_len(id) as u64, None)
            }
            Node::Map { .. } => self.map(id),
            Node::Pid(word) => self.origin.pid(self.env, word),
            Node::Ref(words) => self.reference(words),
            Node::External(kind, bytes) => self.external(kind, bytes),
            Node::Export(module, function, arity) => self.export(module, function, arity),
            Node::Opaque(kind, text) => self.opaque(kind, text),
            Node::TruncatedList { full, .. } => {
                let known = self.list(id, None);
                self.truncated(Kind::List, full, Some(known))
            }
            Node::TruncatedMap { full, .. } => {
                let known = self.map(id);
                self.truncated(Kind::Map, full, Some(known))
            }
            Node::TruncatedTuple(parts, full) => {
                let known = self.tuple(parts);
                self.truncated(Kind::Tuple, full, Some(known))
            }
            Node::TruncatedBinary(bytes, full) => {
                let known = binary(self.env, bytes);
                self.truncated(Kind::Binary, full, Some(known))
            }
            Node::Truncated(kind, size) => self.truncated(kind, size, None),
            Node::Redacted(kind, size) => self.structure(&[
                (atoms::__struct__(), atoms::redacted_struct().as_c_arg()),
                (atoms::kind(), kind_atom(kind)),
                (atoms::size(), self.number(size)),
            ]),
        }
    }

    fn number(&self, value: u64) -> ErlNifTerm {
        // SAFETY: a plain constructor.
        unsafe { sys::enif_make_uint64(self.env.as_c_arg(), value) }
    }

    fn float(&self, bits: u64) -> ErlNifTerm {
        let value = f64::from_bits(bits);
        if !value.is_finite() {
            // No VM makes one; a file could say so.
            return self.opaque(Kind::Float, "not finite");
        }
        // SAFETY: a plain constructor; it refuses what is not finite.
        unsafe { sys::enif_make_double(self.env.as_c_arg(), value) }
    }

    fn list(&self, id: NodeId, tail: Option<NodeId>) -> ErlNifTerm {
        let parts: Vec<ErlNifTerm> = self.arena.list_iter(id).map(|part| self.part(part)).collect();
        let env = self.env.as_c_arg();
        let mut rest = match tail {
            Some(tail) => self.part(tail),
            // SAFETY: a plain constructor; no elements are read.
            None => unsafe { sys::enif_make_list_from_array(env, std::ptr::null(), 0) },
        };
        for part in parts.into_iter().rev() {
            // SAFETY: a plain constructor.
            rest = unsafe { sys::enif_make_list_cell(env, part, rest) };
        }
        rest
    }

    fn tuple(&self, parts: &[NodeId]) -> ErlNifTerm {
        let parts: Vec<ErlNifTerm> = parts.iter().map(|part| self.part(*part)).collect();
        // SAFETY: a plain constructor that copies `parts`; arities come from terms.
        unsafe { sys::enif_make_tuple_from_array(self.env.as_c_arg(), parts.as_ptr(), parts.len() as u32) }
    }

    fn map(&self, id: NodeId) -> ErlNifTerm {
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        for (key, value) in self.arena.map_iter(id) {
            keys.push(self.part(key));
            values.push(self.part(value));
        }
        make_map(self.env, &keys, &values)
    }

    fn structure(&self, pairs: &[(rustler::Atom, ErlNifTerm)]) -> ErlNifTerm {
        let keys: Vec<ErlNifTerm> = pairs.iter().map(|(key, _)| key.as_c_arg()).collect();
        let values: Vec<ErlNifTerm> = pairs.iter().map(|(_, value)| *value).collect();
        make_map(self.env, &keys, &values)
    }

    fn truncated(&self, kind: Kind, size: u64, known: Option<ErlNifTerm>) -> ErlNifTerm {
        self.structure(&[
            (atoms::__struct__(), atoms::truncated_struct().as_c_arg()),
            (atoms::kind(), kind_atom(kind)),
            (atoms::size(), self.number(size)),
            (atoms::known(), known.unwrap_or_else(|| atoms::nil().as_c_arg())),
        ])
    }

    fn opaque(&self, kind: Kind, text: &str) -> ErlNifTerm {
        opaque(self.env, kind, text)
    }

    fn big(&self, negative: bool, magnitude: &[u8]) -> ErlNifTerm {
        // LARGE_BIG_EXT
        let mut bytes = vec![131, 111];
        bytes.extend((magnitude.len() as u32).to_be_bytes());
        bytes.push(u8::from(negative));
        bytes.extend(magnitude);
        self.parse_external(&bytes)
            .unwrap_or_else(|| self.truncated(Kind::Integer, magnitude.len() as u64, None))
    }

    fn bits(&self, bytes: &[u8], last: u8) -> ErlNifTerm {
        // BIT_BINARY_EXT
        let mut external = vec![131, 77];
        external.extend((bytes.len() as u32).to_be_bytes());
        external.push(last);
        external.extend(bytes);
        self.parse_external(&external)
            .unwrap_or_else(|| self.truncated(Kind::Binary, bytes.len() as u64, None))
    }

    fn reference(&mut self, words: &[u8]) -> ErlNifTerm {
        if !self.origin.is_local() {
            return self.opaque(Kind::Reference, &reference_text(words));
        }
        let env = self.env;
        let head = self
            .reference_head
            .get_or_insert_with(|| reference_head(env).unwrap_or_default());
        // NEWER_REFERENCE_EXT
        let mut bytes = vec![131, 90];
        bytes.extend(((words.len() / 4) as u16).to_be_bytes());
        bytes.extend(head.iter());
        for word in words.chunks_exact(4) {
            bytes.extend(word.iter().rev());
        }
        self.parse_external(&bytes)
            .unwrap_or_else(|| self.opaque(Kind::Reference, &reference_text(words)))
    }

    fn external(&self, kind: Kind, bytes: &[u8]) -> ErlNifTerm {
        let mut external = vec![131];
        external.extend(bytes);
        self.parse_external(&external)
            .unwrap_or_else(|| self.opaque(kind, "#remote"))
    }

    fn export(&self, module: AtomId, function: AtomId, arity: u32) -> ErlNifTerm {
        let name = |id| {
            api::with_external(
                self.env.as_c_arg(),
                vm::word(self.origin.atom(self.env, id)),
                <[u8]>::to_vec,
            )
        };
        let bytes = name(module).zip(name(function)).map(|(module, function)| {
            // EXPORT_EXT, SMALL_INTEGER_EXT
            [&[131, 113], &module[..], &function[..], &[97, arity as u8]].concat()
        });
        bytes
            .and_then(|bytes| self.parse_external(&bytes))
            .unwrap_or_else(|| self.opaque(Kind::Fun, &format!("fun with arity {arity}")))
    }

    /// A term of a kind that holds no atoms but node names, or that we wrote ourselves.
    fn parse_external(&self, bytes: &[u8]) -> Option<ErlNifTerm> {
        from_external(self.env, bytes)
    }
}

/// The term of an external form; atoms that do not exist are not made.
pub(crate) fn from_external(env: Env<'_>, bytes: &[u8]) -> Option<ErlNifTerm> {
    env.binary_to_term(bytes).map(|(term, _)| term.as_c_arg())
}

/// A binary.
pub(crate) fn binary(env: Env<'_>, bytes: &[u8]) -> ErlNifTerm {
    let mut binary = rustler::NewBinary::new(env, bytes.len());
    binary.as_mut_slice().copy_from_slice(bytes);
    Term::from(binary).as_c_arg()
}

/// `%BeamScope.Opaque{}`.
pub(crate) fn opaque(env: Env<'_>, kind: Kind, text: &str) -> ErlNifTerm {
    let keys = [atoms::__struct__(), atoms::kind(), atoms::text()].map(|atom| atom.as_c_arg());
    let values = [
        atoms::opaque_struct().as_c_arg(),
        kind_atom(kind),
        binary(env, text.as_bytes()),
    ];
    make_map(env, &keys, &values)
}

/// A map; of pairs with the same key the last stays.
pub(crate) fn make_map(env: Env<'_>, keys: &[ErlNifTerm], values: &[ErlNifTerm]) -> ErlNifTerm {
    let raw = env.as_c_arg();
    let mut map = vm::term(0);
    // SAFETY: both arrays have as many elements as it is told; it writes a map when it says so.
    if unsafe {
        sys::enif_make_map_from_arrays(
            raw,
            keys.as_ptr(),
            values.as_ptr(),
            keys.len().min(values.len()),
            &mut map,
        )
    } != 0
    {
        return map;
    }
    // SAFETY: plain constructors; each writes a map when it says so.
    unsafe {
        map = sys::enif_make_new_map(raw);
        for (key, value) in keys.iter().zip(values) {
            let mut next = map;
            if sys::enif_make_map_put(raw, map, *key, *value, &mut next) != 0 {
                map = next;
            }
        }
    }
    map
}

/// Node name and creation of this VM's references, in external form.
fn reference_head(env: Env<'_>) -> Option<Vec<u8>> {
    // SAFETY: a plain constructor.
    let reference = unsafe { sys::enif_make_ref(env.as_c_arg()) };
    api::with_external(env.as_c_arg(), vm::word(reference), |bytes| {
        let after_count = bytes.get(3..)?;
        let (_, rest) = api::external_atom(after_count)?;
        let len = after_count.len() - rest.len() + 4;
        after_count.get(..len).map(<[u8]>::to_vec)
    })
    .flatten()
}

fn reference_text(words: &[u8]) -> String {
    let numbers = words.chunks_exact(4).rev().take(3);
    let numbers: Vec<String> = numbers
        .map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]]).to_string())
        .collect();
    format!("#Reference<0.{}>", numbers.join("."))
}

/// The atom of a kind.
pub(crate) fn kind_atom(kind: Kind) -> ErlNifTerm {
    let atom = match kind {
        Kind::Atom => atoms::atom(),
        Kind::Integer => atoms::integer(),
        Kind::Float => atoms::float(),
        Kind::Binary => atoms::binary(),
        Kind::List => atoms::list(),
        Kind::Tuple => atoms::tuple(),
        Kind::Map => atoms::map(),
        Kind::Pid => atoms::pid(),
        Kind::Port => atoms::port(),
        Kind::Reference => atoms::reference(),
        Kind::Fun => atoms::fun(),
    };
    atom.as_c_arg()
}
