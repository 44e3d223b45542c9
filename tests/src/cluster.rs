//! Nodes that share nothing but their store, and a client that any of them may serve.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;
use unstick_core::{BoxFuture, Events, Key, KeyRing, Lifetimes, Runtime, RuntimeOps, Store, Timestamp};
use unstick_memory::MemoryStore;
use unstick_session::{SessionLayer, SessionLayerBuilder};
use unstick_sql::sqlite::SqliteStore;
use unstick_testkit::{client::Jar, clock::ManualClock, observe::EventLog};

use crate::{
    App,
    cookies::{cookies, keep},
    stores::{self, Server},
};

/// Which store the nodes share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// One store in memory.
    Memory,
    /// A store per node, over one file.
    Sqlite,
    /// A store per node, on a real server.
    On(Server),
}

/// How the nodes are configured.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many nodes.
    pub nodes: usize,
    /// Timeouts of sessions and ids.
    pub lifetimes: Lifetimes,
    /// Deadline of one backend operation.
    pub deadline: Duration,
    /// How far each node's clock is ahead of the one before it.
    pub skew: Duration,
    /// Limit on sessions per principal.
    pub max_sessions: Option<std::num::NonZeroU32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { nodes: 2, lifetimes: Lifetimes::new(), deadline: Duration::from_secs(30), skew: Duration::ZERO, max_sessions: None }
    }
}

/// Calendar time that the test moves, and timers that run by themselves, so that back-off and deadlines work in between.
#[derive(Debug)]
struct StoryTime {
    clock: ManualClock,
    ahead: Duration,
    began: std::time::Instant,
}

impl RuntimeOps for StoryTime {
    fn wall(&self) -> Timestamp {
        self.clock.now() + self.ahead
    }

    fn monotonic(&self) -> Duration {
        self.began.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        drop(tokio::spawn(task));
    }
}

/// Nodes over one store.
#[derive(Debug)]
pub struct Cluster {
    /// Moves every node's time.
    pub clock: ManualClock,
    /// Events of all nodes.
    pub log: Arc<EventLog>,
    /// Gates of the application.
    pub app: App,
    /// Layers, one per node.
    pub layers: Vec<SessionLayer>,
    routers: Vec<Router>,
    _directory: tempfile::TempDir,
}

impl Cluster {
    /// Starts nodes with default options.
    ///
    /// # Panics
    /// When a node cannot be built: the test is wrong.
    pub async fn start(backend: Backend) -> Self {
        Self::with(backend, Options::default()).await
    }

    /// Starts nodes.
    ///
    /// # Panics
    /// When a node cannot be built: the test is wrong.
    pub async fn with(backend: Backend, options: Options) -> Self {
        let clock = ManualClock::default();
        let log = Arc::new(EventLog::default());
        let app = App::default();
        let key = Key::from_bytes([7; 32]).expect("a key");
        let memory = Arc::new(MemoryStore::builder().runtime(Runtime::custom(clock.clone())).build());
        let directory = tempfile::tempdir().expect("a directory");
        let place = match backend {
            Backend::On(server) => server.place(),
            Backend::Memory | Backend::Sqlite => String::new(),
        };
        let (mut layers, mut routers) = (Vec::new(), Vec::new());
        for node in 0..options.nodes {
            let ahead = options.skew * u32::try_from(node).unwrap_or(0);
            let runtime = Runtime::custom(StoryTime { clock: clock.clone(), ahead, began: std::time::Instant::now() });
            let events = Events::new(&format!("node-{node}")).observer(log.clone());
            let keys = KeyRing::new(key.clone());
            let layer = match backend {
                Backend::Memory => finish(SessionLayer::keyed(memory.clone(), keys), &options, runtime, events),
                Backend::Sqlite => {
                    let store = SqliteStore::builder("")
                        .path(directory.path().join("sessions.sqlite"))
                        .busy_timeout(Duration::from_secs(20))
                        .connect()
                        .await
                        .expect("a database");
                    finish(SessionLayer::keyed(store, keys), &options, runtime, events)
                }
                Backend::On(_) => {
                    let store = stores::open_with(&place, events.clone(), runtime.clone()).await;
                    finish(SessionLayer::keyed(store, keys), &options, runtime, events)
                }
            };
            routers.push(app.router().layer(layer.clone()));
            layers.push(layer);
        }
        Self { clock, log, app, layers, routers, _directory: directory }
    }

    /// A new client without cookies.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::of(self.routers.clone())
    }

    /// How many nodes.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.routers.len()
    }
}

fn finish<S: Store>(
    builder: SessionLayerBuilder<unstick_session::InStore<S>>,
    options: &Options,
    runtime: Runtime,
    events: Events,
) -> SessionLayer {
    let builder = match options.max_sessions {
        Some(max) => builder.max_sessions_per_principal(max),
        None => builder,
    };
    builder.lifetimes(options.lifetimes).deadline(options.deadline).runtime(runtime).events(events).build().expect("a layer")
}

/// A client with a cookie jar. A clone is another client that starts with the same cookies.
#[derive(Debug, Clone)]
pub struct Client {
    routers: Vec<Router>,
    /// Its cookies.
    pub jar: Jar,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: String,
}

impl Answer {
    /// `Set-Cookie` lines.
    #[must_use]
    pub fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all("set-cookie").iter().filter_map(|line| line.to_str().ok()).collect()
    }
}

impl Client {
    /// A client without cookies of nodes that are these routers.
    #[must_use]
    pub fn of(routers: Vec<Router>) -> Self {
        Self { routers, jar: Jar::default() }
    }

    /// Sends a request to `node`, and keeps the answer's cookies.
    ///
    /// # Panics
    /// When the request cannot be made.
    pub async fn get(&mut self, node: usize, path: &str) -> Answer {
        let answer = self.send(node, path).await;
        self.keep(&answer);
        answer
    }

    /// Sends a request to `node` with the present cookies; the answer's cookies are left to [`keep`](Self::keep).
    ///
    /// # Panics
    /// When the request cannot be made.
    pub fn send(&self, node: usize, path: &str) -> impl Future<Output = Answer> + Send + use<> {
        let mut request = Request::builder().uri(path);
        let cookie = cookies(&self.jar);
        if !cookie.is_empty() {
            request = request.header("cookie", cookie);
        }
        self.request(node, request.body(Body::empty()).expect("a request"))
    }

    /// Sends a request as it is.
    ///
    /// # Panics
    /// When the body breaks.
    pub fn request(&self, node: usize, request: Request<Body>) -> impl Future<Output = Answer> + Send + use<> {
        let router = self.routers[node % self.routers.len()].clone();
        async move {
            let response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
            let (parts, body) = response.into_parts();
            let body: Bytes = body.collect().await.expect("a body").to_bytes();
            Answer { status: parts.status, headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() }
        }
    }

    /// Keeps an answer's cookies.
    pub fn keep(&mut self, answer: &Answer) {
        keep(&mut self.jar, &answer.headers);
    }
}
