//! A process that loads a value for all others is killed: one other node takes its place, and everybody gets the value.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use unstick_cache::{Cache, Namespace};
use unstick_redis::{RedisBus, RedisClient, RedisLevel};
use unstick_testkit::{require_server, servers::RedisServer};

/// Where the child finds its server.
const CHILD: &str = "UNSTICK_CACHE_HOLDER";
const LOADING: &str = "the holder is loading";

async fn node(url: &str) -> Cache<u64, u64> {
    let client = RedisClient::connect(url).await.unwrap();
    let (level, bus) = (RedisLevel::new(&client).unwrap(), RedisBus::new(&client).unwrap());
    let namespace = Namespace::builder("shop").level(level).bus(bus).build().await.unwrap();
    // for as long as a busy machine may take
    let times = |seconds| Duration::from_secs(seconds);
    let things = namespace.cache("things").ttl(times(3600)).hard_timeout(times(120)).load_limit(times(120));
    things.lease(times(5)).shared().build().unwrap()
}

struct Holder(Child);

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill(); // SIGKILL; already dead is fine
        let _ = self.0.wait();
    }
}

/// Starts a process, and waits until it loads.
fn holder(url: &str) -> Holder {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env(CHILD, url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let holder = Holder(child);
    let is_loading = lines.map_while(Result::ok).any(|line| line.contains(LOADING));
    assert!(is_loading, "the child ended without a load");
    holder
}

/// What runs in the process that is killed; nothing in a usual run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(url) = std::env::var(CHILD) else { return };
    let things = node(&url).await;
    let never = || async {
        println!("{LOADING}");
        std::io::stdout().flush().unwrap();
        std::future::pending::<Result<u64, std::io::Error>>().await
    };
    drop(things.get_or_load(7, never).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_is_killed_is_replaced_once() {
    let redis = require_server!(RedisServer::start());
    let url = redis.url();
    let nodes = join_all((0..3).map(|_| node(&url))).await;
    let started = url.clone();
    let holder = tokio::task::spawn_blocking(move || holder(&started)).await.unwrap();

    let loads = Arc::new(AtomicU64::new(0));
    let mut waiting = Vec::new();
    for things in &nodes {
        for _ in 0..100 {
            let (things, loads) = (things.clone(), loads.clone());
            waiting.push(tokio::spawn(async move {
                let load = move || async move {
                    loads.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    Ok::<_, std::io::Error>(1)
                };
                things.get_or_load(7, load).await
            }));
        }
    }
    let all_wait = || nodes.iter().all(|things| things.stats().misses == 100);
    while !all_wait() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(loads.load(Ordering::SeqCst), 0, "somebody else holds the lease");
    drop(holder);
    for answer in join_all(waiting).await {
        assert_eq!(answer.unwrap().unwrap(), 1);
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1, "one retry over three nodes");
    assert_eq!(nodes.iter().map(|things| things.stats().level_hits).sum::<u64>(), 2);
}
