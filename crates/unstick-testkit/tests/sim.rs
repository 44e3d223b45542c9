//! The executor of schedules: the same for the same seed, different for others, and every order is reached.

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Notify, mpsc};
use unstick_core::Runtime;
use unstick_testkit::sim::{Handle, Sim, Trace};

/// Three tasks of two steps each; who made each step.
fn three_by_two(seed: u64) -> (Vec<usize>, Trace) {
    let sim = Sim::new(seed);
    let (at, log) = (sim.handle(), Arc::new(Mutex::new(Vec::new())));
    sim.run(async {
        let tasks = [0, 1, 2].map(|name| {
            let (at, log) = (at.clone(), log.clone());
            at.clone().spawn(async move {
                log.lock().unwrap().push(name);
                at.yield_point().await;
                log.lock().unwrap().push(name);
            })
        });
        for task in tasks {
            task.await;
        }
    });
    let log = log.lock().unwrap().clone();
    (log, sim.trace())
}

#[test]
fn same_seed_same_trace() {
    for seed in 0..100 {
        assert_eq!(three_by_two(seed), three_by_two(seed));
    }
}

#[test]
fn every_order_is_reached() {
    let orders: HashSet<_> = (0..4000).map(|seed| three_by_two(seed).0).collect();
    assert_eq!(orders.len(), 90, "6! / (2! 2! 2!)");
}

#[test]
fn seeds_explore() {
    let traces: HashSet<_> = (0..1000).map(|seed| three_by_two(seed).1).collect();
    assert!(traces.len() > 150, "{} different traces", traces.len());
}

/// How many steps of a task with a hundred of them are made before one that is woken at the same time makes its only one.
fn overtaken(seed: u64) -> usize {
    let sim = Sim::new(seed);
    let (at, passed) = (sim.handle(), Arc::new(AtomicBool::new(false)));
    sim.run(async {
        let single = at.spawn({
            let passed = passed.clone();
            async move { passed.store(true, Ordering::Relaxed) }
        });
        let many = at.spawn({
            let (at, passed) = (at.clone(), passed.clone());
            async move {
                let mut before = 0;
                for _ in 0..100 {
                    at.yield_point().await;
                    before += usize::from(!passed.load(Ordering::Relaxed));
                }
                before
            }
        });
        single.await;
        many.await
    })
}

#[test]
fn some_tasks_are_kept_waiting_for_long() {
    assert!((0..1000).any(|seed| overtaken(seed) >= 20));
    assert!((0..1000).any(|seed| overtaken(seed) == 0));
}

#[test]
fn time_moves_only_when_nothing_can_run() {
    for seed in 0..100 {
        let sim = Sim::new(seed);
        let at = sim.handle();
        let woken = sim.run(async {
            let sleeper = at.spawn({
                let at = at.clone();
                async move {
                    at.sleep(Duration::from_secs(60)).await;
                    at.now()
                }
            });
            for _ in 0..50 {
                at.yield_point().await;
                assert_eq!(at.now(), Duration::ZERO);
            }
            sleeper.await
        });
        assert_eq!(woken, Duration::from_secs(60));
    }
}

#[test]
fn timers_fire_in_order_and_can_be_dropped() {
    let sim = Sim::new(5);
    let at = sim.handle();
    sim.run(async {
        let (to, mut from) = mpsc::unbounded_channel();
        for seconds in [3, 1, 2] {
            let (at, to) = (at.clone(), to.clone());
            drop(at.clone().spawn(async move {
                at.sleep(Duration::from_secs(seconds)).await;
                to.send((seconds, at.now())).unwrap();
            }));
        }
        let mut forgotten = Box::pin(at.sleep(Duration::from_millis(1)));
        assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(forgotten.as_mut().poll(cx).is_pending())).await);
        drop(forgotten);
        for seconds in [1, 2, 3] {
            assert_eq!(from.recv().await, Some((seconds, Duration::from_secs(seconds))));
        }
    });
}

#[test]
fn nodes_have_clocks_of_their_own() {
    let sim = Sim::new(9);
    let at = sim.handle();
    let nodes: Vec<Runtime> = (0..3).map(|_| at.skewed_runtime()).collect();
    let read = |nodes: &[Runtime]| nodes.iter().map(|node| (node.wall(), node.monotonic())).collect::<Vec<_>>();
    let before = read(&nodes);
    assert!(before[0].0 != before[1].0 && before[0].1 != before[1].1);
    sim.run(nodes[1].sleep(Duration::from_secs(10)));
    for (before, after) in before.iter().zip(read(&nodes)) {
        assert_eq!(after, (before.0 + Duration::from_secs(10), before.1 + Duration::from_secs(10)));
    }
}

#[test]
fn a_gate_keeps_everybody_back() {
    for seed in 0..100 {
        let sim = Sim::new(seed);
        let (at, gate) = (sim.handle(), sim.handle().gate());
        sim.run(async {
            let waiting = [(); 3].map(|()| {
                let gate = gate.clone();
                at.spawn(async move {
                    gate.pass().await;
                    assert!(gate.is_open());
                })
            });
            at.yield_some(5).await;
            gate.open();
            for task in waiting {
                task.await;
            }
        });
    }
}

fn panic_of(act: impl FnOnce(&Handle) -> Box<dyn Future<Output = ()> + Send>) -> String {
    let sim = Sim::new(4711);
    let future = Box::into_pin(act(&sim.handle()));
    let panic = catch_unwind(AssertUnwindSafe(|| sim.run(future))).unwrap_err();
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn a_deadlock_names_the_seed() {
    let said = panic_of(|_| {
        Box::new(async {
            Notify::new().notified().await;
        })
    });
    assert!(said.contains("deadlock") && said.contains("4711"), "{said}");
}

#[test]
fn an_endless_loop_names_the_seed() {
    let said = panic_of(|at| {
        let at = at.clone();
        Box::new(async move {
            loop {
                at.yield_point().await;
            }
        })
    });
    assert!(said.contains("no end") && said.contains("4711"), "{said}");
}

#[test]
fn tasks_outlive_a_run_and_end_with_the_simulation() {
    let alive = Arc::new(());
    let sim = Sim::new(3);
    let at = sim.handle();
    let (to, mut from) = mpsc::channel(1);
    let kept = alive.clone();
    sim.runtime().spawn(Box::pin(async move {
        let _kept = kept;
        to.send(1).await.unwrap();
        to.send(2).await.unwrap();
        std::future::pending::<()>().await;
    }));
    assert_eq!(sim.run(from.recv()), Some(1));
    assert_eq!(sim.run(from.recv()), Some(2));
    drop(sim);
    assert_eq!(Arc::strong_count(&alive), 1);
    drop(at.spawn(async {})); // too late, and harmless
}
