//! Nodes over one store, each with faults of its own, and clients that keep cookies.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Query, routing::get};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use tower::ServiceExt;
use unstick_core::{BoxFuture, ErrorKind, Events, Key, KeyRing, Lifetimes, Runtime, Store};
use unstick_memory::MemoryStore;
use unstick_session::{
    Session, SessionError, SessionLayer, Status,
    lifeboat::{Decision, Lifeboat, Offer},
};
use unstick_sql::sqlite::SqliteStore;
use unstick_stories::{cookies, keep};
use unstick_testkit::{
    client::Jar,
    clock::ManualClock,
    faults::{Fault, FaultStore, Op},
    observe::EventLog,
};

/// By the clock that the tests move: real time is never waited for.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
pub(crate) const MAX_SIZE: usize = 256 * 1024;
pub(crate) const BOAT: &str = "__Host-id-lifeboat";
pub(crate) const DOWN: Fault = Fault::FailBefore(ErrorKind::Unavailable);
/// Every way in which a write can fail, and whether it was done all the same.
pub(crate) const WRITES: [(Fault, bool); 5] = [
    (DOWN, false),
    (Fault::FailBefore(ErrorKind::Timeout), false),
    (Fault::FailAfter(ErrorKind::Interrupted), true),
    (Fault::Hang, false),
    (Fault::AnswerLate, true),
];

/// The switch of a store with faults, whatever store that is.
pub(crate) trait Faults: Send + Sync {
    fn always(&self, op: Op, fault: Fault);
    fn next(&self, op: Op, fault: Fault);
    fn down(&self, fault: Fault);
    fn heal(&self);
    fn release(&self);
    fn until_held(&self) -> BoxFuture<'_, ()>;
    fn calls(&self) -> u64;
}

impl<S: Store> Faults for FaultStore<S> {
    fn always(&self, op: Op, fault: Fault) {
        Self::always(self, op, fault);
    }

    fn next(&self, op: Op, fault: Fault) {
        Self::next(self, op, fault);
    }

    fn down(&self, fault: Fault) {
        self.always_all(fault);
    }

    fn heal(&self) {
        Self::heal(self);
    }

    fn release(&self) {
        Self::release(self);
    }

    fn until_held(&self) -> BoxFuture<'_, ()> {
        Box::pin(Self::until_held(self, 1))
    }

    fn calls(&self) -> u64 {
        self.all_calls()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Memory,
    Sqlite,
}

/// Tells stories, given as `async fn(Kind)`, on a store in memory and on one in a file.
macro_rules! on_both {
    ($($story:ident;)*) => {$(
        mod $story {
            #[tokio::test]
            async fn memory() {
                super::$story(crate::world::Kind::Memory).await;
            }
            #[tokio::test]
            async fn sqlite() {
                super::$story(crate::world::Kind::Sqlite).await;
            }
        }
    )*};
}
pub(crate) use on_both;

#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) faults: Arc<dyn Faults>,
    router: Router,
    clock: ManualClock,
}

pub(crate) struct World {
    pub(crate) clock: ManualClock,
    pub(crate) log: Arc<EventLog>,
    pub(crate) nodes: Vec<Node>,
    kind: Kind,
    pub(crate) memory: Arc<MemoryStore>,
    directory: tempfile::TempDir,
}

pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Told {
    /// `Set-Cookie` lines of a cookie.
    pub(crate) fn lines(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.get_all("set-cookie").iter().filter_map(|line| line.to_str().ok());
        lines.filter(|line| line.split('=').next() == Some(name)).collect()
    }
}

pub(crate) fn key(byte: u8) -> Key {
    Key::from_bytes([byte; 32]).unwrap()
}

pub(crate) fn ring() -> KeyRing {
    KeyRing::new(key(7))
}

/// A cart, a wish, and a queue whose two versions are joined.
pub(crate) fn lifeboat(keys: KeyRing) -> Lifeboat {
    Lifeboat::new(keys).field("cart").field("wish").field_merged_by("queue", joined)
}

pub(crate) fn joined(offer: &Offer<'_>) -> Decision {
    let read = |bytes: Option<&[u8]>| bytes.map(|bytes| serde_json::from_slice::<Vec<String>>(bytes).unwrap()).unwrap_or_default();
    let mut all = read(offer.stored);
    all.extend(read(offer.carried));
    Decision::Take(serde_json::to_vec(&all).unwrap().into())
}

impl World {
    /// Two nodes.
    pub(crate) async fn new(kind: Kind) -> Self {
        let clock = ManualClock::default();
        let memory = Arc::new(MemoryStore::builder().runtime(Runtime::custom(clock.clone())).build());
        let log = Arc::new(EventLog::default());
        let mut world = Self { clock, log, nodes: Vec::new(), kind, memory, directory: tempfile::tempdir().unwrap() };
        for _ in 0..2 {
            let keys = KeyRing::new(key(7));
            world.add(keys.clone(), Some(lifeboat(keys))).await;
        }
        world
    }

    /// One more node, of another release perhaps.
    pub(crate) async fn add(&mut self, keys: KeyRing, lifeboat: Option<Lifeboat>) -> usize {
        let clock = self.clock.clone();
        let (faults, layer): (Arc<dyn Faults>, SessionLayer) = match self.kind {
            Kind::Memory => {
                let store = FaultStore::new(self.memory.clone());
                (Arc::new(store.clone()), self.layer(store, keys, lifeboat, MAX_SIZE))
            }
            Kind::Sqlite => {
                let path = self.directory.path().join("sessions.sqlite");
                let store = SqliteStore::builder("").path(path).busy_timeout(Duration::from_secs(20)).connect().await.unwrap();
                let store = FaultStore::new(store);
                (Arc::new(store.clone()), self.layer(store, keys, lifeboat, MAX_SIZE))
            }
        };
        self.nodes.push(Node { faults, router: routes().layer(layer), clock });
        self.nodes.len() - 1
    }

    fn layer(&self, store: impl Store, keys: KeyRing, lifeboat: Option<Lifeboat>, max_size: usize) -> SessionLayer {
        let builder = SessionLayer::keyed(store, keys)
            .runtime(Runtime::custom(self.clock.clone()))
            .deadline(DEADLINE)
            .max_size(max_size)
            .lifetimes(Lifetimes::new().idle(Duration::from_secs(7200)))
            .events(Events::new("node").observer(self.log.clone()));
        let builder = match lifeboat {
            Some(lifeboat) => builder.lifeboat(lifeboat.lifetime(Duration::from_secs(7200))),
            None => builder,
        };
        builder.build().unwrap()
    }

    /// One more node over the store in memory, with handlers and a limit of its own.
    pub(crate) fn beside<S: Store + Clone>(&mut self, store: FaultStore<S>, routes: Router, lifeboat: Lifeboat, max_size: usize) -> usize {
        let layer = self.layer(store.clone(), ring(), Some(lifeboat), max_size);
        self.nodes.push(Node { faults: Arc::new(store), router: routes.layer(layer), clock: self.clock.clone() });
        self.nodes.len() - 1
    }

    pub(crate) fn client(&self) -> Client {
        Client { nodes: self.nodes.clone(), jar: Jar::default() }
    }

    /// The backend goes away from every node.
    pub(crate) fn down(&self, fault: Fault) {
        self.nodes.iter().for_each(|node| node.faults.down(fault));
    }

    pub(crate) fn heal(&self) {
        for node in &self.nodes {
            node.faults.heal();
            node.faults.release();
        }
    }

    pub(crate) fn calls(&self) -> u64 {
        self.nodes.iter().map(|node| node.faults.calls()).sum()
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

/// A client; a clone begins with the same cookies.
#[derive(Clone)]
pub(crate) struct Client {
    nodes: Vec<Node>,
    pub(crate) jar: Jar,
}

impl Client {
    pub(crate) async fn get(&mut self, node: usize, path: &str) -> Told {
        let told = self.send(node, path).await;
        self.keep(&told);
        told
    }

    /// The answer to a request that must succeed.
    pub(crate) async fn ok(&mut self, node: usize, path: &str) -> String {
        let told = self.get(node, path).await;
        assert_eq!(told.status, 200, "{path}: {}", told.body);
        told.body
    }

    /// Sends a request, and lets time pass for operations that hang; the answer's cookies are left to [`keep`](Self::keep).
    pub(crate) async fn send(&self, node: usize, path: &str) -> Told {
        let node = self.nodes[node].clone();
        let cookie = cookies(&self.jar);
        let request = Request::builder().uri(path).header("cookie", cookie).body(Body::empty()).unwrap();
        let router = node.router.clone();
        let mut response = tokio::spawn(async move { router.oneshot(request).await.unwrap() });
        let held = async || {
            node.faults.until_held().await;
            while node.clock.sleepers() == 0 {
                tokio::task::yield_now().await;
            }
        };
        let response = loop {
            tokio::select! {
                response = &mut response => break response.unwrap(),
                () = held() => node.clock.advance(DEADLINE),
            }
        };
        tell(response).await
    }

    /// As [`send`](Self::send), with time left to the test.
    pub(crate) async fn send_in_time(&self, node: usize, path: &str) -> Told {
        let request = Request::builder().uri(path).header("cookie", cookies(&self.jar)).body(Body::empty()).unwrap();
        tell(self.nodes[node].router.clone().oneshot(request).await.unwrap()).await
    }

    pub(crate) fn keep(&mut self, told: &Told) {
        keep(&mut self.jar, &told.headers);
    }

    pub(crate) fn boat(&self) -> Option<String> {
        self.jar.get(BOAT).map(|cookie| cookie.text().into_owned())
    }

    /// As a thief or a browser with a backup: the present credential with an older lifeboat.
    pub(crate) fn with_boat(&self, boat: &str) -> Self {
        let mut client = self.clone();
        let uri = "https://localhost/".parse().unwrap();
        client.jar.set(&uri, format!("{BOAT}={boat}; Path=/; Secure")).unwrap();
        client
    }

    /// What the session is to a handler that reads its cart.
    pub(crate) async fn cart(&mut self, node: usize) -> String {
        self.ok(node, "/cart").await
    }
}

async fn tell(response: http::Response<Body>) -> Told {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Told { status: parts.status.as_u16(), headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() }
}

type Params = Query<std::collections::HashMap<String, String>>;

pub(crate) fn routes() -> Router {
    async fn cart(session: Session) -> Result<String, SessionError> {
        let cart: Vec<String> = session.get("cart").await?.unwrap_or_default();
        let principal = session.principal().await?;
        Ok(format!("{} {} [{}]", session.status().as_str(), principal.as_deref().unwrap_or("-"), cart.join(" ")))
    }

    /// Adds to a list with `update`, which reads first.
    async fn add(session: Session, params: Params) -> Result<String, SessionError> {
        let mut status = Status::New;
        for (key, item) in params.0 {
            session.update(&key, |list: Option<Vec<String>>| Some(list.into_iter().flatten().chain([item.clone()]).collect())).await?;
            status = session.status();
        }
        Ok(status.as_str().to_owned())
    }

    /// Sets lists of one, without reading.
    async fn put(session: Session, params: Params) -> Result<&'static str, SessionError> {
        params.0.iter().try_for_each(|(key, item)| session.insert(key, &[item])).map(|()| "put")
    }

    async fn saved(session: Session, params: Params) -> Result<String, SessionError> {
        params.0.iter().try_for_each(|(key, item)| session.insert(key, &[item]))?;
        session.save().await?;
        Ok(session.status().as_str().to_owned())
    }

    async fn take(session: Session, params: Params) -> Result<&'static str, SessionError> {
        params.0.keys().try_for_each(|key| session.remove(key)).map(|()| "taken")
    }

    async fn list(session: Session, params: Params) -> Result<String, SessionError> {
        let key = params.0.get("k").map_or("", String::as_str);
        Ok(session.get::<Vec<String>>(key).await?.unwrap_or_default().join(" "))
    }

    async fn keys(session: Session) -> Result<String, SessionError> {
        Ok(session.keys().await?.join(","))
    }

    /// Promotes when the outage is known already.
    async fn login(session: Session, params: Params) -> Result<&'static str, SessionError> {
        if params.0.contains_key("read") {
            session.load().await?;
        }
        session.promote("ann").await.map(|()| "hello")
    }

    async fn renew(session: Session, params: Params) -> Result<&'static str, SessionError> {
        if params.0.contains_key("read") {
            session.load().await?;
        }
        session.renew_id().map(|()| "renewed")
    }

    async fn clear(session: Session, params: Params) -> Result<&'static str, SessionError> {
        if params.0.contains_key("read") {
            session.load().await?;
        }
        session.clear().map(|()| "cleared")
    }

    Router::new()
        .route("/none", get(async || "nothing"))
        .route("/cart", get(cart))
        .route("/add", get(add))
        .route("/put", get(put))
        .route("/saved", get(saved))
        .route("/take", get(take))
        .route("/list", get(list))
        .route("/keys", get(keys))
        .route("/login", get(login))
        .route("/renew", get(renew))
        .route("/clear", get(clear))
        .route("/logout", get(async |session: Session| session.end().map(|()| "bye")))
}
