//! Statements on the wire, counted in the driver's own log, and the plans of those statements.
#![cfg(feature = "sqlite")]

mod common;

use std::{
    fmt,
    num::NonZeroU32,
    sync::{Mutex, Once},
    time::Duration,
};

use common::{Place, SECOND, Session, op};
use tracing::field::{Field as LogField, Visit};
use tracing_subscriber::{Layer, layer::SubscriberExt};
use unstick_core::*;
use unstick_sql::{
    sqlite::SqliteStore,
    sqlx::{AssertSqlSafe, Row},
};

static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());
static INSTALLED: Once = Once::new();

struct Capture;

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, _: &LogField, _: &dyn fmt::Debug) {}
    fn record_str(&mut self, field: &LogField, value: &str) {
        // the driver repeats short statements in neither field but puts each whole into one of them
        if field.name() == "db.statement" || field.name() == "summary" {
            self.0.push_str(value.trim());
            self.0.push(' ');
        }
    }
}

impl<S: tracing::Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" {
            let mut text = Text(String::new());
            event.record(&mut text);
            LOG.lock().unwrap().push(text.0);
        }
    }
}

/// A store whose statements carry a prefix of its own, so that tests beside it don't count.
struct Counted {
    store: SqliteStore,
    prefix: &'static str,
}

impl Counted {
    async fn new(place: &Place, prefix: &'static str) -> Self {
        INSTALLED.call_once(|| tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Capture)).unwrap());
        let builder = SqliteStore::builder(&place.address()).prefix(prefix).readers(1).sweep_interval(Duration::ZERO);
        Self { store: builder.connect().await.unwrap(), prefix }
    }

    /// What `operation` sent. Each connection works in order and logs a statement when it is over, so a later statement on
    /// each of them says that the log is complete.
    async fn sent<T>(&self, operation: impl Future<Output = T>) -> (T, Vec<String>) {
        self.settle().await;
        LOG.lock().unwrap().retain(|sql| !sql.contains(self.prefix));
        let answer = operation.await;
        self.settle().await;
        let marks = ["DELETE FROM", "SELECT key, created"];
        let log = LOG.lock().unwrap();
        let ours = log.iter().filter(|sql| sql.contains(self.prefix) && !marks.iter().any(|mark| sql.contains(mark)));
        (answer, ours.cloned().collect())
    }

    async fn settle(&self) {
        // two: the first's own log entry is complete when the second is answered
        for _ in 0..2 {
            self.store.sweep(op(), 0).await.unwrap();
            self.store.principal_index().unwrap().list(op(), "nobody").await.unwrap();
        }
    }

    async fn count<T>(&self, operation: impl Future<Output = T>) -> (T, usize) {
        let (answer, sent) = self.sent(operation).await;
        (answer, sent.len())
    }
}

#[tokio::test]
async fn one_trip_each() {
    let place = Place::new();
    let counted = Counted::new(&place, "trips_").await;
    let store = &counted.store;
    let session = Session::new();
    let (key, by) = (session.key, session.presented);
    let change = Change::new().set("a", "1");
    let renewed = session.credential.idle_deadline() + SECOND;
    let renewal = Some(Renewal { idle_deadline: renewed, issued: op().now });

    let (created, trips) = counted.count(store.create(op(), key, &session.record(Some("ann"), Fields::default()))).await;
    assert_eq!((created.unwrap(), trips), (Created::Done, 1), "create");
    let (loaded, trips) = counted.count(store.load(op(), key, by, None)).await;
    assert!(matches!(loaded.unwrap(), Loaded::Live(_)) && trips == 1, "read: {trips}");
    let (loaded, trips) = counted.count(store.load(op(), key, by, renewal)).await;
    let Loaded::Live(live) = loaded.unwrap() else { panic!("live") };
    assert_eq!((live.idle_deadline, trips), (renewed, 1), "read with a renewal that is due");
    let (applied, trips) = counted.count(store.apply(op(), key, by, &change)).await;
    assert!(applied.unwrap().is_done() && trips == 1, "blind write: {trips}");
    let version = session.fields(store).await.version("a");
    let (applied, trips) = counted.count(store.apply(op(), key, by, &change.clone().expect("a", version))).await;
    assert!(applied.unwrap().is_done() && trips == 1, "conditional write: {trips}");
    let big = Change { max_size: 1000, renewal, ..Change::new().set("b", vec![0xff; 300]) };
    let (applied, trips) = counted.count(store.apply(op(), key, by, &big)).await;
    assert!(applied.unwrap().is_done() && trips == 1, "write with a limit and a renewal: {trips}");

    let (next, rotation) = session.rotation(Some(30 * SECOND), None);
    let (rotated, trips) = counted.count(store.rotate(op(), key, by, &rotation, &change)).await;
    assert!(matches!(rotated.unwrap(), Rotated::Done { rotated: true, .. }) && trips == 1, "rotate: {trips}");
    let (applied, trips) = counted.count(store.apply(op(), key, by, &change)).await;
    assert!(matches!(applied.unwrap(), Applied::Done { proof: Proof::Grace, .. }) && trips == 1, "write in the grace: {trips}");
    let (_, another) = session.rotation(Some(30 * SECOND), None);
    let (rotated, trips) = counted.count(store.rotate(op(), key, by, &another, &change)).await;
    assert!(matches!(rotated.unwrap(), Rotated::Done { rotated: false, .. }) && trips == 1, "rotate in the grace: {trips}");

    let index = store.principal_index().unwrap();
    let one = NonZeroU32::MIN;
    let (reserved, trips) = counted.count(index.reserve(op(), "ann", Session::new().key, one, op().deadline)).await;
    assert_eq!((reserved.unwrap(), trips), (Reservation::Full, 1), "reserve");
    let (ended, trips) = counted.count(index.end_others(op(), "ann", Some(key), SECOND)).await;
    assert_eq!((ended.unwrap(), trips), (0, 2), "end others, and a look at those of newer releases");
    let until = session.credential.absolute_deadline();
    let (ended, trips) = counted.count(store.end(op(), key, Some(next.presented), until)).await;
    assert_eq!((ended.unwrap(), trips), (Ended::Done { was_live: true }, 1), "end");
    let (ended, trips) = counted.count(store.end(op(), Session::new().key, None, until)).await;
    assert_eq!((ended.unwrap(), trips), (Ended::Done { was_live: false }, 1), "end of a missing session");
}

#[tokio::test]
async fn a_second_trip_only_to_explain_a_refusal() {
    let place = Place::new();
    let counted = Counted::new(&place, "refused_").await;
    let store = &counted.store;
    let session = Session::create(store).await;
    let (key, by) = (session.key, session.presented);
    let repeated = op();
    let change = Change::new().set("a", "1");
    assert!(store.apply(repeated, key, by, &change).await.unwrap().is_done());

    let (applied, trips) = counted.count(store.apply(repeated, key, by, &change)).await;
    assert!(applied.unwrap().is_done() && trips == 2, "repeated: {trips}");
    let conflicting = change.clone().expect("a", FieldVersion::ABSENT);
    let (applied, trips) = counted.count(store.apply(op(), key, by, &conflicting)).await;
    assert!(matches!(applied.unwrap(), Applied::Conflict(fields) if fields.get("a").is_some()) && trips == 2, "conflict: {trips}");
    let stranger = Session::new();
    let (applied, trips) = counted.count(store.apply(op(), stranger.key, stranger.presented, &change)).await;
    assert!(matches!(applied.unwrap(), Applied::Missing) && trips == 2, "missing: {trips}");
    let renewal = Some(Renewal { idle_deadline: op().now + 9000 * SECOND, issued: op().now });
    for by in [by, stranger.presented] {
        let (_, trips) = counted.count(store.load(op(), key, by, renewal)).await;
        assert_eq!(trips, 1, "reading is one trip for everybody");
    }
    let (_, trips) = counted.count(store.load(op(), stranger.key, stranger.presented, renewal)).await;
    assert_eq!(trips, 1);
}

#[tokio::test]
async fn every_statement_uses_an_index() {
    let place = Place::new();
    let counted = Counted::new(&place, "planned_").await;
    let store = &counted.store;
    let session = Session::create_for(store, Some("ann")).await;
    let (key, by) = (session.key, session.presented);
    let change = Change { max_size: 5, ..Change::new().set("a", "1").expect("a", FieldVersion::ABSENT) };
    let renewal = Some(Renewal { idle_deadline: op().now, issued: op().now });
    let (_, rotation) = session.rotation(None, Some("bob"));
    let index = store.principal_index().unwrap();
    let ((), mut sent) = counted
        .sent(async {
            store.create(op(), key, &session.record(None, Fields::default())).await.unwrap();
            store.load(op(), key, by, None).await.unwrap();
            store.load(op(), key, by, renewal).await.unwrap();
            store.apply(op(), key, by, &change).await.unwrap();
            store.rotate(op(), key, by, &rotation, &change).await.unwrap();
            index.reserve(op(), "ann", Session::new().key, NonZeroU32::MAX, op().deadline).await.unwrap();
            index.end_others(op(), "ann", None, SECOND).await.unwrap();
            store.end(op(), key, None, op().now).await.unwrap();
        })
        .await;
    let log = LOG.lock().unwrap().clone();
    sent.extend(
        log.into_iter().filter(|sql| sql.contains("planned_") && (sql.contains("DELETE FROM") || sql.contains("SELECT key, created"))),
    );
    let mut connection = place.connection().await;
    let mut used = String::new();
    for sql in &sent {
        // the log entry is the first words, an ellipsis and the statement
        let sql = sql.split_once('\u{2026}').map_or(&**sql, |(_, whole)| whole).trim();
        let plan = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        for row in unstick_sql::sqlx::query(plan).fetch_all(&mut connection).await.unwrap() {
            let step: String = row.get("detail");
            let scans_table = step.starts_with("SCAN") && step.contains("planned_") || step == "SCAN s" || step == "SCAN r";
            assert!(!scans_table || step.contains("INDEX"), "{step} in {sql}");
            used.push_str(&step);
            used.push('\n');
        }
    }
    for index in
        ["sqlite_autoindex_planned_sessions_1", "planned_sessions_principal", "planned_sessions_forget", "planned_reservations_until"]
    {
        assert!(used.contains(index), "{index} is not used:\n{used}");
    }
    assert!(sent.len() >= 12, "{}", sent.len());
}
