//! Telling the control plane which processes came, went and got names.

use beam_scope_core::capture::record::Header;
use beam_scope_core::capture::sink::LifecycleHook;
use beam_scope_core::event::EventKind;
use beam_scope_core::term::arena::{Arena, NodeId};
use rustler::{Encoder, Env, LocalPid, OwnedEnv, Term};

use crate::decode::{Decoder, Live};
use crate::maps::atom;
use crate::vm;

/// Sends `{:beam_scope, id, fact}` for each.
pub(crate) struct Notify {
    pub(crate) id: u64,
    pub(crate) pid: LocalPid,
}

impl LifecycleHook for Notify {
    fn lifecycle(&self, records: &[(Header, Box<[u8]>)]) {
        let mut message = OwnedEnv::new();
        for (header, payload) in records {
            let _ = message.send_and_clear(&self.pid, |env| {
                let fact = fact(env, header, payload).unwrap_or_else(|| atom(env, "unknown"));
                (atom(env, "beam_scope"), self.id, fact).encode(env)
            });
        }
    }
}

fn fact<'a>(env: Env<'a>, header: &Header, payload: &[u8]) -> Option<Term<'a>> {
    let mut arena = Arena::new();
    let mut rest = payload;
    let mut terms: Vec<NodeId> = Vec::new();
    for _ in 0..header.terms {
        let (id, read) = arena.intern_wire(rest).ok()?;
        terms.push(id);
        rest = rest.get(read..)?;
    }
    let mut decoder = Decoder::outside(env, &arena, &Live);
    let mut term = |i: usize| terms.get(i).map(|id| decoder.term(*id));
    // SAFETY: the word of a pid of this VM, which is a term without memory behind it.
    let pid = unsafe { Term::new(env, vm::term(header.pid as vm::Word)) };
    Some(match EventKind::from_u8(header.kind)? {
        EventKind::Spawned => (atom(env, "spawned"), term(0)?, pid, term(1)?).encode(env),
        // Of spawns the hook hears only where the parent starts processes for others.
        EventKind::Spawn if header.point == 0 => (atom(env, "stranger"), pid, term(0)?, term(1)?).encode(env),
        EventKind::Spawn => (atom(env, "adopted"), pid, term(0)?, term(1)?).encode(env),
        EventKind::Register => (atom(env, "registered"), pid, term(0)?).encode(env),
        EventKind::Unregister => (atom(env, "unregistered"), pid, term(0)?).encode(env),
        EventKind::Exit => (atom(env, "exited"), pid, term(0)?).encode(env),
        _ => return None,
    })
}
