//! A set of tables of a test's own on a server that all tests of a binary share: a MariaDB of the tests' own, or the server
//! that `UNSTICK_TEST_MYSQL_URL` names, such as `mysql://root@127.0.0.1:3306/throwaway`. On that one the tables are left behind.

use std::{
    sync::{Mutex, atomic::Ordering},
    time::Duration,
};

use sqlx::{AssertSqlSafe, Connection, MySqlConnection, Row, mysql::MySqlRow};
use unstick_sql::{
    mysql::{MySqlStore, MySqlStoreBuilder},
    sqlx,
};
use unstick_testkit::{
    clock::{ManualClock, TestClock},
    contract::StoreFactory,
    servers::{MariaDbServer, Shared},
};

use super::NEXT;

pub(crate) static SERVER: Shared<MariaDbServer> = Shared::new(MariaDbServer::start);

/// The address of the shared server. Without a server the test returns here and is told as skipped.
#[allow(unused_macros, reason = "each test file uses its part")]
macro_rules! url {
    () => {
        match std::env::var("UNSTICK_TEST_MYSQL_URL") {
            Ok(url) => url,
            Err(_) => unstick_testkit::require_server!($crate::common::mysql::SERVER.get()).url(),
        }
    };
}
pub(crate) use url;

/// Tables with a prefix of their own, which stands for `unstick_` in the statements of tests.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) prefix: String,
}

impl Place {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), prefix: format!("t{}_{}_", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)) }
    }

    /// Patient, and without a sweeper.
    pub(crate) fn builder(&self) -> MySqlStoreBuilder {
        let builder = MySqlStore::builder(&self.url).prefix(&self.prefix).acquire_timeout(Duration::from_secs(20));
        builder.sweep_interval(Duration::ZERO)
    }

    pub(crate) async fn store(&self) -> MySqlStore {
        self.builder().connect().await.unwrap()
    }

    /// A connection beside the store's own.
    pub(crate) async fn connection(&self) -> MySqlConnection {
        MySqlConnection::connect(&self.url).await.unwrap()
    }

    /// A statement for this place's tables.
    pub(crate) fn sql(&self, sql: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(sql.replace("unstick_", &self.prefix))
    }

    pub(crate) async fn run(&self, sql: &str) {
        sqlx::raw_sql(self.sql(sql)).execute(&mut self.connection().await).await.unwrap();
    }

    pub(crate) async fn rows(&self, sql: &str) -> Vec<MySqlRow> {
        sqlx::query(self.sql(sql)).fetch_all(&mut self.connection().await).await.unwrap()
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.rows(sql).await[0].get_unchecked(0)
    }

    /// Everything that is in the tables, as text.
    pub(crate) async fn content(&self) -> Vec<String> {
        let sql = "SELECT CONCAT_WS('|', HEX(`key`), format, HEX(secret), HEX(previous), previous_until, previous_reissued, rotated, reissued, \
                   HEX(principal), created, idle_deadline, absolute_deadline, HEX(fields), HEX(applied), ended_at, ended_until, HEX(ended_op)) \
                   AS line FROM unstick_sessions UNION ALL SELECT CONCAT_WS('|', HEX(principal), HEX(`key`), until) FROM unstick_reservations \
                   WHERE `key` <> X'00' ORDER BY line";
        self.rows(sql).await.iter().map(|row| row.get_unchecked::<Option<String>, _>(0).unwrap()).collect()
    }
}

/// Each store with tables of its own.
pub(crate) struct Tables {
    place: Mutex<Place>,
    clock: Option<ManualClock>,
}

impl Tables {
    pub(crate) fn new(url: String, clock: Option<ManualClock>) -> Self {
        Self { place: Mutex::new(Place::new(url)), clock }
    }

    async fn connect(&self) -> MySqlStore {
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
    type Store = MySqlStore;

    async fn open(&self) -> MySqlStore {
        {
            let mut place = self.place.lock().unwrap();
            *place = Place::new(place.url.clone());
        }
        self.connect().await
    }

    async fn open_again(&self, _: &MySqlStore) -> Option<MySqlStore> {
        Some(self.connect().await)
    }

    fn clock(&self) -> TestClock {
        self.clock.clone().map_or(TestClock::System, TestClock::Manual)
    }
}
