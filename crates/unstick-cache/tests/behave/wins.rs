//! An invalidation wins over every load that started before it.

use unstick_cache::{Confirmation, Loaded, Namespace};
use unstick_core::{EventKind, Target};
use unstick_testkit::{faults::LevelOp, sim::Handle};

use super::world::{Cache, HOUR, Source, World, all, alone, callers, ms, play};

type Aim = fn(&Namespace, &Cache) -> Vec<Target>;

const AIMS: [(&str, Aim); 5] = [
    ("key", |_, cache| vec![cache.target(&7)]),
    ("tag of the settings", |namespace, _| vec![namespace.tag("setting")]),
    ("tag of the loader", |namespace, _| vec![namespace.tag("loader")]),
    ("everything", |_, _| vec![Target::All]),
    ("a list", |namespace, cache| vec![namespace.tag("nothing"), cache.target(&8), namespace.tag("loader")]),
];

fn cache(namespace: &Namespace) -> Cache {
    namespace.cache("things").ttl(HOUR).jitter(0.0).tags(|_: &u64, _| vec!["setting".to_owned()]).build().unwrap()
}

/// A load whose tags only its value tells.
async fn get(cache: &Cache, source: &Source) -> u64 {
    let load = source.load();
    cache.get_or_load(7, || async { load().await.map(|value| Loaded::new(value).tag("loader")) }).await.unwrap()
}

fn getting(at: &Handle, cache: &Cache, source: &Source) -> unstick_testkit::sim::Task<u64> {
    let (cache, source) = (cache.clone(), source.clone());
    at.spawn(async move { get(&cache, &source).await })
}

#[test]
fn what_is_there_is_gone() {
    for (name, aim) in AIMS {
        play(|at| async move {
            let namespace = alone(&at).await;
            let (things, source) = (cache(&namespace), Source::new(&at, ms(50)));
            assert_eq!(get(&things, &source).await, 1);
            source.set(2);
            let told = namespace.invalidate(aim(&namespace, &things)).await;
            assert_eq!((told.level, told.bus), (Confirmation::Absent, Confirmation::Absent));
            assert_eq!(things.get(&7), None, "{name}");
            assert_eq!(get(&things, &source).await, 2, "{name}");
            assert_eq!(things.get(&7), Some(2), "the new one stays");
        });
    }
}

#[test]
fn what_is_being_loaded_is_not_kept_and_nobody_who_comes_later_gets_it() {
    for (name, aim) in AIMS {
        play(|at| async move {
            let namespace = alone(&at).await;
            let (things, source) = (cache(&namespace), Source::new(&at, ms(50)));
            let before = getting(&at, &things, &source);
            at.sleep(ms(25)).await;
            source.set(2);
            namespace.invalidate(aim(&namespace, &things)).await;
            let after: Vec<_> = (0..20).map(|_| getting(&at, &things, &source)).collect();
            assert_eq!(before.await, 1, "it came before");
            for answer in all(after).await {
                assert_eq!(answer, 2, "{name}");
            }
            assert_eq!(things.get(&7), Some(2));
            assert_eq!(source.loads(), 2, "{name}");
            // where only the value tells the tag, its load was joined, and its value refused
            assert_eq!(things.stats().refused, 1, "{name}");
        });
    }
}

#[test]
fn a_slow_old_load_does_not_displace_what_a_newer_one_brought() {
    play(|at| async move {
        let namespace = alone(&at).await;
        let things = cache(&namespace);
        let (slow, fast) = (Source::new(&at, ms(500)), Source::new(&at, ms(10)));
        fast.set(2);
        let old = callers(&at, &things, &slow, 3);
        at.sleep(ms(10)).await;
        things.invalidate(&7).await;
        assert_eq!(things.get_or_load(7, fast.load()).await.unwrap(), 2);
        assert!(all(old).await.iter().all(|answer| matches!(answer, Ok(1))));
        assert_eq!(things.get(&7), Some(2));
        // nor does its failure
        let old = callers(&at, &things, &slow, 1);
        assert!(all(old).await[0].is_ok(), "it is there");
        things.invalidate(&7).await;
        slow.mood(super::world::Mood::Fails);
        let old = callers(&at, &things, &slow, 3);
        at.sleep(ms(10)).await;
        things.invalidate(&7).await;
        fast.set(3);
        assert_eq!(things.get_or_load(7, fast.load()).await.unwrap(), 3);
        assert!(all(old).await.iter().all(Result::is_err));
        assert_eq!(things.get(&7), Some(3));
    });
}

#[test]
fn it_reaches_every_node_in_level_and_process() {
    for (name, aim) in AIMS {
        play(|at| async move {
            let world = World::new(&at);
            let nodes = world.nodes(3).await;
            let caches: Vec<_> =
                nodes.iter().map(|node| node.shared().tags(|_: &u64, _| vec!["setting".to_owned()]).build().unwrap()).collect();
            let source = world.source();
            for cache in &caches {
                assert_eq!(get(cache, &source).await, 1);
            }
            assert_eq!(source.loads(), 1);
            source.set(2);
            let told = nodes[0].namespace.invalidate(aim(&nodes[0].namespace, &caches[0])).await;
            assert_eq!((told.level, told.bus), (Confirmation::Confirmed, Confirmation::Confirmed));
            at.sleep(ms(5)).await;
            for cache in &caches {
                assert_eq!(cache.get(&7), None, "{name}");
                assert_eq!(get(cache, &source).await, 2, "{name}");
            }
            assert_eq!(source.loads(), 2, "{name}");
            assert_eq!(nodes[1].namespace.stats().notices, 1);
        });
    }
}

#[test]
fn it_wins_over_a_load_on_another_node() {
    for (name, aim) in AIMS {
        play(|at| async move {
            let world = World::new(&at);
            let nodes = world.nodes(3).await;
            let caches: Vec<_> =
                nodes.iter().map(|node| node.shared().tags(|_: &u64, _| vec!["setting".to_owned()]).build().unwrap()).collect();
            let source = world.source();
            let before = getting(&at, &caches[0], &source);
            at.sleep(ms(25)).await;
            let joined = getting(&at, &caches[1], &source);
            at.sleep(ms(5)).await;
            source.set(2);
            // the third node invalidates; the loading one hears of it only later
            nodes[0].bus.inner().weather().lag(ms(200));
            nodes[2].namespace.invalidate(aim(&nodes[2].namespace, &caches[2])).await;
            assert_eq!(get(&caches[2], &source).await, 2, "{name}");
            assert_eq!(before.await, 1);
            joined.await; // either: it came before
            assert_eq!(caches[0].get(&7), None, "the level refused it, {name}");
            assert!(caches[0].stats().refused >= 1);
            assert!(nodes[0].log.count(EventKind::CacheRefused) >= 1);
            at.sleep(ms(500)).await;
            for cache in &caches {
                assert_eq!(get(cache, &source).await, 2, "{name}");
            }
        });
    }
}

#[test]
fn what_it_passed_is_not_given_to_the_level() {
    play(|at| async move {
        let world = World::new(&at);
        let nodes = world.nodes(2).await;
        let (here, there) = (nodes[0].shared().build().unwrap(), nodes[1].shared().build().unwrap());
        let source = world.source();
        let before = getting(&at, &here, &source);
        at.sleep(ms(25)).await;
        source.set(2);
        // the level does not hear of it, nobody else does, and nobody asks for the value here
        nodes[0].level.always(LevelOp::Invalidate, unstick_testkit::faults::Fault::FailBefore(unstick_core::ErrorKind::Late));
        world.hub.weather().drop_next(1);
        here.invalidate(&7).await;
        assert_eq!(before.await, 1);
        assert_eq!(nodes[0].level.calls(LevelOp::Fill), 0);
        assert_eq!(there.get_or_load(7, source.load()).await.unwrap(), 2);
    });
}

/// Invalidations come faster than loads end: whoever asks waits for the load under way and the one after it, at most.
#[test]
fn a_storm_of_invalidations_starves_nobody() {
    for aim in [|namespace: &Namespace, _: &Cache| vec![namespace.tag("loader")], AIMS[0].1] {
        play(|at| async move {
            let namespace = alone(&at).await;
            let (things, source) = (cache(&namespace), Source::new(&at, ms(50)));
            let storm = at.spawn({
                let (namespace, things, at) = (namespace.clone(), things.clone(), at.clone());
                async move {
                    for _ in 0..500 {
                        namespace.invalidate(aim(&namespace, &things)).await;
                        at.sleep(ms(3)).await;
                    }
                }
            });
            let mut asking = Vec::new();
            for late in 0..40 {
                at.sleep(ms(late % 7)).await;
                let (things, source, at) = (things.clone(), source.clone(), at.clone());
                asking.push(at.clone().spawn(async move {
                    let mut longest = ms(0);
                    for pause in 0..10 {
                        let asked = at.now();
                        get(&things, &source).await;
                        longest = longest.max(at.now() - asked);
                        at.sleep(ms(pause)).await;
                    }
                    longest
                }));
            }
            for longest in all(asking).await {
                assert!(longest <= ms(100), "{longest:?}");
            }
            storm.await;
        });
    }
}
