//! What the library says of itself.

use rustler::{Encoder, Env, Term};

use crate::fault::Answer;
use crate::vm::{self, heap, Class, SizeAt};

/// What was verified when the library was loaded: a map of booleans.
#[rustler::nif]
fn self_check(env: Env<'_>) -> Answer<'_> {
    let layout = vm::layout();
    let learned = |class: Class| layout.classes.contains(&class);
    let facts = [
        ("immediates", layout.immediates),
        ("lists", layout.lists),
        ("tuples", learned(Class::Tuple)),
        ("floats", learned(Class::Float)),
        ("bigs", learned(Class::BigPositive) && learned(Class::BigNegative)),
        ("binaries", learned(Class::Bits)),
        ("binary_sizes", layout.sizes.iter().any(|at| *at != SizeAt::Nowhere)),
        ("small_binaries", layout.inline.contains(&true)),
        ("maps", learned(Class::Map)),
        ("small_maps", layout.flat_map != 0),
        ("large_maps", layout.large_maps),
        ("references", layout.references[0].header != 0),
        ("aliases", layout.references[1].header != 0),
        ("alias_owners", layout.aliases_tell),
        ("funs", learned(Class::Fun)),
        (
            "externals",
            learned(Class::ExternalPid) && learned(Class::ExternalPort) && learned(Class::ExternalReference),
        ),
    ];
    let mut map = Term::map_new(env);
    for (name, verified) in facts {
        let key = rustler::Atom::from_str(env, name)?;
        map = map.map_put(key, verified.encode(env))?;
    }
    Ok(map)
}

/// Where in its structure the calling process may keep its old heap, which has `size` of `block` words and `sample` in it.
#[rustler::nif]
fn old_heap_candidates<'a>(env: Env<'a>, size: usize, block: usize, sample: Term<'a>) -> Vec<usize> {
    let pid = vm::word(env.pid().encode(env).as_c_arg());
    heap::candidates(env.as_c_arg(), pid, size, block, vm::word(sample.as_c_arg()))
}

/// From now on that is known.
#[rustler::nif]
fn old_heap_remember(place: usize) -> bool {
    heap::remember(place)
}
