//! Which return belongs to which call.
//!
//! Calls of one process nest: what began last ends first. A return takes the innermost open call of its function; those that
//! began inside that one and have not ended never will (a tail call whose return the VM does not tell, an exit through
//! `throw`). After a loss nobody knows what is open.

use std::collections::VecDeque;

use crate::query::plan::Function;
use crate::timeline::TermRef;

/// A process deeper in calls than this forgets the outermost.
const MOST: usize = 10_000;

/// A call that has not ended.
#[derive(Debug)]
pub(super) struct OpenCall {
    pub(super) function: Function,
    pub(super) seq: u64,
    /// The arguments, where somebody will ask for them.
    pub(super) args: Option<TermRef>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With the return or exception at hand.
    Here,
    /// It did not, and will not.
    Never,
    /// Nobody knows.
    Lost,
}

/// The open calls of one process.
#[derive(Debug, Default)]
pub(super) struct Calls {
    open: VecDeque<OpenCall>,
}

impl Calls {
    /// A call begins. The outermost one is forgotten where there are too many.
    pub(super) fn begin(&mut self, call: OpenCall) -> Option<OpenCall> {
        self.open.push_back(call);
        if self.open.len() > MOST {
            self.open.pop_front()
        } else {
            None
        }
    }

    /// A function returns, or fails: the calls that this ends, outermost first.
    pub(super) fn end(&mut self, function: Function) -> Vec<(OpenCall, End)> {
        let same = |call: &OpenCall| call.function == function;
        let Some(at) = self.open.iter().rposition(same) else {
            return Vec::new();
        };
        let inner = self.open.split_off(at).into_iter().enumerate();
        let how = |n: usize| {
            if n == 0 || cfg!(mutant = "expect_inner_calls_return") {
                End::Here
            } else {
                End::Never
            }
        };
        inner.map(|(n, call)| (call, how(n))).collect()
    }

    /// The process ended, or events of it were lost, or the recording ends here.
    pub(super) fn all(&mut self, how: End) -> Vec<(OpenCall, End)> {
        self.open.drain(..).map(|call| (call, how)).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// When the first began of those of such a function.
    pub(super) fn since(&self, is_about: impl Fn(Function) -> bool) -> Option<u64> {
        let mut open = self.open.iter();
        open.find(|call| is_about(call.function)).map(|call| call.seq)
    }

    pub(super) fn held_mut(&mut self) -> impl Iterator<Item = &mut TermRef> {
        self.open.iter_mut().filter_map(|call| call.args.as_mut())
    }
}
