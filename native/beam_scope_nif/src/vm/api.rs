//! Terms through the NIF interface: slower, and right whatever the layout.

use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;

use rustler::codegen_runtime::{ErlNifEnv, ErlNifTerm};
use rustler::sys::{self, ErlNifBinary};

use super::{term, word, Class, Word};

/// The environment of a call or callback.
pub(crate) type Env = *mut ErlNifEnv;

extern "C" {
    // Declared here because rustler returns a Rust enum, which must not hold a number that a later VM adds.
    fn enif_term_type(env: *mut ErlNifEnv, term: ErlNifTerm) -> c_int;
}

/// What a term is, asked of the VM.
pub(crate) fn class(env: Env, value: Word) -> Class {
    let value_term = term(value);
    // SAFETY: `value` is a live term; these functions only read it.
    unsafe {
        match enif_term_type(env, value_term) {
            1 => Class::Atom,
            2 => Class::Bits,
            3 => Class::Float,
            4 => Class::Fun,
            5 => integer(env, value_term),
            6 if sys::enif_is_empty_list(env, value_term) != 0 => Class::Nil,
            6 => Class::List,
            7 => Class::Map,
            8 if is_local_pid(env, value_term) => Class::Pid,
            8 => Class::ExternalPid,
            // Both kinds of port are shown by their printed form here.
            9 if is_local_port(env, value_term) => Class::Port,
            9 => Class::ExternalPort,
            10 => Class::Reference,
            11 => Class::Tuple,
            _ => Class::Other,
        }
    }
}

unsafe fn integer(env: Env, value: ErlNifTerm) -> Class {
    let mut small = 0i64;
    // SAFETY: writes one number.
    if unsafe { sys::enif_get_int64(env, value, &mut small) } != 0 {
        return Class::Small;
    }
    let mut unsigned = 0u64;
    // SAFETY: as above. What fits neither is asked for its sign where it is written.
    if unsafe { sys::enif_get_uint64(env, value, &mut unsigned) } != 0 {
        return Class::BigPositive;
    }
    Class::BigNegative
}

unsafe fn is_local_pid(env: Env, value: ErlNifTerm) -> bool {
    let mut pid = MaybeUninit::uninit();
    // SAFETY: writes a pid when it says so.
    unsafe { sys::enif_get_local_pid(env, value, pid.as_mut_ptr()) != 0 }
}

/// Whether a process of this node still runs.
pub(crate) fn is_alive(env: Env, value: Word) -> bool {
    let mut pid = MaybeUninit::uninit();
    // SAFETY: writes a pid when it says so, and reads only that.
    unsafe {
        sys::enif_get_local_pid(env, term(value), pid.as_mut_ptr()) != 0
            && sys::enif_is_process_alive(env, pid.as_ptr()) != 0
    }
}

unsafe fn is_local_port(env: Env, value: ErlNifTerm) -> bool {
    let mut port = MaybeUninit::uninit();
    // SAFETY: writes a port when it says so.
    unsafe { sys::enif_get_local_port(env, value, port.as_mut_ptr()) != 0 }
}

/// An integer that fits.
pub(crate) fn int64(env: Env, value: Word) -> Option<i64> {
    let mut out = 0;
    // SAFETY: writes one number when it says so.
    (unsafe { sys::enif_get_int64(env, term(value), &mut out) } != 0).then_some(out)
}

/// A float's bits.
pub(crate) fn float_bits(env: Env, value: Word) -> Option<u64> {
    let mut out = 0f64;
    // SAFETY: writes one number when it says so.
    (unsafe { sys::enif_get_double(env, term(value), &mut out) } != 0).then(|| out.to_bits())
}

/// A cons cell's head and tail.
pub(crate) fn cell(env: Env, value: Word) -> Option<(Word, Word)> {
    let (mut head, mut tail) = (term(0), term(0));
    // SAFETY: writes two terms when it says so.
    (unsafe { sys::enif_get_list_cell(env, term(value), &mut head, &mut tail) } != 0).then(|| (word(head), word(tail)))
}

/// A tuple's elements; they live as long as the tuple.
pub(crate) fn tuple(env: Env, value: Word) -> Option<(*const Word, usize)> {
    let mut arity: c_int = 0;
    let mut items: *const ErlNifTerm = std::ptr::null();
    // SAFETY: writes a length and a pointer when it says so.
    let is_tuple = unsafe { sys::enif_get_tuple(env, term(value), &mut arity, &mut items) } != 0;
    is_tuple.then(|| (items.cast::<Word>(), usize::try_from(arity).unwrap_or(0)))
}

/// A map's number of pairs.
pub(crate) fn map_size(env: Env, value: Word) -> Option<usize> {
    let mut size = 0;
    // SAFETY: writes a number when it says so.
    (unsafe { sys::enif_get_map_size(env, term(value), &mut size) } != 0).then_some(size)
}

/// The value of a key in a map.
pub(crate) fn map_get(env: Env, map: Word, key: Word) -> Option<Word> {
    let mut value = term(0);
    // SAFETY: writes a term when it says so.
    (unsafe { sys::enif_get_map_value(env, term(map), term(key), &mut value) } != 0).then(|| word(value))
}

/// Runs `f` on the bytes of a binary; `None` when the term is none (a bitstring is none).
///
/// A binary that does not begin on a byte is copied by the VM, so ask for its size first.
pub(crate) fn with_binary<R>(env: Env, value: Word, f: impl FnOnce(&[u8]) -> R) -> Option<R> {
    let mut binary = MaybeUninit::<ErlNifBinary>::uninit();
    // SAFETY: writes a binary when it says so, which then points at `size` bytes that live as long as the term.
    unsafe {
        if sys::enif_inspect_binary(env, term(value), binary.as_mut_ptr()) == 0 {
            return None;
        }
        let binary = binary.assume_init();
        Some(f(slice(binary.data, binary.size)))
    }
}

/// Runs `f` on the external form of a term, without its version byte. Only for terms that are small by nature, or checked.
pub(crate) fn with_external<R>(env: Env, value: Word, f: impl FnOnce(&[u8]) -> R) -> Option<R> {
    let mut binary = MaybeUninit::<ErlNifBinary>::uninit();
    // SAFETY: writes a binary that is ours to release when it says so.
    unsafe {
        if sys::enif_term_to_binary(env, term(value), binary.as_mut_ptr()) == 0 {
            return None;
        }
        let binary = Owned(binary.assume_init());
        slice(binary.0.data, binary.0.size).get(1..).map(f)
    }
}

/// A binary that is released even when `f` panics.
struct Owned(ErlNifBinary);

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: made by the VM, released once.
        unsafe { sys::enif_release_binary(&mut self.0) }
    }
}

unsafe fn slice<'a>(data: *const u8, size: usize) -> &'a [u8] {
    if size == 0 {
        return &[];
    }
    // SAFETY: the caller's: `data` points at `size` bytes.
    unsafe { std::slice::from_raw_parts(data, size) }
}

/// What the VM prints for a term, into `buffer`. Only for terms that print short: the VM walks all of the term.
pub(crate) fn print(value: Word, buffer: &mut [u8]) -> &str {
    // SAFETY: the VM writes at most `buffer.len()` bytes, the last one 0, and returns how many it had wanted to write.
    let wanted = unsafe {
        let print = sys::get_enif_snprintf();
        print(
            buffer.as_mut_ptr().cast::<c_char>(),
            buffer.len(),
            c"%T".as_ptr(),
            value,
        )
    };
    let written = usize::try_from(wanted).unwrap_or(0).min(buffer.len().saturating_sub(1));
    let bytes = &buffer[..written];
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) => std::str::from_utf8(&bytes[..e.valid_up_to()]).unwrap_or(""),
    }
}

/// An atom of the external form: its name and the bytes after it.
pub(crate) fn external_atom(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, from) = match *bytes.first()? {
        // SMALL_ATOM_UTF8_EXT, SMALL_ATOM_EXT
        119 | 115 => (usize::from(*bytes.get(1)?), 2),
        // ATOM_UTF8_EXT, ATOM_EXT
        118 | 100 => (usize::from(u16::from_be_bytes([*bytes.get(1)?, *bytes.get(2)?])), 3),
        _ => return None,
    };
    Some((bytes.get(from..from + length)?, bytes.get(from + length..)?))
}

/// The words of a local reference in external form, first one first.
pub(crate) fn external_reference(bytes: &[u8], words: &mut [u32; 8]) -> Option<usize> {
    if *bytes.first()? != 90 {
        return None;
    }
    let count = usize::from(u16::from_be_bytes([*bytes.get(1)?, *bytes.get(2)?]));
    let (_, rest) = external_atom(bytes.get(3..)?)?;
    let rest = rest.get(4..)?;
    for (i, word) in words.iter_mut().enumerate().take(count) {
        let at = rest.get(i * 4..i * 4 + 4)?;
        *word = u32::from_be_bytes([at[0], at[1], at[2], at[3]]);
    }
    (count <= words.len()).then_some(count)
}

/// The text of an atom.
pub(crate) fn atom_text<R>(env: Env, atom: Word, f: impl FnOnce(&str) -> R) -> Option<R> {
    with_external(env, atom, |bytes| {
        let tag = *bytes.first()?;
        let (name, _) = external_atom(bytes)?;
        match tag {
            118 | 119 => std::str::from_utf8(name).ok().map(f),
            _ => Some(f(&name.iter().map(|b| char::from(*b)).collect::<String>())),
        }
    })
    .flatten()
}
