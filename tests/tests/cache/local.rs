//! Five nodes in one process with buses and levels of memory: all weathers.

use std::{sync::Mutex, time::Duration};

use unstick_cache::NamespaceBuilder;
use unstick_core::{ErrorKind, EventKind, Runtime};
use unstick_memory::{MemoryHub, MemoryLevel};
use unstick_stories::cache::{app::Settings, load::Progress, source::Source};
use unstick_testkit::faults::{Fault, FaultLevel};

use crate::world::{ALIVE_FOR, CLAMP, Outcome, World};

const FULL: usize = 100_000;
const SOME: usize = 20_000;

fn shared() -> Settings {
    Settings { is_shared: true, ..Settings::default() }
}

/// With a bus of memory, and perhaps with a level.
async fn world(source: Source, level: Option<FaultLevel<MemoryLevel>>, settings: Settings) -> (World, MemoryHub) {
    let (hub, runtime) = (MemoryHub::builder().seed(7).build(), Runtime::tokio());
    let join = async |builder: NamespaceBuilder| {
        let builder = builder.runtime(runtime.clone()).bus(hub.bus(&runtime));
        match &level {
            Some(level) => builder.level(level.clone()),
            None => builder,
        }
    };
    (World::new(source, settings, join).await, hub)
}

fn level() -> FaultLevel<MemoryLevel> {
    FaultLevel::new(MemoryLevel::new(), &Runtime::tokio())
}

fn assert_told(outcome: &Outcome) {
    let totals = outcome.totals;
    assert!(totals.notices > 0 && totals.marks + totals.marks_repeated > 0, "{totals:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_bus_up() {
    let (world, _) = world(Source::memory(), None, Settings::default()).await;
    let outcome = world.run(FULL, ALIVE_FOR, async |_| {}).await;
    outcome.assert_sound("bus up, no level", FULL);
    assert_told(&outcome);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_bus_and_level_up() {
    let (world, _) = world(Source::memory(), Some(level()), shared()).await;
    let outcome = world.run(FULL, ALIVE_FOR, async |_| {}).await;
    outcome.assert_sound("bus up, level up", FULL);
    assert_told(&outcome);
    assert!(outcome.totals.level_hits > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_a_database() {
    let directory = tempfile::tempdir().unwrap();
    let source = Source::sqlite(&directory.path().join("carts.sqlite")).await.unwrap();
    let (world, _) = world(source, Some(level()), shared()).await;
    let outcome = world.run(SOME, ALIVE_FOR, async |_| {}).await;
    outcome.assert_sound("SQLite, bus up, level up", SOME);
    assert_told(&outcome);
}

/// Cut from a fifth of the load on, until all have noticed and half of it is done.
async fn cut(world: &World, hub: &MemoryHub, progress: &Progress, requests: usize) {
    progress.reaches(requests / 5).await;
    hub.weather().cut();
    noticed(world, progress).await;
    progress.reaches(requests * 3 / 5).await;
    hub.weather().restore();
}

/// Until every node knows that it hears nothing, and for a while after that.
async fn noticed(world: &World, progress: &Progress) {
    while world.notes.cut() < world.nodes.len() {
        progress.goes_on(1).await;
    }
    let since = progress.now();
    while progress.now() < since + CLAMP * 2 {
        progress.goes_on(100).await;
    }
}

fn assert_cut(outcome: &Outcome) {
    let totals = outcome.totals;
    assert!(totals.cuts > 0 && totals.gaps > 0 && totals.marks > 0 && totals.bus_pending > 0, "{totals:?}");
    assert!(outcome.verdict.longest_within > Duration::ZERO, "nobody was behind: nothing was proved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_bus_cut() {
    let (world, hub) = world(Source::memory(), None, Settings::default()).await;
    let outcome = world.run(FULL, ALIVE_FOR, async |progress| cut(&world, &hub, progress, FULL).await).await;
    outcome.assert_sound("bus cut, no level", FULL);
    assert_told(&outcome);
    assert_cut(&outcome);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_bus_cut_and_the_level_up() {
    let (world, hub) = world(Source::memory(), Some(level()), shared()).await;
    let outcome = world.run(FULL, ALIVE_FOR, async |progress| cut(&world, &hub, progress, FULL).await).await;
    outcome.assert_sound("bus cut, level up", FULL);
    assert_told(&outcome);
    assert_cut(&outcome);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_bus_silent() {
    for level in [None, Some(level())] {
        let settings = Settings { is_shared: level.is_some(), ..Settings::default() };
        let story = if level.is_some() { "bus silent, level up" } else { "bus silent, no level" };
        let (world, hub) = world(Source::memory(), level, settings).await;
        let outcome = world
            .run(SOME, ALIVE_FOR, async |progress| {
                progress.reaches(SOME / 5).await;
                hub.weather().silence();
                noticed(&world, progress).await;
                hub.weather().restore();
                progress.goes_on(SOME / 5).await;
            })
            .await;
        outcome.assert_sound(story, SOME);
        assert_told(&outcome);
        assert_cut(&outcome);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_bus_lagging() {
    for level in [None, Some(level())] {
        let settings = Settings { is_shared: level.is_some(), ..Settings::default() };
        let story = if level.is_some() { "bus lagging by 300 ms, level up" } else { "bus lagging by 300 ms, no level" };
        let (world, hub) = world(Source::memory(), level, settings).await;
        hub.weather().lag(Duration::from_millis(300));
        let outcome = world
            .run(SOME, ALIVE_FOR, async |progress| {
                // notices that are so late find that clients have been there before
                progress.reaches(SOME / 2).await;
                hub.weather().lag(Duration::ZERO);
            })
            .await;
        outcome.assert_sound(story, SOME);
        assert_told(&outcome);
        assert!(outcome.totals.marks > 0 && outcome.verdict.late > 0, "{:?}", outcome.totals);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_notices_reordered_and_dropped() {
    for level in [None, Some(level())] {
        let settings = Settings { is_shared: level.is_some(), ..Settings::default() };
        let story = if level.is_some() { "reordered and dropped, level up" } else { "reordered and dropped, no level" };
        let (world, hub) = world(Source::memory(), level, settings).await;
        let outcome = world
            .run(SOME * 2, ALIVE_FOR, async |progress| {
                for turn in 1..=3 {
                    progress.reaches(turn * SOME / 2).await;
                    hub.weather().drop_next(2);
                    progress.goes_on(SOME / 20).await;
                    hub.weather().reorder_next(4);
                }
            })
            .await;
        outcome.assert_sound(story, SOME * 2);
        assert_told(&outcome);
        assert!(outcome.totals.gaps > 0, "{:?}", outcome.totals);
    }
}

/// Only the node that invalidates is cut off: nothing tells the others that there is something to miss, until it is back. Its clients do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_one_node_cut_off_alone() {
    let (hub, runtime, buses) = (MemoryHub::new(), Runtime::tokio(), Mutex::new(Vec::new()));
    let join = async |builder: NamespaceBuilder| {
        let bus = hub.bus(&runtime);
        buses.lock().unwrap().push(bus.clone());
        builder.runtime(runtime.clone()).bus(bus)
    };
    let settings = Settings::default();
    let world = World::new(Source::memory(), settings, join).await;
    let alone = buses.lock().unwrap()[0].weather();
    let weather = async |progress: &Progress| {
        progress.reaches(SOME / 5).await;
        alone.cut();
        let since = progress.now();
        while progress.now() < since + ALIVE_FOR {
            progress.goes_on(100).await;
        }
        alone.restore();
        progress.goes_on(SOME / 5).await;
    };
    let outcome = world.run(SOME, settings.ttl, weather).await;
    outcome.assert_sound("one node cut off alone, no level", SOME);
    assert_told(&outcome);
    assert!(outcome.totals.marks > 0 && outcome.totals.cuts == 1 && outcome.totals.bus_pending > 0, "{:?}", outcome.totals);
}

/// Fails, before and after doing what it was asked for, and comes back.
async fn break_down(level: &FaultLevel<MemoryLevel>, progress: &Progress, requests: usize) {
    progress.reaches(requests / 5).await;
    for fault in [Fault::FailBefore(ErrorKind::Unavailable), Fault::FailAfter(ErrorKind::Interrupted)] {
        level.always_all(fault);
        progress.goes_on(requests / 5).await;
        level.heal();
        progress.goes_on(requests / 10).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_level_down() {
    let level = level();
    let (world, _) = world(Source::memory(), Some(level.clone()), shared()).await;
    let outcome = world.run(SOME, ALIVE_FOR, async |progress| break_down(&level, progress, SOME).await).await;
    outcome.assert_sound("bus up, level down", SOME);
    assert_told(&outcome);
    assert!(outcome.totals.level_pending > 0 && outcome.totals.level_hits > 0, "{:?}", outcome.totals);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_level_and_bus_down() {
    // what the level could not be told of ends with its lifetime at the latest, since nobody else has heard of it
    const TTL: Duration = Duration::from_secs(4);
    let level = level();
    let (world, hub) = world(Source::memory(), Some(level.clone()), Settings { ttl: TTL, ..shared() }).await;
    let join = async |progress: &Progress| {
        let both = futures_util::future::join(cut(&world, &hub, progress, SOME), break_down(&level, progress, SOME));
        both.await;
    };
    let outcome = world.run_within(SOME, TTL, TTL, join).await;
    outcome.assert_sound("bus cut, level down", SOME);
    assert_told(&outcome);
    assert!(outcome.totals.level_pending > 0 && outcome.totals.marks > 0, "{:?}", outcome.totals);
    assert!(world.notes.count(EventKind::CacheRestored) > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_bus() {
    for level in [None, Some(level())] {
        let settings = Settings { is_shared: level.is_some(), ..Settings::default() };
        let story = if level.is_some() { "no bus, level up" } else { "no bus, no level" };
        let join = async |builder: NamespaceBuilder| match &level {
            Some(level) => builder.level(level.clone()),
            None => builder,
        };
        let world = World::new(Source::memory(), settings, join).await;
        let outcome = world.run(SOME, CLAMP, async |_| {}).await;
        outcome.assert_sound(story, SOME);
        assert!(outcome.totals.marks > 0, "{:?}", outcome.totals);
    }
}

/// The checker sees it when clients carry nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_carries_nothing_is_caught_behind_its_own_writes() {
    let settings = Settings { reads_own_writes: false, ..Settings::default() };
    let world = World::new(Source::memory(), settings, async |builder: NamespaceBuilder| builder).await;
    let outcome = world.run(SOME, CLAMP, async |_| {}).await;
    println!("without the layer: {}", outcome.verdict);
    assert!(!outcome.verdict.own.is_empty() && outcome.verdict.others.is_empty(), "{}", outcome.verdict);
}
