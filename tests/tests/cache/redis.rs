//! Five nodes in one process with a bus and a level in Redis, on servers of their own and behind proxies: all weathers.

use std::time::Duration;

use unstick_cache::NamespaceBuilder;
use unstick_core::Runtime;
use unstick_redis::{RedisBus, RedisClient, RedisLevel};
use unstick_stories::cache::{app::Settings, load::Progress, source::Source};
use unstick_testkit::{
    require_server,
    servers::{Direction, Mode, Proxy, RedisServer},
};

use crate::world::{ALIVE_FOR, CLAMP, Outcome, World};

const FULL: usize = 100_000;
const SOME: usize = 20_000;

/// Nodes, with the servers and what is between.
pub(crate) struct Redis {
    pub(crate) world: World,
    bus: Proxy,
    level: Option<RedisServer>,
    bus_server: RedisServer,
}

async fn client(url: &str, runtime: &Runtime) -> RedisClient {
    let second = Duration::from_secs(1);
    RedisClient::builder(url).runtime(runtime.clone()).deadline(5 * second).connect_timeout(20 * second).connect().await.unwrap()
}

impl Redis {
    pub(crate) async fn start(bus_server: RedisServer, level: Option<RedisServer>) -> Self {
        let bus = Proxy::start(bus_server.port()).unwrap();
        let (bus_url, level_url) = (bus.url(&bus_server.url()), level.as_ref().map(RedisServer::url));
        let join = async |builder: NamespaceBuilder| {
            let runtime = Runtime::tokio();
            let builder = builder.runtime(runtime.clone()).bus(RedisBus::new(&client(&bus_url, &runtime).await).unwrap());
            match &level_url {
                Some(url) => builder.level(RedisLevel::new(&client(url, &runtime).await).unwrap()),
                None => builder,
            }
        };
        let settings = Settings { is_shared: level.is_some(), ..Settings::default() };
        let world = World::new(Source::memory(), settings, join).await;
        Self { world, bus, level, bus_server }
    }

    /// Does something to a server while the nodes go on.
    fn order(&self, order: impl FnOnce(&RedisServer, &RedisServer) + Send) {
        if let Some(level) = &self.level {
            tokio::task::block_in_place(|| order(&self.bus_server, level));
        }
    }
}

/// Each with a level, and without one.
macro_rules! with_and_without_a_level {
    (|$redis:ident, $with:ident| $story:expr) => {
        for has_level in [true, false] {
            let bus = require_server!(RedisServer::start());
            let level = if has_level { Some(require_server!(RedisServer::start())) } else { None };
            let $with = if has_level { "level up" } else { "no level" };
            let $redis = Redis::start(bus, level).await;
            $story;
        }
    };
}

fn assert_told(outcome: &Outcome) {
    let totals = outcome.totals;
    assert!(totals.notices > 0 && totals.marks + totals.marks_repeated > 0, "{totals:?}");
}

fn assert_cut(outcome: &Outcome) {
    let totals = outcome.totals;
    assert!(totals.cuts > 0 && totals.gaps > 0 && totals.marks > 0 && totals.bus_pending > 0, "{totals:?}");
    assert!(outcome.verdict.longest_within > Duration::ZERO, "nobody was behind: nothing was proved");
}

async fn while_cut(world: &World, progress: &Progress) {
    while world.notes.cut() < world.nodes.len() {
        progress.goes_on(1).await;
    }
    let since = progress.now();
    while progress.now() < since + CLAMP * 2 {
        progress.goes_on(100).await;
    }
}

/// Until every node hears again.
async fn restored(world: &World, progress: &Progress) {
    while world.notes.cut() > 0 {
        progress.goes_on(1).await;
    }
    progress.goes_on(SOME / 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_bus_up() {
    with_and_without_a_level!(|redis, with| {
        let outcome = redis.world.run(FULL, ALIVE_FOR, async |_| {}).await;
        outcome.assert_sound(&format!("Redis bus up, {with}"), FULL);
        assert_told(&outcome);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_bus_cut() {
    with_and_without_a_level!(|redis, with| {
        let outcome = redis.world.run(FULL, ALIVE_FOR, async |progress| {
            progress.reaches(FULL / 5).await;
            redis.bus.set(Mode::Refuse);
            redis.bus.cut();
            while_cut(&redis.world, progress).await;
            progress.reaches(FULL / 2).await;
            redis.bus.set(Mode::Pass);
            restored(&redis.world, progress).await;
        });
        let outcome = outcome.await;
        outcome.assert_sound(&format!("Redis bus cut, {with}"), FULL);
        assert_told(&outcome);
        assert_cut(&outcome);
        redis.world.hears().await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_bus_silent() {
    with_and_without_a_level!(|redis, with| silent(&redis, Mode::BlackHole, &format!("Redis bus silent, {with}")).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_bus_half_open() {
    with_and_without_a_level!(|redis, with| {
        silent(&redis, Mode::HalfOpen(Direction::ToClient), &format!("Redis bus half open, {with}")).await;
    });
}

async fn silent(redis: &Redis, mode: Mode, story: &str) {
    let outcome = redis.world.run(SOME, ALIVE_FOR, async |progress| {
        progress.reaches(SOME / 5).await;
        redis.bus.set(mode);
        while_cut(&redis.world, progress).await;
        redis.bus.set(Mode::Pass);
        restored(&redis.world, progress).await;
    });
    let outcome = outcome.await;
    outcome.assert_sound(story, SOME);
    assert_told(&outcome);
    assert_cut(&outcome);
    redis.world.hears().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_bus_lagging() {
    with_and_without_a_level!(|redis, with| {
        let outcome = redis.world.run(SOME, ALIVE_FOR, async |progress| {
            redis.bus.set(Mode::delay(Duration::from_millis(150)));
            progress.reaches(SOME / 2).await;
            redis.bus.set(Mode::Pass);
        });
        let outcome = outcome.await;
        outcome.assert_sound(&format!("Redis bus lagging by 300 ms, {with}"), SOME);
        assert_told(&outcome);
        assert!(outcome.totals.marks > 0, "{:?}", outcome.totals);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_level_stopped_flushed_and_restarted() {
    let (bus, level) = (require_server!(RedisServer::start()), require_server!(RedisServer::start()));
    let redis = Redis::start(bus, Some(level)).await;
    let outcome = redis.world.run(SOME, ALIVE_FOR, async |progress| {
        progress.reaches(SOME / 5).await;
        redis.order(|_, level| level.stop());
        progress.goes_on(SOME / 10).await;
        redis.order(|_, level| level.cont());
        progress.goes_on(SOME / 10).await;
        redis.order(|_, level| drop(level.command(&["FLUSHALL"]).unwrap()));
        progress.goes_on(SOME / 10).await;
        redis.order(|_, level| level.restart());
        progress.goes_on(SOME / 10).await;
    });
    let outcome = outcome.await;
    outcome.assert_sound("Redis bus up, level stopped, flushed and restarted", SOME);
    assert_told(&outcome);
    assert!(outcome.totals.level_pending > 0 && outcome.totals.level_hits > 0, "{:?}", outcome.totals);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_bus_and_level_flushed_and_restarted() {
    let (bus, level) = (require_server!(RedisServer::start()), require_server!(RedisServer::start()));
    let redis = Redis::start(bus, Some(level)).await;
    let outcome = redis.world.run(SOME, ALIVE_FOR, async |progress| {
        progress.reaches(SOME / 5).await;
        redis.order(|bus, level| [bus, level].into_iter().for_each(|server| drop(server.command(&["FLUSHALL"]).unwrap())));
        progress.goes_on(SOME / 10).await;
        redis.order(|bus, level| [bus, level].into_iter().for_each(RedisServer::kill));
        while redis.world.notes.cut() < redis.world.nodes.len() {
            progress.goes_on(1).await;
        }
        redis.order(|bus, level| [bus, level].into_iter().for_each(RedisServer::restart));
        restored(&redis.world, progress).await;
    });
    let outcome = outcome.await;
    outcome.assert_sound("Redis bus and level flushed, killed and restarted", SOME);
    assert_told(&outcome);
    assert!(outcome.totals.gaps > 0 && outcome.totals.cuts > 0 && outcome.totals.level_hits > 0, "{:?}", outcome.totals);
    redis.world.hears().await;
}
