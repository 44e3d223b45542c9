//! Three processes behind a router of chance: kill -9, a bus that is cut, and a checker over what clients saw.

use std::{sync::Arc, time::Duration};

use http::Method;
use unstick_stories::{
    cache::{
        carts,
        counts::Counts,
        load::{Load, Mix, Nodes, key},
        source::{Changed, Source},
        wire::{Places, Processes},
    },
    stores::Server,
};
use unstick_testkit::{
    require_server,
    servers::{Mode, Proxy, RedisServer},
    staleness::{Ledger, Rules},
};

use crate::world::{ALIVE_FOR, CLAMP};

pub(crate) const NODE: &str = env!("CARGO_BIN_EXE_cache-node");
const REQUESTS: usize = 50_000;
const VICTIM: usize = 1;

/// Every node gets to the newest of each cart whose writes were all answered.
async fn agree(nodes: &Processes, source: &Source, ledger: &Ledger) {
    let begun = std::time::Instant::now();
    let certain: Vec<_> = carts().filter(|cart| ledger.is_certain(key(*cart))).collect();
    assert!(certain.len() > 10, "hardly a cart is certain");
    for (customer, kind) in certain {
        let newest = source.read(customer, kind).await.unwrap().to_string();
        for node in 0..nodes.count() {
            while nodes.ask(node, Method::GET, format!("/carts/{customer}/{kind}"), String::new()).await.unwrap().body != newest {
                assert!(begun.elapsed() < Duration::from_secs(30), "node {node} does not get to version {newest} of {customer} {kind}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn story(name: &str, places: Places, source: Source, bus: &Proxy, has_transactions: bool) {
    let nodes = Arc::new(Processes::start(NODE, places, &[1; 3]).unwrap());
    let load = Load::start(nodes.clone(), Mix { has_transactions, ..Mix::default() }, 7);
    let progress = load.progress.clone();
    progress.reaches(REQUESTS / 5).await;
    // right after it has acknowledged a write
    let before = progress.now();
    let acknowledged = loop {
        match progress.last_acknowledged(VICTIM, progress.now()).filter(|at| *at > before) {
            Some(at) => break at,
            None => tokio::task::yield_now().await,
        }
    };
    let mut totals = Counts::default();
    tokio::task::block_in_place(|| nodes.kill(VICTIM)).unwrap();
    let killed = progress.now();
    progress.goes_on(REQUESTS / 10).await;
    tokio::task::block_in_place(|| nodes.restart(VICTIM)).unwrap();
    progress.goes_on(REQUESTS / 10).await;

    bus.set(Mode::Refuse);
    bus.cut();
    let since = progress.now();
    while progress.now() < since + 3 * CLAMP {
        progress.goes_on(100).await;
    }
    bus.set(Mode::Pass);
    progress.goes_on(REQUESTS / 10).await;
    progress.reaches(REQUESTS).await;
    let (took, done, failed) = (progress.now(), progress.done(), progress.failed());
    let ledger = load.finish().await;
    for node in 0..nodes.count() {
        totals.add(&nodes.counts(node).await.unwrap());
    }
    let longest = ledger.reads().iter().map(|read| read.received - read.sent).max().unwrap_or_default();
    let verdict = ledger.judge(&Rules::new(ALIVE_FOR + longest));
    let told = format!(
        "{name}: {done} requests in {took:.1?}, {failed} failed, the longest {longest:?}; last acknowledgement {:?} before the kill; \
         hit rate {} %; {verdict}; {totals:?}",
        killed - acknowledged,
        totals.hit_rate()
    );
    println!("{told}");
    assert!(verdict.is_sound(), "{told}");
    assert!(totals.hit_rate() >= 80 && verdict.after_own > 0 && failed > 0, "{told}");
    assert!(totals.refused > 0 && totals.notices > 0 && totals.marks > 0 && totals.gaps > 0 && totals.cuts > 0, "{told}");
    // what the victim acknowledged just before is there
    let last = ledger.writes().iter().filter(|write| write.node == VICTIM && write.received <= killed).max_by_key(|write| write.received);
    let last = last.expect("an acknowledgement before the kill");
    let written = source.read(last.key / 4, last.key % 4).await.unwrap();
    assert!(written >= last.version, "{written} {last:?}");
    agree(&nodes, &source, &ledger).await;
    assert_eq!(source.write(Changed { customer: 0, kind: Some(0) }).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_processes_with_bus_and_level_in_redis() {
    let (bus, level) = (require_server!(RedisServer::start()), require_server!(RedisServer::start()));
    let (directory, proxy) = (tempfile::tempdir().unwrap(), Proxy::start(bus.port()).unwrap());
    let path = directory.path().join("carts.sqlite");
    let source = Source::sqlite(&path).await.unwrap();
    let places = Places { source: format!("sqlite:{}", path.display()), bus: proxy.url(&bus.url()), level: Some(level.url()) };
    story("3 processes, Redis bus and level", places, source, &proxy, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_processes_with_a_bus_in_postgres() {
    require_server!(Server::Postgres.ready());
    let url = Server::Postgres.place();
    let port = url.rsplit(':').next().and_then(|rest| rest.split('/').next()).and_then(|port| port.parse().ok()).unwrap();
    let proxy = Proxy::start(port).unwrap();
    let source = Source::postgres(&url).await.unwrap();
    let places = Places { source: url.clone(), bus: proxy.url(&url), level: None };
    story("3 processes, Postgres bus, no level", places, source, &proxy, true).await;
}
