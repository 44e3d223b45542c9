//! Redis and PostgreSQL with a Redis as witness, on real servers that hang, crash and come back while two nodes update one session.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use unstick_core::{Applied, Change, Created, Credential, Error, Fields, Loaded, OpCtx, OpId, Store, Timestamp};
use unstick_redis::{RedisClient, RedisStore};
use unstick_replicated::Replicated;
use unstick_sql::postgres::PostgresStore;
use unstick_testkit::{
    contract::{IDLE, Subject},
    require_server,
    servers::{PostgresServer, RedisServer},
};

type Node = Replicated<RedisStore, PostgresStore, RedisStore>;

const SECOND: Duration = Duration::from_secs(1);

static OPS: AtomicU64 = AtomicU64::new(1);

fn op() -> OpCtx {
    let (now, number) = (Timestamp::system_now(), u128::from(OPS.fetch_add(1, Ordering::Relaxed)));
    OpCtx { now, deadline: now + 60 * SECOND, op_id: OpId::from_u128(number << 64 | u128::from(std::process::id())) }
}

async fn redis(server: &RedisServer, prefix: &str) -> RedisStore {
    let client = RedisClient::builder(&server.url()).prefix(prefix).deadline(20 * SECOND).connect_timeout(20 * SECOND);
    RedisStore::new(&client.connect().await.unwrap()).unwrap()
}

async fn node(a: &RedisServer, b: &PostgresServer, w: &RedisServer) -> Node {
    let b = PostgresStore::builder(&b.url()).acquire_timeout(20 * SECOND).sweep_interval(Duration::ZERO).connect().await.unwrap();
    Replicated::builder(redis(a, "a:").await, b).witness(redis(w, "w:").await).patience(SECOND).build()
}

async fn fields(node: &Node, subject: &Subject) -> Result<Fields, Error> {
    match node.load(op(), subject.key, subject.presented, None).await? {
        Loaded::Live(live) => Ok(live.fields),
        other => panic!("the session is {other:?}"),
    }
}

fn count(fields: &Fields) -> u64 {
    fields.get("n").map_or(0, |field| String::from_utf8_lossy(&field.value).parse().unwrap())
}

/// Adds one, as the session layer's `update` does, until that is acknowledged; how many outcomes were unknown before. On a busy machine a
/// second store may seem to be away for a moment, which is no error of the pair: nothing acknowledged may be lost then either.
async fn increment(node: &Node, subject: &Subject, outage: Outage) -> u64 {
    let mut unknown = 0;
    loop {
        let Ok(before) = fields(node, subject).await else { continue };
        let change = Change::new().set("n", (count(&before) + 1).to_string()).expect("n", before.version("n"));
        match node.apply(op(), subject.key, subject.presented, &change).await {
            Ok(Applied::Done { .. }) => return unknown,
            Ok(Applied::Conflict(_)) => {}
            Ok(other) => panic!("{outage:?}: the increment was answered {other:?}"),
            Err(error) => unknown += u64::from(error.is_outcome_unknown()),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Outage {
    HangA,
    CrashA,
    ForgetA,
    HangB,
    CrashB,
    CrashWitness,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_of_thirty_two_while_a_store_goes_down_and_comes_back() {
    tokio::time::timeout(600 * SECOND, outages()).await.expect("the nodes do not get on");
}

async fn outages() {
    let a = Arc::new(require_server!(RedisServer::start()));
    let w = Arc::new(require_server!(RedisServer::start()));
    let b = Arc::new(require_server!(PostgresServer::start()));
    let nodes = [node(&a, &b, &w).await, node(&a, &b, &w).await];
    for outage in [Outage::HangA, Outage::CrashA, Outage::ForgetA, Outage::HangB, Outage::CrashB, Outage::CrashWitness] {
        let now = Timestamp::system_now();
        let subject = Subject::from(Credential::issue(now, now + IDLE, now + IDLE).unwrap());
        let (first, new) = (op(), subject.new_record(Some("ann"), Fields::default()));
        while nodes[0].create(first, subject.key, &new).await.ok() != Some(Created::Done) {}

        let done = Arc::new(AtomicU64::new(0));
        let writers: Vec<_> = (0..4)
            .map(|n| {
                let (node, done) = (nodes[n % 2].clone(), done.clone());
                tokio::spawn(async move {
                    let mut unknown = 0;
                    for _ in 0..8 {
                        unknown += increment(&node, &subject, outage).await;
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    unknown
                })
            })
            .collect();
        let until = |so_many: u64| {
            let done = done.clone();
            async move {
                while done.load(Ordering::Relaxed) < so_many {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        };
        until(8).await;
        let servers = (a.clone(), b.clone(), w.clone());
        tokio::task::spawn_blocking(move || match outage {
            Outage::HangA => servers.0.stop(),
            Outage::CrashA => servers.0.kill(),
            Outage::ForgetA => drop(servers.0.command(&["FLUSHALL"]).unwrap()),
            Outage::HangB => servers.1.stop(),
            Outage::CrashB => servers.1.kill(),
            Outage::CrashWitness => servers.2.kill(),
        })
        .await
        .unwrap();
        until(20).await;
        let servers = (a.clone(), b.clone(), w.clone());
        tokio::task::spawn_blocking(move || match outage {
            Outage::HangA => servers.0.cont(),
            Outage::CrashA => servers.0.restart(),
            Outage::ForgetA => {}
            Outage::HangB => servers.1.cont(),
            Outage::CrashB => servers.1.restart(),
            Outage::CrashWitness => servers.2.restart(),
        })
        .await
        .unwrap();
        let mut unknown = 0;
        for writer in writers {
            unknown += writer.await.unwrap();
        }
        for node in &nodes {
            let seen = loop {
                if let Ok(fields) = fields(node, &subject).await {
                    break count(&fields);
                }
            };
            assert!((32..=32 + unknown).contains(&seen), "{outage:?}: {seen} of 32, and {unknown} unknown");
        }
        println!("{outage:?}: 32 of 32, and {unknown} unknown");
        while nodes[0].end(op(), subject.key, Some(subject.presented), now + IDLE * 2).await.is_err() {}
        let loaded = loop {
            if let Ok(loaded) = nodes[1].load(op(), subject.key, subject.presented, None).await {
                break loaded;
            }
        };
        assert!(matches!(loaded, Loaded::Ended { .. }), "{outage:?}: {loaded:?}");
    }

    // What was missed is copied, and then either store may be lost with all that it had.
    for _ in 0..1200 {
        if nodes.iter().all(|node| node.missed() == 0) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(nodes.each_ref().map(|node| node.missed()), [0, 0]);
}
