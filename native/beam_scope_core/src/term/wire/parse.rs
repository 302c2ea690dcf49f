//! The grammar: from tokens to terms, bottom-up, with an explicit stack.

use super::{Reader, Token, WireError};
use crate::term::tag;

/// A compound term whose parts are all there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A proper list; the items are its elements (never none: that is [`Token::Nil`]).
    List,
    /// An improper list; the last item is the tail. With one item the list has no elements: it is its tail.
    Improper,
    /// The items are the known elements; the full length.
    TruncatedList(u64),
    /// The items are the elements.
    Tuple,
    /// The items are the known prefix; the full arity.
    TruncatedTuple(u64),
    /// The items are key, value, key, value ...
    Map,
    /// The same of the known pairs; the full size.
    TruncatedMap(u64),
    /// A large map as a tree, and its size; the items are its children. Only of sinks that take streams, as all that follow.
    Tree(u64),
    /// A node of such a tree; the items are its children.
    Node,
    /// A pair of such a tree: key, value.
    Pair,
}

/// What [`parse`] builds. `at` is the offset of the node's tag: a node's id among back references.
pub trait Sink {
    /// What a term becomes.
    type Item;

    /// Whether it takes what only records of streams hold.
    const STREAMS: bool = false;

    /// A term without parts. Structural tokens never come here.
    fn leaf(&mut self, at: usize, token: Token<'_>) -> Self::Item;

    /// A compound term: its parts are `items[start..]`, and the call removes them.
    fn close(&mut self, at: usize, shape: Shape, items: &mut Vec<Self::Item>, start: usize) -> Self::Item;

    /// The term a back reference stands for.
    fn back_ref(&mut self, _offset: u64) -> Option<Self::Item> {
        None
    }

    /// The list that begins at the cell a tail reference stands for.
    fn tail_ref(&mut self, _offset: u64) -> Option<Self::Item> {
        None
    }

    /// The node of a large map's tree that a reference stands for.
    fn node_ref(&mut self, _offset: u64) -> Option<Self::Item> {
        None
    }

    /// A child of such a tree that was left out.
    fn node_cut(&mut self) -> Option<Self::Item> {
        None
    }

    /// Adds so many items of a list from a cell on, each for itself or as one that stands for them all; how many items of the list
    /// that makes, `None` when it cannot.
    fn run(&mut self, _offset: u64, _count: u64, _items: &mut Vec<Self::Item>) -> Option<u64> {
        None
    }

    /// An item begins at `at`, the so manieth of the list that began at `list`.
    fn cell(&mut self, _list: usize, _index: usize, _at: usize) {}
}

/// A compound term whose parts are still being read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    at: usize,
    start: usize,
    shape: Shape,
    /// Parts still to come; `None` inside a list, which ends by its terminator.
    left: Option<u64>,
    /// Of a list: where among the items those begin that were written one by one since its begin, or since a run.
    since: usize,
    /// Of a list: how many more items it has than there are, since some stand for many.
    more: usize,
}

/// Of items that are written one by one, the first and each so many after it begin cells that can be referred to. So does a run.
pub const CELL_EVERY: usize = 8;

/// Reads one term from the front of `bytes` into `sink`; how many bytes it took.
pub fn parse<S: Sink>(bytes: &[u8], sink: &mut S) -> Result<(S::Item, usize), WireError> {
    parse_with(bytes, sink, &mut Vec::new(), &mut Vec::new())
}

/// [`parse`] with stacks that the caller keeps, so that reading many small terms allocates nothing.
pub(crate) fn parse_with<S: Sink>(
    bytes: &[u8],
    sink: &mut S,
    items: &mut Vec<S::Item>,
    frames: &mut Vec<Frame>,
) -> Result<(S::Item, usize), WireError> {
    items.clear();
    frames.clear();
    let mut reader = Reader::new(bytes);
    loop {
        let at = reader.pos();
        let token = reader.next()?;
        if S::STREAMS {
            if let Some(list) = frames.last().filter(|frame| frame.left.is_none()) {
                let is_run = matches!(token, Token::Run(..));
                if is_run || (items.len() - list.since).is_multiple_of(CELL_EVERY) {
                    sink.cell(list.at, items.len() - list.start + list.more, at);
                }
            }
        }
        match begin::<S>(token, at, items.len())? {
            Begun::Frame(frame) => {
                frames.push(frame);
                if frame.left != Some(0) {
                    continue;
                }
            }
            Begun::Leaf => items.push(sink.leaf(at, token)),
            Begun::Reference(offset) => items.push(sink.back_ref(offset).ok_or(WireError::Reference(offset))?),
            Begun::NodeReference(offset) => items.push(sink.node_ref(offset).ok_or(WireError::Reference(offset))?),
            Begun::Cut => items.push(sink.node_cut().ok_or(WireError::Misplaced(tag::NCUT))?),
            Begun::Run(offset, count) => {
                in_list(frames).ok_or(WireError::Misplaced(tag::LCHUNK))?;
                let before = items.len();
                let added = sink.run(offset, count, items).ok_or(WireError::Reference(offset))?;
                if let Some(list) = frames.last_mut() {
                    list.since = items.len();
                    list.more += (added as usize).saturating_sub(items.len() - before);
                }
                continue;
            }
            // A tail that is a list goes on with the same list; taking it apart first would cost its length each time.
            Begun::Terminator if token == Token::Tail && bytes.get(reader.pos()) == Some(&tag::LIST) => {
                reader.next()?;
                in_list(frames).ok_or(WireError::Misplaced(tag::TAIL))?;
                continue;
            }
            Begun::Terminator => {
                let frame = in_list(frames).ok_or(WireError::Misplaced(bytes[at]))?;
                if !terminate(frame, token, sink, items)? {
                    continue;
                }
            }
        }
        if let Some(item) = close_finished(sink, items, frames) {
            return Ok((item, reader.pos()));
        }
    }
}

/// The innermost frame, if it is a list that has not ended.
fn in_list(frames: &mut [Frame]) -> Option<&mut Frame> {
    frames.last_mut().filter(|frame| frame.left.is_none())
}

enum Begun {
    Frame(Frame),
    Leaf,
    Reference(u64),
    NodeReference(u64),
    Cut,
    Run(u64, u64),
    Terminator,
}

fn begin<S: Sink>(token: Token<'_>, at: usize, start: usize) -> Result<Begun, WireError> {
    let frame = |shape, left| {
        Begun::Frame(Frame {
            at,
            start,
            shape,
            left,
            since: start,
            more: 0,
        })
    };
    Ok(match token {
        Token::Tree(..) | Token::Node(_) | Token::Pair | Token::NodeRef(_) | Token::NodeCut | Token::Run(..)
            if !S::STREAMS =>
        {
            return Err(WireError::Reference(at as u64))
        }
        Token::Tree(size, places) => frame(Shape::Tree(size), Some(u64::from(places.count_ones()))),
        Token::Node(places) => frame(Shape::Node, Some(u64::from(places.count_ones()))),
        Token::Pair => frame(Shape::Pair, Some(2)),
        Token::NodeRef(offset) => Begun::NodeReference(offset),
        Token::NodeCut => Begun::Cut,
        Token::Run(offset, count) => Begun::Run(offset, count),
        Token::List => frame(Shape::List, None),
        Token::Tuple(n) => frame(Shape::Tuple, Some(n)),
        Token::TruncTuple(full, n) => frame(Shape::TruncatedTuple(full), Some(n)),
        Token::Map(n) => frame(Shape::Map, Some(n.saturating_mul(2))),
        Token::TruncMap(full, n) => frame(Shape::TruncatedMap(full), Some(n.saturating_mul(2))),
        Token::End | Token::Tail | Token::TruncTail(_) | Token::TailRef(_) => Begun::Terminator,
        Token::BackRef(offset) => Begun::Reference(offset),
        _ => Begun::Leaf,
    })
}

/// Ends a list's frame. `false`: a tail term must be read first.
fn terminate<S: Sink>(
    frame: &mut Frame,
    token: Token<'_>,
    sink: &mut S,
    items: &mut Vec<S::Item>,
) -> Result<bool, WireError> {
    match token {
        Token::Tail => {
            frame.shape = Shape::Improper;
            frame.left = Some(1);
            return Ok(false);
        }
        Token::TruncTail(full) => frame.shape = Shape::TruncatedList(full),
        Token::TailRef(offset) => {
            frame.shape = Shape::Improper;
            items.push(sink.tail_ref(offset).ok_or(WireError::Reference(offset))?);
        }
        _ => {}
    }
    frame.left = Some(0);
    Ok(true)
}

/// An item was pushed (or a frame became complete): close every frame that has all its parts. The whole term, when the
/// outermost one closed.
fn close_finished<S: Sink>(sink: &mut S, items: &mut Vec<S::Item>, frames: &mut Vec<Frame>) -> Option<S::Item> {
    // Whether `items` ends with a part that the innermost frame has not counted yet.
    let mut fresh = frames.last().is_none_or(|f| f.left != Some(0));
    loop {
        let Some(frame) = frames.last_mut() else {
            return items.pop();
        };
        match &mut frame.left {
            None => return None,
            Some(left) => {
                *left -= u64::from(fresh);
                if *left > 0 {
                    return None;
                }
            }
        }
        let frame = frames.pop()?;
        let item = sink.close(frame.at, frame.shape, items, frame.start);
        items.push(item);
        fresh = true;
    }
}

/// The length of the first term.
pub fn skip(bytes: &[u8]) -> Result<usize, WireError> {
    struct Nothing;
    impl Sink for Nothing {
        type Item = ();
        fn leaf(&mut self, _at: usize, _token: Token<'_>) {}
        fn close(&mut self, _at: usize, _shape: Shape, items: &mut Vec<()>, start: usize) {
            items.truncate(start);
        }
        fn back_ref(&mut self, _offset: u64) -> Option<()> {
            Some(())
        }
        fn tail_ref(&mut self, _offset: u64) -> Option<()> {
            Some(())
        }
    }
    parse(bytes, &mut Nothing).map(|((), read)| read)
}
