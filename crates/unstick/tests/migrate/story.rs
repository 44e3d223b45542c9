//! A shop changes its store while people use it: node by node, twice, and the old store is switched off at the end.

use std::{
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Path,
    http::{Request, StatusCode},
    routing::get,
};
use unstick::{
    Events, Key, KeyRing,
    core::{ErrorKind, EventKind, Store},
    memory::MemoryStore,
    session::{Session, SessionError, SessionLayer},
    store::migrate::{Migrate, Step},
};
use unstick_testkit::{
    client::{Jar, call},
    faults::{Fault, FaultStore},
    observe::EventLog,
};

const NODES: usize = 3;
const CLIENTS: usize = 6;

/// Nodes behind an address each; what answers there is replaced while requests come in.
struct Fleet {
    nodes: Vec<RwLock<Router>>,
    log: Arc<EventLog>,
    answered: AtomicU64,
    over: AtomicBool,
}

async fn count(session: Session) -> Result<String, SessionError> {
    let count = session.update("count", |count: Option<u64>| Some(count.unwrap_or(0) + 1)).await?;
    Ok(count.unwrap_or(0).to_string())
}

async fn who(session: Session) -> Result<String, SessionError> {
    let count = session.get::<u64>("count").await?.unwrap_or(0);
    Ok(format!("{} {count}", session.principal().await?.as_deref().unwrap_or("nobody")))
}

async fn login(session: Session, Path(user): Path<String>) -> Result<&'static str, SessionError> {
    session.promote(user).await?;
    Ok("hello")
}

fn node(store: impl Store, log: &Arc<EventLog>) -> Router {
    let events = Events::new("node").observer(Arc::clone(log));
    let keys = KeyRing::new(Key::from_bytes([3; 32]).unwrap());
    let layer = SessionLayer::keyed(store, keys).deadline(Duration::from_secs(30)).events(events).build().unwrap();
    Router::new().route("/count", get(count)).route("/who", get(who)).route("/login/{user}", get(login)).layer(layer)
}

impl Fleet {
    /// All nodes, one after the other, while the clients go on.
    async fn roll<S: Store>(&self, mut store: impl FnMut() -> S) {
        for place in &self.nodes {
            *place.write().unwrap() = node(store(), &self.log);
            let enough = self.answered.load(Ordering::Relaxed) + 100;
            while self.answered.load(Ordering::Relaxed) < enough {
                tokio::task::yield_now().await;
            }
        }
    }

    async fn send(&self, index: u64, jar: &mut Jar, path: &str) -> String {
        let router = self.nodes[usize::try_from(index).unwrap() % NODES].read().unwrap().clone();
        let request = Request::get(format!("https://shop.example{path}")).body(Body::empty()).unwrap();
        let response = call(jar, router, request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let body = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        self.answered.fetch_add(1, Ordering::Relaxed);
        body
    }
}

/// Two requests at once, again and again, on changing nodes; returns how many of its counts were acknowledged.
async fn shop(fleet: Arc<Fleet>, user: String, mut jar: Jar) -> (u64, Jar) {
    let mut acknowledged = 0;
    while !fleet.over.load(Ordering::Relaxed) {
        let mut second = jar.clone();
        let (one, two) = tokio::join!(fleet.send(acknowledged, &mut jar, "/count"), fleet.send(acknowledged + 1, &mut second, "/count"));
        assert_ne!(one, two, "two updates, one count");
        acknowledged += 2;
        let seen = fleet.send(acknowledged + 2, &mut jar, "/who").await;
        assert_eq!(seen, format!("{user} {acknowledged}"));
        tokio::task::yield_now().await;
    }
    (acknowledged, jar)
}

async fn change_stores<Old: Store, New: Store>(old: FaultStore<Old>, new: FaultStore<New>) {
    let log = Arc::new(EventLog::default());
    let nodes = (0..NODES).map(|_| RwLock::new(node(old.clone(), &log))).collect();
    let fleet = Arc::new(Fleet { nodes, log: Arc::clone(&log), answered: AtomicU64::new(0), over: AtomicBool::new(false) });

    // Everybody logs in under the old store; some then look away until it is almost gone.
    let (mut busy, mut away) = (Vec::new(), Vec::new());
    for client in 0..CLIENTS * 2 {
        let (user, mut jar) = (format!("user-{client}"), Jar::new());
        fleet.send(0, &mut jar, &format!("/login/{user}")).await;
        if client % 2 == 0 {
            busy.push(tokio::spawn(shop(Arc::clone(&fleet), user, jar)));
        } else {
            away.push((user, jar));
        }
    }
    let migrate =
        |step| Migrate::new(old.clone(), new.clone(), step).quiet(Duration::ZERO).events(Events::new("node").observer(log.clone()));
    fleet.roll(|| migrate(Step::PreferOld)).await;
    assert_eq!(log.count(EventKind::SessionMoved), 0, "not before every node knows where to look");
    fleet.roll(|| migrate(Step::Move)).await;
    for (user, jar) in &mut away {
        assert_eq!(fleet.send(1, jar, "/who").await, format!("{user} 0"));
    }
    assert_eq!(log.count(EventKind::SessionMoved), CLIENTS * 2, "every session, and each once");

    old.always_all(Fault::FailBefore(ErrorKind::Unavailable));
    fleet.roll(|| new.clone()).await;
    old.forget_calls();
    fleet.over.store(true, Ordering::Relaxed);
    for (client, task) in busy.into_iter().enumerate() {
        let (acknowledged, mut jar) = task.await.unwrap();
        assert!(acknowledged > 20, "{acknowledged} counts prove nothing");
        assert_eq!(fleet.send(2, &mut jar, "/who").await, format!("user-{} {acknowledged}", client * 2));
    }
    for (user, jar) in &mut away {
        assert_eq!(fleet.send(2, jar, "/who").await, format!("{user} 0"));
    }
    assert_eq!(old.all_calls(), 0, "the old store is not asked any more");
    for lost in [EventKind::SessionLost, EventKind::SessionSuperseded, EventKind::CommitFailed, EventKind::ChangeRefused] {
        assert_eq!(log.count(lost), 0, "{lost:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_memory_to_memory() {
    change_stores(FaultStore::new(MemoryStore::new()), FaultStore::new(MemoryStore::new())).await;
}

#[cfg(all(feature = "sqlite", feature = "redis"))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_sqlite_to_redis() {
    use unstick::{redis::RedisStore, sql::sqlite::SqliteStore};
    use unstick_testkit::{require_server, servers::RedisServer};

    let server = require_server!(RedisServer::start());
    let directory = tempfile::tempdir().unwrap();
    let (file, server) = (format!("sqlite:{}", directory.path().join("sessions.sqlite").display()), server.url());
    let old = SqliteStore::connect(&file).await.unwrap();
    let new = RedisStore::connect(&server).await.unwrap();
    change_stores(FaultStore::new(old), FaultStore::new(new)).await;
}
