//! A directory that goes away, with a database file in it.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, atomic::Ordering},
    time::Duration,
};

use sqlx::{
    AssertSqlSafe, Connection, Row, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteRow},
};
use unstick_sql::{sqlite::SqliteStore, sqlx};
use unstick_testkit::{
    clock::{ManualClock, TestClock},
    contract::StoreFactory,
};

use super::NEXT;

pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("unstick-sql-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("sessions.db")
    }

    pub(crate) fn address(&self) -> String {
        self.file().display().to_string()
    }

    pub(crate) async fn store(&self) -> SqliteStore {
        SqliteStore::builder(&self.address()).sweep_interval(Duration::ZERO).connect().await.unwrap()
    }

    /// A connection beside the store's own.
    pub(crate) async fn connection(&self) -> SqliteConnection {
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(self.file()).busy_timeout(Duration::from_secs(5)))
            .await
            .unwrap()
    }

    pub(crate) async fn run(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.connection().await).await.unwrap();
    }

    pub(crate) async fn rows(&self, sql: &str) -> Vec<SqliteRow> {
        sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut self.connection().await).await.unwrap()
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.rows(sql).await[0].get(0)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Each store in a file of its own; the files go away with the factory.
#[derive(Default)]
pub(crate) struct Files {
    places: Mutex<Vec<Place>>,
    clock: Option<ManualClock>,
}

impl Files {
    pub(crate) fn new(clock: Option<ManualClock>) -> Self {
        Self { clock, ..Self::default() }
    }

    async fn at(&self, address: &str) -> SqliteStore {
        let builder = SqliteStore::builder(address).busy_timeout(Duration::from_secs(10)).sweep_interval(Duration::ZERO);
        match &self.clock {
            Some(clock) => builder.runtime(clock.runtime()),
            None => builder,
        }
        .connect()
        .await
        .unwrap()
    }
}

impl StoreFactory for Files {
    type Store = SqliteStore;

    async fn open(&self) -> SqliteStore {
        let place = Place::new();
        let address = place.address();
        self.places.lock().unwrap().push(place);
        self.at(&address).await
    }

    async fn open_again(&self, store: &SqliteStore) -> Option<SqliteStore> {
        Some(self.at(&store.path().display().to_string()).await)
    }

    fn clock(&self) -> TestClock {
        self.clock.clone().map_or(TestClock::System, TestClock::Manual)
    }
}
