use super::kit::*;
use crate::infer::{infer, Evidence, Note, Options, RoleKey};
use crate::store::StoreConfig;
use crate::term::Value;
use crate::timeline::tests::kit::{a, Kit};
use crate::timeline::Timeline;

fn has(all: &[String], text: &str) -> bool {
    all.iter().any(|one| one == text)
}

fn counting(from: i64, to: i64, limit: i64) -> Timeline {
    let mut kit = Kit::new();
    let state = |k: i64| m(&[("count", n(k)), ("limit", n(limit))]);
    Server::named(&mut kit, state(from)).through((from + 1..to).map(state));
    kit.timeline()
}

#[test]
fn observations_of_several_recordings_add_up() {
    let (one, other) = (counting(0, 5, 10), counting(5, 10, 10));
    assert!(!has(&words(&found(&[&one], 0.01)), "limit is 10"));
    let both = found(&[&one, &other], 0.01);
    assert_eq!(super::kit::one(&both, "limit is 10").observations, 10);
    assert_eq!(
        (both.roles[0].processes, both.roles[0].states, both.roles[0].transitions),
        (2, 10, 8)
    );
}

#[test]
fn what_one_recording_contradicts_does_not_hold() {
    let (one, other) = (counting(0, 20, 10), counting(0, 20, 11));
    let all = words(&found(&[&one, &other], 0.01));
    assert!(!all.iter().any(|one| one.contains("limit is")), "{all:?}");
    assert!(
        has(&all, "count always grows") && has(&all, "nothing changes limit"),
        "{all:?}"
    );
}

#[test]
fn an_order_without_answer_in_one_recording() {
    let trade = |effects: bool| {
        let mut kit = Kit::new();
        let mut server = Server::named(&mut kit, n(0));
        for k in 0..20 {
            let ship = (a("store"), crate::timeline::tests::kit::t(&[a("ship"), n(k)]));
            let sends = if effects { vec![ship] } else { Vec::new() };
            server.told(crate::timeline::tests::kit::t(&[a("order"), n(k)]), &sends);
        }
        kit.timeline()
    };
    let (with, without) = (trade(true), trade(false));
    let evidence = |timeline| Evidence {
        timeline,
        now_ns: 60_000_000_000,
    };
    let ships = |recordings: &[Evidence<'_>]| {
        let all = words(&infer(recordings, &Options::default()).expect("an answer"));
        all.iter().any(|one| one.contains("ship"))
    };
    assert!(ships(&[evidence(&with), evidence(&with)]));
    assert!(!ships(&[evidence(&with), evidence(&without)]));
    assert!(!ships(&[evidence(&without), evidence(&with)]));
}

#[test]
fn chunks_make_no_difference() {
    let write = |chunk_events| {
        let mut kit = Kit::with(StoreConfig {
            chunk_events,
            ..StoreConfig::default()
        });
        let list = |k: i64| Value::List((0..k).map(n).collect());
        let state = |k: i64| m(&[("count", n(k)), ("items", list(k)), ("name", b("x"))]);
        Server::named(&mut kit, state(0)).through((1..40).map(state));
        found(&[&kit.timeline()], 0.01)
    };
    let (whole, pieces) = (write(1_000), write(7));
    assert!(whole.candidates.len() > 3);
    assert_eq!(words(&whole), words(&pieces));
    assert_eq!(whole.candidates, pieces.candidates);
}

#[test]
fn a_gap_is_no_observation() {
    let mut kit = Kit::new();
    let state = |k: i64| m(&[("count", n(k))]);
    let mut server = Server::named(&mut kit, state(0));
    server.through((1..20).map(state));
    // What was lost may have reset it: the next that is seen is a beginning.
    server.kit.lose(SERVER, 3);
    server.state = state(2);
    server.through((3..20).map(state));
    let timeline = kit.timeline();
    let inference = found(&[&timeline], 0.01);
    assert_eq!(one(&inference, "count always grows").observations, 36);
    assert_eq!(inference.lost, 3);
}

#[test]
fn names_and_modules_make_roles() {
    let mut kit = Kit::new();
    Server::new(&mut kit, 0x1103, Some("a"), "Server", n(0)).through((1..20).map(n));
    Server::new(&mut kit, 0x1203, Some("b"), "Server", n(0)).through((1..10).map(n));
    Server::new(&mut kit, 0x1303, None, "Worker", n(0)).through((1..10).map(n));
    Server::new(&mut kit, 0x1403, None, "Worker", n(0)).through((1..10).map(n));
    Server::new(&mut kit, 0x1503, Some("w"), "Worker", n(0)).through((1..10).map(n));
    let inference = found(&[&kit.timeline()], 0.01);
    let roles: Vec<(String, u64, u64)> = inference
        .roles
        .iter()
        .map(|role| {
            let name = match &role.key {
                RoleKey::Name(Value::Atom(id)) | RoleKey::Module(id) => inference.atoms[id.0 as usize].text.to_string(),
                other => format!("{other:?}"),
            };
            (name, role.processes, role.states)
        })
        .collect();
    let expected = [("a", 1, 20), ("b", 1, 10), ("w", 1, 10), ("Worker", 3, 30)];
    assert_eq!(
        roles,
        expected.map(|(name, processes, states)| (name.to_owned(), processes, states))
    );
}

#[test]
fn supervisors_tasks_and_what_was_only_applied_are_no_roles() {
    use crate::timeline::tests::kit::{init_p, l, p, t};
    let mut kit = Kit::new();
    let supervisor = init_p(CLIENT, Some("sup"), "supervisor", "Elixir.Supervisor.Default", l(&[]));
    kit.spawned(0x1103, CLIENT, supervisor);
    let task = [p(CLIENT), l(&[]), a("Elixir.Task.Supervised"), a("reply"), l(&[])];
    kit.spawned(0x1203, CLIENT, t(&[a("proc_lib"), a("init_p"), l(&task)]));
    kit.spawned(
        0x1303,
        CLIENT,
        t(&[a("erlang"), a("apply"), l(&[a("x"), a("y"), l(&[])])]),
    );
    kit.server(0x1403, CLIENT, None, "Worker", n(0));
    let keys: Vec<RoleKey> = found(&[&kit.timeline()], 0.01)
        .roles
        .into_iter()
        .map(|role| role.key)
        .collect();
    assert!(matches!(keys.as_slice(), [RoleKey::Module(_)]), "{keys:?}");
}

#[test]
fn only_who_is_asked_for() {
    let mut kit = Kit::new();
    Server::new(&mut kit, 0x1103, Some("a"), "Server", n(0)).through((1..20).map(n));
    Server::new(&mut kit, 0x1203, Some("b"), "Other", n(0)).through((1..20).map(n));
    let timeline = kit.timeline();
    let evidence = Evidence {
        timeline: &timeline,
        now_ns: 0,
    };
    for only in ["b", "Other"] {
        let options = Options {
            only: vec![only.into()],
            ..Options::default()
        };
        let inference = infer(&[evidence], &options).expect("an answer");
        assert_eq!(inference.roles.len(), 1, "{only}");
        assert!(words(&inference).iter().all(|one| one.starts_with("b: ")), "{only}");
    }
}

#[test]
fn what_is_too_much_is_said() {
    let mut kit = Kit::new();
    let wide = |k: i64| {
        Value::Map(
            (0..40)
                .map(|at| (a(&format!("f{at}")), m(&[("x", n(k * at)), ("y", n(1))])))
                .collect(),
        )
    };
    let mut server = Server::named(&mut kit, wide(0));
    server.through((1..10).map(wide));
    for at in 0..40 {
        let state = server.state.clone();
        server.cast(a(&format!("message{at}")), state);
    }
    let notes = found(&[&kit.timeline()], 0.01).notes;
    assert_eq!(
        notes,
        [
            Note::Cut(0, "fields"),
            Note::Cut(0, "pairs of fields"),
            Note::Cut(0, "kinds of messages handled"),
            Note::Cut(0, "messages that lead to others")
        ]
    );
}

#[test]
fn more_processes_than_states_are_kept_of() {
    // Each is looked at twice, with all others in between.
    let mut kit = Kit::new();
    let pids: Vec<u64> = (0..17_000).map(|k| 0x10_0003 + k * 0x100).collect();
    for pid in &pids {
        kit.server(*pid, CLIENT, None, "Worker", n(0));
        kit.looped(*pid, m(&[("limit", n(3)), ("n", n(0))]));
    }
    for pid in &pids {
        let after = m(&[("limit", n(3)), ("n", n(1))]);
        kit.handled(
            *pid,
            crate::timeline::tests::kit::cast(a("go")),
            m(&[("limit", n(3)), ("n", n(0))]),
        );
        kit.looped(*pid, after);
    }
    let inference = found(&[&kit.timeline()], 0.01);
    let all = words(&inference);
    assert!(
        has(&all, "%Worker: limit is 3") && has(&all, "%Worker: go adds 1 to n"),
        "{all:?}"
    );
    assert_eq!(inference.roles[0].states, 34_000);
}
