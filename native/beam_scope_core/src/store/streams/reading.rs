//! Reading terms of a stream: what they refer to first.

use super::tree::Child;
use super::Stream;
use crate::term::arena::{Arena, Node, NodeId};
use crate::term::wire::{self, Shape, Sink, Token, WireError};
use crate::term::{Kind, Value};

/// Items that the lists of one record may take over from earlier ones: far more than a process would keep, and few enough that
/// bytes that lie cannot fill the memory.
const MOST_ITEMS: u64 = if cfg!(test) { 1 << 16 } else { 16 << 20 };
/// Binaries of fewer bytes are written anew each time.
const SHORTEST_BINARY: usize = 24;
/// A place that could not be read so often never will be.
const ATTEMPTS: u8 = 3;

/// What stands at a place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Term(NodeId),
    Pair(NodeId, NodeId),
    /// A node of a large map's tree, by its offset.
    Node(u32),
    /// A child of such a tree that was left out.
    Cut,
    /// A list from one of its items on.
    Rest(NodeId, u32),
    /// Of a list's items, from one on so many.
    Slice(NodeId, u32, u32),
    /// From here on nobody knows how a list goes on.
    Hole,
}

/// Reads terms of a stream into an arena.
pub(super) struct Reading<'a> {
    pub(super) stream: &'a mut Stream,
    pub(super) arena: &'a mut Arena,
    /// Some reference led nowhere.
    pub(super) cut: bool,
    /// Bytes of earlier records that were read.
    pub(super) again: usize,
    /// Items taken over so far.
    items: u64,
    /// Where the bytes at hand begin.
    base: u32,
    stacks: (Vec<Part>, Vec<wire::Frame>),
}

impl<'a> Reading<'a> {
    pub(super) fn new(stream: &'a mut Stream, arena: &'a mut Arena) -> Self {
        let cut = !stream.known.lost.is_empty();
        Self {
            stream,
            arena,
            cut,
            again: 0,
            items: 0,
            base: 0,
            stacks: (Vec::new(), Vec::new()),
        }
    }

    /// A term of which nothing is known.
    pub(super) fn nothing(&mut self) -> NodeId {
        self.cut = true;
        self.arena.intern(&Value::Truncated(Kind::Tuple, 0))
    }

    /// The term at an offset, and where it ends.
    pub(super) fn read(&mut self, at: u32) -> Option<(NodeId, u32)> {
        let (part, end) = self.resolve(at)?;
        match part {
            Part::Term(id) => Some((id, end)),
            _ => None,
        }
    }

    /// Reads what stands at an offset, and before it what that refers to. References lead back, so what waits to be read lies ever
    /// further back, and none of it waits for what is above it.
    fn resolve(&mut self, at: u32) -> Option<(Part, u32)> {
        let mut todo = vec![(at, 0u8)];
        loop {
            let (place, attempts) = todo.last_mut()?;
            let (place, again) = (*place, *attempts >= ATTEMPTS);
            *attempts += 1;
            match self.parse(place) {
                Ok(found) if todo.len() == 1 => return Some(found),
                Ok((_, end)) => {
                    self.again += end.saturating_sub(place) as usize;
                    todo.pop();
                }
                Err(WireError::Reference(_)) if !again => {
                    for missing in self.missing(place).into_iter().rev() {
                        // What does not lead back leads nowhere.
                        if missing < place {
                            todo.push((missing, 0));
                        } else {
                            self.lose(missing);
                        }
                    }
                }
                Err(_) if todo.len() == 1 => return None,
                Err(_) => {
                    self.lose(place);
                    todo.pop();
                }
            }
        }
    }

    fn lose(&mut self, place: u32) {
        self.stream.known.lost.insert(place);
        self.cut = true;
    }

    /// A list does not go on: from now on rows of this stream may have it, and say so.
    fn hole(&mut self, offset: u64) -> Part {
        self.lose(u32::try_from(offset).unwrap_or(u32::MAX));
        Part::Hole
    }

    fn parse(&mut self, at: u32) -> Result<(Part, u32), WireError> {
        // Taken out for the time being, since reading changes what is known of them.
        let bytes = std::mem::take(&mut self.stream.bytes);
        let (mut items, mut frames) = std::mem::take(&mut self.stacks);
        self.base = at;
        let result = match bytes.get(at as usize..) {
            Some(rest) => wire::parse_with(rest, self, &mut items, &mut frames),
            None => Err(WireError::UnexpectedEnd),
        };
        self.stream.bytes = bytes;
        self.stacks = (items, frames);
        result.map(|(part, len)| (part, at + len as u32))
    }

    /// The places that a node refers to and that were not read yet.
    fn missing(&self, at: u32) -> Vec<u32> {
        let mut wanted = Wanted {
            reading: self,
            places: Vec::new(),
        };
        let rest = self.stream.bytes.get(at as usize..).unwrap_or(&[]);
        // What cannot be read to its end is found out by who reads it.
        let _ = wire::parse(rest, &mut wanted);
        wanted.places.sort_unstable();
        wanted.places.dedup();
        wanted.places
    }

    const fn at(&self, position: usize) -> u32 {
        self.base + position as u32
    }

    fn is_lost(&self, place: u32) -> bool {
        self.stream.known.lost.contains(&place)
    }

    /// The list of a cell, once it was read, and which of its items the cell is.
    fn list_of(&self, offset: u64) -> Result<(NodeId, u32), Option<u32>> {
        let home = u32::try_from(offset).ok().and_then(|at| self.stream.cells.get(at));
        let (list, index) = home.ok_or(None)?;
        match self.stream.known.terms.get(&list) {
            Some(id) => Ok((*id, index)),
            None if self.is_lost(list) => Err(None),
            None => Err(Some(list)),
        }
    }

    fn terms(&mut self, parts: &[Part]) -> Vec<NodeId> {
        let mut ids = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Part::Term(id) => ids.push(*id),
                Part::Slice(list, from, count) => {
                    ids.extend(self.arena.list_from(*list, *from as usize).take(*count as usize));
                }
                // Only made-up bytes have such a thing here.
                _ => ids.push(self.nothing()),
            }
        }
        ids
    }

    /// A proper list of these parts: of the largest one that stems from another list, that list's own nodes serve.
    fn list(&mut self, parts: &[Part]) -> NodeId {
        let size = |part: &Part| match part {
            Part::Slice(_, _, count) => *count,
            _ => 0,
        };
        let largest = (0..parts.len()).max_by_key(|i| size(&parts[*i]));
        match largest.map(|i| (i, parts[i])) {
            Some((i, Part::Slice(old, from, count))) => {
                let (before, after) = (self.terms(&parts[..i]), self.terms(&parts[i + 1..]));
                let range = from as usize..from as usize + count as usize;
                self.arena.list_join(&before, old, range, &after)
            }
            _ => {
                let items = self.terms(parts);
                self.arena.make_list(&items)
            }
        }
    }

    /// A list that goes on with another one from some item on.
    fn rest(&mut self, parts: &[Part], old: NodeId, from: u32) -> NodeId {
        let items = self.terms(parts);
        match self.arena.node(old) {
            Node::List { .. } => self.arena.list_splice(&items, old, from as usize),
            Node::Improper { tail, .. } => {
                let list = self.arena.list_splice(&items, old, from as usize);
                self.arena.put_improper(list, tail)
            }
            Node::TruncatedList { full, .. } => {
                let list = self.arena.list_splice(&items, old, from as usize);
                self.cut = true;
                self.arena.put_cut_list(full, list)
            }
            _ => self.nothing(),
        }
    }
}

impl Sink for Reading<'_> {
    type Item = Part;

    const STREAMS: bool = true;

    fn leaf(&mut self, at: usize, token: Token<'_>) -> Part {
        let id = self.arena.put_leaf(token);
        if let Token::Binary(bytes) | Token::Bits(bytes, _) = token {
            // Nobody refers to a shorter one.
            if bytes.len() >= SHORTEST_BINARY {
                self.stream.known.terms.insert(self.at(at), id);
            }
        }
        Part::Term(id)
    }

    fn close(&mut self, at: usize, shape: Shape, items: &mut Vec<Part>, start: usize) -> Part {
        let at = self.at(at);
        let parts = items.split_off(start);
        let id = match (shape, parts.as_slice()) {
            (Shape::Pair, [Part::Term(key), Part::Term(value)]) => return Part::Pair(*key, *value),
            (Shape::Node, children) => {
                let children = children.iter().filter_map(Child::of).collect();
                self.stream.known.add_node(at, children);
                return Part::Node(at);
            }
            (Shape::Tree(size), children) => {
                let children = children.iter().filter_map(Child::of).collect();
                self.tree(at, size, children)
            }
            (Shape::List | Shape::Improper | Shape::TruncatedList(_), parts)
                if parts.iter().any(|part| matches!(part, Part::Hole)) =>
            {
                let end = parts.iter().position(|part| matches!(part, Part::Hole));
                let known = self.list(&parts[..end.unwrap_or(parts.len())]);
                self.arena.put_cut_list(0, known)
            }
            (Shape::Improper, [items @ .., Part::Rest(old, from)]) => self.rest(items, *old, *from),
            (Shape::List, parts) => self.list(parts),
            (Shape::TruncatedList(full), parts) => {
                let known = self.list(parts);
                self.arena.put_cut_list(full, known)
            }
            (shape, parts) => {
                let ids = self.terms(parts);
                self.arena.put_shape(shape, &ids)
            }
        };
        self.stream.known.terms.insert(at, id);
        Part::Term(id)
    }

    fn back_ref(&mut self, offset: u64) -> Option<Part> {
        let at = u32::try_from(offset).unwrap_or(u32::MAX);
        match self.stream.known.terms.get(&at) {
            Some(id) => Some(Part::Term(*id)),
            None if self.is_lost(at) => Some(Part::Term(self.nothing())),
            None => None,
        }
    }

    fn tail_ref(&mut self, offset: u64) -> Option<Part> {
        match self.list_of(offset) {
            Ok((list, index)) => Some(Part::Rest(list, index)),
            Err(Some(_)) => None,
            Err(None) => Some(self.hole(offset)),
        }
    }

    fn node_ref(&mut self, offset: u64) -> Option<Part> {
        let at = u32::try_from(offset).unwrap_or(u32::MAX);
        if self.stream.known.nodes.contains_key(&at) {
            return Some(Part::Node(at));
        }
        self.is_lost(at).then(|| {
            self.cut = true;
            Part::Cut
        })
    }

    fn node_cut(&mut self) -> Option<Part> {
        Some(Part::Cut)
    }

    fn run(&mut self, offset: u64, count: u64, items: &mut Vec<Part>) -> Option<u64> {
        let (list, index) = match self.list_of(offset) {
            Ok(found) => found,
            Err(Some(_)) => return None,
            Err(None) => {
                items.push(self.hole(offset));
                return Some(1);
            }
        };
        self.items = self.items.saturating_add(count);
        let there = self.arena.list_len(list) as u64;
        if self.items > MOST_ITEMS || u64::from(index).saturating_add(count) > there {
            items.push(self.hole(offset));
            return Some(1);
        }
        match items.last_mut() {
            Some(Part::Slice(before, from, so_far)) if *before == list && *from + *so_far == index => {
                *so_far += count as u32;
            }
            _ => items.push(Part::Slice(list, index, count as u32)),
        }
        Some(count)
    }

    fn cell(&mut self, list: usize, index: usize, at: usize) {
        let (list, at) = (self.at(list), self.at(at));
        self.stream.cells.add(at, list, index as u32);
    }
}

/// Collects what a node refers to.
struct Wanted<'a, 'r> {
    reading: &'a Reading<'r>,
    places: Vec<u32>,
}

impl Wanted<'_, '_> {
    fn want(&mut self, at: u32, known: bool) {
        if !known && !self.reading.is_lost(at) {
            self.places.push(at);
        }
    }

    fn want_cell(&mut self, offset: u64) {
        if let Err(Some(list)) = self.reading.list_of(offset) {
            self.places.push(list);
        }
    }
}

impl Sink for Wanted<'_, '_> {
    type Item = ();

    const STREAMS: bool = true;

    fn leaf(&mut self, _at: usize, _token: Token<'_>) {}

    fn close(&mut self, _at: usize, _shape: Shape, items: &mut Vec<()>, start: usize) {
        items.truncate(start);
    }

    fn back_ref(&mut self, offset: u64) -> Option<()> {
        let at = u32::try_from(offset).unwrap_or(u32::MAX);
        self.want(at, self.reading.stream.known.terms.contains_key(&at));
        Some(())
    }

    fn tail_ref(&mut self, offset: u64) -> Option<()> {
        self.want_cell(offset);
        Some(())
    }

    fn node_ref(&mut self, offset: u64) -> Option<()> {
        let at = u32::try_from(offset).unwrap_or(u32::MAX);
        self.want(at, self.reading.stream.known.nodes.contains_key(&at));
        Some(())
    }

    fn node_cut(&mut self) -> Option<()> {
        Some(())
    }

    fn run(&mut self, offset: u64, count: u64, _items: &mut Vec<()>) -> Option<u64> {
        self.want_cell(offset);
        Some(count)
    }
}
