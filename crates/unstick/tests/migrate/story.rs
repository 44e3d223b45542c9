//! A shop changes its store while people use it: node by node, twice, and the old store is switched off at the end.

use std::{
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, routing::get};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;
use unstick::{
    Events, Key, KeyRing,
    core::{ErrorKind, EventKind, Store},
    memory::MemoryStore,
    session::{Session, SessionError, SessionLayer},
    store::migrate::{Migrate, Step},
};
use unstick_testkit::{
    client::Jar,
    faults::{Fault, FaultStore},
    observe::EventLog,
};

const NODES: usize = 3;
const CLIENTS: usize = 8;

/// Nodes behind an address each; what answers there is replaced while requests come in.
struct Fleet {
    nodes: Vec<RwLock<Router>>,
    log: Arc<EventLog>,
    requests: AtomicU64,
}

async fn count(session: Session) -> Result<String, SessionError> {
    let count = session.update("count", |count: Option<u64>| Some(count.unwrap_or(0) + 1)).await?;
    Ok(count.unwrap_or(0).to_string())
}

async fn who(session: Session) -> Result<String, SessionError> {
    let count = session.get::<u64>("count").await?.unwrap_or(0);
    Ok(format!("{} {count}", session.principal().await?.as_deref().unwrap_or("nobody")))
}

async fn login(session: Session, axum::extract::Path(user): axum::extract::Path<String>) -> Result<&'static str, SessionError> {
    session.promote(&user).await?;
    Ok("hello")
}

fn node(store: impl Store, log: &Arc<EventLog>) -> Router {
    let events = Events::new("node").observer(Arc::clone(log));
    let layer = SessionLayer::keyed(store, KeyRing::new(Key::from_bytes([3; 32]).unwrap())).deadline(Duration::from_secs(30));
    let routes = Router::new().route("/count", get(count)).route("/who", get(who)).route("/login/{user}", get(login));
    routes.layer(layer.events(events).build().unwrap())
}

impl Fleet {
    fn replace(&self, index: usize, store: impl Store) {
        *self.nodes[index].write().unwrap() = node(store, &self.log);
    }

    async fn send(&self, index: usize, jar: &mut Jar, path: &str) -> (StatusCode, String) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let router = self.nodes[index % NODES].read().unwrap().clone();
        let url = format!("https://shop.example{path}");
        let request = Request::get(&url).header("cookie", jar.header(&url)).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        for line in response.headers().get_all("set-cookie") {
            jar.set(&url, line.to_str().unwrap());
        }
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }
}
