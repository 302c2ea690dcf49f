//! Reading an event's terms.

use crate::capture::record::flags;
use crate::event::Point;
use crate::store::EventRow;
use crate::term::arena::NodeId;

/// The term at this place.
#[must_use]
pub fn term(row: &EventRow, i: usize) -> Option<NodeId> {
    row.terms.get(i).copied()
}

/// The term that a state record carries for this field.
#[must_use]
pub fn field(row: &EventRow, bit: u16) -> Option<NodeId> {
    row.fields.index_of(bit).and_then(|i| term(row, i))
}

/// Which step of a loop a state record saw.
#[must_use]
pub fn point(row: &EventRow) -> Option<Point> {
    Point::from_u8(row.point)
}

/// Whether an event says that what its process does is not recorded from there on, rather than that events were lost.
pub(super) fn is_unseen(row: &EventRow) -> bool {
    row.flags & flags::UNSEEN != 0
}
