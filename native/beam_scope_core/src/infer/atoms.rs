//! Atoms of several recordings under one number each. Numbers of two recordings have nothing in common, texts have.

use std::collections::HashMap;
use std::sync::Arc;

use crate::term::AtomId;
use crate::timeline::Words;

/// An atom of an [`Inference`](super::Inference): its values name atoms by their place in a list of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedAtom {
    /// What it is called.
    pub text: Box<str>,
    /// The recording that it was seen in first, and its number there; `None`: in none yet.
    pub origin: Option<(usize, AtomId)>,
}

/// What every inference knows from the start.
pub(crate) const NIL: AtomId = AtomId(0);
pub(crate) const TRUE: AtomId = AtomId(1);
pub(crate) const FALSE: AtomId = AtomId(2);
const KNOWN: [&str; 3] = ["nil", "true", "false"];

/// Every atom that anything is said of.
#[derive(Debug)]
pub(crate) struct Atoms {
    list: Vec<SharedAtom>,
    ids: HashMap<Box<str>, AtomId>,
}

impl Default for Atoms {
    fn default() -> Self {
        let mut atoms = Self {
            list: Vec::new(),
            ids: HashMap::new(),
        };
        for text in KNOWN {
            atoms.enter(text.into(), None);
        }
        atoms
    }
}

impl Atoms {
    fn enter(&mut self, text: Box<str>, origin: Option<(usize, AtomId)>) -> AtomId {
        if let Some(id) = self.ids.get(&text) {
            let known = &mut self.list[id.0 as usize];
            known.origin = known.origin.or(origin);
            return *id;
        }
        let id = AtomId(self.list.len() as u64);
        self.ids.insert(text.clone(), id);
        self.list.push(SharedAtom { text, origin });
        id
    }

    /// The atom with this text.
    pub(crate) fn of_text(&mut self, text: &str) -> AtomId {
        self.enter(text.into(), None)
    }

    pub(crate) fn text(&self, id: AtomId) -> &str {
        self.list.get(id.0 as usize).map_or("", |atom| &atom.text)
    }

    pub(crate) fn into_list(self) -> Vec<SharedAtom> {
        self.list
    }
}

/// The atoms of one recording, as far as they were met.
#[derive(Debug)]
pub(crate) struct Local {
    recording: usize,
    words: Arc<Words>,
    shared: HashMap<AtomId, Option<AtomId>>,
    own: HashMap<AtomId, AtomId>,
}

impl Local {
    pub(crate) fn new(recording: usize, words: Arc<Words>) -> Self {
        Self {
            recording,
            words,
            shared: HashMap::new(),
            own: HashMap::new(),
        }
    }

    /// The shared atom that one of this recording is; `None` where nobody knows what it is called.
    pub(crate) fn shared(&mut self, atoms: &mut Atoms, id: AtomId) -> Option<AtomId> {
        if let Some(known) = self.shared.get(&id) {
            return *known;
        }
        let shared = self
            .words
            .text(id)
            .map(|text| atoms.enter(text, Some((self.recording, id))));
        self.shared.insert(id, shared);
        if let Some(shared) = shared {
            self.own.insert(shared, id);
        }
        shared
    }

    /// The atom of this recording that a shared one is, if it was met.
    pub(crate) fn own(&self, shared: AtomId) -> Option<AtomId> {
        self.own.get(&shared).copied()
    }

    pub(crate) fn words(&self) -> &Words {
        &self.words
    }
}
