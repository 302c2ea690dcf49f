//! One pass over a recording: what happens in it, told to the roles that it concerns.

use std::collections::HashMap;
use std::sync::Arc;

use crate::event::EventKind;
use crate::expect::content::Content;
use crate::expect::feed::{Feed, Interest, Sink};
use crate::expect::subject::{Happened, Mail};
use crate::expect::What;
use crate::pattern::Part;
use crate::query::plan::contents;
use crate::store::{EventRow, StoreError, TrackId};
use crate::term::arena::{Arena, NodeId};
use crate::timeline::history::tagged_reply;
use crate::timeline::view::Inner;
use crate::timeline::{envelope, term, Timeline, TransitionKind};

use super::atoms::{Atoms, Local};
use super::calls::{Answer, Calls, Desk};
use super::cell::Cell;
use super::follows::{Follows, Ids};
use super::layout::Source;
use super::literal::literal;
use super::role::{Role, Rows};
use super::steps::Form;
use super::tag::{args, kind, Kind};

/// The last states of no more processes are kept; of the others it is found out again what they are.
const MOST_ROWS: usize = 16_384;

/// A recording that is being read.
pub(super) struct Reading<'s> {
    atoms: &'s mut Atoms,
    local: Local,
    roles: &'s mut [Role],
    of_track: HashMap<TrackId, Vec<usize>>,
    rows: HashMap<(usize, TrackId), Rows>,
    /// How many of them hold states.
    kept: usize,
    desk: Desk,
    /// The arena of the chunk that is being read, and its number.
    chunk: *const Arena,
    home: u64,
}

struct Concerns<'a>(&'a HashMap<TrackId, Vec<usize>>);

impl Interest for Concerns<'_> {
    fn follows(&self, what: What, track: TrackId) -> bool {
        matches!(what, What::State | What::Transition) && self.0.contains_key(&track)
    }
}

impl<'s> Reading<'s> {
    pub(super) fn new(
        atoms: &'s mut Atoms,
        local: Local,
        roles: &'s mut [Role],
        of_track: HashMap<TrackId, Vec<usize>>,
    ) -> Self {
        for role in roles.iter_mut() {
            role.next_recording();
        }
        for at in of_track.values().flatten() {
            roles[*at].processes += 1;
        }
        Self {
            atoms,
            local,
            roles,
            of_track,
            rows: HashMap::new(),
            kept: 0,
            desk: Desk::default(),
            chunk: std::ptr::null(),
            home: 0,
        }
    }

    /// Reads everything there is.
    pub(super) fn run(mut self, timeline: &Timeline, inner: &Inner, now_ns: u64) -> Result<(), StoreError> {
        let mut feed = Feed::new(Arc::clone(timeline.words()));
        let concerned = self.of_track.clone();
        for chunk in &inner.index.chunks {
            let view = match timeline.recording().view(&chunk.chunk) {
                // Dropped since: as if it had never been.
                Err(StoreError::Evicted) => continue,
                view => view?,
            };
            self.chunk = std::ptr::from_ref(&view.arena);
            self.home += 1;
            feed.next_reading();
            for row in chunk.rows_from(&view, 0) {
                feed.row(&Concerns(&concerned), inner, &view, row, &mut self);
                if row.kind == EventKind::Exit {
                    self.ended(row.track);
                }
            }
        }
        self.close(now_ns.max(inner.index.last_ns));
        Ok(())
    }

    fn ended(&mut self, track: TrackId) {
        for role in self.of_track.get(&track).into_iter().flatten() {
            let rows = self.rows.remove(&(*role, track));
            self.kept -= usize::from(rows.is_some_and(|rows| !rows.is_empty()));
        }
    }

    fn close(&mut self, now_ns: u64) {
        let roles = &mut *self.roles;
        self.desk.close(now_ns, |role, each| each(&mut roles[role].calls));
        roles.iter_mut().for_each(|role| role.follows.close(now_ns));
    }

    // ---- states ----

    fn state(&mut self, track: TrackId, arena: &Arena, node: NodeId) {
        if self.kept > MOST_ROWS {
            self.kept = 0;
            self.rows.values_mut().for_each(Rows::forget);
        }
        let home = if std::ptr::eq(arena, self.chunk) { self.home } else { 0 };
        for role in self.of_track.get(&track).into_iter().flatten() {
            let mut source = Source {
                local: &mut self.local,
                atoms: self.atoms,
                arena,
                home,
            };
            let rows = self.rows.entry((*role, track)).or_default();
            self.kept += usize::from(rows.is_empty());
            self.roles[*role].state(&mut source, node, rows);
        }
    }

    fn step(&mut self, track: TrackId, content: &Content<'_>) {
        let Content::Step(_, [raw, message]) = content else {
            return;
        };
        let forms = self.forms(raw, message);
        let none = Rows::default();
        for role in self.of_track.get(&track).into_iter().flatten() {
            let rows = self.rows.get(&(*role, track)).unwrap_or(&none);
            self.roles[*role].step((&mut self.local, self.atoms), content, &forms, rows);
        }
    }

    /// The forms in which a pattern is asked of a message that was handled.
    fn forms<'v>(&mut self, raw: &Part<'v>, message: &Part<'v>) -> Vec<Form<'v>> {
        let mut forms: Vec<Form<'v>> = Vec::new();
        for (part, plain) in [(message, true), (raw, false)] {
            let Part::Term(arena, node) = *part else { continue };
            if forms
                .iter()
                .any(|form| std::ptr::eq(form.arena, arena) && form.node == node)
            {
                continue;
            }
            let kind = kind(&mut self.local, self.atoms, arena, node);
            forms.push(Form {
                arena,
                node,
                kind,
                plain,
            });
        }
        forms
    }

    // ---- messages ----

    fn received(&mut self, track: TrackId, mail: &Mail<'_>) {
        let Some(own) = self
            .of_track
            .get(&track)
            .filter(|_| mail.row.kind == EventKind::Receive)
        else {
            return;
        };
        let Some(message) = term(mail.row, 0) else { return };
        let own = own.clone();
        let arena = &mail.view.arena;
        self.asked(&own, arena, message, mail.row.at_ns);
        for (kind, ids, plain) in self.mail(arena, message) {
            for role in &own {
                let follows = &mut self.roles[*role].follows;
                each(follows, kind, |follows, tag| {
                    follows.received((tag, plain), &ids, mail.row.at_ns)
                });
            }
        }
    }

    /// A request, if it is one.
    fn asked(&mut self, own: &[usize], arena: &Arena, message: NodeId, at_ns: u64) {
        let shape = envelope(self.local.words(), arena, message);
        let Some(tag) = shape.tag.filter(|_| shape.kind == TransitionKind::Call) else {
            return;
        };
        let kind = kind(&mut self.local, self.atoms, arena, shape.body);
        let tag = arena.content_hash(tag);
        for role in own {
            if let Some(open) = self.roles[*role].calls.ask(*role, kind, at_ns) {
                let roles = &mut *self.roles;
                self.desk.put(tag, open, &mut |role, give_up: fn(&mut Calls)| {
                    give_up(&mut roles[role].calls)
                });
            }
        }
    }

    fn sent(&mut self, track: TrackId, mail: &Mail<'_>) {
        let Some(message) = term(mail.row, 1) else { return };
        let arena = &mail.view.arena;
        self.answered(track, arena, message, mail.row);
        let Some(own) = self.of_track.get(&track).cloned() else {
            return;
        };
        let to = mail.ends().to.and_then(|to| self.of_track.get(&to)?.first().copied());
        for (kind, ids, plain) in self.mail(arena, message) {
            for role in &own {
                let follows = &mut self.roles[*role].follows;
                each(follows, kind, |follows, tag| {
                    follows.sent((tag, plain), &ids, mail.row.at_ns, to)
                });
            }
        }
    }

    /// An answer, if it is one that somebody waits for.
    fn answered(&mut self, track: TrackId, arena: &Arena, message: NodeId, row: &EventRow) {
        let Some((tag, reply)) = tagged_reply(arena, message) else {
            return;
        };
        let tag = arena.content_hash(tag);
        if !self.desk.waits(tag) {
            return;
        }
        let answer = Answer {
            at_ns: row.at_ns,
            by_itself: true,
            kind: kind(&mut self.local, self.atoms, arena, reply),
            sort: Cell::read(&mut self.local, self.atoms, arena, reply).sort(),
            value: literal(&mut self.local, self.atoms, arena, reply),
        };
        for open in self.desk.take(tag) {
            let own = self.of_track.get(&track);
            let by_itself = own.is_some_and(|own| own.contains(&open.role));
            let answer = Answer {
                by_itself,
                ..answer.clone()
            };
            self.roles[open.role].calls.answer(open, &answer);
        }
    }

    /// A message in the forms in which a pattern is asked of it, its envelope aside.
    fn mail(&mut self, arena: &Arena, message: NodeId) -> Vec<(Kind, Ids, bool)> {
        let contents = contents(self.local.words(), arena, message);
        let is_reply = tagged_reply(arena, message).is_some();
        let inner = if contents.len() > 1 {
            &contents[1..]
        } else {
            &contents[..]
        };
        inner
            .iter()
            .map(|node| {
                let kind = kind(&mut self.local, self.atoms, arena, *node);
                let id = |node: NodeId| arena.is_complete(node).then(|| arena.content_hash(node));
                let ids = args(arena, *node).map(|arg| arg.and_then(id));
                (kind, ids, !is_reply)
            })
            .collect()
    }
}

/// Tells of a message of a known kind, or that there was one of which nobody knows.
fn each(follows: &mut Follows, kind: Kind, tell: impl FnOnce(&mut Follows, crate::infer::Tag)) {
    match kind {
        Kind::Is(tag) => tell(follows, tag),
        Kind::Unknown => follows.vague(),
        Kind::None => {}
    }
}

impl Sink for Reading<'_> {
    fn take(&mut self, happened: &Happened<'_>) {
        let track = happened.place.track;
        match (happened.place.what, &happened.content, &happened.mail) {
            (What::State, Content::State(Part::Term(arena, node)), _) => self.state(track, arena, *node),
            (What::Transition, content, _) => self.step(track, content),
            (What::Received, _, Some(mail)) => self.received(track, mail),
            (What::Sent, _, Some(mail)) => self.sent(track, mail),
            _ => {}
        }
    }
}
