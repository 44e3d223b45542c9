//! Calls that come together.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use unstick_core::ErrorKind;
use unstick_testkit::{require_server, servers::RedisServer};

use super::*;

/// Appends to what is there, unless it is late; fails for keys that hold no string.
const APPEND: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answers, arg = {now}, 1
for i = 1, #KEYS do
  local last = arg + ARGV[arg]
  local answer = 'LATE'
  if now < tonumber(ARGV[arg + 1]) then
    local length = redis.pcall('APPEND', KEYS[i], ARGV[arg + 2])
    if type(length) == 'table' then answer = length else answer = {'DONE', length, ARGV[arg + 2]} end
  end
  answers[i + 1] = answer
  arg = last + 1
end
return answers";

fn calls(redis: &RedisServer, command: &str) -> u64 {
    let stats = redis.info("commandstats").unwrap();
    let stat = stats.get(format!("cmdstat_{command}").as_str()).and_then(|stat| stat.split(',').next()?.strip_prefix("calls="));
    stat.map_or(0, |calls| calls.parse().unwrap())
}

async fn append(client: &RedisClient, script: &Script, key: &str, what: &str) -> Result<Vec<Reply>, Error> {
    client.client.run(&op(seconds(5)), script, key.to_owned().into(), vec![Bytes::copy_from_slice(what.as_bytes())]).await
}

/// A third each of values, nothing, and what is no string.
async fn assert_each_read_gets_its_own(client: &RedisClient, redis: &RedisServer) {
    let place = |n: usize| format!("app:read:{n}");
    for n in 0..200 {
        match n % 3 {
            0 => redis.command(&["SET", &place(n), &n.to_string()]).unwrap(),
            1 => redis.command(&["LPUSH", &place(n), "x"]).unwrap(),
            _ => redis.command(&["DEL", &place(n)]).unwrap(),
        };
    }
    let reads = join_all((0..200).map(|n| async move { (n, client.client.get_along(&op(seconds(5)), place(n).into()).await) })).await;
    for (n, read) in reads {
        match n % 3 {
            0 => assert_eq!(read.unwrap(), Some(n.to_string().into())),
            1 => assert_eq!(read.unwrap_err().kind(), ErrorKind::Corrupt, "never taken for nothing"),
            _ => assert_eq!(read.unwrap(), None),
        }
    }
}

/// Those of a key in the order of their coming, those of wrong types for themselves.
async fn assert_each_change_is_its_own(client: &RedisClient, redis: &RedisServer) {
    let script = Script::gathering(APPEND);
    redis.command(&["DEL", "app:a", "app:b", "app:list"]).unwrap();
    redis.command(&["LPUSH", "app:list", "x"]).unwrap();
    let key = |n: usize| ["app:a", "app:b", "app:list"][n % 3];
    let changes = join_all((0..300).map(|n| {
        let script = script.clone();
        async move { (n, append(client, &script, key(n), &format!("{n:03}")).await) }
    }));
    for (n, change) in changes.await {
        if n % 3 == 2 {
            assert_eq!(change.unwrap_err().kind(), ErrorKind::Corrupt);
        } else {
            let change = change.unwrap();
            assert_eq!((&change[0], &change[2]), (&Reply::Bytes("DONE".into()), &Reply::Bytes(format!("{n:03}").into())));
        }
    }
    for key in ["app:a", "app:b"] {
        assert_eq!(value(client, key).await.unwrap().map(|all| all.len()), Some(300), "each once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_has_its_own_answer() {
    let redis = require_server!(RedisServer::start());
    let client = RedisClient::connect(&redis.url()).await.unwrap();
    assert_each_read_gets_its_own(&client, &redis).await;
    assert_each_change_is_its_own(&client, &redis).await;
    assert_eq!(client.client.0.wire().nodes().all[0].silence().suspicion(seconds(3600)), None, "none is counted as unanswered");
}

/// On one thread, where all calls have come before any is carried: on several, how many come along is the scheduler's choice.
#[tokio::test]
async fn few_commands_carry_many_calls() {
    let redis = require_server!(RedisServer::start());
    let client = RedisClient::connect(&redis.url()).await.unwrap();
    assert_each_read_gets_its_own(&client, &redis).await;
    assert_each_change_is_its_own(&client, &redis).await;
    assert!((1..20).contains(&calls(&redis, "mget")), "of 200 reads");
    assert!((2..30).contains(&calls(&redis, "evalsha")), "of 300 changes");
    assert_eq!(client.client.0.wire().nodes().all[0].silence().suspicion(seconds(3600)), None, "none is counted as unanswered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_whose_runtime_stands_still_holds_nobody_up() {
    let redis = require_server!(RedisServer::start());
    let client = RedisClient::connect(&redis.url()).await.unwrap();
    let (stands, has_stopped) = tokio::sync::oneshot::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let standing = std::thread::spawn({
        let client = client.clone();
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let op = op(seconds(5));
            let mut reads = pin!(join_all((0..3).map(|_| client.client.get_along(&op, "k".into()))));
            assert!(runtime.block_on(poll_fn(|cx| Poll::Ready(reads.as_mut().poll(cx).is_pending()))));
            stands.send(()).unwrap();
            ended.recv().unwrap_err();
        }
    });
    has_stopped.await.unwrap();
    let op = op(seconds(20));
    for read in join_all((0..50).map(|_| client.client.get_along(&op, "k".into()))).await {
        assert_eq!(read.unwrap(), None);
    }
    drop(end);
    standing.join().unwrap();
}

#[tokio::test]
async fn a_call_alone_is_a_command_of_its_own() {
    let redis = require_server!(RedisServer::start());
    let client = RedisClient::connect(&redis.url()).await.unwrap();
    let script = Script::gathering(APPEND);
    for n in 1..=5 {
        let done = append(&client, &script, "k", "x").await.unwrap();
        assert_eq!(done, [Reply::Bytes("DONE".into()), Reply::Int(n), Reply::Bytes("x".into())]);
        assert!(client.client.get_along(&op(seconds(5)), "k".into()).await.unwrap().is_some());
    }
    assert_eq!((calls(&redis, "mget"), calls(&redis, "get")), (0, 5));
}

#[tokio::test]
async fn without_permission_for_several_keys_each_is_read_alone() {
    let redis = require_server!(RedisServer::start());
    let rights = "on >word resetkeys ~app:* -@all +hello +evalsha +eval +get +time +client|id +append";
    let words: Vec<&str> = ["ACL", "SETUSER", "app"].into_iter().chain(rights.split(' ')).collect();
    redis.command(&words).unwrap();
    let client = RedisClient::connect(&format!("redis://app:word@{}", redis.address())).await.unwrap();
    for _ in 0..2 {
        assert_each_read_gets_its_own(&client, &redis).await;
        assert_each_change_is_its_own(&client, &redis).await;
    }
}

/// As behind a proxy that spreads keys: to the client it is one server.
#[tokio::test]
async fn keys_in_different_places_go_alone() {
    let redis = require_server!(RedisServer::builder().line("cluster-enabled yes").start());
    redis.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).unwrap();
    until("all slots", || async { redis.command(&["CLUSTER", "INFO"]).unwrap().text().contains("cluster_state:ok") }).await;
    let client = RedisClient::connect(&redis.url()).await.unwrap();
    for _ in 0..2 {
        let client = &client.client;
        let read = |n| async move { client.get_along(&op(seconds(5)), if n == 0 { "a" } else { "b" }.into()).await };
        assert!(join_all((0..50).map(read)).await.into_iter().all(|read| read.unwrap().is_none()));
    }
    let script = Script::gathering(APPEND);
    let changes = (0..50).map(|n| append(&client, &script, ["a", "b"][n % 2], "x")).collect::<Vec<_>>();
    assert!(join_all(changes).await.into_iter().all(|change| change.is_ok()));
    for key in ["a", "b"] {
        assert_eq!(value(&client, key).await.unwrap().map(|all| all.len()), Some(25), "each once");
    }
}

#[tokio::test]
async fn calls_together_wait_no_longer_than_each_may() {
    let redis = require_server!(RedisServer::start());
    let client = RedisClient::connect(&redis.url()).await.unwrap();
    let script = Script::gathering(APPEND);
    append(&client, &script, "k", "x").await.unwrap();
    redis.stop();
    let (client, script) = (&client, &script);
    let calls = (0..20).map(|n| async move {
        let is_short = n % 2 == 0;
        let op = op(Duration::from_millis(if is_short { 200 } else { 1500 }));
        (is_short, client.client.run(&op, script, "k".into(), vec!["y".into()]).await.unwrap_err().kind())
    });
    let ended: Vec<_> = calls.collect::<FuturesUnordered<_>>().collect().await;
    assert!(ended.is_sorted_by_key(|(is_short, _)| !is_short), "none waits for one that may wait longer: {ended:?}");
    assert!(ended.iter().all(|(_, kind)| matches!(kind, ErrorKind::Timeout | ErrorKind::Interrupted)), "{ended:?}");
    redis.cont();
    until("the continuation", || works(client)).await;
    assert_eq!(value(client, "k").await.unwrap(), Some("x".into()), "what was given up arrived late and was refused");
}
