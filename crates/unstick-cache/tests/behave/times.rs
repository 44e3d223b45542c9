//! Lifetimes and timeouts.

use std::time::Duration;

use futures_util::future::join_all;
use unstick_cache::{LoadErrorKind, Loaded};
use unstick_core::EventKind;
use unstick_testkit::faults::{Fault, LevelOp};

use super::world::{HOUR, Mood, Node, SECOND, Source, World, all, alone, callers, ms, play};

#[test]
fn after_the_soft_timeout_the_old_value_is_served_and_the_load_goes_on() {
    play(|at| async move {
        let things = alone(&at).await.cache("things").ttl(SECOND).jitter(0.0).stale_if_error(HOUR).soft_timeout(ms(20)).build().unwrap();
        let source = Source::new(&at, ms(100));
        assert_eq!(things.get_or_load(7, source.load()).await.unwrap(), 1, "there is no old value to serve");
        source.set(2);
        at.sleep(SECOND).await;
        let began = at.now();
        assert!(all(callers(&at, &things, &source, 50)).await.iter().all(|answer| matches!(answer, Ok(1))));
        assert_eq!(at.now() - began, ms(20));
        at.sleep(ms(100)).await;
        assert_eq!(things.get(&7), Some(2), "its result was kept");
        assert_eq!((source.loads(), things.stats().stale), (2, 50));
    });
}

#[test]
fn an_invalidated_value_is_no_old_value() {
    play(|at| async move {
        let things = alone(&at).await.cache("things").ttl(SECOND).jitter(0.0).stale_if_error(HOUR).soft_timeout(ms(20)).build().unwrap();
        let source = Source::new(&at, ms(100));
        things.get_or_load(7, source.load()).await.unwrap();
        at.sleep(SECOND).await;
        source.set(2);
        source.mood(Mood::Fails);
        // a caller has it as its old value while it is invalidated
        let waiting = callers(&at, &things, &source.clone().taking(ms(10)), 10);
        at.sleep(ms(5)).await;
        things.invalidate(&7).await;
        assert!(all(waiting).await.iter().all(|answer| matches!(answer, Err(error) if error.kind() == LoadErrorKind::Failed)));
        assert_eq!(things.get_or_load(7, source.load()).await.unwrap_err().kind(), LoadErrorKind::Failed);
    });
}

#[test]
fn while_the_source_is_down_the_old_value_stands_in_and_loads_are_few() {
    play(|at| async move {
        let world = World::new(&at);
        let node = world.node().await;
        let things = node.namespace.cache("things").ttl(SECOND).jitter(0.0).stale_if_error(HOUR).throttle(10 * SECOND).build().unwrap();
        let source = world.source();
        things.get_or_load(7, source.load()).await.unwrap();
        at.sleep(SECOND).await;
        source.mood(Mood::Fails);
        let down = at.now();
        while at.now() - down < 60 * SECOND {
            assert!(all(callers(&at, &things, &source, 20)).await.iter().all(|answer| matches!(answer, Ok(1))));
            at.sleep(ms(500)).await;
        }
        let (loads, events) = (source.loads() - 1, node.log.count(EventKind::CacheStale) as u64);
        assert!((5..=6).contains(&loads), "{loads} in a minute");
        assert_eq!(events, loads, "an event per failure, and not per request");
        // it ends
        at.sleep(HOUR).await;
        assert!(things.get_or_load(7, source.load()).await.is_err());
        source.mood(Mood::Well);
        source.set(2);
        at.sleep(ms(500)).await;
        assert_eq!(things.get_or_load(7, source.load()).await.unwrap(), 2);
    });
}

#[test]
fn the_throttle_starts_although_nobody_waited_for_the_failure() {
    play(|at| async move {
        let things = alone(&at).await.cache("things").ttl(SECOND).jitter(0.0).stale_if_error(HOUR);
        let things = things.soft_timeout(ms(20)).throttle(10 * SECOND).build().unwrap();
        let source = Source::new(&at, ms(100));
        things.get_or_load(7, source.load()).await.unwrap();
        at.sleep(SECOND).await;
        source.mood(Mood::Fails);
        for _ in 0..50 {
            assert_eq!(things.get_or_load(7, source.load()).await.unwrap(), 1);
            at.sleep(ms(100)).await;
        }
        assert_eq!(source.loads(), 2);
    });
}

#[test]
fn without_leave_no_old_value_is_served() {
    play(|at| async move {
        let world = World::new(&at);
        let node = world.node().await;
        let strict = node.namespace.cache("strict").ttl(HOUR).jitter(0.0).build().unwrap();
        let lenient = node.namespace.cache("lenient").ttl(HOUR).jitter(0.0).stale_if_error(HOUR).build().unwrap();
        let source = world.source();
        for things in [&strict, &lenient] {
            things.get_or_load(7, source.load()).await.unwrap();
        }
        world.hub.weather().cut();
        at.sleep(10 * SECOND).await;
        source.mood(Mood::Fails);
        assert_eq!(strict.get_or_load(7, source.load()).await.unwrap_err().kind(), LoadErrorKind::Failed, "beyond the clamp");
        assert_eq!(lenient.get_or_load(7, source.load()).await.unwrap(), 1);
    });
}

#[test]
fn a_node_without_the_value_serves_the_level_s_old_one() {
    play(|at| async move {
        let world = World::new(&at);
        let nodes = world.nodes(2).await;
        let caches: Vec<_> = nodes
            .iter()
            .map(|node| node.namespace.cache("things").ttl(SECOND).jitter(0.0).stale_if_error(HOUR).shared().build().unwrap())
            .collect();
        let source = world.source();
        caches[0].get_or_load(7, source.load()).await.unwrap();
        at.sleep(SECOND).await;
        source.mood(Mood::Fails);
        assert!(all(callers(&at, &caches[1], &source, 20)).await.iter().all(|answer| matches!(answer, Ok(1))));
        assert_eq!(caches[1].get_or_load(7, source.load()).await.unwrap(), 1, "throttled");
        assert_eq!(source.loads(), 2);
        assert_eq!(nodes[1].log.count(EventKind::CacheStale), 1);
        // an invalidation takes it away, also one that comes while the load fails
        at.sleep(SECOND).await;
        let waiting = callers(&at, &caches[1], &source, 5);
        at.sleep(ms(10)).await;
        nodes[0].namespace.clear().await;
        at.sleep(ms(10)).await;
        assert!(caches[1].get_or_load(7, source.load()).await.is_err());
        drop(waiting);
    });
}

#[test]
fn an_invalidation_that_the_level_has_not_confirmed_takes_its_old_value_away_too() {
    play(|at| async move {
        let world = World::new(&at);
        let nodes = world.nodes(2).await;
        let cache = |node: &super::world::Node| {
            node.namespace
                .cache("things")
                .ttl(SECOND)
                .jitter(0.0)
                .stale_if_error(HOUR)
                .tags(|_: &u64, _| vec!["all".into()])
                .shared()
                .build()
                .unwrap()
        };
        let (writer, reader) = (cache(&nodes[0]), cache(&nodes[1]));
        let source = world.source();
        writer.get_or_load(7, source.load()).await.unwrap();
        at.sleep(SECOND).await;
        source.mood(Mood::Fails);
        // the writer cannot reach the level, the reader cannot tell it
        nodes[0].level.always_all(Fault::FailBefore(unstick_core::ErrorKind::Unavailable));
        nodes[1].level.always(LevelOp::Invalidate, Fault::FailBefore(unstick_core::ErrorKind::Unavailable));
        nodes[0].namespace.invalidate_tag("all").await;
        at.sleep(ms(10)).await;
        assert!(reader.get_or_load(7, source.load()).await.is_err());
    });
}

#[test]
fn absence_is_kept_for_as_long_as_it_was_told_to() {
    play(|at| async move {
        let namespace = alone(&at).await;
        let plain = namespace.cache::<u64, u64>("plain").build().unwrap();
        let negative = namespace.cache::<u64, u64>("negative").negative_ttl(SECOND).jitter(0.0).tags(|_, value| {
            assert!(value.is_none());
            vec!["absent".into()]
        });
        let negative = negative.build().unwrap();
        let absent = |_: u32| async { Ok::<_, std::io::Error>(None::<u64>) };
        for loads in 1..=3 {
            assert_eq!(plain.get_or_load_optional(7, move || absent(loads)).await.unwrap(), None);
            assert_eq!(plain.stats().loads, u64::from(loads), "not kept");
        }
        for _ in 0..3 {
            assert_eq!(negative.get_or_load_optional(7, move || absent(0)).await.unwrap(), None);
            assert!(negative.get_or_load(7, move || absent(0)).await.unwrap_err().is_absent());
            assert_eq!(negative.get(&7), None);
        }
        assert_eq!(negative.stats().loads, 1);
        negative.invalidate(&7).await;
        negative.get_or_load_optional(7, move || absent(0)).await.unwrap();
        namespace.invalidate_tag("absent").await;
        negative.get_or_load_optional(7, move || absent(0)).await.unwrap();
        at.sleep(SECOND).await;
        negative.get_or_load_optional(7, move || absent(0)).await.unwrap();
        assert_eq!(negative.stats().loads, 4);
    });
}

#[test]
fn a_loader_sets_a_shorter_lifetime_and_none() {
    play(|at| async move {
        let things = alone(&at).await.cache::<u64, u64>("things").ttl(10 * SECOND).jitter(0.0).build().unwrap();
        let load = |loaded: Loaded<u64>| move || async move { Ok::<_, std::io::Error>(loaded) };
        things.get_or_load(1, load(Loaded::new(1).ttl(SECOND))).await.unwrap();
        things.get_or_load(2, load(Loaded::new(2).ttl(HOUR))).await.unwrap();
        assert_eq!(things.get_or_load(3, load(Loaded::new(3).not_kept())).await.unwrap(), 3);
        assert_eq!((things.get(&1), things.get(&2), things.get(&3)), (Some(1), Some(2), None));
        at.sleep(SECOND).await;
        assert_eq!((things.get(&1), things.get(&2)), (None, Some(2)));
        at.sleep(9 * SECOND).await;
        assert_eq!(things.get(&2), None, "no longer than the cache's");
    });
}

#[test]
fn what_is_not_kept_is_not_in_the_level_and_blocks_nobody() {
    play(|at| async move {
        let world = World::new(&at);
        let nodes = world.nodes(2).await;
        let caches: Vec<_> = nodes.iter().map(|node| node.shared().build().unwrap()).collect();
        let load = |at: &unstick_testkit::sim::Handle| {
            let at = at.clone();
            move || async move {
                at.sleep(ms(50)).await;
                Ok::<_, std::io::Error>(Loaded::new(1_u64).not_kept())
            }
        };
        let began = at.now();
        let answers = join_all(caches.iter().map(|cache| cache.get_or_load(7, load(&at)))).await;
        assert!(answers.iter().all(|answer| matches!(answer, Ok(1))));
        assert!(at.now() - began < ms(200));
        assert!(caches.iter().all(|cache| cache.stats().loads == 1 && cache.get(&7).is_none()));
    });
}

#[test]
fn the_process_keeps_a_value_for_less_than_the_level() {
    play(|at| async move {
        let world = World::new(&at);
        let node = world.node().await;
        let things = node.shared().l1_ttl(SECOND).build().unwrap();
        let source = world.source();
        things.get_or_load(7, source.load()).await.unwrap();
        for looks in 2..5 {
            at.sleep(SECOND).await;
            assert_eq!(things.get_or_load(7, source.load()).await.unwrap(), 1);
            assert_eq!(node.level.calls(LevelOp::ReadOrLease), looks);
        }
        assert_eq!((source.loads(), things.stats().level_hits), (1, 3));
    });
}

#[test]
fn lifetimes_are_shortened_by_the_jitter_and_differ() {
    play(|at| async move {
        let things = alone(&at).await.cache("things").ttl(100 * SECOND).jitter(0.2).build().unwrap();
        let source = Source::new(&at, ms(1));
        for key in 0..200_u64 {
            things.get_or_load(key, source.load()).await.unwrap();
        }
        let there = || (0..200).filter(|key| things.get(key).is_some()).count();
        at.sleep(Duration::from_millis(79_000)).await;
        assert_eq!(there(), 200);
        at.sleep(11 * SECOND).await;
        assert!((40..160).contains(&there()), "{}", there());
        at.sleep(11 * SECOND).await;
        assert_eq!(there(), 0);
    });
}

#[test]
fn values_are_loaded_early_one_at_a_time() {
    let mut early = 0;
    for seed in 0..100 {
        let sim = unstick_testkit::sim::Sim::new(seed);
        let at = sim.handle();
        early += sim.run(async {
            let things = alone(&at).await.cache("things").ttl(60 * SECOND).jitter(0.0).early_refresh(1.0).build().unwrap();
            let source = Source::new(&at, 2 * SECOND);
            things.get_or_load(7, source.load()).await.unwrap();
            let began = at.now();
            // at least thirty mean waits away: never
            for _ in 0..100 {
                assert_eq!(things.get_or_load(7, source.load()).await.unwrap(), 1);
            }
            assert_eq!(source.loads(), 1);
            while source.loads() == 1 && at.now() - began < 60 * SECOND {
                for _ in 0..3 {
                    things.get_or_load(7, source.load()).await.unwrap();
                }
                at.sleep(ms(100)).await;
            }
            at.sleep(3 * SECOND).await;
            assert_eq!(source.most(), 1);
            assert_eq!(things.stats().refreshes, source.loads() - 1);
            usize::from(things.stats().refreshes > 0)
        });
    }
    assert!(early > 90, "{early} of 100 were loaded before their end");
}

#[test]
fn a_node_that_found_the_value_in_the_level_loads_it_early_too() {
    play(|at| async move {
        let world = World::new(&at);
        let (here, there) = (world.node().await, world.node().await);
        let early = |node: &Node| node.shared().ttl(60 * SECOND).early_refresh(100.0).build().unwrap();
        let (here, there) = (early(&here), early(&there));
        let source = Source::new(&at, 5 * SECOND);
        here.get_or_load(7, source.load()).await.unwrap();
        assert_eq!(there.get_or_load(7, source.load()).await.unwrap(), 1);
        assert_eq!((there.stats().level_hits, source.loads()), (1, 1));
        // a mean wait of five hundred seconds: a hit is early but for one in nine
        for _ in 0..20 {
            at.sleep(ms(1)).await;
            there.get_or_load(7, source.load()).await.unwrap();
        }
        assert_eq!(there.stats().refreshes, 1, "by the five seconds of the load, not by the moment that the level took");
    });
}

#[test]
fn a_refresh_that_fails_is_not_tried_again_at_once() {
    play(|at| async move {
        let things = alone(&at).await.cache("things").ttl(60 * SECOND).jitter(0.0).early_refresh(100.0).build().unwrap();
        let source = Source::new(&at, SECOND);
        things.get_or_load(7, source.load()).await.unwrap();
        source.mood(Mood::Fails);
        let began = at.now();
        while at.now() - began < 20 * SECOND {
            assert_eq!(things.get_or_load(7, source.load()).await.unwrap(), 1, "it is still fresh");
            at.sleep(ms(10)).await;
        }
        // a second of loading, a second of waiting
        assert!((5..=11).contains(&source.loads()), "{}", source.loads());
    });
}

#[test]
fn the_process_holds_no_more_than_its_capacity() {
    play(|at| async move {
        let namespace = alone(&at).await;
        let few = namespace.cache("few").capacity(100).build().unwrap();
        let heavy = namespace.cache("heavy").capacity(100).weigher(|_: &u64, _: &u64| 10).build().unwrap();
        let source = Source::new(&at, ms(1));
        for key in 0..1000_u64 {
            few.get_or_load(key, source.load()).await.unwrap();
            heavy.get_or_load(key, source.load()).await.unwrap();
        }
        assert!(few.len() <= 100 && heavy.len() <= 10, "{} {}", few.len(), heavy.len());
        assert!(!few.is_empty() && !heavy.is_empty());
    });
}
