//! A set of tables of a test's own on a server that all tests of a binary share.

use std::{
    sync::{Mutex, atomic::Ordering},
    time::Duration,
};

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, postgres::PgRow};
use unstick_sql::{
    postgres::{PostgresStore, PostgresStoreBuilder},
    sqlx,
};
use unstick_testkit::{
    clock::{ManualClock, TestClock},
    contract::StoreFactory,
    servers::{PostgresServer, Shared},
};

use super::NEXT;

pub(crate) static SERVER: Shared<PostgresServer> = Shared::new(|| PostgresServer::builder().without_fsync().start());

/// Tables with a prefix of their own, which stands for `unstick_` in the statements of tests.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) prefix: String,
}

impl Place {
    pub(crate) fn new(server: &PostgresServer) -> Self {
        Self { url: server.url(), prefix: format!("t{}_", NEXT.fetch_add(1, Ordering::Relaxed)) }
    }

    /// Patient, and without a sweeper.
    pub(crate) fn builder(&self) -> PostgresStoreBuilder {
        let builder = PostgresStore::builder(&self.url).prefix(&self.prefix).acquire_timeout(Duration::from_secs(20));
        builder.sweep_interval(Duration::ZERO)
    }

    pub(crate) async fn store(&self) -> PostgresStore {
        self.builder().connect().await.unwrap()
    }

    /// A connection beside the store's own.
    pub(crate) async fn connection(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    /// A statement for this place's tables.
    pub(crate) fn sql(&self, sql: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(sql.replace("unstick_", &self.prefix))
    }

    pub(crate) async fn run(&self, sql: &str) {
        sqlx::raw_sql(self.sql(sql)).execute(&mut self.connection().await).await.unwrap();
    }

    pub(crate) async fn rows(&self, sql: &str) -> Vec<PgRow> {
        sqlx::query(self.sql(sql)).fetch_all(&mut self.connection().await).await.unwrap()
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.rows(sql).await[0].get(0)
    }

    /// Everything that is in the tables, as text.
    pub(crate) async fn content(&self) -> Vec<String> {
        let sql = "SELECT s::text FROM unstick_sessions AS s UNION ALL SELECT r::text FROM unstick_reservations AS r ORDER BY 1";
        self.rows(sql).await.iter().map(|row| row.get(0)).collect()
    }
}

/// Each store with tables of its own.
pub(crate) struct Tables {
    place: Mutex<Place>,
    server: &'static PostgresServer,
    clock: Option<ManualClock>,
}

impl Tables {
    pub(crate) fn new(server: &'static PostgresServer, clock: Option<ManualClock>) -> Self {
        Self { place: Mutex::new(Place::new(server)), server, clock }
    }

    async fn connect(&self) -> PostgresStore {
        let builder = self.place.lock().unwrap().builder();
        match &self.clock {
            Some(clock) => builder.runtime(clock.runtime()),
            None => builder,
        }
        .connect()
        .await
        .unwrap()
    }
}

impl StoreFactory for Tables {
    type Store = PostgresStore;

    async fn open(&self) -> PostgresStore {
        *self.place.lock().unwrap() = Place::new(self.server);
        self.connect().await
    }

    async fn open_again(&self, _: &PostgresStore) -> Option<PostgresStore> {
        Some(self.connect().await)
    }

    fn clock(&self) -> TestClock {
        self.clock.clone().map_or(TestClock::System, TestClock::Manual)
    }
}
