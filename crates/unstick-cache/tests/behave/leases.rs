//! One load over all nodes, while the one that loads keeps its lease.

use unstick_cache::LoadErrorKind;
use unstick_core::EventKind;
use unstick_testkit::faults::LevelOp;

use super::world::{Cache, HOUR, Mood, Node, SECOND, Source, World, all, callers, ms, play};

fn caches(nodes: &[Node]) -> Vec<Cache> {
    nodes.iter().map(|node| node.shared().build().unwrap()).collect()
}

/// One node loads under its lease, all others wait for it.
async fn under_way(
    world: &World,
    caches: &[Cache],
    source: &Source,
) -> Vec<unstick_testkit::sim::Task<Result<u64, unstick_cache::LoadError>>> {
    let mut waiting = callers(&world.at, &caches[0], source, 1);
    world.at.sleep(ms(10)).await;
    for cache in &caches[1..] {
        waiting.extend(callers(&world.at, cache, source, 10));
    }
    world.at.sleep(ms(10)).await;
    assert_eq!(source.loads(), 1);
    waiting
}

#[test]
fn a_thousand_misses_over_five_nodes_are_one_load() {
    play(|at| async move {
        let world = World::new(&at);
        let nodes = world.nodes(5).await;
        let caches = caches(&nodes);
        let source = world.source();
        let waiting: Vec<_> = caches.iter().flat_map(|cache| callers(&at, cache, &source, 200)).collect();
        assert!(all(waiting).await.iter().all(|answer| matches!(answer, Ok(1))));
        assert_eq!(source.loads(), 1);
        assert_eq!(caches.iter().map(|cache| cache.stats().level_hits).sum::<u64>(), 4);
    });
}

#[test]
fn waiters_are_woken_by_the_bus() {
    play(|at| async move {
        let world = World::new(&at);
        let nodes = world.nodes(3).await;
        let caches = caches(&nodes);
        let source = world.source().taking(5 * SECOND);
        let began = at.now();
        let waiting = under_way(&world, &caches, &source).await;
        assert!(all(waiting).await.iter().all(|answer| matches!(answer, Ok(1))));
        assert!(at.now() - began < 5 * SECOND + ms(5), "at once");
        assert_eq!(source.loads(), 1);
        for node in &nodes[1..] {
            // held, held and ready for the notice, some at growing intervals, found
            let looks = node.level.calls(LevelOp::ReadOrLease);
            assert!((3..=9).contains(&looks), "{looks}");
        }
    });
}

#[test]
fn a_notice_that_is_lost_in_silence_costs_a_moment_and_not_the_lease() {
    play(|at| async move {
        let world = World::new(&at);
        let nodes = world.nodes(2).await;
        let caches = caches(&nodes);
        let source = world.source().taking(ms(100));
        let began = at.now();
        let waiting = under_way(&world, &caches, &source).await;
        // which nobody knows for three seconds
        world.hub.weather().silence();
        assert!(all(waiting).await.iter().all(|answer| matches!(answer, Ok(1))));
        assert!(at.now() - began <= ms(400), "{:?}", at.now() - began);
        assert_eq!(source.loads(), 1);
    });
}

#[test]
fn waiters_poll_while_the_bus_is_cut() {
    play(|at| async move {
        let world = World::new(&at);
        let nodes = world.nodes(2).await;
        let caches = caches(&nodes);
        world.hub.weather().cut();
        at.sleep(SECOND).await;
        let source = world.source().taking(SECOND);
        let began = at.now();
        let waiting = under_way(&world, &caches, &source).await;
        assert!(all(waiting).await.iter().all(|answer| matches!(answer, Ok(1))));
        assert!(at.now() - began <= SECOND + ms(300), "{:?}", at.now() - began);
        assert_eq!(source.loads(), 1);
        assert!(nodes[1].level.calls(LevelOp::ReadOrLease) < 12);
    });
}

#[test]
fn a_cut_while_they_wait_makes_them_poll() {
    play(|at| async move {
        let world = World::new(&at);
        let nodes = world.nodes(2).await;
        let caches = caches(&nodes);
        let source = world.source().taking(SECOND);
        let began = at.now();
        let waiting = under_way(&world, &caches, &source).await;
        world.hub.weather().cut();
        assert!(all(waiting).await.iter().all(|answer| matches!(answer, Ok(1))));
        assert!(at.now() - began <= SECOND + ms(300), "{:?}", at.now() - began);
        assert_eq!(source.loads(), 1);
    });
}

#[test]
fn a_holder_that_fails_or_panics_is_replaced_at_once() {
    for (mood, kind) in [(Mood::Fails, LoadErrorKind::Failed), (Mood::Panics, LoadErrorKind::Panicked)] {
        play(|at| async move {
            let world = World::new(&at);
            let nodes = world.nodes(3).await;
            let caches = caches(&nodes);
            let (bad, good) = (world.source(), world.source());
            bad.mood(mood);
            let failing = callers(&at, &caches[0], &bad, 10);
            at.sleep(ms(10)).await;
            let mut waiting = callers(&at, &caches[1], &good, 10);
            waiting.extend(callers(&at, &caches[2], &good, 10));
            let began = at.now();
            for answer in all(failing).await {
                assert_eq!(answer.unwrap_err().kind(), kind);
            }
            assert!(all(waiting).await.iter().all(|answer| matches!(answer, Ok(1))));
            assert!(at.now() - began < ms(200), "{:?}", at.now() - began);
            assert_eq!((bad.loads(), good.loads()), (1, 1), "one retry for both nodes");
        });
    }
}

#[test]
fn a_holder_whose_caller_left_loads_on() {
    play(|at| async move {
        let world = World::new(&at);
        let nodes = world.nodes(2).await;
        let caches = caches(&nodes);
        let source = world.source();
        {
            let leaving = std::pin::pin!(caches[0].get_or_load(7, source.load()));
            let timer = std::pin::pin!(at.sleep(ms(10)));
            futures_util::future::select(leaving, timer).await;
        }
        assert!(all(callers(&at, &caches[1], &source, 10)).await.iter().all(|answer| matches!(answer, Ok(1))));
        assert_eq!(source.loads(), 1);
    });
}

#[test]
fn a_node_that_dies_is_replaced_once_its_lease_runs_out() {
    play(|at| async move {
        let world = World::new(&at);
        let nodes = world.nodes(4).await;
        let caches = caches(&nodes);
        let source = world.source().taking(5 * SECOND);
        let mut waiting = under_way(&world, &caches, &source).await;
        at.sleep(3 * SECOND).await; // its lease was renewed meanwhile
        assert_eq!(source.loads(), 1);
        let rest = waiting.split_off(1);
        nodes[0].level.always_all(unstick_testkit::faults::Fault::Hang);
        nodes[0].tasks.kill();
        let died = at.now();
        assert!(all(rest).await.iter().all(|answer| matches!(answer, Ok(1))));
        assert_eq!(source.loads(), 2, "one retry");
        assert!(at.now() - died <= 5 * SECOND + ms(2300), "{:?}", at.now() - died);
        assert_eq!(all(waiting).await.remove(0).unwrap_err().kind(), LoadErrorKind::Abandoned);
    });
}

#[test]
fn a_load_that_is_given_up_frees_the_others_when_its_lease_runs_out() {
    play(|at| async move {
        let world = World::new(&at);
        let nodes = world.nodes(2).await;
        let caches: Vec<_> =
            nodes.iter().map(|node| node.shared().hard_timeout(2 * SECOND).load_limit(3 * SECOND).build().unwrap()).collect();
        let (bad, good) = (world.source(), world.source());
        bad.mood(Mood::Hangs);
        assert_eq!(caches[0].get_or_load(7, bad.load()).await.unwrap_err().kind(), LoadErrorKind::Timeout);
        // the holder gives up after another second, and its lease ends at most two later
        let mut answer = caches[1].get_or_load(7, good.load()).await;
        if answer.is_err() {
            answer = caches[1].get_or_load(7, good.load()).await;
        }
        assert_eq!(answer.unwrap(), 1);
        assert_eq!((bad.loads(), good.loads()), (1, 1));
    });
}

#[test]
fn a_panic_in_the_codec_strands_nobody() {
    play(|at| async move {
        let world = World::new(&at);
        let nodes = world.nodes(2).await;
        let encode = |value: &u64| if *value == 1 { panic!("encode") } else { Ok::<_, std::io::Error>(value.to_be_bytes().to_vec()) };
        let decode = |bytes: &[u8]| -> Result<u64, std::num::TryFromIntError> {
            let number = bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
            if number == 2 { panic!("decode") } else { Ok(number) }
        };
        let caches: Vec<_> =
            nodes.iter().map(|node| node.namespace.cache("own").ttl(HOUR).shared_as(encode, decode).build().unwrap()).collect();
        let source = world.source();
        for cache in &caches {
            assert!(all(callers(&at, cache, &source, 10)).await.iter().all(|answer| matches!(answer, Ok(1))));
        }
        assert_eq!(source.loads(), 2, "each for itself");
        assert_eq!(nodes[0].log.count(EventKind::CacheUnencodable), 1);
        source.set(2);
        nodes[0].namespace.clear().await;
        for cache in &caches {
            assert!(all(callers(&at, cache, &source, 10)).await.iter().all(|answer| matches!(answer, Ok(2))));
        }
        assert_eq!((source.loads(), nodes[1].log.count(EventKind::CacheUndecodable)), (4, 1));
        assert_eq!(caches[1].stats().undecodable, 1);
    });
}
