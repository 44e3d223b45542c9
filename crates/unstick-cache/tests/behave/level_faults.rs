//! A level that fails, hangs and answers late.

use unstick_cache::Confirmation;
use unstick_core::{ErrorKind, EventKind, Level, OpCtx, OpId, Target, Timestamp};
use unstick_testkit::faults::{BusOp, Fault, LevelOp};

use super::world::{Cache, HOUR, Mood, Node, SECOND, World, all, callers, ms, play, play_once};

const FAULTS: [Fault; 6] = [
    Fault::FailBefore(ErrorKind::Unavailable),
    Fault::FailAfter(ErrorKind::Timeout),
    Fault::Hang,
    Fault::ArriveLate,
    Fault::AnswerLate,
    Fault::Delay(ms(400)),
];

fn cache(node: &Node) -> Cache {
    node.shared().tags(|_: &u64, _| vec!["all".to_owned()]).build().unwrap()
}

#[test]
fn loads_go_on_whatever_the_level_does() {
    for fault in FAULTS {
        for op in LevelOp::ALL {
            play(|at| async move {
                let world = World::new(&at);
                let nodes = world.nodes(2).await;
                let caches: Vec<_> = nodes.iter().map(cache).collect();
                let source = world.source().taking(ms(900)); // long enough for a lease to be extended
                for node in &nodes {
                    node.level.always(op, fault);
                }
                for value in 1..4 {
                    source.set(value);
                    nodes[0].namespace.invalidate_tag("all").await;
                    at.sleep(ms(5)).await; // the notice is applied
                    let began = at.now();
                    let waiting: Vec<_> = caches.iter().flat_map(|cache| callers(&at, cache, &source, 5)).collect();
                    for (number, answer) in all(waiting).await.into_iter().enumerate() {
                        assert_eq!(answer.unwrap(), value, "{op:?} {fault:?}, caller {number}");
                    }
                    assert!(at.now() - began <= 5 * SECOND, "{op:?} {fault:?} took {:?}", at.now() - began);
                }
                nodes.iter().for_each(|node| node.level.release());
                at.sleep(SECOND).await;
                // what arrived late did no harm
                for cache in &caches {
                    assert_eq!(cache.get_or_load(7, source.load()).await.unwrap(), 3, "{op:?} {fault:?}");
                }
            });
        }
    }
}

#[test]
fn an_unconfirmed_invalidation_is_repeated_until_it_is() {
    for fault in FAULTS {
        play(|at| async move {
            let world = World::new(&at);
            let nodes = world.nodes(2).await;
            let caches: Vec<_> = nodes.iter().map(cache).collect();
            let source = world.source();
            for cache in &caches {
                cache.get_or_load(7, source.load()).await.unwrap();
            }
            source.set(2);
            nodes[0].level.always(LevelOp::Invalidate, fault);
            let told = caches[0].invalidate(&7).await;
            let is_slow = matches!(fault, Fault::Delay(_));
            assert_eq!((told.level == Confirmation::Confirmed, told.bus), (is_slow, Confirmation::Confirmed), "{fault:?}");
            assert_eq!(nodes[0].namespace.stats().level_pending, u64::from(!is_slow));
            for cache in &caches {
                assert_eq!(cache.get_or_load(7, source.load()).await.unwrap(), 2, "{fault:?}");
            }
            nodes[0].level.heal();
            nodes[0].level.release();
            at.sleep(5 * SECOND).await;
            let tried = nodes[0].level.calls(LevelOp::Invalidate);
            at.sleep(60 * SECOND).await;
            assert_eq!(nodes[0].level.calls(LevelOp::Invalidate), tried, "it is confirmed");
            assert_eq!(stored(&world, &caches[0]).await.map(|value| value.ends_with(b"2")), Some(true), "{fault:?}");
        });
    }
}

/// What the level has of the key.
async fn stored(world: &World, cache: &Cache) -> Option<bytes::Bytes> {
    let Target::Key(key) = cache.target(&7) else { return None };
    let now = Timestamp::from_millis(0);
    let op = OpCtx { now, deadline: now + HOUR, op_id: OpId::from_u128(1) };
    world.level.read(op, &key, 1).await.unwrap().map(|value| value.bytes)
}

/// Three nodes that have a value, whose writer cannot tell the level.
async fn untold(world: &World) -> (Vec<Node>, Vec<Cache>, super::world::Source) {
    let nodes = world.nodes(3).await;
    let caches: Vec<_> = nodes.iter().map(cache).collect();
    let source = world.source();
    for cache in &caches {
        cache.get_or_load(7, source.load()).await.unwrap();
    }
    source.set(2);
    for node in &nodes {
        node.level.always(LevelOp::Invalidate, Fault::FailBefore(ErrorKind::Unavailable));
    }
    (nodes, caches, source)
}

#[test]
fn until_then_nobody_who_knows_of_it_uses_the_level() {
    for by_tag in [false, true] {
        play(|at| async move {
            let world = World::new(&at);
            let (nodes, caches, source) = untold(&world).await;
            if by_tag {
                nodes[0].namespace.invalidate_tag("all").await;
            } else {
                caches[0].invalidate(&7).await;
            }
            at.sleep(ms(5)).await;
            for cache in &caches {
                assert_eq!(cache.get_or_load(7, source.load()).await.unwrap(), 2);
            }
            assert_eq!(stored(&world, &caches[0]).await.map(|value| value.ends_with(b"1")), Some(true), "it is still there");
            // one of them can tell it; that does for all
            nodes[2].level.heal();
            at.sleep(10 * SECOND).await;
            assert_eq!(stored(&world, &caches[0]).await.filter(|value| value.ends_with(b"1")), None);
            nodes[0].level.heal();
            nodes[1].level.heal();
            at.sleep(10 * SECOND).await;
            let loads = source.loads();
            nodes[0].namespace.clear().await;
            at.sleep(ms(5)).await;
            for cache in &caches {
                assert_eq!(cache.get_or_load(7, source.load()).await.unwrap(), 2);
            }
            assert_eq!(source.loads(), loads + 1, "they share again");
        });
    }
}

#[test]
fn a_tag_confirmed_while_its_value_was_read_does_not_make_it_good() {
    play(|at| async move {
        let world = World::new(&at);
        let (nodes, caches, source) = untold(&world).await;
        nodes[0].namespace.invalidate_tag("all").await;
        at.sleep(ms(5)).await;
        // the answer was given before the level was told, and comes after
        nodes[1].level.next(LevelOp::ReadOrLease, Fault::AnswerLate);
        let waiting = callers(&at, &caches[1], &source, 3);
        nodes[1].level.until_held(1).await;
        nodes[1].level.heal();
        at.sleep(ms(300)).await; // the retry queue tells it
        assert!(nodes[1].level.calls(LevelOp::Invalidate) > 0);
        nodes[1].level.release();
        for answer in all(waiting).await {
            assert_eq!(answer.unwrap(), 2);
        }
    });
}

#[test]
fn too_many_become_everything() {
    play_once(|at| async move {
        let world = World::new(&at);
        let nodes = world.nodes(2).await;
        let caches: Vec<_> = nodes.iter().map(|node| node.shared().build().unwrap()).collect();
        let source = world.source();
        for cache in &caches {
            cache.get_or_load(7, source.load()).await.unwrap();
            cache.get_or_load(8, source.load()).await.unwrap();
        }
        source.set(2);
        nodes[0].level.always_all(Fault::FailBefore(ErrorKind::Unavailable));
        nodes[0].bus.always(BusOp::Publish, Fault::FailBefore(ErrorKind::Unavailable));
        for key in 0..10_000 {
            let told = caches[0].invalidate(&(key + 100)).await;
            assert_eq!((told.level, told.bus), (Confirmation::Pending, Confirmation::Pending));
        }
        let stats = nodes[0].namespace.stats();
        assert!(stats.overflows >= 1);
        assert_eq!(nodes[0].log.count(EventKind::CacheOverflow) as u64, stats.overflows);
        assert_eq!(nodes[0].log.count(EventKind::CacheLevelDown), 1, "once");
        assert_eq!(caches[0].get(&7), None, "everything");
        nodes[0].level.heal();
        nodes[0].bus.heal();
        at.sleep(20 * SECOND).await;
        assert_eq!(nodes[0].log.count(EventKind::CacheLevelHealed), 1);
        for cache in &caches {
            assert_eq!(cache.get_or_load(8, source.load()).await.unwrap(), 2);
        }
    });
}

#[test]
fn a_level_that_is_down_is_left_alone_and_used_again_when_it_is_back() {
    play(|at| async move {
        let world = World::new(&at);
        let nodes = world.nodes(2).await;
        let caches: Vec<_> = nodes.iter().map(|node| node.shared().build().unwrap()).collect();
        let source = world.source().taking(ms(1));
        let level = &nodes[0].level;
        level.always_all(Fault::Hang);
        let began = at.now();
        for key in 0..2000_u64 {
            caches[0].get_or_load(key, source.load()).await.unwrap();
        }
        // one second of every one and a half it is not asked
        let (took, asked) = (at.now() - began, level.calls(LevelOp::ReadOrLease));
        assert!(asked < 2 + took.as_secs(), "{asked} in {took:?}");
        assert_eq!((nodes[0].log.count(EventKind::CacheLevelDown), nodes[0].log.count(EventKind::CacheLevelHealed)), (1, 0));
        level.heal();
        level.release();
        at.sleep(2 * SECOND).await;
        let loads = source.loads();
        for key in 5000..5010_u64 {
            caches[0].get_or_load(key, source.load()).await.unwrap();
            caches[1].get_or_load(key, source.load()).await.unwrap();
        }
        assert_eq!(source.loads(), loads + 10, "shared again");
        assert_eq!((nodes[0].log.count(EventKind::CacheLevelDown), nodes[0].log.count(EventKind::CacheLevelHealed)), (1, 1));
    });
}

#[test]
fn a_source_that_fails_while_the_level_does_is_an_error() {
    play(|at| async move {
        let world = World::new(&at);
        let node = world.node().await;
        let things = cache(&node);
        node.level.always_all(Fault::Hang);
        let source = world.source();
        source.mood(Mood::Fails);
        let began = at.now();
        assert!(all(callers(&at, &things, &source, 20)).await.iter().all(Result::is_err));
        assert!(at.now() - began <= SECOND);
        assert_eq!(source.loads(), 1);
    });
}
