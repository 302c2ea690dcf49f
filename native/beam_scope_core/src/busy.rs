//! Which processes are in the middle of handling a message, as their records come.
//!
//! A server answers before its loop tells the new state: whoever got the answer and asks for the state at once asks too
//! early by some microseconds. So before such a question one waits until those that were handling something then are done,
//! which their own records say: nothing is asked of them. Where a profile tells of steps only when they are done, that a message
//! was taken into the queue is the beginning.

use parking_lot::Mutex;

use crate::capture::record::{flags, Header};
use crate::event::{EventKind, Point};
use crate::mixed::MixedMap;
use crate::term::{tag, wire, AtomId, Value};

/// One process.
#[derive(Clone, Copy, Debug, Default)]
struct Server {
    /// When it began to handle what it handles, 0 where it waits.
    since: u64,
    /// All that says so is that it took a message.
    took: bool,
    /// Somebody waited for it in vain. Until it is seen to be done with something, nobody does so again.
    hopeless: bool,
    /// That was for a message that it took: it takes some that lead to nothing.
    takes_more: bool,
}

/// Who handles a message. Fed by one thread, asked by others.
#[derive(Debug)]
pub struct Busy {
    servers: Mutex<MixedMap<u64, Server>>,
    /// How a system message begins: of these no step tells.
    system: Vec<u8>,
}

/// A process and since when it has handled what it handles.
pub type Since = (u64, u64);

impl Busy {
    /// Nobody. `system` is the atom of that name.
    #[must_use]
    pub fn new(system: AtomId) -> Self {
        let mut start = vec![tag::TUPLE, 3];
        wire::write(&Value::Atom(system), &mut start);
        Self {
            servers: Mutex::default(),
            system: start,
        }
    }

    /// Takes the next record.
    pub fn take(&self, header: &Header, payload: &[u8]) {
        if header.lost > 0 || header.flags & flags::UNSEEN != 0 {
            self.lost(header.pid);
        }
        match EventKind::from_u8(header.kind) {
            Some(EventKind::State) => self.state(header),
            Some(EventKind::Receive) => self.receive(header, payload),
            Some(EventKind::Exit) => {
                self.servers.lock().remove(&header.pid);
            }
            _ => {}
        }
    }

    fn state(&self, header: &Header) {
        let mut servers = self.servers.lock();
        let server = servers.entry(header.pid).or_default();
        match Point::from_u8(header.point) {
            Some(Point::Handled | Point::Callback) => (server.since, server.took) = (header.time.max(1), false),
            Some(_) => (server.since, server.hopeless) = (0, false),
            None => {}
        }
    }

    /// Of a process that no state was seen of nobody expects one.
    fn receive(&self, header: &Header, payload: &[u8]) {
        let mut servers = self.servers.lock();
        let waits = |server: &&mut Server| server.since == 0 && !server.takes_more;
        if let Some(server) = servers.get_mut(&header.pid).filter(waits) {
            if !payload.starts_with(&self.system) {
                (server.since, server.took) = (header.time.max(1), true);
            }
        }
    }

    /// Records of a process were lost, or of any (0): whether it is done may be among them.
    pub fn lost(&self, pid: u64) {
        let mut servers = self.servers.lock();
        if pid == 0 {
            servers.values_mut().for_each(|server| server.since = 0);
        } else if let Some(server) = servers.get_mut(&pid) {
            server.since = 0;
        }
    }

    /// Those among `who` (`None`: all) that have been handling something since `by` or longer.
    #[must_use]
    pub fn since(&self, who: Option<&[u64]>, by: u64) -> Vec<Since> {
        let servers = self.servers.lock();
        let is_busy = |server: &Server| server.since > 0 && server.since <= by && !server.hopeless;
        let one = |pid: &u64| Some((*pid, servers.get(pid).filter(|server| is_busy(server))?.since));
        match who {
            Some(pids) => pids.iter().filter_map(one).collect(),
            None => servers.keys().filter_map(one).collect(),
        }
    }

    /// They were waited for in vain.
    pub fn give_up(&self, who: &[Since]) {
        let mut servers = self.servers.lock();
        for (pid, since) in who {
            if let Some(server) = servers.get_mut(pid).filter(|server| server.since == *since) {
                server.hopeless = true;
                server.takes_more |= server.took;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYSTEM: AtomId = AtomId(0x1_0b);

    fn busy() -> Busy {
        Busy::new(SYSTEM)
    }

    fn header(pid: u64, kind: EventKind, time: u64) -> Header {
        Header {
            kind: kind as u8,
            pid,
            time,
            ..Header::default()
        }
    }

    fn tell(busy: &Busy, pid: u64, point: Point, time: u64) {
        let header = Header {
            point: point as u8,
            ..header(pid, EventKind::State, time)
        };
        busy.take(&header, &[]);
    }

    fn receive(busy: &Busy, pid: u64, message: &Value, time: u64) {
        let mut payload = Vec::new();
        wire::write(message, &mut payload);
        busy.take(&header(pid, EventKind::Receive, time), &payload);
    }

    #[test]
    fn from_the_message_to_the_loop() {
        let busy = busy();
        tell(&busy, 1, Point::Loop, 1);
        assert_eq!(busy.since(None, 9), []);
        tell(&busy, 1, Point::Handled, 5);
        tell(&busy, 2, Point::Callback, 6);
        let mut all = busy.since(None, 9);
        all.sort_unstable();
        assert_eq!(all, [(1, 5), (2, 6)]);
        assert_eq!(busy.since(Some(&[2, 3]), 9), [(2, 6)]);
        // What began later is nothing to wait for.
        assert_eq!(busy.since(None, 5), [(1, 5)]);
        assert_eq!(busy.since(None, 4), []);
        tell(&busy, 1, Point::Loop, 7);
        busy.take(&header(2, EventKind::Exit, 8), &[]);
        assert_eq!(busy.since(None, 9), []);
    }

    #[test]
    fn a_loss_may_have_been_the_end() {
        let busy = busy();
        for pid in 1..4 {
            tell(&busy, pid, Point::Handled, 5);
        }
        let lossy = Header {
            lost: 1,
            ..header(1, EventKind::Send, 6)
        };
        busy.take(&lossy, &[]);
        busy.lost(2);
        assert_eq!(busy.since(None, 9), [(3, 5)]);
        busy.lost(0);
        assert_eq!(busy.since(None, 9), []);
    }

    #[test]
    fn nobody_waits_in_vain_twice() {
        let busy = busy();
        tell(&busy, 1, Point::Handled, 5);
        // It began something else meanwhile: that was not waited for.
        busy.give_up(&[(1, 4)]);
        assert_eq!(busy.since(None, 9), [(1, 5)]);
        busy.give_up(&[(1, 5)]);
        assert_eq!(busy.since(None, 9), []);
        tell(&busy, 1, Point::Handled, 6);
        assert_eq!(busy.since(None, 9), []);
        tell(&busy, 1, Point::Loop, 7);
        tell(&busy, 1, Point::Handled, 8);
        assert_eq!(busy.since(None, 9), [(1, 8)]);
    }

    #[test]
    fn where_only_steps_are_told_a_message_begins_one() {
        let busy = busy();
        let message = Value::Tuple(vec![Value::Int(1), Value::Int(2), Value::Int(3)]);
        let system = Value::Tuple(vec![Value::Atom(SYSTEM), Value::Int(2), Value::Int(3)]);
        tell(&busy, 1, Point::Read, 2);
        receive(&busy, 1, &system, 3);
        receive(&busy, 2, &message, 3);
        assert_eq!(busy.since(None, 9), []);
        receive(&busy, 1, &message, 4);
        assert_eq!(busy.since(None, 9), [(1, 4)]);
        // An answer that it waited for meanwhile.
        receive(&busy, 1, &message, 5);
        assert_eq!(busy.since(None, 9), [(1, 4)]);
        tell(&busy, 1, Point::Step, 6);
        assert_eq!(busy.since(None, 9), []);
    }

    #[test]
    fn who_takes_messages_that_lead_to_nothing_is_judged_by_the_others() {
        let busy = busy();
        tell(&busy, 1, Point::Loop, 1);
        receive(&busy, 1, &Value::Int(1), 2);
        busy.give_up(&busy.since(None, 9));
        tell(&busy, 1, Point::Loop, 3);
        receive(&busy, 1, &Value::Int(1), 4);
        assert_eq!(busy.since(None, 9), []);
        tell(&busy, 1, Point::Handled, 5);
        assert_eq!(busy.since(None, 9), [(1, 5)]);
    }
}
