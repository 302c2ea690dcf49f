//! What was inferred.
//!
//! ```text
//! %{roles: [role], candidates: [candidate], notes: [note], lost: n}
//! role       %{kind: :name | :module, of: term, module: atom | nil, processes: n, states: n, transitions: n}
//! candidate  %{template, role: index, observations: n, chance: float, operands: [operand]} and what its template has more
//! operand    {[{:key, atom} | {:at, index, arity}], :value | :length | :map_size | :queue_length}
//! tag        {:atom, atom} | {:tuple, atom, arity} | {:struct, module}
//! note       :roles | {:cut, role, text} | {:vague, role, text} | {:unseen, role, path}
//! ```

use beam_scope_core::infer::{
    Amount, Candidate, Inference, Measure, Note, Operand, Path, Property, Relation, Reply, RoleKey, RoleSeen, Step, Tag,
};
use beam_scope_core::term::arena::Arena;
use beam_scope_core::term::{AtomId, Value};
use rustler::{Encoder, Env, Term};

use super::shared::Shared;
use crate::decode::{Decoder, Origin};
use crate::maps::{atom, MapBuilder};

/// An inference, to be told.
pub(crate) struct Found<'a, 'o> {
    env: Env<'a>,
    found: &'o Inference,
    origin: Shared<'o>,
}

impl<'a, 'o> Found<'a, 'o> {
    pub(crate) const fn new(env: Env<'a>, found: &'o Inference, origins: &'o [&'o dyn Origin]) -> Self {
        let atoms = found.atoms.as_slice();
        Self {
            env,
            found,
            origin: Shared { atoms, origins },
        }
    }

    pub(crate) fn term(&self) -> Term<'a> {
        let roles: Vec<Term<'a>> = self.found.roles.iter().map(|role| self.role(role)).collect();
        let candidates: Vec<Term<'a>> = self.found.candidates.iter().map(|one| self.candidate(one)).collect();
        let notes: Vec<Term<'a>> = self.found.notes.iter().map(|note| self.note(note)).collect();
        MapBuilder::new(self.env)
            .put("roles", roles)
            .put("candidates", candidates)
            .put("notes", notes)
            .put("lost", self.found.lost)
            .finish()
    }

    fn word(&self, text: &'static str) -> Term<'a> {
        atom(self.env, text)
    }

    fn value(&self, value: &Value) -> Term<'a> {
        let mut arena = Arena::new();
        let node = arena.intern(value);
        Decoder::new(self.env, &arena, &self.origin).term(node)
    }

    fn atom(&self, id: AtomId) -> Term<'a> {
        self.value(&Value::Atom(id))
    }

    fn role(&self, role: &RoleSeen) -> Term<'a> {
        let (kind, of) = match &role.key {
            RoleKey::Name(name) => ("name", self.value(name)),
            RoleKey::Module(module) => ("module", self.atom(*module)),
        };
        let module = role.module.map(|module| self.atom(module));
        MapBuilder::new(self.env)
            .put("kind", self.word(kind))
            .put("of", of)
            .put("module", module.unwrap_or_else(|| self.word("nil")))
            .put("processes", role.processes)
            .put("states", role.states)
            .put("transitions", role.transitions)
            .finish()
    }

    fn note(&self, note: &Note) -> Term<'a> {
        match note {
            Note::Roles => self.word("roles"),
            Note::Cut(role, what) => (self.word("cut"), *role, *what).encode(self.env),
            Note::Vague(role, what) => (self.word("vague"), *role, *what).encode(self.env),
            Note::Unseen(role, path) => (self.word("unseen"), *role, self.path(path)).encode(self.env),
        }
    }

    fn path(&self, path: &Path) -> Term<'a> {
        let step = |step: &Step| match step {
            Step::Key(key) => (self.word("key"), self.atom(*key)).encode(self.env),
            Step::At { index, arity } => (self.word("at"), *index, *arity).encode(self.env),
        };
        let steps: Vec<Term<'a>> = path.iter().map(step).collect();
        steps.encode(self.env)
    }

    fn operand(&self, operand: &Operand) -> Term<'a> {
        let measure = match operand.measure {
            Measure::Value => "value",
            Measure::Length => "length",
            Measure::MapSize => "map_size",
            Measure::QueueLength => "queue_length",
        };
        (self.path(&operand.path), self.word(measure)).encode(self.env)
    }

    fn whole(&self, path: &Path) -> Term<'a> {
        (self.path(path), self.word("value")).encode(self.env)
    }

    fn tag(&self, tag: Tag) -> Term<'a> {
        match tag {
            Tag::Atom(atom) => (self.word("atom"), self.atom(atom)).encode(self.env),
            Tag::Tuple(atom, arity) => (self.word("tuple"), self.atom(atom), arity).encode(self.env),
            Tag::Struct(module) => (self.word("struct"), self.atom(module)).encode(self.env),
        }
    }

    fn reply(&self, reply: &Reply) -> Term<'a> {
        match reply {
            Reply::Constant(value) => (self.word("constant"), self.value(value)).encode(self.env),
            Reply::Tagged(tag) => (self.word("tagged"), self.tag(*tag)).encode(self.env),
            Reply::Sort(sort) => (self.word("sort"), self.word(sort.name())).encode(self.env),
        }
    }

    fn candidate(&self, one: &Candidate) -> Term<'a> {
        let map = MapBuilder::new(self.env)
            .put("template", self.word(one.property.template()))
            .put("role", one.role)
            .put("observations", one.observations)
            .put("chance", one.ln_chance.exp());
        self.states(map, &one.property).finish()
    }

    fn operands(&self, map: MapBuilder<'a>, operands: &[Term<'a>]) -> MapBuilder<'a> {
        map.put("operands", operands)
    }

    /// What is said of states.
    fn states(&self, map: MapBuilder<'a>, property: &Property) -> MapBuilder<'a> {
        match property {
            Property::Constant(path, value) => self
                .operands(map, &[self.whole(path)])
                .put("values", [self.value(value)].as_slice()),
            Property::OneOf(path, values) => {
                let values: Vec<Term<'a>> = values.iter().map(|value| self.value(value)).collect();
                self.operands(map, &[self.whole(path)]).put("values", values)
            }
            Property::Bounds(of, low, high) => self
                .operands(map, &[self.operand(of)])
                .put("low", *low)
                .put("high", *high),
            Property::Sorts(path, sorts) => {
                let sorts: Vec<Term<'a>> = sorts.iter().map(|sort| self.word(sort.name())).collect();
                self.operands(map, &[self.whole(path)]).put("sorts", sorts)
            }
            Property::NotNil(path) => self.operands(map, &[self.whole(path)]),
            Property::Compare {
                left,
                relation,
                right,
                plus,
            } => {
                let relation = match relation {
                    Relation::Equal => "equal",
                    Relation::Less => "less",
                    Relation::AtMost => "at_most",
                };
                self.operands(map, &[self.operand(left), self.operand(right)])
                    .put("relation", self.word(relation))
                    .put("plus", *plus)
            }
            Property::Sum([left, right], sum) => self
                .operands(map, &[self.operand(left), self.operand(right)])
                .put("sum", *sum),
            Property::Head { list, of, or_empty } => self
                .operands(map, &[self.whole(list), self.whole(of)])
                .put("exception", *or_empty),
            Property::Key { map: keys, of, or_nil } => self
                .operands(map, &[self.whole(keys), self.whole(of)])
                .put("exception", *or_nil),
            Property::Sorted { list, descending, most } => self
                .operands(map, &[self.whole(list)])
                .put("descending", *descending)
                .put("most", *most),
            other => self.steps(map, other),
        }
    }

    /// What is said of steps and messages.
    fn steps(&self, map: MapBuilder<'a>, property: &Property) -> MapBuilder<'a> {
        let on = |map: MapBuilder<'a>, tag: Tag| map.put("on", self.tag(tag));
        match property {
            Property::Trend { of, up, .. } => self.operands(map, &[self.operand(of)]).put("up", *up),
            Property::Fixed(paths, tag) => {
                let paths: Vec<Term<'a>> = paths.iter().map(|path| self.whole(path)).collect();
                self.operands(map, &paths).put("on", tag.map(|tag| self.tag(tag)))
            }
            Property::Step(of, tag, Amount::Constant { by, literal }) => {
                on(self.operands(map, &[self.operand(of)]), *tag)
                    .put("by", *by)
                    .put("literal", *literal)
            }
            Property::Step(of, tag, Amount::Argument { at, minus }) => {
                on(self.operands(map, &[self.operand(of)]), *tag)
                    .put("at", *at)
                    .put("minus", *minus)
            }
            Property::Set(path, tag, at) => on(self.operands(map, &[self.whole(path)]), *tag).put("at", *at),
            Property::Answered {
                call,
                reply,
                by_itself,
                in_time,
            } => on(map, *call)
                .put("reply", reply.as_ref().map(|reply| self.reply(reply)))
                .put("by_itself", *by_itself)
                .put("in_time", *in_time),
            Property::Follows {
                cause,
                effect,
                to,
                by,
                in_time,
                ..
            } => on(map, *cause)
                .put("effect", self.tag(*effect))
                .put("to", *to)
                .put("by", *by)
                .put("in_time", *in_time),
            _ => map,
        }
    }
}
