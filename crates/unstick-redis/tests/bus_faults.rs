//! What happens to the bus when servers, connections and receivers misbehave.

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{SECOND, at, op};
use futures_util::{StreamExt, stream::FuturesUnordered};
use unstick_core::{Bus, BusEvent, Notice, Published, Runtime, Timestamp, bus::Inbox};
use unstick_redis::{RedisBus, RedisClient};
use unstick_testkit::{
    clock::ManualClock,
    require_server,
    servers::{Direction, Mode, Proxy, RedisCluster, RedisSentinel, RedisServer},
};

async fn bus_at(address: &str, runtime: Runtime) -> RedisBus {
    let builder = RedisClient::builder(address).runtime(runtime).deadline(5 * SECOND).connect_timeout(20 * SECOND);
    RedisBus::new(&builder.connect().await.unwrap()).unwrap()
}

async fn bus(address: &str) -> RedisBus {
    bus_at(address, Runtime::tokio()).await
}

async fn say(bus: &RedisBus, payload: &'static str) -> Result<Published, unstick_core::Error> {
    let now = Timestamp::system_now();
    let op = unstick_core::OpCtx { deadline: now + 2 * SECOND, ..at(now) };
    bus.publish(op, Bytes::from_static(payload.as_bytes())).await
}

/// A subscription whose every event is checked: nothing is skipped without a word.
struct Watched {
    heard: Inbox,
    last: u64,
    excused: bool,
    gaps: u32,
    cuts: u32,
    before: Option<BusEvent>,
}

impl Watched {
    async fn at(bus: &RedisBus) -> Self {
        Self { heard: bus.subscribe().await.unwrap(), last: 0, excused: false, gaps: 0, cuts: 0, before: None }
    }

    async fn next(&mut self) -> BusEvent {
        use unstick_core::Subscription as _;
        let event = tokio::time::timeout(60 * SECOND, self.heard.next()).await.expect("an event").expect("the bus lives");
        match &event {
            BusEvent::Notice(Notice { seq: Some(seq), .. }) => {
                assert!(self.excused || *seq == self.last + 1, "{seq} after {} without a gap", self.last);
                (self.last, self.excused) = (self.last.max(*seq), false);
            }
            BusEvent::Gap => (self.excused, self.gaps) = (true, self.gaps + 1),
            BusEvent::Cut => (self.excused, self.cuts) = (true, self.cuts + 1),
            BusEvent::Restored => assert_eq!(self.before, Some(BusEvent::Gap), "before restored"),
            _ => {}
        }
        self.before = Some(event.clone());
        event
    }

    async fn until(&mut self, is: impl Fn(&BusEvent) -> bool) {
        while !is(&self.next().await) {}
    }

    async fn hears(&mut self, payload: &str) {
        self.until(|event| matches!(event, BusEvent::Notice(notice) if notice.payload == payload)).await;
    }

    /// Until a notice that is published again and again has come through.
    async fn hears_again(&mut self, from: &RedisBus, payload: &'static str) {
        let publish = async {
            loop {
                _ = say(from, payload).await;
                tokio::time::sleep(SECOND / 10).await;
            }
        };
        tokio::select! {
            () = self.hears(payload) => {}
            () = publish => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_overflows_a_slow_receiver_and_no_more() {
    let redis = require_server!(RedisServer::start());
    let (here, there) = (bus(&redis.url()).await, bus(&redis.url()).await);
    let mut watched = Watched::at(&there).await;
    let publishers = (0..20).map(|_| {
        let here = here.clone();
        tokio::spawn(async move {
            for _ in 0..1000 {
                let published =
                    here.publish(unstick_core::OpCtx { deadline: op().now + 120 * SECOND, ..op() }, Bytes::from_static(b"burst")).await;
                assert_eq!(published.unwrap(), Published::Confirmed);
            }
        })
    });
    for publisher in publishers.collect::<Vec<_>>() {
        publisher.await.unwrap();
    }
    watched.until(|event| *event == BusEvent::Gap).await;
    watched.hears_again(&here, "after").await;
    assert!(watched.last > 20_000, "all notices had a number: {}", watched.last);
    let since = watched.gaps + watched.cuts;
    watched.hears_again(&here, "and later").await;
    println!("{since} gaps, then {}", watched.gaps + watched.cuts);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flushing_the_data_does_not_disturb() {
    let redis = require_server!(RedisServer::start());
    let (here, there) = (bus(&redis.url()).await, bus(&redis.url()).await);
    let mut watched = Watched::at(&there).await;
    // a busy machine may take a connection for dead, for reasons of its own
    for attempt in 0..5 {
        let told = watched.gaps + watched.cuts;
        say(&here, "before").await.unwrap();
        watched.hears("before").await;
        redis.command(&["FLUSHALL"]).unwrap();
        say(&here, "after").await.unwrap();
        watched.hears("after").await;
        watched.until(|event| matches!(event, BusEvent::Alive { .. })).await;
        if watched.gaps + watched.cuts == told {
            return;
        }
        println!("attempt {attempt} was disturbed");
    }
    panic!("a gap was told each time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_connection_is_a_gap() {
    let redis = require_server!(RedisServer::start());
    let (here, there) = (bus(&redis.url()).await, bus(&redis.url()).await);
    let mut watched = Watched::at(&there).await;
    say(&here, "before").await.unwrap();
    watched.hears("before").await;
    for round in 1..=3 {
        redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).unwrap();
        watched.until(|event| *event == BusEvent::Restored).await;
        assert!(watched.cuts >= round && watched.gaps >= round);
        watched.hears_again(&here, "after").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_a_cut() {
    let redis = require_server!(RedisServer::start());
    let (here, there) = (bus(&redis.url()).await, bus(&redis.url()).await);
    let mut watched = Watched::at(&there).await;
    say(&here, "before").await.unwrap();
    watched.hears("before").await;
    redis.stop();
    watched.until(|event| *event == BusEvent::Cut).await;
    assert_ne!(say(&here, "while it hangs").await.ok(), Some(Published::Confirmed));
    redis.cont();
    watched.until(|event| *event == BusEvent::Restored).await;
    watched.hears_again(&here, "after").await;
    watched.until(|event| matches!(event, BusEvent::Alive { .. })).await;
}

/// On a clock that the test moves: three beats without a message to oneself, and not one more.
async fn is_noticed_within_three_beats(break_with: Mode) {
    let redis = require_server!(RedisServer::start());
    let proxy = Proxy::start(redis.port()).unwrap();
    let clock = ManualClock::default();
    let here = bus(&redis.url()).await;
    let there = bus_at(&proxy.url(&redis.url()), clock.runtime()).await;
    let mut watched = Watched::at(&there).await;
    watched.until(|event| matches!(event, BusEvent::Alive { .. })).await;
    say(&here, "before").await.unwrap();
    watched.hears("before").await;
    proxy.set(break_with);
    for _ in 0..30 {
        clock.advance(Duration::from_millis(100));
        tokio::task::yield_now().await;
    }
    watched.until(|event| *event == BusEvent::Cut).await;
    assert!(say(&here, "missed").await.is_ok());
    proxy.set(Mode::Pass);
    let time = async {
        loop {
            clock.advance(Duration::from_millis(50));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let back = async {
        watched.until(|event| *event == BusEvent::Restored).await;
        watched.hears_again(&here, "after").await;
        watched.until(|event| matches!(event, BusEvent::Alive { .. })).await;
    };
    tokio::select! {
        () = back => {}
        () = time => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_black_hole_is_noticed_within_three_beats() {
    is_noticed_within_three_beats(Mode::BlackHole).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_open_connection_is_noticed_within_three_beats() {
    is_noticed_within_three_beats(Mode::HalfOpen(Direction::ToClient)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_is_a_gap() {
    let sentinel = require_server!(RedisSentinel::start());
    let (here, there) = (bus(&sentinel.url()).await, bus(&sentinel.url()).await);
    let mut watched = Watched::at(&there).await;
    say(&here, "before").await.unwrap();
    watched.hears("before").await;
    tokio::task::block_in_place(|| {
        let old = sentinel.master();
        old.kill();
        _ = sentinel.await_failover(old);
    });
    watched.until(|event| *event == BusEvent::Restored).await;
    watched.hears_again(&here, "after").await;
    assert!(watched.gaps > 0, "a gap was told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_carries_notices_between_its_nodes_and_survives_the_death_of_one() {
    let cluster = require_server!(RedisCluster::start());
    let here = bus(&cluster.url()).await;
    let mut nodes = vec![];
    for _ in 0..8 {
        nodes.push(bus(&cluster.url()).await); // each listens at a node of chance
    }
    let mut all = vec![];
    for node in &nodes {
        all.push(Watched::at(node).await);
    }
    say(&here, "before").await.unwrap();
    for watched in &mut all {
        watched.hears("before").await;
    }
    // the one at which all messages of the bus enter
    tokio::task::block_in_place(|| {
        cluster.master_of_key("{bus}").kill();
        cluster.await_ok();
    });
    for watched in &mut all {
        watched.hears_again(&here, "after").await;
        println!("{} gaps, {} cuts", watched.gaps, watched.cuts); // none where the failover was quick and nothing was said meanwhile
    }
}

/// A node that was taken out of the cluster answers as before, and hears nothing any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_leaves_a_node_that_left_the_cluster() {
    let cluster = require_server!(RedisCluster::start());
    let here = bus(&cluster.url()).await;
    let replicas = &cluster.nodes()[3..];
    let listens_at = |node: &&RedisServer| node.command(&["CLIENT", "LIST", "TYPE", "pubsub"]).unwrap().text().contains("sub=2");
    let mut others = vec![];
    let (mut watched, left) = loop {
        let there = bus(&cluster.url()).await;
        let watched = Watched::at(&there).await;
        match replicas.iter().find(listens_at) {
            Some(replica) => {
                others.push((there, None));
                break (watched, replica);
            }
            None => others.push((there, Some(watched))), // at a master, which cannot go
        }
        assert!(others.len() < 60, "no subscription came to a replica");
    };
    watched.hears_again(&here, "before").await;
    tokio::task::block_in_place(|| {
        let id = left.command(&["CLUSTER", "MYID"]).unwrap().text();
        left.command(&["CLUSTER", "RESET", "SOFT"]).unwrap();
        for node in cluster.nodes().iter().filter(|node| node.port() != left.port()) {
            node.command(&["CLUSTER", "FORGET", &id]).unwrap();
        }
    });
    watched.until(|event| *event == BusEvent::Cut).await;
    watched.until(|event| *event == BusEvent::Restored).await;
    watched.hears_again(&here, "after").await;
}

/// Whoever waits behind notices with more time is told at its own deadline.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_waits_no_longer_than_its_own_deadline() {
    let redis = require_server!(RedisServer::start());
    let client = RedisClient::builder(&redis.url()).deadline(120 * SECOND).connect_timeout(20 * SECOND).connect().await.unwrap();
    let here = RedisBus::new(&client).unwrap();
    say(&here, "before").await.unwrap();
    redis.stop();
    let within = |time| {
        let now = Timestamp::system_now();
        here.publish(unstick_core::OpCtx { deadline: now + time, ..at(now) }, Bytes::from_static(b"held up"))
    };
    let patient: FuturesUnordered<_> = (0..100).map(|_| within(120 * SECOND)).collect();
    tokio::select! {
        biased;
        outcome = patient.into_future() => panic!("the server hangs: {:?}", outcome.0),
        outcome = within(SECOND) => assert_ne!(outcome.ok(), Some(Published::Confirmed)),
    }
    redis.cont();
}
