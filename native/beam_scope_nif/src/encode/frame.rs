//! What the walk remembers of a term that it is inside of.

use std::mem::MaybeUninit;

use rustler::sys::{self, ErlNifMapIterator, ErlNifMapIteratorEntry};

use beam_scope_core::capture::engine::Seen;

use super::MAX_DEPTH;
use crate::vm::{api, term, word, Word};

/// A term whose parts are being written.
pub(super) struct Frame {
    /// Where its tag stands.
    pub(super) start: usize,
    /// It ends below this, its end marker included.
    pub(super) limit: usize,
    /// Its word, what had been noted when it began, and the flags then: for the memory of a stream.
    pub(super) word: Word,
    pub(super) mark: usize,
    pub(super) flags: u8,
    pub(super) parts: Parts,
}

/// The parts that are still to come.
pub(super) enum Parts {
    /// The rest of a list, how many elements were written, and which of them can be referred to.
    List {
        rest: Word,
        written: u64,
        run: Run,
        /// The element before was a key, of arguments.
        hide: bool,
    },
    /// The tail of an improper list was written; nothing comes.
    Tail,
    /// Elements of a tuple.
    Tuple {
        next: *const Word,
        left: usize,
        arity: usize,
        redact: bool,
    },
    /// Pairs of a map.
    Map(Pairs),
    /// Children of a node of a large map's tree.
    Tree(Branch),
}

/// Elements of a list that were written one after the other since it began, or since a reference.
#[derive(Clone, Copy, Default)]
pub(super) struct Run {
    /// The cell being written.
    pub(super) cell: Word,
    /// How many were begun, and how many of the first ones are whole.
    pub(super) begun: u32,
    pub(super) whole: u32,
    /// An element was cut: those behind it do not count, and `rest` is its cell.
    pub(super) rest: Word,
}

impl Run {
    /// The cell behind the elements that are whole, where it is `next` unless one was cut before.
    pub(super) const fn behind(&self, next: Word) -> Word {
        if self.rest == 0 {
            next
        } else {
            self.rest
        }
    }
}

/// What is left of a node of a large map's tree.
pub(super) struct Branch {
    pub(super) next: *const Word,
    pub(super) left: usize,
    /// The map itself, or a node inside one.
    pub(super) root: bool,
    /// The module of the struct that the map is, where fields of it are hidden; else 0. Nodes of such a map are no other's.
    pub(super) owner: Word,
    /// Levels that may be below.
    pub(super) levels: usize,
    /// The pair being written: where it began, with what notes and flags.
    pub(super) step: Step,
    pub(super) start: usize,
    pub(super) mark: usize,
    pub(super) flags: u8,
}

/// The pairs of a map.
pub(super) struct Pairs {
    pub(super) source: Source,
    /// The module of the struct that the map is, where fields of it are hidden; else 0.
    pub(super) owner: Word,
    pub(super) size: usize,
    /// How many were taken from the source, and how many written: those with secrets in their keys are left out.
    pub(super) taken: usize,
    pub(super) written: usize,
    /// The pair being written.
    pub(super) step: Step,
    /// Where the pair began, and the flags of the walk then: a pair whose key does not fit is taken back.
    pub(super) start: usize,
    pub(super) flags: u8,
    /// What had been noted then.
    pub(super) mark: usize,
}

/// Where a map's pairs come from.
pub(super) enum Source {
    /// Arrays of keys and values.
    Flat { keys: *const Word, values: *const Word },
    /// The VM's iterator, which must be destroyed.
    Iterator(Box<ErlNifMapIterator>),
}

/// Which half of a pair comes next.
#[derive(Clone, Copy)]
pub(super) enum Step {
    Key,
    /// The key that was written, and its value.
    Value(Word, Word),
}

impl Frame {
    /// What a reference to it stands for.
    pub(super) fn kind(&self) -> fn(u32) -> Seen {
        if self.is_inner() {
            Seen::Node
        } else {
            Seen::Term
        }
    }

    const fn is_inner(&self) -> bool {
        matches!(self.parts, Parts::Tree(Branch { root: false, .. }))
    }
}

impl Pairs {
    /// The next pair; `None` at the end.
    pub(super) fn next(&mut self, env: api::Env) -> Option<(Word, Word)> {
        if self.taken == self.size {
            return None;
        }
        let at = self.taken;
        self.taken += 1;
        match &mut self.source {
            // SAFETY: both arrays have `size` elements and live as long as the map.
            Source::Flat { keys, values } => unsafe { Some((*keys.add(at), *values.add(at))) },
            Source::Iterator(iterator) => {
                let (mut key, mut value) = (term(0), term(0));
                // SAFETY: the iterator was created for a map that is alive, and is moved on only here.
                unsafe {
                    if sys::enif_map_iterator_get_pair(env, &mut **iterator, &mut key, &mut value) == 0 {
                        return None;
                    }
                    sys::enif_map_iterator_next(env, &mut **iterator);
                }
                Some((word(key), word(value)))
            }
        }
    }
}

impl Source {
    /// An iterator of the VM over a map.
    pub(super) fn iterator(env: api::Env, map: Word) -> Option<Self> {
        let mut iterator = std::mem::MaybeUninit::<ErlNifMapIterator>::uninit();
        // SAFETY: writes an iterator when it says so.
        let made = unsafe {
            sys::enif_map_iterator_create(
                env,
                term(map),
                iterator.as_mut_ptr(),
                ErlNifMapIteratorEntry::ERL_NIF_MAP_ITERATOR_HEAD,
            ) != 0
        };
        // SAFETY: written, as it said. Iterators may be moved: the VM gets a pointer at each call and keeps none.
        made.then(|| Self::Iterator(Box::new(unsafe { iterator.assume_init() })))
    }

    /// Frees what the VM keeps for an iterator, and the iterator: frames are forgotten, not dropped.
    pub(super) fn finish(&mut self, env: api::Env) {
        let none = Self::Flat {
            keys: std::ptr::null(),
            values: std::ptr::null(),
        };
        if let Self::Iterator(mut iterator) = std::mem::replace(self, none) {
            // SAFETY: created by `iterator`, destroyed once: the frame is dropped after.
            unsafe { sys::enif_map_iterator_destroy(env, &mut *iterator) }
        }
    }
}

/// The containers that the walk is inside of. On the stack, and only the used part is ever touched.
pub(super) struct Stack {
    frames: [MaybeUninit<Frame>; MAX_DEPTH],
    len: usize,
    /// Of these, nodes inside of a map: they are no nesting that a user sees.
    inner: usize,
    env: api::Env,
}

impl Stack {
    pub(super) fn new(env: api::Env) -> Self {
        Self {
            frames: [const { MaybeUninit::uninit() }; MAX_DEPTH],
            len: 0,
            inner: 0,
            env,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// How deep the walk is, as a user counts.
    pub(super) const fn depth(&self) -> usize {
        self.len - self.inner
    }

    /// The module of the struct whose tree the walk is inside of, where fields of it are hidden; else 0.
    pub(super) fn owner(&mut self) -> Word {
        match self.top().map(|frame| &frame.parts) {
            Some(Parts::Tree(branch)) => branch.owner,
            _ => 0,
        }
    }

    pub(super) const fn is_full(&self) -> bool {
        self.len >= MAX_DEPTH
    }

    /// The caller checked the depth, which is at most [`MAX_DEPTH`]; a frame beyond it would be forgotten, not written.
    #[inline]
    pub(super) fn push(&mut self, frame: Frame) {
        if let Some(slot) = self.frames.get_mut(self.len) {
            self.inner += usize::from(frame.is_inner());
            slot.write(frame);
            self.len += 1;
        }
    }

    #[inline]
    pub(super) fn top(&mut self) -> Option<&mut Frame> {
        let i = self.len.checked_sub(1)?;
        // SAFETY: the first `len` frames were written.
        self.frames.get_mut(i).map(|slot| unsafe { slot.assume_init_mut() })
    }

    pub(super) fn pop(&mut self) {
        let env = self.env;
        let Some(top) = self.top() else { return };
        if let Parts::Map(pairs) = &mut top.parts {
            pairs.source.finish(env);
        }
        let inner = usize::from(top.is_inner());
        self.inner -= inner;
        self.len = self.len.saturating_sub(1);
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        while self.len > 0 {
            self.pop();
        }
    }
}
