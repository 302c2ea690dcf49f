//! Checking layouts against real terms, once, when the library is loaded.
//!
//! The samples come from Elixir (`BeamScope.Native.Loader`), since the NIF interface cannot make all of them. A layout that
//! one sample contradicts is not used: reading falls back to the interface. No samples, nothing learned.

use rustler::{Env, ListIterator, Term};

use super::{api, raw, word, Class, Layout, RefShape, SizeAt, Word};

/// Learns from the samples: a map of atom keys to lists of terms.
pub(crate) fn learn<'a>(env: Env<'a>, samples: Term<'a>) -> Layout {
    // Words of 64 bits and little-endian halves are what every layout here assumes.
    if !samples.is_map() || cfg!(not(target_pointer_width = "64")) || cfg!(target_endian = "big") {
        return Layout::none();
    }
    let source = Samples { env, samples };
    let mut layout = Layout::none();
    layout.immediates = immediates(&source);
    layout.lists = source.all("lists", |w| w & 3 == 1 && api::cell(source.raw(), w) == Some(cell(w)));
    if layout.immediates {
        boxed(&source, &mut layout);
    }
    let knows = |class| layout.classes.contains(&class);
    layout.complete = layout.lists && layout.flat_map != 0 && knows(Class::Tuple) && knows(Class::Map);
    layout
}

struct Samples<'a> {
    env: Env<'a>,
    samples: Term<'a>,
}

impl Samples<'_> {
    fn raw(&self) -> api::Env {
        self.env.as_c_arg()
    }

    fn words(&self, name: &str) -> Vec<Word> {
        let key = match rustler::Atom::from_str(self.env, name) {
            Ok(atom) => atom.to_term(self.env),
            Err(_) => return Vec::new(),
        };
        let list = self
            .samples
            .map_get(key)
            .ok()
            .and_then(|term| term.decode::<ListIterator<'_>>().ok());
        list.map(|items| items.map(|item| word(item.as_c_arg())).collect())
            .unwrap_or_default()
    }

    /// Whether there are samples and all of them pass.
    fn all(&self, name: &str, check: impl Fn(Word) -> bool) -> bool {
        let words = self.words(name);
        !words.is_empty() && words.into_iter().all(check)
    }
}

fn immediates(source: &Samples<'_>) -> bool {
    let env = source.raw();
    let small = |w: Word| w & 0xF == 0xF && api::int64(env, w) == Some((w as i64) >> 4);
    source.all("atoms", |w| w & 0x3F == 0x0B && api::class(env, w) == Class::Atom)
        && source.all("integers", small)
        && source.all("pids", |w| w & 0xF == 0x3 && api::class(env, w) == Class::Pid)
        && source.all("ports", |w| w & 0xF == 0x7 && api::class(env, w) == Class::Port)
        && source.all("nils", |w| w == 0x3B && api::class(env, w) == Class::Nil)
}

/// Samples by name, what they are, and whether one is read right.
type Group<'a> = (&'static str, Class, &'a dyn Fn(Word) -> bool);

fn boxed(source: &Samples<'_>, layout: &mut Layout) {
    let env = source.raw();
    let groups: [Group<'_>; 12] = [
        ("tuples", Class::Tuple, &|w| tuple(env, w)),
        ("floats", Class::Float, &|w| {
            api::float_bits(env, w) == Some(at(w, 1) as u64)
        }),
        ("positive_bigs", Class::BigPositive, &|w| big(env, w, 0)),
        ("negative_bigs", Class::BigNegative, &|w| big(env, w, 1)),
        ("binaries", Class::Bits, &|w| api::class(env, w) == Class::Bits),
        ("bitstrings", Class::Bits, &|w| api::class(env, w) == Class::Bits),
        ("maps", Class::Map, &|w| api::class(env, w) == Class::Map),
        ("references", Class::Reference, &|w| {
            api::class(env, w) == Class::Reference
        }),
        ("funs", Class::Fun, &|w| api::class(env, w) == Class::Fun),
        ("external_pids", Class::ExternalPid, &|w| {
            api::class(env, w) == Class::ExternalPid
        }),
        ("external_ports", Class::ExternalPort, &|w| {
            api::class(env, w) == Class::ExternalPort
        }),
        ("external_references", Class::ExternalReference, &|w| {
            api::class(env, w) == Class::Reference
        }),
    ];
    let mut clash = false;
    for (name, class, check) in groups {
        if source.all(name, |w| is_boxed(w) && check(w)) {
            for w in source.words(name) {
                let known = &mut layout.classes[raw::subtag(at(w, 0))];
                clash |= *known != Class::Unknown && *known != class;
                *known = class;
            }
        }
    }
    if clash {
        layout.classes = [Class::Unknown; 16];
        return;
    }
    layout.flat_map = flat_map(source);
    layout.large_maps = layout.flat_map != 0 && source.all("large_maps", |w| large_map(source, layout, w));
    layout.references = [reference(source, "references"), reference(source, "aliases")];
    layout.aliases_tell = layout.references[1].header >> 6 >= 3
        && source
            .words("self")
            .first()
            .is_some_and(|me| source.all("aliases", |w| at(w, 3) == *me));
    if !source.all("magic_references", |w| {
        is_boxed(w) && layout.reference(w).is_none() && layout.is_magic(w)
    }) {
        layout.references = Default::default();
    }
    sizes(source, layout);
    inline(source, layout);
}

fn is_boxed(w: Word) -> bool {
    w & 3 == 2 && at(w, 0) & 3 == 0
}

fn at(w: Word, i: usize) -> Word {
    // SAFETY: samples are live terms; callers look at no more words than any term of the sample's kind has.
    unsafe { raw::at(w, i) }
}

fn cell(w: Word) -> (Word, Word) {
    // SAFETY: called for words with a list's tag, of live terms.
    unsafe { raw::cell(w) }
}

fn tuple(env: api::Env, w: Word) -> bool {
    let header = at(w, 0);
    let elements = raw::pointer(w).wrapping_add(1);
    header & 0x3F == 0 && api::tuple(env, w) == Some((elements, header >> 6))
}

fn big(env: api::Env, w: Word, sign: u8) -> bool {
    let limbs = at(w, 0) >> 6;
    let raw: Vec<u8> = (1..=limbs).flat_map(|i| at(w, i).to_le_bytes()).collect();
    let matches = api::with_external(env, w, |bytes| match bytes {
        // SMALL_BIG_EXT
        [110, length, given, magnitude @ ..] => {
            *given == sign
                && magnitude.len() == usize::from(*length)
                && raw.starts_with(magnitude)
                && raw[magnitude.len()..].iter().all(|b| *b == 0)
        }
        _ => false,
    });
    matches == Some(true)
}

/// The header of maps that are two arrays, if all small maps have the same and it means that.
fn flat_map(source: &Samples<'_>) -> Word {
    let env = source.raw();
    let small = source.words("small_maps");
    let Some(header) = small.first().map(|w| at(*w, 0)) else {
        return 0;
    };
    let fits = |w: Word| {
        if at(w, 0) != header || api::map_size(env, w) != Some(at(w, 1)) {
            return false;
        }
        let size = at(w, 1);
        if size == 0 {
            return true;
        }
        let keys = at(w, 2);
        is_boxed(keys)
            && at(keys, 0) == size << 6
            && pairs(source, w).is_some_and(|pairs| {
                pairs.len() == size
                    && pairs
                        .iter()
                        .enumerate()
                        .all(|(i, pair)| *pair == (at(keys, 1 + i), at(w, 3 + i)))
            })
    };
    let others = source.words("large_maps");
    let told_apart = !others.is_empty() && others.iter().all(|w| is_boxed(*w) && at(*w, 0) != header);
    if small.iter().all(|w| fits(*w)) && told_apart {
        header
    } else {
        0
    }
}

/// Whether the pairs found by reading a large map's tree are those that the VM tells.
fn large_map(source: &Samples<'_>, layout: &Layout, w: Word) -> bool {
    let mut found = Vec::new();
    let told = pairs(source, w).map(|mut pairs| {
        pairs.sort_unstable();
        pairs
    });
    let read = is_boxed(w) && api::map_size(source.raw(), w) == Some(at(w, 1)) && leaves(layout, w, &mut found);
    found.sort_unstable();
    read && told == Some(found)
}

fn leaves(layout: &Layout, node: Word, found: &mut Vec<(Word, Word)>) -> bool {
    // SAFETY: a live sample that the VM says is a large map, or a child of it.
    let Some((_, children)) = (unsafe { layout.tree_node(node) }) else {
        return false;
    };
    children.iter().all(|child| match child & 3 {
        1 => {
            found.push(cell(*child));
            true
        }
        2 => leaves(layout, *child, found),
        _ => false,
    })
}

fn pairs(source: &Samples<'_>, w: Word) -> Option<Vec<(Word, Word)>> {
    // SAFETY: a live term of this environment.
    let map = unsafe { Term::new(source.env, super::term(w)) };
    let pairs = rustler::MapIterator::new(map)?;
    Some(pairs.map(|(k, v)| (word(k.as_c_arg()), word(v.as_c_arg()))).collect())
}

/// The shape of references, if all samples have one header and their words where they are looked for.
fn reference(source: &Samples<'_>, name: &str) -> RefShape {
    let env = source.raw();
    let words = source.words(name);
    let Some(first) = words.first().filter(|w| is_boxed(**w)) else {
        return RefShape::default();
    };
    let header = at(*first, 0);
    let external = |w: Word| {
        let mut out = [0; 8];
        let count = api::with_external(env, w, |bytes| api::external_reference(bytes, &mut out)).flatten()?;
        Some((out, count))
    };
    let Some((_, count)) = external(*first) else {
        return RefShape::default();
    };
    let mut trial = Layout::none();
    trial.references[0] = RefShape { header, words: count };
    // The header says how much memory there is: one word holds two of the reference's.
    let fits = |w: Word| {
        is_boxed(w)
            && (header >> 6) * 2 > count
            && trial
                .reference(w)
                .is_some_and(|raw| external(w).is_some_and(|(words, n)| n == count && raw == &words[..n]))
    };
    if words.iter().all(|w| fits(*w)) {
        trial.references[0]
    } else {
        RefShape::default()
    }
}

/// Where each kind of binary has its size: the one place that is right for all samples of the kind.
fn sizes(source: &Samples<'_>, layout: &mut Layout) {
    let env = source.raw();
    let mut samples: Vec<(Word, usize)> = Vec::new();
    for w in source.words("binaries").into_iter().chain(source.words("bitstrings")) {
        let size = api::with_external(env, w, external_size).flatten();
        samples.extend(size.map(|size| (w, size)));
    }
    for subtag in 0..16 {
        let of_kind: Vec<_> = samples
            .iter()
            .filter(|(w, _)| is_boxed(*w) && raw::subtag(at(*w, 0)) == subtag)
            .collect();
        if of_kind.len() < 2 {
            continue;
        }
        for place in [SizeAt::Bytes, SizeAt::Bits, SizeAt::Span] {
            layout.sizes[subtag] = place;
            if of_kind.iter().all(|(w, size)| layout.byte_size(*w) == Some(*size)) {
                break;
            }
            layout.sizes[subtag] = SizeAt::Nowhere;
        }
    }
}

/// Which kinds of binaries have their bytes behind their size: those of which that is right for all samples.
fn inline(source: &Samples<'_>, layout: &mut Layout) {
    let env = source.raw();
    let samples: Vec<Word> = source.words("binaries").into_iter().filter(|w| is_boxed(*w)).collect();
    for subtag in 0..16 {
        let of_kind: Vec<Word> = samples
            .iter()
            .copied()
            .filter(|w| raw::subtag(at(*w, 0)) == subtag)
            .collect();
        // The header says how many words there are: no sample is read beyond them.
        let has_room = |w: Word| layout.byte_size(w).is_some_and(|size| size.div_ceil(8) < at(w, 0) >> 6);
        if of_kind.len() < 2 || !of_kind.iter().all(|w| has_room(*w)) {
            continue;
        }
        layout.inline[subtag] = true;
        let told = |w: Word| api::with_binary(env, w, <[u8]>::to_vec);
        layout.inline[subtag] = of_kind
            .iter()
            .all(|w| layout.inline_bytes(*w).map(<[u8]>::to_vec) == told(*w));
    }
}

/// Whole bytes of a binary or bitstring in external form.
fn external_size(bytes: &[u8]) -> Option<usize> {
    let length = || Some(u32::from_be_bytes([*bytes.get(1)?, *bytes.get(2)?, *bytes.get(3)?, *bytes.get(4)?]) as usize);
    match *bytes.first()? {
        // BINARY_EXT, and BIT_BINARY_EXT, whose last byte is not whole
        109 => length(),
        77 => length().map(|n| n.saturating_sub(1)),
        _ => None,
    }
}
