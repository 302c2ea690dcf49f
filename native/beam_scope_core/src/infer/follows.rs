//! Messages that lead to others: what a process sends after what it received.

use std::collections::{HashMap, VecDeque};

use super::calls::WITHIN_NS;
use super::candidate::Tag;
use super::chance;
use super::tag::MOST_ARGS;

/// No more kinds of messages, and no more pairs of them, are looked at; a pair remembers no more that wait.
const MOST_KINDS: usize = 16;
const MOST_LINKS: usize = 512;
const MOST_OPEN: usize = 1 << 14;
/// So many causes are remembered until an effect of a new kind comes.
const MOST_PAST: usize = 4_096;
/// So many different values are counted by value.
const MOST_VALUES: usize = 1_024;

/// Hashes of a message's elements; `None`: it has none there, or it cannot be compared.
pub(super) type Ids = [Option<u64>; MOST_ARGS];

/// A kind of message that was received.
#[derive(Debug)]
struct Cause {
    tag: Tag,
    /// It was what somebody sent, not only an answer.
    plain: bool,
    /// Those of this recording; `None`: there were too many.
    past: Option<Vec<(Ids, u64)>>,
}

/// A kind of message that was sent.
#[derive(Debug)]
pub(super) struct Effect {
    pub(super) tag: Tag,
    /// It was what somebody sent, not only an answer.
    pub(super) plain: bool,
    /// To which role all went.
    pub(super) to: Option<usize>,
}

/// A kind of message that another may lead to.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) cause: usize,
    pub(super) effect: usize,
    /// What both have in common.
    pub(super) by: Option<(usize, usize)>,
    dead: bool,
    /// One came late.
    late: bool,
    /// One had not come yet when a recording ended.
    pub(super) open_at_end: bool,
    open: HashMap<u64, VecDeque<u64>>,
    waiting: usize,
    /// How often each value was met.
    met: HashMap<u64, u64>,
    /// How often a cause had its effect.
    pub(super) n: u64,
    /// Hashes of recordings before this one mean nothing any more: what their values proved.
    ln_chance: f64,
}

impl Link {
    fn new(cause: usize, effect: usize, by: Option<(usize, usize)>) -> Self {
        Self {
            cause,
            effect,
            by,
            dead: false,
            late: false,
            open_at_end: false,
            open: HashMap::new(),
            waiting: 0,
            met: HashMap::new(),
            n: 0,
            ln_chance: 0.0,
        }
    }

    fn kill(&mut self) {
        self.dead = true;
        self.open = HashMap::new();
        self.met = HashMap::new();
    }

    fn caused(&mut self, ids: &Ids, at_ns: u64) {
        let id = match self.by {
            Some((at, _)) => ids[at],
            None => Some(0),
        };
        match id {
            Some(id) if self.waiting < MOST_OPEN => {
                self.waiting += 1;
                self.open.entry(id).or_default().push_back(at_ns);
            }
            _ => self.kill(),
        }
    }

    fn effected(&mut self, ids: &Ids, at_ns: u64) {
        let id = match self.by {
            Some((_, at)) => ids[at],
            None => Some(0),
        };
        let began = id.and_then(|id| {
            let queue = self.open.get_mut(&id)?;
            let began = queue.pop_front();
            if queue.is_empty() {
                self.open.remove(&id);
            }
            began
        });
        let (Some(id), Some(began)) = (id, began) else {
            return self.kill();
        };
        self.late |= at_ns.saturating_sub(began) > WITHIN_NS;
        self.waiting -= 1;
        self.n += 1;
        if self.met.len() < MOST_VALUES || self.met.contains_key(&id) {
            *self.met.entry(id).or_default() += 1;
        }
    }

    /// The recording ends: what is young may still come.
    fn close(&mut self, now_ns: u64) {
        let late = |began: &u64| began.saturating_add(WITHIN_NS) < now_ns;
        if self.open.values().flatten().any(late) && !cfg!(mutant = "infer_effects_may_lack") {
            return self.kill();
        }
        self.open_at_end |= self.waiting > 0;
        self.open.clear();
        self.waiting = 0;
        self.ln_chance += chance::paired(self.met.drain().map(|(_, n)| n));
    }

    /// Whether it held to the end: what was still open then had time, if any was late.
    pub(super) const fn holds(&self) -> bool {
        !(self.dead || self.late && self.open_at_end)
    }

    pub(super) fn ln_chance(&self) -> f64 {
        self.ln_chance + chance::paired(self.met.values().copied())
    }
}

/// What a role's processes send after what they received.
#[derive(Debug, Default)]
pub(super) struct Follows {
    causes: Vec<Cause>,
    pub(super) effects: Vec<Effect>,
    pub(super) links: Vec<Link>,
    /// There was more than is looked at.
    pub(super) cut: bool,
}

impl Follows {
    /// What a link is between, where both are messages of their own.
    pub(super) fn ends(&self, link: &Link) -> Option<(Tag, &Effect)> {
        let (cause, effect) = (&self.causes[link.cause], &self.effects[link.effect]);
        (cause.plain && effect.plain).then_some((cause.tag, effect))
    }

    /// A message was received.
    pub(super) fn received(&mut self, (tag, plain): (Tag, bool), ids: &Ids, at_ns: u64) {
        let at = match self.causes.iter().position(|cause| cause.tag == tag) {
            Some(at) => at,
            None if self.causes.len() == MOST_KINDS => {
                self.cut = true;
                return;
            }
            None => {
                let past = Some(Vec::new());
                self.causes.push(Cause { tag, plain, past });
                self.causes.len() - 1
            }
        };
        let cause = &mut self.causes[at];
        cause.plain |= plain;
        if cause.past.as_ref().is_some_and(|past| past.len() == MOST_PAST) {
            cause.past = None;
        }
        if let Some(past) = &mut cause.past {
            past.push((*ids, at_ns));
        }
        let own = self.links.iter_mut().filter(|link| link.cause == at && !link.dead);
        own.for_each(|link| link.caused(ids, at_ns));
    }

    /// A message was sent, to this role.
    pub(super) fn sent(&mut self, (tag, plain): (Tag, bool), ids: &Ids, at_ns: u64, to: Option<usize>) {
        let at = match self.effects.iter().position(|effect| effect.tag == tag) {
            Some(at) => {
                let effect = &mut self.effects[at];
                effect.to = effect.to.filter(|before| Some(*before) == to);
                effect.plain |= plain;
                at
            }
            None if self.effects.len() == MOST_KINDS => {
                self.cut = true;
                return;
            }
            None => {
                self.effects.push(Effect { tag, plain, to });
                self.link(self.effects.len() - 1, ids);
                self.effects.len() - 1
            }
        };
        let own = self.links.iter_mut().filter(|link| link.effect == at && !link.dead);
        own.for_each(|link| link.effected(ids, at_ns));
    }

    /// A new kind of effect: whatever came before may be its cause.
    fn link(&mut self, effect: usize, ids: &Ids) {
        for (at, cause) in self.causes.iter().enumerate() {
            let Some(past) = &cause.past else { continue };
            let pairs = (0..MOST_ARGS).flat_map(|i| (0..MOST_ARGS).map(move |j| Some((i, j))));
            for by in pairs.chain([None]) {
                let Some(link) = begin(at, effect, by, past, ids) else {
                    continue;
                };
                if self.links.len() == MOST_LINKS {
                    self.cut = true;
                    return;
                }
                self.links.push(link);
            }
        }
    }

    /// A message of which nobody knows the kind: it may have been any.
    pub(super) fn vague(&mut self) {
        self.links.iter_mut().for_each(Link::kill);
        self.causes.iter_mut().for_each(|cause| cause.past = None);
    }

    /// The recording ends.
    pub(super) fn close(&mut self, now_ns: u64) {
        self.links
            .iter_mut()
            .filter(|link| !link.dead)
            .for_each(|link| link.close(now_ns));
        // What has had no effect in this recording has none of a kind that only another has.
        let came = |cause: &&mut Cause| cause.past.as_ref().is_some_and(|past| !past.is_empty());
        self.causes.iter_mut().filter(came).for_each(|cause| cause.past = None);
    }
}

/// The link that begins with the first effect of its kind; `None` where that contradicts it.
fn begin(cause: usize, effect: usize, by: Option<(usize, usize)>, past: &[(Ids, u64)], ids: &Ids) -> Option<Link> {
    let fits = match by {
        None => !past.is_empty(),
        Some((i, j)) => ids[j].is_some() && past.iter().any(|(own, _)| own[i] == ids[j]),
    };
    let mut link = Link::new(cause, effect, by);
    if fits {
        past.iter().for_each(|(ids, at_ns)| link.caused(ids, *at_ns));
    }
    (fits && !link.dead).then_some(link)
}
