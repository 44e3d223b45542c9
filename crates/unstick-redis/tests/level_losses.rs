//! The server loses keys of a level, and its scripts, between any two steps: never does an old value come back.

mod level_common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use level_common::{WANT, fresh_prefix, level_at, op, value};
use unstick_core::{ErrorKind, Filled, Held, Level, LevelKey, LevelValue, Looked, Target};
use unstick_redis::RedisLevel;
use unstick_testkit::{
    require_server,
    servers::{RedisCluster, RedisServer},
};

const KEYS: usize = 3;
const TAGS: [&str; 2] = ["t", "u"];

/// What is loaded, and what every reader must know by now.
#[derive(Default)]
struct Truth {
    source: [AtomicU64; KEYS],
    floor: [AtomicU64; KEYS],
    found: AtomicU64,
    filled: AtomicU64,
    refused: AtomicU64,
}

impl Truth {
    fn check(&self, key: usize, floor: u64, value: &LevelValue) {
        let number: u64 = std::str::from_utf8(&value.bytes).unwrap().parse().unwrap();
        assert!(number >= floor, "key {key}: {number} was read after the invalidation of {floor} was answered");
        self.found.fetch_add(1, Ordering::Relaxed);
    }

    /// Reads, and loads when there is nothing.
    async fn read(&self, level: &RedisLevel, turn: usize) {
        let (key, name) = (turn % KEYS, LevelKey::from(&*format!("k{}", turn % KEYS)));
        let floor = self.floor[key].load(Ordering::SeqCst);
        match level.read_or_lease(op(), &name, &WANT).await {
            Ok(Looked::Found(value)) => self.check(key, floor, &value),
            Ok(Looked::Leased { token, start, stale }) => {
                stale.inspect(|value| self.check(key, floor, value));
                let number = self.source[key].load(Ordering::SeqCst).to_string();
                tokio::task::yield_now().await;
                let value = LevelValue { bytes: number.into(), ..value("", if turn.is_multiple_of(2) { &TAGS } else { &TAGS[..1] }) };
                match level.fill(op(), &name, Held { schema: 1, token, start }, &value).await.unwrap() {
                    Filled::Done { .. } => self.filled.fetch_add(1, Ordering::Relaxed),
                    _ => self.refused.fetch_add(1, Ordering::Relaxed),
                };
            }
            Ok(Looked::Held { stale, .. }) => _ = stale.inspect(|value| self.check(key, floor, value)),
            Ok(other) => panic!("{other:?}"),
            // void, and filled again, over and over
            Err(error) => assert_eq!(error.kind(), ErrorKind::Contended),
        }
        let floor = self.floor[key].load(Ordering::SeqCst);
        level.read(op(), &name, 1).await.unwrap().inspect(|value| self.check(key, floor, value));
    }

    async fn write(&self, level: &RedisLevel, turn: usize) {
        let key = turn % KEYS;
        let number = self.source[key].fetch_add(1, Ordering::SeqCst) + 1;
        let target = match turn % 7 {
            0 | 1 => Target::Key(LevelKey::from(&*format!("k{key}"))),
            2 => Target::All,
            _ => Target::Tag(TAGS[0].into()),
        };
        level.invalidate(op(), &target).await.unwrap();
        self.floor[key].fetch_max(number, Ordering::SeqCst);
    }
}

/// Ends the thief, also when something old came back.
struct Over(Arc<AtomicBool>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn nothing_old_comes_back(url: &str, lose: impl Fn(&str) + Send + 'static) {
    let prefix = fresh_prefix();
    let (truth, over) = (Arc::new(Truth::default()), Arc::new(AtomicBool::new(false)));
    let mut tasks = vec![];
    for task in 0..6 {
        let (truth, level) = (truth.clone(), level_at(url, &prefix).await);
        tasks.push(tokio::spawn(async move {
            for turn in 0..400 {
                if task < 4 {
                    truth.read(&level, turn * 5 + task).await
                } else {
                    truth.write(&level, turn + task).await
                }
                if task >= 4 {
                    tokio::time::sleep(Duration::from_millis(1)).await; // so that there is something to find
                }
            }
        }));
    }
    let thief = {
        let over = over.clone();
        tokio::task::spawn_blocking(move || {
            let places = ["c:meta", "t:{t}", "t:{u}", "c:{k0}", "scripts"];
            for turn in 0.. {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let place = places[turn % places.len()];
                lose(&if place == "scripts" { place.to_owned() } else { format!("{prefix}{place}") });
                std::thread::sleep(Duration::from_millis(3));
            }
        })
    };
    let over = Over(over);
    for task in tasks {
        task.await.unwrap();
    }
    drop(over);
    thief.await.unwrap();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let counts = (count(&truth.found), count(&truth.filled), count(&truth.refused));
    println!("found {}, filled {}, refused {}", counts.0, counts.1, counts.2);
    assert!(counts.0 > 0 && counts.1 > 0 && counts.2 > 0, "{counts:?} prove nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server() {
    let redis = require_server!(RedisServer::start());
    let url = redis.url();
    let lose = move |place: &str| {
        let command: &[&str] = if place == "scripts" { &["SCRIPT", "FLUSH"] } else { &["DEL", place] };
        redis.command(command).unwrap();
    };
    nothing_old_comes_back(&url, lose).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster() {
    let cluster = require_server!(RedisCluster::start());
    let url = cluster.url();
    let lose = move |place: &str| {
        for master in &cluster.nodes()[..3] {
            let command: &[&str] = if place == "scripts" { &["SCRIPT", "FLUSH"] } else { &["DEL", place] };
            _ = master.command(command); // a key belongs to one of them
        }
    };
    nothing_old_comes_back(&url, lose).await;
}
