//! Who is who: names, parents, modules, ends, restarts and trees.

use super::kit::*;
use crate::event::{EventKind, Fields, Point};
use crate::term::{Kind, Opaque, Value};
use crate::timeline::{AtomName, Branch, KnownHow, Moment, Process, Role, Selector, Timeline, TimelineError, Tree};

fn find(timeline: &Timeline, of: u64, at: Moment) -> Process {
    let all = timeline.processes(at).unwrap();
    all.list.iter().rev().find(|process| process.pid == of).unwrap().clone()
}

fn id(value: &Value) -> AtomName {
    match value {
        Value::Atom(atom) => AtomName::Id(*atom),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_is_known_by_what_it_was_spawned_with() {
    let mut kit = Kit::new();
    kit.server(7, 1, Some("counter"), "Counter", i(3))
        .ev(7, EventKind::Link, &[p(1)]);
    kit.ev(7, EventKind::Unregister, &[a("counter")])
        .ev(7, EventKind::Register, &[a("second")]);
    kit.ev(7, EventKind::Exit, &[a("shutdown")]);
    let timeline = kit.timeline();
    let all = timeline.processes(Moment::Seq(3)).unwrap();
    let process = all.list.iter().find(|process| process.pid == 7).unwrap();
    let values = |nodes: &[crate::term::arena::NodeId]| -> Vec<Value> {
        nodes.iter().map(|node| all.arena.to_value(*node)).collect()
    };
    assert_eq!(process.module, Some(id(&a("Counter"))));
    assert_eq!(
        process.initial_call,
        Some((id(&a("Counter")), AtomName::Text("init".into()), 1))
    );
    assert_eq!(process.role, Some(Role::GenServer));
    assert_eq!((process.parent, process.known), (Some(1), KnownHow::Spawned));
    assert_eq!(values(&process.names), [a("counter")]);
    assert_eq!(values(&process.links), [p(1)]);
    assert_eq!(values(&process.ancestors), [p(1), a("top")]);
    assert!(process.alive() && process.spawned_at.is_some());
    let end = timeline.processes(Moment::End).unwrap();
    let process = end.list.iter().find(|process| process.pid == 7).unwrap();
    let (at, reason) = process.exited.unwrap();
    assert_eq!((at.seq, end.arena.to_value(reason)), (6, a("shutdown")));
    assert_eq!(end.arena.to_value(process.names[0]), a("second"));
    for one in ["counter", "second"] {
        assert!(timeline.history(&name(one), Moment::Start, Moment::End, None).is_ok());
    }
}

#[test]
fn behaviours_on_gen_server_are_told_apart() {
    let mut kit = Kit::new();
    kit.server(10, 1, None, "supervisor", t(&[a("self"), a("MySup"), i(0)]));
    kit.server(
        11,
        1,
        None,
        "Elixir.DynamicSupervisor",
        t(&[a("MyDyn"), i(0), a("self")]),
    );
    kit.server(
        12,
        1,
        None,
        "Elixir.DynamicSupervisor",
        t(&[a("Elixir.Task.Supervisor"), i(0), a("self")]),
    );
    let fun = Value::Opaque(Opaque {
        kind: Kind::Fun,
        text: "#Fun<Elixir.My.Mod.3.99>".into(),
    });
    kit.server(13, 1, None, "Elixir.Agent.Server", fun.clone());
    kit.spawned(14, 1, init_p(1, None, "gen_statem", "Door", i(0)));
    let task = [
        a("owner"),
        l(&[]),
        t(&[a("erlang"), a("apply"), l(&[fun.clone(), l(&[])])]),
    ];
    let all = [p(1), l(&[]), a("Elixir.Task.Supervised"), a("reply"), l(&task)];
    kit.spawned(15, 1, t(&[a("proc_lib"), a("init_p"), l(&all)]));
    let owner = t(&[a("n"), p(1), p(1)]);
    let newer = [owner.clone(), l(&[p(12), p(1)]), l(&[p(1)]), task[2].clone()];
    kit.spawned(18, 1, t(&[a("Elixir.Task.Supervised"), a("noreply"), l(&newer)]));
    let newer = [owner, l(&[p(1)]), a("monitor")];
    kit.spawned(19, 1, t(&[a("Elixir.Task.Supervised"), a("reply"), l(&newer)]));
    kit.spawned(16, 1, t(&[a("erlang"), a("apply"), l(&[fun, l(&[])])]));
    kit.spawned(17, 1, t(&[a("lists"), a("map"), l(&[i(1), i(2)])]));
    let timeline = kit.timeline();
    let seen = |of| {
        let process = find(&timeline, of, Moment::End);
        (process.role.unwrap(), process.module.unwrap())
    };
    let text = AtomName::Text("Elixir.My.Mod".into());
    assert_eq!(seen(10), (Role::Supervisor, id(&a("MySup"))));
    assert_eq!(seen(11), (Role::DynamicSupervisor, id(&a("MyDyn"))));
    assert_eq!(seen(12).0, Role::TaskSupervisor);
    assert_eq!(seen(13), (Role::Agent, text.clone()));
    assert_eq!(seen(14), (Role::GenStatem, id(&a("Door"))));
    assert_eq!(seen(15), (Role::Task, text.clone()));
    assert_eq!(seen(18), (Role::Task, text.clone()));
    let task = find(&timeline, 19, Moment::End);
    assert_eq!(
        (task.role, task.module, task.initial_call),
        (Some(Role::Task), None, None)
    );
    assert_eq!(find(&timeline, 18, Moment::End).ancestors.len(), 2);
    assert_eq!(seen(16), (Role::Plain, text));
    assert_eq!(seen(17), (Role::Plain, id(&a("lists"))));
    assert_eq!(find(&timeline, 17, Moment::End).initial_call.unwrap().2, 2);
}

#[test]
fn truncated_arguments_are_read_as_far_as_they_go() {
    let mut kit = Kit::new();
    let inner = Value::TruncatedList(vec![a("gen_server"), p(1), p(1), t(&[a("local"), a("n")]), a("Mod")], 7);
    let all = [p(1), Value::Truncated(Kind::List, 4), a("gen"), a("init_it"), inner];
    kit.spawned(7, 1, t(&[a("proc_lib"), a("init_p"), l(&all)]));
    let cut = Value::TruncatedTuple(vec![a("proc_lib"), a("init_p")], 3);
    kit.spawned(8, 1, cut);
    let timeline = kit.timeline();
    assert_eq!(find(&timeline, 7, Moment::End).module, Some(id(&a("Mod"))));
    assert_eq!(find(&timeline, 8, Moment::End).module, None);
}

#[test]
fn baselines_tell_of_those_that_lived_before() {
    let mut kit = Kit::new();
    let facts = Value::Map(vec![
        (a("name"), a("old")),
        (a("initial_call"), t(&[a("Old"), a("init"), i(1)])),
        (a("parent"), p(1)),
        (a("ancestors"), l(&[p(1), a("top")])),
        (a("links"), l(&[p(1)])),
        (a("behaviour"), a("gen_server")),
    ]);
    kit.ev(7, EventKind::Baseline, &[facts]).looped(7, i(0));
    let timeline = kit.timeline();
    let process = find(&timeline, 7, Moment::Start);
    assert_eq!(
        (process.known, process.role),
        (KnownHow::Baseline, Some(Role::GenServer))
    );
    assert_eq!(process.ancestors.len(), 2);
    assert_eq!(
        timeline.state_at(&name("old"), Moment::End).unwrap().state.to_value(),
        i(0)
    );
    assert_eq!(
        timeline.state_at(&name("old"), Moment::Start).unwrap().state.to_value(),
        i(0)
    );
}

fn supervised(kit: &mut Kit) {
    kit.server(
        2,
        1,
        Some("sup"),
        "supervisor",
        t(&[t(&[a("local"), a("sup")]), a("Sup"), i(0)]),
    );
}

#[test]
fn a_restarted_child_takes_the_place_of_the_one_before() {
    let mut kit = Kit::new();
    supervised(&mut kit);
    kit.server(3, 2, Some("c"), "C", i(0))
        .looped(3, i(1))
        .server(4, 2, None, "D", i(0));
    kit.ev(3, EventKind::Exit, &[a("boom")])
        .server(5, 2, Some("c"), "C", i(0))
        .looped(5, i(0));
    kit.ev(4, EventKind::Exit, &[a("boom")]).server(6, 2, None, "D", i(0));
    kit.ev(5, EventKind::Exit, &[a("boom")])
        .server(8, 2, Some("c"), "C", i(0));
    kit.server(9, 2, None, "D", i(0));
    let timeline = kit.timeline();
    let track = |of| find(&timeline, of, Moment::End).track;
    assert_eq!(find(&timeline, 5, Moment::End).restart_of, Some(track(3)));
    assert_eq!(find(&timeline, 6, Moment::End).restart_of, Some(track(4)));
    let last = find(&timeline, 8, Moment::End);
    assert_eq!((last.restart_of, last.restarts), (Some(track(5)), 2));
    assert_eq!(find(&timeline, 9, Moment::End).restart_of, None);
    let history = timeline.history(&name("c"), Moment::Start, Moment::End, None).unwrap();
    assert_eq!(history.processes.list.len(), 3);
    let kinds: Vec<&str> = history.transitions.iter().map(|one| one.kind.name()).collect();
    assert_eq!(kinds, ["init", "end", "init", "end"]);
}

#[test]
fn children_of_a_restarted_supervisor_are_restarts_too() {
    let mut kit = Kit::new();
    kit.server(10, 1, None, "supervisor", t(&[a("self"), a("Top"), i(0)]));
    for (sup, child) in [(2, 3), (4, 5)] {
        kit.server(
            sup,
            10,
            Some("sup"),
            "supervisor",
            t(&[t(&[a("local"), a("sup")]), a("Sup"), i(0)]),
        );
        kit.server(child, sup, Some("c"), "C", i(0));
        if sup == 2 {
            kit.ev(3, EventKind::Exit, &[a("x")]).ev(2, EventKind::Exit, &[a("x")]);
        }
    }
    let timeline = kit.timeline();
    assert_eq!(find(&timeline, 4, Moment::End).restarts, 1);
    assert_eq!(
        find(&timeline, 5, Moment::End).restart_of,
        Some(find(&timeline, 3, Moment::End).track)
    );
}

#[test]
fn tasks_that_end_are_not_restarted_by_the_next() {
    let mut kit = Kit::new();
    kit.server(2, 1, None, "Elixir.DynamicSupervisor", t(&[a("Dyn"), i(0), a("self")]));
    kit.server(3, 2, None, "W", i(0))
        .ev(3, EventKind::Exit, &[a("normal")])
        .server(4, 2, None, "W", i(0));
    assert_eq!(find(&kit.timeline(), 4, Moment::End).restart_of, None);
}

fn draw(tree: &Tree, branch: &Branch, depth: usize, out: &mut Vec<(usize, u64, u32)>) {
    let process = &tree.processes.list[branch.process];
    out.push((depth, process.pid, process.restarts));
    branch
        .children
        .iter()
        .for_each(|child| draw(tree, child, depth + 1, out));
}

fn drawn(tree: &Tree) -> Vec<(usize, u64, u32)> {
    let mut out = Vec::new();
    tree.roots.iter().for_each(|root| draw(tree, root, 0, &mut out));
    out
}

#[test]
fn a_tree_at_a_moment_has_the_living_under_their_parents() {
    let mut kit = Kit::new();
    supervised(&mut kit);
    kit.server(3, 2, Some("c"), "C", i(0))
        .server(4, 2, None, "D", i(0))
        .server(5, 3, None, "E", i(0));
    let before = Moment::Seq(9);
    kit.ev(3, EventKind::Exit, &[a("boom")])
        .server(6, 2, Some("c"), "C", i(0));
    let timeline = kit.timeline();
    // Process 1 is there because it spawned the supervisor.
    assert_eq!(
        drawn(&timeline.tree(before).unwrap()),
        [(0, 1, 0), (1, 2, 0), (2, 3, 0), (3, 5, 0), (2, 4, 0)]
    );
    // The orphan hangs below the nearest ancestor that lives; here its list names none but "top".
    let after = drawn(&timeline.tree(Moment::End).unwrap());
    assert_eq!(after, [(0, 1, 0), (1, 2, 0), (2, 4, 0), (2, 6, 1), (0, 5, 0)]);
}

#[test]
fn questions_about_nobody_are_refused() {
    let mut kit = Kit::new();
    kit.server(7, 1, Some("c"), "C", i(0)).ev(7, EventKind::Exit, &[a("x")]);
    let timeline = kit.timeline();
    let ask = |who: &Selector, at| timeline.state_at(who, at).unwrap_err();
    assert!(matches!(
        ask(&name("nobody"), Moment::End),
        TimelineError::NoSuchProcess
    ));
    assert!(matches!(ask(&pid(77), Moment::End), TimelineError::NoSuchProcess));
    assert!(matches!(ask(&name("c"), Moment::End), TimelineError::NotAlive(_)));
    assert!(matches!(ask(&name("c"), Moment::Seq(2)), TimelineError::NeverSeen));
    assert!(matches!(ask(&name("c"), Moment::Seq(0)), TimelineError::NotBegun(_)));
    assert!(matches!(
        ask(&name("c"), Moment::Seq(4)),
        TimelineError::OutsideRecording
    ));
}

#[test]
fn a_pid_used_again_is_another_process() {
    let mut kit = Kit::new();
    kit.server(7, 1, None, "C", i(0))
        .looped(7, i(1))
        .ev(7, EventKind::Exit, &[a("x")]);
    kit.server(7, 1, None, "D", i(0)).looped(7, i(2));
    let timeline = kit.timeline();
    assert_eq!(
        timeline.state_at(&pid(7), Moment::Seq(2)).unwrap().state.to_value(),
        i(1)
    );
    assert_eq!(timeline.state_at(&pid(7), Moment::End).unwrap().state.to_value(), i(2));
    assert_eq!(
        timeline
            .history(&pid(7), Moment::Start, Moment::End, None)
            .unwrap()
            .processes
            .list
            .len(),
        2
    );
}

#[test]
fn a_loop_that_was_seen_tells_what_a_process_is() {
    let mut kit = Kit::new();
    let fields = [(Fields::BEHAVIOUR, a("gen_statem")), (Fields::AFTER, i(0))];
    kit.state(7, Point::Read, &fields);
    assert_eq!(find(&kit.timeline(), 7, Moment::End).role, Some(Role::GenStatem));
}

#[test]
fn what_is_told_of_the_system_makes_nobody_a_process() {
    let mut kit = Kit::new();
    kit.server(7, 1, None, "Counter", i(3))
        .ev(99, EventKind::System, &[a("sample"), i(1)]);
    let timeline = kit.timeline();
    let pids = |timeline: &Timeline| -> Vec<u64> {
        let all = timeline.processes(Moment::End).unwrap();
        all.list.iter().map(|process| process.pid).collect()
    };
    assert!(!pids(&timeline).contains(&99));
    // What the same pid did by itself does.
    kit.ev(99, EventKind::Send, &[p(7), i(1)]);
    assert!(pids(&kit.timeline()).contains(&99));
}
