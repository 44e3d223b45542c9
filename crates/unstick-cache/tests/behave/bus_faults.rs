//! A bus that loses, lags, breaks and never comes up.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use unstick_cache::{Confirmation, Invalidation, Namespace, Reached};
use unstick_core::{Bus, ErrorKind, EventKind, OpCtx, OpId, Target, Timestamp, bus::write_plain};
use unstick_testkit::faults::{BusOp, Fault, LevelOp};

use super::world::{Cache, HOUR, Mortal, Node, SECOND, Source, World, ms, play};

fn local(node: &Node) -> Cache {
    node.namespace.cache("local").ttl(HOUR).jitter(0.0).build().unwrap()
}

/// Two nodes that have a value of their own, each in its process.
async fn two(world: &World) -> (Vec<Node>, Vec<Cache>, Source) {
    let nodes = world.nodes(2).await;
    let caches: Vec<_> = nodes.iter().map(local).collect();
    let source = world.source();
    for cache in &caches {
        assert_eq!(cache.get_or_load(7, source.load()).await.unwrap(), 1);
    }
    source.set(2);
    (nodes, caches, source)
}

async fn send(node: &Node, payload: impl Into<Bytes>) {
    let now = Timestamp::from_millis(0);
    let op = OpCtx { now, deadline: now + HOUR, op_id: OpId::from_u128(1) };
    node.bus.publish(op, payload.into()).await.unwrap();
}

#[test]
fn a_notice_that_is_lost_is_noticed() {
    play(|at| async move {
        let world = World::new(&at);
        let (nodes, caches, source) = two(&world).await;
        world.hub.weather().drop_next(1);
        caches[0].invalidate(&7).await;
        // by the next number, or the next beat
        at.sleep(3 * SECOND).await;
        assert_eq!(caches[1].get(&7), None);
        assert_eq!(caches[1].get_or_load(7, source.load()).await.unwrap(), 2);
        assert_eq!((nodes[1].namespace.stats().gaps, nodes[1].log.count(EventKind::CacheGap)), (1, 1));
        assert_eq!(nodes[0].namespace.stats().gaps, 0);
    });
}

#[test]
fn while_it_is_cut_a_value_is_trusted_for_the_clamp() {
    for silent in [false, true] {
        play(|at| async move {
            let world = World::new(&at);
            let (nodes, caches, source) = two(&world).await;
            if silent {
                nodes[1].bus.inner().weather().silence();
            } else {
                nodes[1].bus.inner().weather().cut();
            }
            let cut = at.now();
            caches[0].invalidate(&7).await;
            while caches[1].get_or_load(7, source.load()).await.unwrap() == 1 {
                // a silence is noticed when signs of life stay away
                let bound = if silent { 3 * SECOND } else { SECOND };
                assert!(at.now() - cut <= bound, "{:?}", at.now() - cut);
                at.sleep(ms(50)).await;
            }
            assert!(!nodes[1].namespace.is_current());
            at.sleep(3 * SECOND).await;
            assert_eq!((nodes[1].namespace.stats().cuts, nodes[1].log.count(EventKind::CacheCut)), (1, 1));
            // each value for one second
            let loads = source.loads();
            for _ in 0..100 {
                caches[1].get_or_load(7, source.load()).await.unwrap();
                at.sleep(ms(100)).await;
            }
            assert!((8..=11).contains(&(source.loads() - loads)), "{}", source.loads() - loads);

            nodes[1].bus.inner().weather().restore();
            at.sleep(3 * SECOND).await;
            assert!(nodes[1].namespace.is_current());
            assert_eq!(nodes[1].log.count(EventKind::CacheRestored), 1);
            let loads = source.loads();
            for _ in 0..100 {
                caches[1].get_or_load(7, source.load()).await.unwrap();
                at.sleep(ms(100)).await;
            }
            // once more when the next beat tells of what was missed
            assert!(source.loads() - loads <= 2, "kept to its end again");
        });
    }
}

#[test]
fn an_invalidation_made_while_it_is_cut_is_sent_when_it_is_back() {
    play(|at| async move {
        let world = World::new(&at);
        let (nodes, caches, source) = two(&world).await;
        nodes[0].bus.inner().weather().cut();
        let told = caches[0].invalidate(&7).await;
        assert_eq!((told.level, told.bus), (Confirmation::Confirmed, Confirmation::Pending));
        at.sleep(5 * SECOND).await;
        assert_eq!((caches[1].get(&7), nodes[1].namespace.stats().notices), (Some(1), 0), "it cannot know");
        nodes[0].bus.inner().weather().restore();
        at.sleep(5 * SECOND).await;
        assert_eq!(caches[1].get_or_load(7, source.load()).await.unwrap(), 2);
        assert_eq!(nodes[1].namespace.stats().notices, 1);
    });
}

#[test]
fn without_a_bus_a_value_is_trusted_for_the_clamp() {
    play(|at| async move {
        let namespace = Namespace::builder("shop").runtime(at.runtime()).clamp(5 * SECOND).build().await.unwrap();
        let things = namespace.cache("things").ttl(HOUR).build().unwrap();
        let source = Source::new(&at, SECOND);
        assert!(!namespace.is_current());
        things.get_or_load(7, source.load()).await.unwrap();
        at.sleep(4 * SECOND).await;
        assert_eq!(things.get(&7), Some(1), "five seconds after it was read");
        at.sleep(ms(1)).await;
        assert_eq!(things.get(&7), None);
    });
}

#[test]
fn a_bus_that_does_not_come_up_at_the_start_is_listened_to_when_it_does() {
    for fault in [Fault::FailBefore(ErrorKind::Unavailable), Fault::Hang] {
        play(|at| async move {
            let world = World::new(&at);
            let first = world.node().await;
            let late = world
                .node_with(|builder, bus| {
                    bus.always(BusOp::Subscribe, fault);
                    builder
                })
                .await;
            let (here, there) = (local(&first), local(&late));
            let source = world.source();
            assert!(!late.namespace.is_current());
            there.get_or_load(7, source.load()).await.unwrap();
            at.sleep(10 * SECOND).await;
            assert_eq!(there.get(&7), None, "beyond the clamp");
            late.bus.heal();
            late.bus.release();
            at.sleep(5 * SECOND).await;
            assert!(late.namespace.is_current());
            there.get_or_load(7, source.load()).await.unwrap();
            at.sleep(10 * SECOND).await;
            assert_eq!(there.get(&7), Some(1));
            here.invalidate(&7).await;
            at.sleep(ms(5)).await;
            assert_eq!(there.get(&7), None);
        });
    }
}

#[test]
fn a_gap_of_a_transactional_bus_clears_the_level() {
    for transactional in [false, true] {
        play(|at| async move {
            let world = World::new(&at);
            let first = world.node().await;
            let second =
                world.node_with(|builder, bus| if transactional { builder.bus(bus.clone().transactional()) } else { builder }).await;
            let caches = [first.shared().build().unwrap(), second.shared().build().unwrap()];
            let source = world.source();
            for cache in &caches {
                cache.get_or_load(7, source.load()).await.unwrap();
            }
            // only the database and its listeners knew of it
            source.set(2);
            second.bus.inner().weather().cut();
            second.bus.inner().weather().restore();
            at.sleep(3 * SECOND).await;
            let value = caches[1].get_or_load(7, source.load()).await.unwrap();
            assert_eq!(value, if transactional { 2 } else { 1 });
        });
    }
}

#[test]
fn notices_in_plain_text_are_applied_and_told_to_the_level() {
    play(|at| async move {
        let world = World::new(&at);
        let nodes = world.nodes(2).await;
        let things = nodes[1].shared().tags(|_: &u64, _| vec!["all".to_owned()]).build().unwrap();
        let source = world.source();
        let texts = [write_plain(&things.target(&7)), write_plain(&nodes[1].namespace.tag("all")), write_plain(&Target::All)];
        for (value, text) in (2..).zip(texts) {
            things.get_or_load(7, source.load()).await.unwrap();
            source.set(value);
            send(&nodes[0], text.clone()).await;
            at.sleep(ms(5)).await;
            assert_eq!(things.get_or_load(7, source.load()).await.unwrap(), value, "{text}");
            at.sleep(5 * SECOND).await; // both nodes have told the level, maybe one after the other
        }
        assert_eq!(nodes[1].namespace.stats().notices, 3);
        for other in ["k:other:things:7", "t:shopping:all", "k:shopthings:7"] {
            things.get_or_load(7, source.load()).await.unwrap();
            send(&nodes[0], other).await;
            at.sleep(ms(5)).await;
            assert_eq!(things.get(&7), Some(4), "{other}: another namespace's");
        }
        assert_eq!(nodes[1].namespace.stats().gaps, 0);
    });
}

#[test]
fn what_cannot_be_read_is_a_gap_and_what_is_known_is_not_applied_twice() {
    play(|at| async move {
        let world = World::new(&at);
        let (nodes, caches, source) = two(&world).await;
        send(&nodes[0], &b"\x63of a later release"[..]).await;
        at.sleep(ms(5)).await;
        assert_eq!((caches[1].get(&7), caches[0].get(&7)), (None, Some(1)), "it does not hear itself");
        let stats = nodes[1].namespace.stats();
        assert_eq!((stats.notices_unreadable, stats.gaps), (1, 1));

        let staged = nodes[0].namespace.stage([caches[0].target(&7)]);
        let payload = staged.payload();
        send(&nodes[0], payload.clone()).await;
        at.sleep(SECOND).await; // the level has confirmed it
        caches[1].get_or_load(7, source.load()).await.unwrap();
        send(&nodes[0], payload).await;
        staged.committed().await;
        at.sleep(ms(5)).await;
        assert_eq!(caches[1].get(&7), Some(2));
        let stats = nodes[1].namespace.stats();
        assert_eq!((stats.notices, stats.notices_repeated), (1, 2));
        assert_eq!(caches[0].get(&7), None, "the writer's own, by `committed`");
    });
}

#[test]
fn namespaces_on_one_bus_and_level_leave_each_other_alone() {
    play(|at| async move {
        let world = World::new(&at);
        let node = world.node().await;
        let other = Namespace::builder("other").runtime(at.runtime()).level(world.level.clone()).bus(world.hub.bus(&at.runtime()));
        let other = other.build().await.unwrap();
        at.sleep(SECOND).await;
        let things = node.shared().build().unwrap();
        let others = other.cache::<u64, u64>("things").ttl(HOUR).shared().build().unwrap();
        let source = world.source();
        things.get_or_load(7, source.load()).await.unwrap();
        source.set(2);
        assert_eq!(others.get_or_load(7, source.load()).await.unwrap(), 2);
        others.invalidate(&7).await;
        other.invalidate_tag("x").await;
        at.sleep(ms(5)).await;
        assert_eq!((things.get(&7), others.get(&7)), (Some(1), None));
        assert_eq!((node.namespace.stats().notices, node.namespace.stats().gaps), (0, 0));
    });
}

type Told = Arc<Mutex<Vec<(Option<String>, Reached)>>>;

#[test]
fn hooks_are_told_of_own_and_others_invalidations() {
    play(|at| async move {
        let world = World::new(&at);
        let nodes = world.nodes(2).await;
        let things = nodes[0].shared().build().unwrap();
        let told: [Told; 2] = Default::default();
        for (node, log) in nodes.iter().zip(&told) {
            let log = log.clone();
            node.namespace.on_invalidate(move |told: &Invalidation<'_>| {
                log.lock().unwrap().push((told.key().map(str::to_owned), told.reached()));
            });
            // a hook that panics keeps nobody from listening
            node.namespace.on_invalidate(|_| panic!("hook"));
        }
        for round in 1..=3 {
            things.invalidate(&7).await;
            at.sleep(ms(5)).await;
            let of = |node: usize| told[node].lock().unwrap().clone();
            assert_eq!(of(0), vec![(Some("things:7".to_owned()), Reached::Local); round]);
            assert_eq!(of(1), vec![(Some("things:7".to_owned()), Reached::Remote); round]);
        }
        assert_eq!(nodes[0].level.calls(LevelOp::Invalidate), 3);
    });
}

#[test]
fn background_tasks_end_with_the_last_handle() {
    play(|at| async move {
        let world = World::new(&at);
        let tasks = Mortal::new(at.runtime());
        let runtime = tasks.runtime();
        let namespace = world.node_with(|builder, _| builder.runtime(runtime)).await.namespace;
        let things: Cache = namespace.cache("things").build().unwrap();
        let source = world.source();
        things.get_or_load(7, source.load()).await.unwrap();
        things.invalidate(&7).await;
        at.sleep(SECOND).await;
        assert_eq!(tasks.alive(), 2, "one listens, one repeats");
        let clone = namespace.clone();
        drop(namespace);
        drop(clone);
        at.sleep(SECOND).await;
        assert_eq!(tasks.alive(), 2, "the cache is left");
        drop(things);
        at.sleep(SECOND).await;
        assert_eq!(tasks.alive(), 0);
    });
}

#[test]
fn they_end_while_bus_and_level_hang_too() {
    play(|at| async move {
        let world = World::new(&at);
        let tasks = Mortal::new(at.runtime());
        let runtime = tasks.runtime();
        let node = world
            .node_with(|builder, bus| {
                bus.always_all(Fault::Hang);
                builder.runtime(runtime)
            })
            .await;
        let Node { namespace, level, .. } = node;
        level.always_all(Fault::Hang);
        namespace.invalidate_tag("a").await;
        namespace.invalidate_tag("b").await;
        drop(namespace);
        at.sleep(10 * SECOND).await;
        assert_eq!(tasks.alive(), 0);
    });
}
