//! The cells of lists that later records may go on from.

/// One cell: where it stands, the list it is of, and which of its items it is.
#[derive(Clone, Copy, Debug)]
struct Cell {
    at: u32,
    list: u32,
    index: u32,
}

/// The cells of a stream, in the order in which they stand in it. A long list has one for each few of its items, so they are kept
/// as they come, which is that order; reading a place again, in another chunk, adds none.
#[derive(Clone, Debug, Default)]
pub(super) struct Cells(Vec<Cell>);

impl Cells {
    pub(super) fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<Cell>()
    }

    /// The list that a cell is of, and which item.
    pub(super) fn get(&self, at: u32) -> Option<(u32, u32)> {
        let place = self.0.binary_search_by_key(&at, |cell| cell.at).ok()?;
        Some((self.0[place].list, self.0[place].index))
    }

    pub(super) fn add(&mut self, at: u32, list: u32, index: u32) {
        let cell = Cell { at, list, index };
        if self.0.last().is_none_or(|last| last.at < at) {
            return self.0.push(cell);
        }
        match self.0.binary_search_by_key(&at, |cell| cell.at) {
            Ok(place) => self.0[place] = cell,
            // What was passed over because the term before it could not be read, and is referred to nevertheless.
            Err(place) => self.0.insert(place, cell),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_found_however_it_came() {
        let mut cells = Cells::default();
        for at in [5, 9, 30, 7, 9, 1] {
            cells.add(at, at - 1, at * 2);
        }
        for at in [1, 5, 7, 9, 30] {
            assert_eq!(cells.get(at), Some((at - 1, at * 2)));
        }
        assert_eq!(cells.get(8), None);
        assert_eq!(cells.0.len(), 5);
    }
}
