//! Trips to the backend, counted as statements that SQLite executes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};
use unstick_core::Lifetimes;
use unstick_stories::{Backend, Client, Cluster, Options, cookies};

/// Counts what the driver says it executed.
#[derive(Debug, Clone, Default)]
struct Statements(Arc<AtomicUsize>);

/// Whether a statement belongs to a new connection of the pool rather than to a request.
struct OpensConnection(bool);

impl Visit for OpensConnection {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0 |= field.name() == "summary" && value.starts_with("PRAGMA");
    }
    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl Subscriber for Statements {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut setup = OpensConnection(false);
        event.record(&mut setup);
        self.0.fetch_add(usize::from(!setup.0), Ordering::SeqCst);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

impl Statements {
    async fn of(&self, client: &mut Client, path: &str) -> (usize, usize) {
        let before = self.0.load(Ordering::SeqCst);
        let answer = client.get(0, path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        (self.0.load(Ordering::SeqCst) - before, answer.set_cookies().len())
    }
}

// The driver reports from threads of its own, so the subscriber is the process's, and this is the process's only test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_cost_what_is_promised() {
    let statements = Statements::default();
    tracing::subscriber::set_global_default(statements.clone()).unwrap();
    let lifetimes = Lifetimes::new().idle(Duration::from_secs(600)).absolute(Duration::from_secs(86_400));
    let cluster = Cluster::with(Backend::Sqlite, Options { nodes: 1, lifetimes, ..Options::default() }).await;
    let mut client = cluster.client();
    for path in ["/none", "/get?k=a", "/status", "/remove?k=a", "/clear"] {
        assert_eq!(statements.of(&mut cluster.client(), path).await, (0, 0), "anonymous {path}");
    }
    assert_eq!(statements.of(&mut client, "/set?a=1").await, (1, 1), "a new session");
    assert_eq!(statements.of(&mut client, "/none").await, (0, 0), "untouched");
    assert_eq!(statements.of(&mut client, "/get?k=a").await, (1, 0), "a read");
    assert_eq!(statements.of(&mut client, "/status").await, (1, 0), "many reads");
    assert_eq!(statements.of(&mut client, "/set?a=2&b=3").await, (1, 0), "a blind write of two keys");
    assert_eq!(statements.of(&mut client, "/slow?read=1&k=a&v=4").await, (2, 0), "a read and then a write");
    assert_eq!(statements.of(&mut client, "/slow?read=1&k=a&v=4").await, (1, 0), "a read and then the same value again");
    assert_eq!(statements.of(&mut client, "/count").await, (2, 0), "an atomic update");
    assert_eq!(statements.of(&mut client, "/renew").await, (1, 1), "a new id");
    assert_eq!(statements.of(&mut client, "/login?user=ann").await, (1, 1), "a login");
    for (path, cost, what) in [
        ("/none", 1, "untouched"),
        ("/get?k=a", 1, "a read"),
        ("/set?a=5", 1, "a blind write"),
        ("/slow?read=1&k=a&v=x", 2, "a read and then a write"),
    ] {
        cluster.clock.advance(Duration::from_secs(301));
        assert_eq!(statements.of(&mut client, path).await, (cost, 1), "{what}, with a renewal due");
        assert_eq!(statements.of(&mut client, "/none").await, (0, 0), "and only once");
    }
    let mut forged = client.clone();
    let sealed = cookies(&forged.jar);
    let tampered: String = sealed
        .chars()
        .rev()
        .enumerate()
        .map(|(at, c)| if at == 20 { if c == 'A' { 'B' } else { 'A' } } else { c })
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    for value in [tampered.as_str(), "__Host-id=garbage", "__Host-id="] {
        forged.jar = unstick_testkit::client::Jar::default();
        let before = statements.0.load(Ordering::SeqCst);
        let request = http::Request::builder().uri("/get?k=a").header("cookie", value).body(axum::body::Body::empty()).unwrap();
        let answer = forged.request(0, request).await;
        assert_eq!((answer.status.as_u16(), answer.set_cookies().len()), (200, 0));
        assert_eq!(statements.0.load(Ordering::SeqCst), before, "{value}");
    }
    assert_eq!(statements.of(&mut client, "/logout").await, (1, 1), "a logout");
}
