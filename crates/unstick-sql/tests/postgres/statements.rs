//! Statements on the wire, counted in the driver's own log, and the plans of those statements.

use std::{
    fmt,
    num::NonZeroU32,
    sync::{Mutex, Once},
};

use tracing::field::{Field as LogField, Visit};
use tracing_subscriber::{Layer, layer::SubscriberExt};
use unstick_core::*;
use unstick_sql::{
    postgres::PostgresStore,
    sqlx::{self, AssertSqlSafe, Row},
};
use unstick_testkit::require_server;

use crate::common::{
    SECOND, Session, op,
    postgres::{Place, SERVER},
};

static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());
static INSTALLED: Once = Once::new();

struct Capture;

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, _: &LogField, _: &dyn fmt::Debug) {}
    fn record_str(&mut self, field: &LogField, value: &str) {
        // the driver puts a long statement into the first field, a short one into the second
        if (field.name() == "db.statement" || field.name() == "summary") && value.len() > self.0.len() {
            self.0 = value.trim().to_owned();
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
    store: PostgresStore,
    prefix: String,
}

impl Counted {
    async fn new(place: &Place) -> Self {
        INSTALLED.call_once(|| tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Capture)).unwrap());
        Self { store: place.store().await, prefix: place.prefix.clone() }
    }

    /// What `operation` sent. The driver logs a statement before it hands out the answer.
    async fn sent<T>(&self, operation: impl Future<Output = T>) -> (T, Vec<String>) {
        LOG.lock().unwrap().retain(|sql| !sql.contains(&self.prefix));
        let answer = operation.await;
        let log = LOG.lock().unwrap();
        (answer, log.iter().filter(|sql| sql.contains(&self.prefix)).cloned().collect())
    }

    async fn count<T>(&self, operation: impl Future<Output = T>) -> (T, usize) {
        let (answer, sent) = self.sent(operation).await;
        (answer, sent.len())
    }
}

#[tokio::test]
async fn one_trip_each() {
    let place = Place::new(require_server!(SERVER.get()));
    let counted = Counted::new(&place).await;
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
    let version = "SELECT xmin::text::bigint FROM unstick_sessions";
    let before = place.number(version).await;
    let (_, trips) = counted.count(store.load(op(), key, by, renewal)).await;
    assert_eq!((place.number(version).await, trips), (before, 1), "a renewal without effect writes nothing");
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

    let index = store.principal_index().unwrap();
    let (reserved, trips) = counted.count(index.reserve(op(), "ann", Session::new().key, NonZeroU32::MIN, op().deadline)).await;
    assert_eq!((reserved.unwrap(), trips), (Reservation::Full, 2), "reserve, and before it the principal's lock, in a transaction");
    let (ended, trips) = counted.count(index.end_others(op(), "ann", Some(key), SECOND)).await;
    assert_eq!((ended.unwrap(), trips), (0, 3), "end others, likewise, and a look at those of newer releases");
    let until = session.credential.absolute_deadline();
    let (ended, trips) = counted.count(store.end(op(), key, Some(next.presented), until)).await;
    assert_eq!((ended.unwrap(), trips), (Ended::Done { was_live: true }, 1), "end");
    let (ended, trips) = counted.count(store.end(op(), Session::new().key, None, until)).await;
    assert_eq!((ended.unwrap(), trips), (Ended::Done { was_live: false }, 1), "end of a missing session");
}

#[tokio::test]
async fn a_second_trip_only_to_explain_a_refusal() {
    let place = Place::new(require_server!(SERVER.get()));
    let counted = Counted::new(&place).await;
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
    let renewal = Some(Renewal { idle_deadline: op().now + 9000 * SECOND, issued: op().now });
    for (key, by) in [(key, by), (key, stranger.presented), (stranger.key, stranger.presented)] {
        let (_, trips) = counted.count(store.load(op(), key, by, renewal)).await;
        assert_eq!(trips, 1, "reading is one trip for everybody");
    }
}

/// The types of a statement's parameters, in the order in which the store binds them.
fn parameters(sql: &str) -> &'static str {
    let all = "bytea, int8, bytea, int8, int8, text, text, bool, text, text, int8, int8, int8, text[], bytea, int8, text, int8, int8";
    let first = |n: usize| all.match_indices(',').nth(n - 1).map_or(all, |(at, _)| &all[..at]);
    let count = (1..=19).rev().find(|n| sql.contains(&format!("${n}"))).unwrap();
    match (sql, count) {
        (sql, 9) if sql.starts_with("INSERT") => "bytea, bytea, int8, text, int8, int8, text, text, int8",
        (sql, 7) if sql.starts_with("WITH renewed") => "bytea, int8, bytea, int8, int8, int8, int8",
        (sql, 7) if sql.starts_with("INSERT") => "bytea, int8, bytea, int8, int8, text, int8",
        (sql, 3) if sql.starts_with("WITH dead") => "int8, int8, int8",
        (sql, 2) if sql.starts_with("SELECT key, created") => "text, int8",
        (sql, 3) if sql.starts_with("SELECT EXISTS") => "text, int8, bytea",
        (sql, 1) if sql.starts_with("SELECT pg_advisory") => "text",
        (sql, 6) if sql.starts_with("WITH done") => "text, int8, bytea, int8, int8, KIND",
        (_, count) => first(count),
    }
}

#[tokio::test]
async fn every_statement_uses_an_index() {
    let place = Place::new(require_server!(SERVER.get()));
    let counted = Counted::new(&place).await;
    let store = &counted.store;
    let session = Session::create_for(store, Some("ann")).await;
    let (key, by) = (session.key, session.presented);
    let change = Change { max_size: 5, ..Change::new().set("a", "1").expect("a", FieldVersion::ABSENT) };
    let renewal = Some(Renewal { idle_deadline: op().now, issued: op().now });
    let (_, rotation) = session.rotation(None, Some("bob"));
    let index = store.principal_index().unwrap();
    let ((), sent) = counted
        .sent(async {
            store.create(op(), key, &session.record(None, Fields::default())).await.unwrap();
            store.load(op(), key, by, None).await.unwrap();
            store.load(op(), key, by, renewal).await.unwrap();
            store.apply(op(), key, by, &change).await.unwrap();
            store.update_locked(op(), key, by, &mut |_: &Fields| Ok(change.clone())).await.unwrap();
            store.rotate(op(), key, by, &rotation, &change).await.unwrap();
            index.list(op(), "ann").await.unwrap();
            index.reserve(op(), "ann", Session::new().key, NonZeroU32::MAX, op().deadline).await.unwrap();
            index.end_others(op(), "ann", None, SECOND).await.unwrap();
            store.end(op(), key, None, op().now).await.unwrap();
            store.sweep(op(), 9).await.unwrap();
        })
        .await;
    let mut connection = place.connection().await;
    sqlx::raw_sql("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan").execute(&mut connection).await.unwrap();
    let mut used = String::new();
    let mut explained = 0;
    for sql in sent {
        let nulls = |types: &str| vec!["NULL"; types.split(", ").count()].join(", ");
        let sixth = if sql.contains("reservations AS r ") { "int8" } else { "text" };
        let types = parameters(&sql).replace("KIND", sixth);
        let prepare = AssertSqlSafe(format!("DEALLOCATE ALL; PREPARE one ({types}) AS {sql}"));
        sqlx::raw_sql(prepare).execute(&mut connection).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
        let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE one ({})", nulls(&types)));
        explained += 1;
        for row in sqlx::raw_sql(explain).fetch_all(&mut connection).await.unwrap() {
            let step: String = row.get(0);
            assert!(!step.contains(&format!("Seq Scan on {}", place.prefix)), "{step} in {sql}");
            used.push_str(&step);
            used.push('\n');
        }
    }
    for index in ["sessions_pkey", "sessions_principal", "sessions_forget", "reservations_until", "reservations_pkey"] {
        assert!(used.contains(index), "{index} is not used:\n{used}");
    }
    assert!(explained >= 12, "{explained}");
}
