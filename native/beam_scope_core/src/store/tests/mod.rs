//! What the store promises, over made-up recordings.

mod account;
mod basics;
mod files;
mod freeze;
#[cfg(not(loom))]
mod fuzz;
mod ring;
mod together;
pub(crate) mod workload;

use std::sync::Arc;

use super::*;
use crate::capture::record::{Header, HEADER_LEN};
use crate::event::{EventKind, Fields};
use crate::term::{wire, AtomId, Value};

/// Atoms by number, named `a1`, `a2` ...
pub(crate) struct Numbered;

impl AtomSource for Numbered {
    fn text(&self, id: AtomId) -> Option<Box<str>> {
        Some(format!("a{}", id.0).into())
    }
}

pub(crate) fn recording(config: StoreConfig) -> Arc<Recording> {
    let budget = config.budget.clone().or_else(|| Some(Budget::new(usize::MAX)));
    Recording::new(StoreConfig { budget, ..config }, Arc::new(Numbered))
}

/// A record on its way in.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) header: Header,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn made(time: u64, pid: u64, kind: EventKind, terms: &[Value]) -> Made {
    let mut payload = Vec::new();
    terms.iter().for_each(|term| wire::write(term, &mut payload));
    let len = (HEADER_LEN + payload.len()) as u32;
    let header = Header {
        len,
        kind: kind as u8,
        time,
        pid,
        terms: terms.len() as u8,
        ..Header::default()
    };
    Made { header, payload }
}

pub(crate) fn record(rec: &Recording, time: u64, pid: u64, kind: EventKind, terms: &[Value]) {
    let made = made(time, pid, kind, terms);
    rec.append(&made.header, &made.payload);
}

/// A state event with a state after it.
pub(crate) fn state(rec: &Recording, time: u64, pid: u64, after: Value) {
    let mut made = made(time, pid, EventKind::State, &[after]);
    made.header.point = crate::event::Point::Loop as u8;
    made.header.fields = Fields::AFTER;
    rec.append(&made.header, &made.payload);
}

/// Everything a reader can see, in owned form.
pub(crate) fn everything(rec: &Recording) -> Vec<(EventRow, Vec<Value>)> {
    let mut all = Vec::new();
    for chunk in rec.chunks() {
        let view = rec.view(&chunk).expect("the chunk is there");
        for row in view.rows() {
            let values = row.terms.iter().map(|id| view.arena.to_value(*id)).collect();
            all.push((
                EventRow {
                    terms: Terms::NONE,
                    ..*row
                },
                values,
            ));
        }
    }
    all
}

/// A term with its maps' pairs in the order in which an arena tells them.
pub(crate) fn canonical(value: &Value) -> Value {
    let mut arena = crate::term::arena::Arena::new();
    let id = arena.intern(value);
    arena.to_value(id)
}

/// The sum of all losses is what was dropped.
pub(crate) fn assert_account(rec: &Recording) {
    let losses: u64 = rec.losses().iter().map(|loss| loss.count).sum();
    let counts = rec.counts();
    assert_eq!(counts.offered, counts.stored + counts.dropped);
    assert_eq!(losses, counts.dropped, "{:?}", rec.losses());
    assert_eq!(counts.by_kind.iter().sum::<u64>(), counts.stored);
    let rows: usize = rec
        .chunks()
        .iter()
        .filter(|chunk| !chunk.carried && (rec.damage().is_none() || rec.view(chunk).is_ok()))
        .map(|chunk| chunk.len)
        .sum();
    assert_eq!(rows as u64, rec.counts().stored);
}
