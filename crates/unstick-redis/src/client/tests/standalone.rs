use std::time::Instant;

use unstick_core::{ErrorKind, EventKind};
use unstick_testkit::{clock::ManualClock, clock::SkewedClock, require_server, servers::RedisServer};

use super::*;

#[tokio::test]
async fn values_come_back_as_they_were_sent() {
    let redis = require_server!(RedisServer::start());
    let client = RedisClient::connect(&redis.url()).await.unwrap();
    let odd = Bytes::from_static(b"\xff\x00 \r\n{}");
    let script = Script::new("redis.call('SET', KEYS[1], ARGV[2]) return {1, ARGV[2], false, 7, {'a', 2}}");
    let reply = client.client.run(&op(seconds(2)), &script, odd.clone(), vec![odd.clone()]).await.unwrap();
    let many = Reply::Many(vec![Reply::Bytes("a".into()), Reply::Int(2)]);
    assert_eq!(reply, [Reply::Bytes(odd.clone()), Reply::Nil, Reply::Int(7), many]);
    assert_eq!(client.client.get(&op(seconds(2)), odd.clone()).await.unwrap(), Some(odd));
    assert_eq!(client.client.get(&op(seconds(2)), "nothing".into()).await.unwrap(), None);
}

#[tokio::test]
async fn many_calls_answer_in_order() {
    let redis = require_server!(RedisServer::start());
    let client = RedisClient::connect(&redis.url()).await.unwrap();
    let script = Script::new("return {1, tonumber(ARGV[2]), redis.call('INCR', 'order')}");
    let calls = (0..100).map(|n| (format!("k{n}").into(), vec![Bytes::from(n.to_string())])).collect();
    let replies = client.client.run_each(&op(seconds(2)), &script, calls).await;
    for (n, reply) in (0..).zip(replies) {
        assert_eq!(reply.unwrap(), [Reply::Int(n), Reply::Int(n + 1)], "sent in order, too");
    }
}

#[tokio::test]
async fn a_restarted_server_is_found_again_and_its_scripts_are_loaded_again() {
    let redis = require_server!(RedisServer::start());
    let (log, events) = log();
    let client = RedisClient::builder(&redis.url()).events(events).connect().await.unwrap();
    set(&client, "k", "1").await.unwrap();
    redis.kill();
    let until_kill_shows = || async { set(&client, "k", "1").await.is_err_and(|error| error.is_backend()) };
    until("the failure", until_kill_shows).await;
    until("not connected", || async { !client.is_connected() }).await;
    let start = Instant::now();
    let error = set(&client, "k", "1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    println!("without a connection: {:?} in {:?}", error.kind(), start.elapsed());
    redis.restart();
    let start = Instant::now();
    until("the restart", || works(&client)).await;
    println!("after a restart: works in {:?}", start.elapsed());
    assert_eq!(value(&client, "k").await.unwrap(), None, "a new server");
    until("events", || async { log.count(EventKind::BackendDown) > 0 && log.count(EventKind::BackendHealed) > 0 }).await;
}

#[tokio::test]
async fn scripts_that_the_server_forgot_are_sent_again() {
    let redis = require_server!(RedisServer::start());
    let client = RedisClient::connect(&redis.url()).await.unwrap();
    set(&client, "k", "1").await.unwrap();
    redis.command(&["SCRIPT", "FLUSH"]).unwrap();
    set(&client, "k", "2").await.unwrap();
    let before = evaluations(&redis);
    set(&client, "k", "3").await.unwrap();
    assert_eq!(evaluations(&redis), before, "EVAL loaded it, EVALSHA finds it");
    assert_eq!(value(&client, "k").await.unwrap(), Some("3".into()));
}

fn evaluations(redis: &RedisServer) -> Option<String> {
    redis.info("commandstats").unwrap().get("cmdstat_eval").map(|stat| stat.split(',').next().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_stopped_server_costs_no_more_than_the_deadline_and_then_works_again() {
    let redis = require_server!(RedisServer::start());
    let (log, events) = log();
    let client = RedisClient::builder(&redis.url()).events(events).connect().await.unwrap();
    set(&client, "k", "1").await.unwrap();
    redis.stop();
    for kind in ["write", "read"] {
        let start = Instant::now();
        let brief = op(Duration::from_millis(300));
        let result = match kind {
            "write" => set_by(&client, brief, "k", "2").await.map(|_| ()),
            _ => client.client.get(&brief, "k".into()).await.map(|_| ()),
        };
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{kind}");
        assert!(start.elapsed() >= Duration::from_millis(290) && start.elapsed() < seconds(2), "{kind}: {:?}", start.elapsed());
    }
    // more of them than connections may be tried
    for _ in 0..20 {
        _ = set_by(&client, op(Duration::from_millis(100)), "k", "2").await;
    }
    redis.cont();
    let start = Instant::now();
    until("the continuation", || works(&client)).await;
    println!("after SIGCONT: works in {:?}", start.elapsed());
    assert_ne!(value(&client, "k").await.unwrap(), Some("2".into()), "what was given up arrived late and was refused");
    assert_eq!(log.count(EventKind::BackendDown), 1);
    until("one connection", || async { connections(&redis) <= 2 }).await;
}

/// Those of clients, the asking one included.
pub(super) fn connections(redis: &RedisServer) -> usize {
    redis.command(&["CLIENT", "LIST"]).unwrap().text().lines().count()
}

#[tokio::test]
async fn a_slow_command_keeps_its_connection() {
    let redis = require_server!(RedisServer::start());
    let (log, events) = log();
    let client = RedisClient::builder(&redis.url()).events(events).connect().await.unwrap();
    set(&client, "k", "1").await.unwrap();
    let id = |redis: &RedisServer| redis.command(&["CLIENT", "LIST"]).unwrap().text().split(' ').next().map(str::to_owned);
    let before = id(&redis);
    let slow = Script::new(
        "local n = 0 local t = redis.call('TIME') local until_ = t[1] * 1000 + t[2] / 1000 + 1200 \
         repeat t = redis.call('TIME') n = n + 1 until t[1] * 1000 + t[2] / 1000 > until_ return {1, 'DONE', n}",
    );
    let slow = tokio::spawn({
        let client = client.clone();
        async move { client.client.run(&op(seconds(2)), &slow, "k".into(), vec![]).await }
    });
    let others: Vec<_> = (0..20)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(n * 50)).await;
                set(&client, "k", "2").await
            })
        })
        .collect();
    assert!(slow.await.unwrap().is_ok());
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert_eq!(log.count(EventKind::BackendReconnected), 0);
    assert_eq!(id(&redis), before, "the connection is still the first");
}

#[tokio::test]
async fn deadlines_are_the_servers_moments_whatever_this_clock_says() {
    let redis = require_server!(RedisServer::start());
    let minute = seconds(60);
    for clock in [SkewedClock::ahead(ManualClock::default(), minute), SkewedClock::behind(ManualClock::default(), minute)] {
        let runtime = Runtime::custom(clock);
        let client = RedisClient::builder(&redis.url()).runtime(runtime.clone()).connect().await.unwrap();
        for _ in 0..3 {
            let left = set_by(&client, op_by(&runtime, seconds(1)), "k", "1").await.unwrap();
            assert!((1..=1000).contains(&left), "{left} ms left at the server");
        }
    }
}

#[tokio::test]
async fn an_operation_that_is_over_is_not_sent() {
    let redis = require_server!(RedisServer::start());
    let client = RedisClient::connect(&redis.url()).await.unwrap();
    let mut over = op(seconds(1));
    over.deadline = over.now;
    assert_eq!(set_by(&client, over, "k", "1").await.unwrap_err().kind(), ErrorKind::Late);
    assert_eq!(value(&client, "k").await.unwrap(), None);
}

#[tokio::test]
async fn a_refusal_teaches_the_clock_and_is_tried_again_once() {
    let redis = require_server!(RedisServer::start());
    let client = RedisClient::connect(&redis.url()).await.unwrap();
    let node = client.client.0.wire().nodes().all[0].clone();
    let now = Timestamp::system_now();
    // as after a failover from a server whose clock was an hour behind
    node.clock.learn(now, now, now - seconds(3600));
    set(&client, "k", "1").await.unwrap();
    let refused = Script::new("local t = redis.call('TIME') return {t[1] * 1000 + math.floor(t[2] / 1000), 'LATE'}");
    let error = client.client.run(&op(seconds(1)), &refused, "k".into(), vec![]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Late);
}

#[tokio::test]
async fn nothing_is_left_after_the_last_clone() {
    let redis = require_server!(RedisServer::start());
    let client = RedisClient::connect(&redis.url()).await.unwrap();
    let mut subscription = client.subscribe("c").await.unwrap();
    let clone = client.clone();
    set(&client, "k", "1").await.unwrap();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert!(tasks() > 0);
    drop(client);
    set(&clone, "k", "1").await.unwrap();
    drop(clone);
    until("no task", || async { tasks() == 0 }).await;
    while let Some(push) = subscription.next().await {
        assert!(!matches!(push, crate::Push::Message(_)));
    }
    assert_eq!(connections(&redis), 1);
}

#[tokio::test]
async fn a_dropped_call_harms_no_other() {
    let redis = require_server!(RedisServer::start());
    let client = RedisClient::connect(&redis.url()).await.unwrap();
    for n in 0..200u64 {
        let call = set(&client, "dropped", "x");
        _ = tokio::time::timeout(Duration::from_micros(n * 3), call).await;
        let own = n.to_string();
        set(&client, "k", &own).await.unwrap();
        assert_eq!(value(&client, "k").await.unwrap(), Some(own.into()), "answers belong to their questions");
    }
}
