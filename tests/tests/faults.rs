//! A backend that fails, hangs, or finishes late, at every operation: told within the deadline, and nothing is lost, doubled or late.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body};
use http::{Request, Response};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};
use unstick_core::{BoxFuture, ErrorKind, EventKind, Events, Key, KeyRing, Lifetimes, Runtime, Store};
use unstick_memory::MemoryStore;
use unstick_session::{Session, SessionError, SessionLayer};
use unstick_sql::sqlite::SqliteStore;
use unstick_stories::{App, cookies, keep};
use unstick_testkit::{
    client::Jar,
    clock::ManualClock,
    faults::{Fault, FaultStore, Op},
    observe::EventLog,
};

const DEADLINE: Duration = Duration::from_secs(2);

/// The switch of a store with faults, whatever store that is.
trait Faults {
    fn set(&self, fault: Option<Fault>);
    fn release(&self);
    /// Waits until an operation is held.
    fn until_held(&self) -> BoxFuture<'_, ()>;
    /// The fault of `apply` alone: the read before it succeeds.
    fn set_apply(&self, fault: Fault);
}

impl<S: Store> Faults for FaultStore<S> {
    fn set(&self, fault: Option<Fault>) {
        match fault {
            Some(fault) => self.always_all(fault),
            None => self.heal(),
        }
    }

    fn release(&self) {
        Self::release(self);
    }

    fn until_held(&self) -> BoxFuture<'_, ()> {
        Box::pin(Self::until_held(self, 1))
    }

    fn set_apply(&self, fault: Fault) {
        self.always(Op::Apply, fault);
    }
}

struct Node {
    clock: ManualClock,
    faults: Box<dyn Faults>,
    log: Arc<EventLog>,
    app: Router,
    jar: Jar,
    _directory: Option<tempfile::TempDir>,
}

struct Told {
    status: u16,
    headers: http::HeaderMap,
    body: String,
}

async fn tell(response: Response<Body>) -> Told {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Told { status: parts.status.as_u16(), headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() }
}

impl Node {
    fn new(store: impl Store, clock: ManualClock) -> Self {
        let store = FaultStore::new(store);
        let log = Arc::new(EventLog::default());
        let faults = Box::new(store.clone());
        let layer = SessionLayer::keyed(store, KeyRing::new(Key::from_bytes([7; 32]).unwrap()))
            .runtime(Runtime::custom(clock.clone()))
            .deadline(DEADLINE)
            .lifetimes(Lifetimes::new().idle(Duration::from_secs(600)))
            .events(Events::new("node").observer(log.clone()))
            .build()
            .unwrap();
        Self { clock, faults, log, app: App::default().router().layer(layer), jar: Jar::default(), _directory: None }
    }

    fn send(&self, path: &str) -> impl Future<Output = Told> + Send + use<> {
        let cookie = cookies(&self.jar);
        let request = Request::builder().uri(path).header("cookie", cookie).body(Body::empty()).unwrap();
        let app = self.app.clone();
        async move { tell(app.oneshot(request).await.unwrap()).await }
    }

    async fn get(&mut self, path: &str) -> Told {
        let told = self.send(path).await;
        keep(&mut self.jar, &told.headers);
        told
    }

    /// Sends a request and lets time pass once its operation is held: it must be answered when its deadline has passed.
    async fn while_time_passes(&self, path: &str) -> Told {
        let mut request = tokio::spawn(self.send(path));
        loop {
            tokio::select! {
                told = &mut request => return told.unwrap(),
                () = self.held_and_timed() => self.clock.advance(DEADLINE),
            }
        }
    }
}

impl Node {
    async fn held_and_timed(&self) {
        self.faults.until_held().await;
        while self.clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
    }
}

fn assert_unavailable(told: &Told, what: &str) {
    assert_eq!(told.status, 503, "{what}: {}", told.body);
    assert_eq!(told.headers["retry-after"], "1", "{what}");
    assert!(!told.headers.contains_key("set-cookie"), "{what}: the client keeps what it has");
    assert_eq!(told.headers["cache-control"], "private, no-store", "{what}");
}

async fn at_every_operation(make: impl AsyncFn(ManualClock) -> Node) {
    let faults = [
        ("fails before", Fault::FailBefore(ErrorKind::Unavailable), false),
        ("full", Fault::FailBefore(ErrorKind::Full), false),
        ("fails after", Fault::FailAfter(ErrorKind::Interrupted), true),
        ("hangs", Fault::Hang, false),
        ("answers late", Fault::AnswerLate, true),
    ];
    for (name, fault, reaches) in faults {
        for (operation, path) in [
            ("load", "/get?k=real"),
            ("apply", "/set?k=changed"),
            ("load in an update", "/count"),
            ("rotate", "/renew"),
            ("promote", "/login?user=eve"),
            ("end", "/logout"),
            ("save in the handler", "/slow?k=k&v=changed&save=1"),
        ] {
            let what = format!("{operation} {name}");
            let mut node = make(ManualClock::default()).await;
            node.get("/set?real=1").await;
            node.get("/login?user=ann").await;
            node.faults.set(Some(fault));
            assert_unavailable(&node.while_time_passes(path).await, &what);
            let untouched = node.while_time_passes("/none").await;
            assert_eq!((untouched.status, untouched.body.as_str()), (200, "nothing"), "{what}: a route without session");
            node.faults.set(None);
            let told = node.get("/status").await.body;
            if operation == "load" || !reaches {
                assert!(told.starts_with("live ann real"), "{what}: {told}");
                assert!(!told.contains(",k"), "{what}: refused and applied all the same: {told}");
                assert_eq!(node.get("/get?k=real").await.body, "1", "{what}");
            }
            let backend_events =
                node.log.count(EventKind::LoadFailed) + node.log.count(EventKind::CommitFailed) + node.log.count(EventKind::CommitUnknown);
            assert!(backend_events > 0, "{what}: reported");
            let turns = (node.log.count(EventKind::BackendDown), node.log.count(EventKind::BackendHealed));
            assert_eq!(turns, (1, 1), "{what}: down once, healed once");
            assert_eq!(node.log.count(EventKind::SessionLost), 0, "{what}: an error is not a lost session");
        }
        let node = make(ManualClock::default()).await;
        node.faults.set(Some(fault));
        assert_unavailable(&node.while_time_passes("/set?k=new").await, &format!("create {name}"));
    }
}

/// An increment whose answer was lost counts once or not at all, and the next one is right.
async fn nothing_is_applied_twice(make: impl AsyncFn(ManualClock) -> Node) {
    for (fault, next) in [
        (Fault::FailBefore(ErrorKind::Unavailable), 2),
        (Fault::FailAfter(ErrorKind::Interrupted), 3),
        (Fault::Hang, 2),
        (Fault::AnswerLate, 3),
    ] {
        let mut node = make(ManualClock::default()).await;
        node.get("/count").await;
        node.faults.set_apply(fault);
        assert_unavailable(&node.while_time_passes("/count").await, "count");
        node.faults.set(None);
        node.faults.release();
        assert_eq!(node.get("/count").await.body, next.to_string(), "{fault:?} of the write");
        node.faults.set(Some(fault));
        assert_unavailable(&node.while_time_passes("/count").await, "count");
        node.faults.set(None);
        assert_eq!(node.get("/count").await.body, (next + 1).to_string(), "{fault:?} of the read");
    }
}

/// A due renewal holds an untouched request up at most once: while the backend is known to fail, nobody waits for it.
#[tokio::test]
async fn a_failing_backend_is_not_asked_for_renewals() {
    let mut node = memory(ManualClock::default()).await;
    node.get("/set?k=v").await;
    node.clock.advance(Duration::from_secs(400));
    node.faults.set(Some(Fault::Hang));
    assert_eq!(node.while_time_passes("/none").await.status, 200, "the one that finds out");
    let told = node.send("/none").await; // would hang: nobody moves the clock
    assert_eq!((told.status, told.headers.contains_key("set-cookie")), (200, false));
    node.faults.set(None);
    assert_eq!(node.get("/get?k=k").await.body, "v");
    assert_eq!(node.log.count(EventKind::BackendHealed), 1);
    assert_eq!(node.log.count(EventKind::SessionRenewed), 1, "and the read has renewed it");
}

/// An answer that comes, but late in its deadline, is reported.
#[tokio::test]
async fn a_slow_backend_is_reported() {
    let mut node = memory(ManualClock::default()).await;
    node.get("/set?k=v").await;
    node.faults.set(Some(Fault::AnswerLate));
    let request = tokio::spawn(node.send("/get?k=k"));
    while node.clock.sleepers() == 0 {
        tokio::task::yield_now().await;
    }
    node.clock.advance(DEADLINE * 3 / 4);
    node.faults.release();
    assert_eq!(request.await.unwrap().body, "v");
    assert_eq!(node.log.count(EventKind::BackendSlow), 1);
    node.faults.set(None);
    node.get("/get?k=k").await;
    assert_eq!(node.log.count(EventKind::BackendSlow), 1, "not when it is fast");
}

/// The real session must survive a handler that makes the best of a failed read.
async fn a_failed_read_never_overwrites(make: impl AsyncFn(ManualClock) -> Node) {
    let mut node = make(ManualClock::default()).await;
    node.get("/set?k=precious&other=1").await;
    node.faults.set(Some(Fault::FailBefore(ErrorKind::Unavailable)));
    let told = node.send("/tolerant").await;
    assert_eq!((told.status, told.body.as_str()), (200, "without session: unavailable"), "a handler that answers for itself is left alone");
    assert!(!told.headers.contains_key("set-cookie"));
    node.faults.set(None);
    assert_eq!(node.get("/get?k=k").await.body, "precious");
    assert_eq!(node.get("/status").await.body, "live - k,other");
}

async fn memory(clock: ManualClock) -> Node {
    Node::new(MemoryStore::builder().runtime(Runtime::custom(clock.clone())).build(), clock)
}

mod on_memory {
    use super::*;

    #[tokio::test]
    async fn every_operation() {
        at_every_operation(memory).await;
    }

    #[tokio::test]
    async fn not_twice() {
        nothing_is_applied_twice(memory).await;
    }

    #[tokio::test]
    async fn not_overwritten() {
        a_failed_read_never_overwrites(memory).await;
    }

    #[tokio::test]
    async fn late_operations_are_refused_by_the_store() {
        for path in ["/set?k=late", "/renew", "/login?user=eve", "/logout", "/count"] {
            let mut node = memory(ManualClock::default()).await;
            node.get("/set?real=1").await;
            node.faults.set(Some(Fault::ArriveLate));
            assert_unavailable(&node.while_time_passes(path).await, path);
            node.faults.set(None);
            node.faults.release();
            assert_eq!(node.get("/status").await.body, "live - real", "{path} took effect after it was reported as failed");
        }
    }
}

mod on_sqlite {
    use super::*;

    async fn file(clock: ManualClock) -> Node {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::builder("").path(directory.path().join("faults.sqlite")).connect().await.unwrap();
        Node { _directory: Some(directory), ..Node::new(store, clock) }
    }

    #[tokio::test]
    async fn every_operation() {
        at_every_operation(file).await;
    }

    #[tokio::test]
    async fn not_twice() {
        nothing_is_applied_twice(file).await;
    }

    #[tokio::test]
    async fn not_overwritten() {
        a_failed_read_never_overwrites(file).await;
    }

    /// Somebody holds the database's write lock for longer than the deadline: the change is refused when the lock comes free.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_write_that_waited_past_its_deadline_is_refused() {
        use unstick_sql::sqlx::{self, Connection, sqlite::SqliteConnection};
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("late.sqlite");
        let store = SqliteStore::builder("").path(&path).busy_timeout(Duration::from_secs(20)).connect().await.unwrap();
        let layer = SessionLayer::keyed(store, KeyRing::new(Key::from_bytes([7; 32]).unwrap()))
            .deadline(Duration::from_millis(300))
            .build()
            .unwrap();
        let app = App::default().router().layer(layer);
        let mut jar = Jar::default();
        let send = |jar: &Jar, path: &str| {
            let cookie = cookies(jar);
            let request = Request::builder().uri(path).header("cookie", cookie).body(Body::empty()).unwrap();
            let app = app.clone();
            async move { tell(app.oneshot(request).await.unwrap()).await }
        };
        let first = send(&jar, "/set?real=1").await;
        keep(&mut jar, &first.headers);
        let mut other = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        for path in ["/set?k=late", "/logout", "/login?user=eve"] {
            assert_unavailable(&send(&jar, path).await, path);
        }
        assert_eq!(send(&jar, "/status").await.body, "live - real", "reads go on meanwhile");
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        // Writes go through one connection in order: when this one is through, so were the late ones.
        let mut through = send(&jar, "/set?after=1").await;
        for _ in 0..100 {
            if through.status == 200 {
                break;
            }
            through = send(&jar, "/set?after=1").await;
        }
        assert_eq!(through.status, 200);
        assert_eq!(send(&jar, "/status").await.body, "live - after,real");
    }
}

/// The same failures without axum: the service's own error type, and an error that the handler turns into an answer.
#[tokio::test]
async fn on_bare_tower() {
    let store = FaultStore::new(MemoryStore::new());
    let faults = store.clone();
    let layer = SessionLayer::keyed(store, KeyRing::new(Key::from_bytes([7; 32]).unwrap())).build().unwrap();
    let service = layer.layer(service_fn(async |request: Request<()>| {
        let session = request.extensions().get::<Session>().unwrap().clone();
        if request.uri().path() == "/write" {
            session.insert("k", "v")?;
        } else {
            session.get::<String>("k").await?;
        }
        Ok::<_, SessionError>(Response::new(http_body_util::Full::new(bytes::Bytes::from("fine"))))
    }));
    let get = |path: &str, cookie: &str| service.clone().oneshot(Request::builder().uri(path).header("cookie", cookie).body(()).unwrap());
    let first = get("/write", "").await.unwrap();
    let cookie = first.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    faults.set(Some(Fault::FailBefore(ErrorKind::Unavailable)));
    let error = get("/read", &cookie).await.unwrap_err();
    assert_eq!((error.kind(), error.status_code().as_u16()), (ErrorKind::Unavailable, 503), "a failed read is the handler's to answer");
    let answer = get("/write", &cookie).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"1".parse().unwrap()), "a failed commit is ours");
    faults.set(None);
    assert_eq!(get("/read", &cookie).await.unwrap().status(), 200);
}

#[tokio::test]
async fn grpc_and_hooks_get_their_own_answers() {
    let store = FaultStore::new(MemoryStore::new());
    let faults = store.clone();
    faults.set(Some(Fault::FailBefore(ErrorKind::Unavailable)));
    let ring = KeyRing::new(Key::from_bytes([7; 32]).unwrap());
    let layer = SessionLayer::keyed(store, ring.clone()).build().unwrap();
    let app = App::default().router().layer(layer);
    let request = Request::builder()
        .uri("/set?k=v")
        .version(http::Version::HTTP_2)
        .header("content-type", "application/grpc+proto")
        .body(Body::empty())
        .unwrap();
    let told = tell(app.oneshot(request).await.unwrap()).await;
    assert_eq!((told.status, told.headers["grpc-status"].to_str().unwrap()), (200, "14"));

    let store = FaultStore::new(MemoryStore::new());
    store.set(Some(Fault::FailBefore(ErrorKind::Unavailable)));
    let hook = |failure: &unstick_session::failure::Failure| {
        let body = format!("{{\"error\":\"{}\"}}", failure.error().kind().as_str());
        Response::builder().status(599).header("content-type", "application/json").body(body.into()).unwrap()
    };
    let layer = SessionLayer::keyed(store, ring).on_failure(hook).build().unwrap();
    let app = App::default().router().layer(layer);
    let told = tell(app.oneshot(Request::builder().uri("/set?k=v").body(Body::empty()).unwrap()).await.unwrap()).await;
    assert_eq!((told.status, told.body.as_str()), (599, "{\"error\":\"unavailable\"}"));
    assert_eq!(told.headers["cache-control"], "private, no-store");
}
