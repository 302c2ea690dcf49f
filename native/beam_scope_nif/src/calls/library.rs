//! What the library says of itself.

use rustler::{Encoder, Env, Term};

use crate::fault::Answer;
use crate::vm::{self, Class, SizeAt};

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
