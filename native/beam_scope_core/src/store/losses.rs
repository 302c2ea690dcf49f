//! The list of losses, bounded.

use super::row::Loss;

/// More entries than this are merged, oldest first.
const MOST: usize = 4096;

/// Losses in the order in which they were noticed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Losses(Vec<Loss>);

impl Losses {
    pub(crate) fn restore(losses: Vec<Loss>) -> Self {
        Self(losses)
    }

    pub(crate) fn all(&self) -> &[Loss] {
        &self.0
    }

    /// How many events they are.
    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|loss| loss.count).sum()
    }

    pub(crate) fn push(&mut self, loss: Loss) {
        if self.0.len() >= MOST {
            self.merge();
        }
        self.0.push(loss);
    }

    /// Halves the older half: counts stay exact, spans and owners become coarser.
    fn merge(&mut self) {
        let young = self.0.split_off(MOST / 2);
        self.0 = self
            .0
            .chunks(2)
            .map(|pair| pair[1..].iter().fold(pair[0], |a, b| join(&a, b)))
            .collect();
        self.0.extend(young);
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<Loss>()
    }
}

/// Losses of a recording that runs, of which nothing in it tells yet: processes do with their next record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owed {
    until_ns: u64,
    by_pid: Vec<(u64, u64)>,
}

impl Owed {
    pub(crate) fn new(mut by_pid: Vec<(u64, u64)>, until_ns: u64) -> Self {
        by_pid.sort_unstable();
        Self { until_ns, by_pid }
    }

    /// How many events of a process whose last known one was at `last_ns`.
    pub(crate) fn by(&self, pid: u64, last_ns: u64) -> u64 {
        if last_ns > self.until_ns {
            return 0;
        }
        let at = self.by_pid.binary_search_by_key(&pid, |(pid, _)| *pid);
        at.map_or(0, |at| self.by_pid[at].1)
    }
}

fn join(a: &Loss, b: &Loss) -> Loss {
    let same = a.pid == b.pid;
    Loss {
        track: a.track.filter(|_| a.track == b.track),
        pid: if same { a.pid } else { 0 },
        from_ns: a.from_ns.min(b.from_ns),
        to_ns: a.to_ns.max(b.to_ns),
        count: a.count + b.count,
        cause: a.cause,
    }
}
