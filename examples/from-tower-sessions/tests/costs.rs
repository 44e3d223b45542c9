//! What the bridge costs: the figures of the guide, as calls of the two stores.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body};
use example_from_tower_sessions::{
    bridge::{self, Bridge},
    moving::{Moving, Step},
    new, old,
};
use http::{Request, StatusCode};
use tower_sessions::{
    SessionStore,
    session::{Id, Record},
    session_store::Result,
};
use unstick::{Key, KeyRing, Lifetimes, memory::MemoryStore, session::SessionLayer};
use unstick_testkit::{
    client::{Jar, call},
    faults::FaultStore,
};

const LIFETIMES: Lifetimes = Lifetimes::new().idle(Duration::from_secs(14 * 24 * 3600));

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// The old store as the bridge sees it, which counts. The old application has the same store uncounted: what it costs is as before.
#[derive(Debug, Clone, Default)]
struct Counted {
    inner: tower_sessions::MemoryStore,
    calls: Arc<AtomicU64>,
}

impl Counted {
    fn counted(&self) -> &tower_sessions::MemoryStore {
        self.calls.fetch_add(1, Ordering::Relaxed);
        &self.inner
    }
}

impl SessionStore for Counted {
    fn save<'s, 'r, 'a>(&'s self, record: &'r Record) -> Answer<'a, ()>
    where
        's: 'a,
        'r: 'a,
    {
        self.counted().save(record)
    }

    fn load<'s, 'i, 'a>(&'s self, id: &'i Id) -> Answer<'a, Option<Record>>
    where
        's: 'a,
        'i: 'a,
    {
        self.counted().load(id)
    }

    fn delete<'s, 'i, 'a>(&'s self, id: &'i Id) -> Answer<'a, ()>
    where
        's: 'a,
        'i: 'a,
    {
        self.counted().delete(id)
    }
}

struct Stores {
    old: Counted,
    new: FaultStore<MemoryStore>,
    keys: KeyRing,
}

impl Stores {
    fn bridge(&self, step: Step) -> Router {
        let layer = SessionLayer::new(self.new.clone(), self.keys.clone()).lifetimes(LIFETIMES).build().unwrap();
        let moving = Moving { step, old: self.old.clone(), new: self.new.clone(), lifetimes: LIFETIMES };
        let sealer = self.keys.for_purpose("cookie:__Host-id");
        bridge::app(Bridge { old: old::app(self.old.inner.clone()), new: new::app(layer), moving, sealer })
    }

    /// Calls of the old store by the bridge, and of the new store by anybody, for one request.
    async fn cost(&self, node: &Router, jar: &mut Jar, request: &str) -> (u64, u64) {
        let before = (self.old.calls.load(Ordering::Relaxed), self.new.all_calls());
        send(node, jar, request).await;
        (self.old.calls.load(Ordering::Relaxed) - before.0, self.new.all_calls() - before.1)
    }
}

async fn send(node: &Router, jar: &mut Jar, request: &str) {
    let (method, path) = request.split_once(' ').unwrap();
    let request = Request::builder().method(method).uri(format!("https://shop.example{path}")).body(Body::empty()).unwrap();
    assert_eq!(call(jar, node.clone(), request).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn requests_cost_what_the_guide_says() {
    let stores = Stores { old: Counted::default(), new: FaultStore::new(MemoryStore::new()), keys: KeyRing::new(Key::generate().unwrap()) };
    let mut ann = Jar::new();
    send(&old::app(stores.old.inner.clone()), &mut ann, "POST /cart").await;

    let prefers_old = stores.bridge(Step::PreferOld);
    assert_eq!(stores.cost(&prefers_old, &mut ann, "GET /cart").await, (0, 1), "it asks whether the session has moved");
    let moves = stores.bridge(Step::Move);
    assert_eq!(stores.cost(&moves, &mut ann, "GET /cart").await, (1, 2 + 1), "it moves, and the handler reads");
    assert_eq!(stores.cost(&moves, &mut ann, "GET /cart").await, (0, 1), "a read");
    assert_eq!(stores.cost(&prefers_old, &mut ann, "GET /cart").await, (0, 1), "the same on the step before");
    assert_eq!(stores.cost(&moves, &mut ann, "POST /leave").await, (1, 1), "a logout");
}
