//! The bus: what arrives, what is told when something may not have, and what transactions carry.

mod burst;
mod cache;
mod contract;
mod delivery;
mod faults;
mod starting;
mod transactions;

use std::{sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use unstick_core::{bus::Pace, *};
use unstick_sql::{
    postgres::bus::{PostgresBus, PostgresBusBuilder, PostgresSubscription},
    sqlx::{self, Connection, PgConnection, Row},
};
use unstick_testkit::servers::PostgresServer;

use crate::common::{NEXT, SECOND, op};

/// For what takes as long as it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An application of a test's own on a server.
#[derive(Clone)]
struct App {
    url: String,
    name: String,
}

impl App {
    fn new(url: String) -> Self {
        Self { url, name: format!("b{}_", NEXT.fetch_add(1, Ordering::Relaxed)) }
    }

    /// Signs of life come from the connections, not from a test that must be fast.
    fn builder(&self) -> PostgresBusBuilder {
        PostgresBus::builder(&format!("{}?application_name={}", self.url, self.name)).prefix(&self.name).pace(Pace::every(10 * SECOND))
    }

    async fn bus(&self) -> PostgresBus {
        self.builder().connect_timeout(20 * SECOND).connect().await.unwrap()
    }

    /// The normal pace.
    async fn brisk(&self) -> PostgresBus {
        self.builder().pace(Pace::default()).connect().await.unwrap()
    }

    async fn connection(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }
}

async fn next(events: &mut PostgresSubscription) -> Option<BusEvent> {
    tokio::time::timeout(PATIENCE, events.next()).await.expect("an event, or the end")
}

/// The next notice; signs of life are passed over, anything else is not.
async fn notice(events: &mut PostgresSubscription) -> Notice {
    loop {
        match next(events).await {
            Some(BusEvent::Notice(notice)) => return notice,
            Some(BusEvent::Alive { .. }) => {}
            other => panic!("{other:?} instead of a notice"),
        }
    }
}

/// Everything but signs of life, until `last` has come.
async fn until(events: &mut PostgresSubscription, last: impl Fn(&BusEvent) -> bool) -> Vec<BusEvent> {
    let mut seen = Vec::new();
    loop {
        let event = next(events).await.unwrap();
        let is_last = last(&event);
        if !matches!(event, BusEvent::Alive { .. }) {
            seen.push(event);
        }
        if is_last {
            return seen;
        }
    }
}

fn says(event: &BusEvent, text: &str) -> bool {
    matches!(event, BusEvent::Notice(notice) if notice.payload == text)
}

async fn publish(bus: &PostgresBus, text: &str) {
    let published = bus.publish(op(), Bytes::copy_from_slice(text.as_bytes())).await.unwrap();
    assert_eq!(published, Published::Confirmed);
}

/// Waits until the server has so many connections of the application whose query is like this.
async fn connections(server: &PostgresServer, app: &App, query: &str, number: i64) {
    let mut connection = PgConnection::connect(&server.superuser_url()).await.unwrap();
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        let count = sqlx::query("SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND query LIKE $2");
        let count: i64 = count.bind(&app.name).bind(query).fetch_one(&mut connection).await.unwrap().get(0);
        if count == number {
            return;
        }
        assert!(std::time::Instant::now() < end, "{count} connections instead of {number}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Ends connections of the application whose query is like this, and says how many.
async fn end_connections(server: &PostgresServer, app: &App, query: &str) -> i64 {
    let mut connection = PgConnection::connect(&server.superuser_url()).await.unwrap();
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1 AND query LIKE $2";
    sqlx::query(end).bind(&app.name).bind(query).fetch_one(&mut connection).await.unwrap().get(0)
}
