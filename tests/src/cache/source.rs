//! Where carts are kept: what a cache reads through to.

use std::{
    io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use unstick_sql::{
    postgres::PostgresBus,
    sqlx::{self, PgPool, SqlitePool, postgres::PgPoolOptions, sqlite::SqliteConnectOptions},
};

use super::{CUSTOMERS, KINDS, carts};

/// Which carts a write changes: one, or all of a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    /// Whose.
    pub customer: u64,
    /// Which; `None` is all.
    pub kind: Option<u64>,
}

impl Changed {
    fn carts(self) -> impl Iterator<Item = (u64, u64)> {
        carts().filter(move |(customer, kind)| *customer == self.customer && self.kind.is_none_or(|only| only == *kind))
    }
}

/// A cart after a write.
pub type Written = (u64, u64, u64);

/// Carts with a version each, which grows with every write. Clones are the same carts.
#[derive(Debug, Clone)]
pub struct Source {
    place: Place,
    reads: Arc<AtomicU64>,
}

#[derive(Debug, Clone)]
enum Place {
    Memory(Arc<Mutex<Vec<u64>>>),
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

fn failed(error: sqlx::Error) -> io::Error {
    io::Error::other(error)
}

fn number(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or_default()
}

const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS carts (customer BIGINT, kind BIGINT, version BIGINT NOT NULL, PRIMARY KEY (customer, kind))";
const FIRST: &str = "INSERT INTO carts VALUES ($1, $2, 0) ON CONFLICT DO NOTHING";
const READ: &str = "SELECT version FROM carts WHERE customer = $1 AND kind = $2";
const WRITE: &str = "UPDATE carts SET version = version + 1 WHERE customer = $1 AND (CAST($2 AS BIGINT) < 0 OR kind = $2) RETURNING customer, kind, version";

impl Source {
    fn at(place: Place) -> Self {
        Self { place, reads: Arc::default() }
    }

    /// In this process.
    #[must_use]
    pub fn memory() -> Self {
        let carts = usize::try_from(CUSTOMERS * KINDS).unwrap_or_default();
        Self::at(Place::Memory(Arc::new(Mutex::new(vec![0; carts]))))
    }

    /// In an SQLite file, which several processes may open.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sqlite(path: &Path) -> io::Result<Self> {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true).busy_timeout(Duration::from_secs(30));
        let options = options.journal_mode(sqlx::sqlite::SqliteJournalMode::Wal).synchronous(sqlx::sqlite::SqliteSynchronous::Off);
        let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(4).connect_with(options).await.map_err(failed)?;
        sqlx::query(TABLE).execute(&pool).await.map_err(failed)?;
        for (customer, kind) in carts() {
            sqlx::query(FIRST).bind(signed(customer)).bind(signed(kind)).execute(&pool).await.map_err(failed)?;
        }
        Ok(Self::at(Place::Sqlite(pool)))
    }

    /// In a PostgreSQL database.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn postgres(url: &str) -> io::Result<Self> {
        let pool = PgPoolOptions::new().max_connections(8).acquire_timeout(Duration::from_secs(60)).connect(url).await.map_err(failed)?;
        // nodes that start together may not create the table together
        let mut transaction = pool.begin().await.map_err(failed)?;
        sqlx::query("SELECT pg_advisory_xact_lock(7)").execute(&mut *transaction).await.map_err(failed)?;
        sqlx::query(TABLE).execute(&mut *transaction).await.map_err(failed)?;
        for (customer, kind) in carts() {
            sqlx::query(FIRST).bind(signed(customer)).bind(signed(kind)).execute(&mut *transaction).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)?;
        Ok(Self::at(Place::Postgres(pool)))
    }

    /// The version of a cart. In memory it is read at once and answered later, one in sixteen much later.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn read(&self, customer: u64, kind: u64) -> io::Result<u64> {
        let turn = self.reads.fetch_add(1, Ordering::Relaxed);
        let row = match &self.place {
            Place::Memory(carts) => Ok((signed(version(carts, customer, kind)),)),
            Place::Sqlite(pool) => sqlx::query_as(READ).bind(signed(customer)).bind(signed(kind)).fetch_one(pool).await,
            Place::Postgres(pool) => sqlx::query_as(READ).bind(signed(customer)).bind(signed(kind)).fetch_one(pool).await,
        };
        let (version,): (i64,) = row.map_err(failed)?;
        match turn % 16 {
            0 => tokio::time::sleep(Duration::from_millis(20)).await,
            turn if turn % 4 == 1 => tokio::time::sleep(Duration::from_millis(1)).await,
            _ => tokio::task::yield_now().await,
        }
        Ok(number(version))
    }

    /// Writes new versions.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn write(&self, changed: Changed) -> io::Result<Vec<Written>> {
        let (customer, kind) = (signed(changed.customer), changed.kind.map_or(-1, signed));
        let rows: Result<Vec<(i64, i64, i64)>, _> = match &self.place {
            Place::Memory(carts) => return Ok(raise(carts, changed)),
            Place::Sqlite(pool) => sqlx::query_as(WRITE).bind(customer).bind(kind).fetch_all(pool).await,
            Place::Postgres(pool) => sqlx::query_as(WRITE).bind(customer).bind(kind).fetch_all(pool).await,
        };
        Ok(written(rows.map_err(failed)?))
    }

    /// Writes new versions in a transaction that carries a notice.
    ///
    /// # Errors
    /// Those of the database, and when this source has no such transactions.
    pub async fn write_with(&self, changed: Changed, bus: &PostgresBus, notice: &[u8]) -> io::Result<Vec<Written>> {
        let Place::Postgres(pool) = &self.place else { return Err(io::Error::other("no notices in these transactions")) };
        let mut transaction = pool.begin().await.map_err(failed)?;
        let (customer, kind) = (signed(changed.customer), changed.kind.map_or(-1, signed));
        let rows = sqlx::query_as(WRITE).bind(customer).bind(kind).fetch_all(&mut *transaction).await.map_err(failed)?;
        bus.notify_in(&mut *transaction, notice).await.map_err(io::Error::other)?;
        transaction.commit().await.map_err(failed)?;
        Ok(written(rows))
    }
}

fn written(rows: Vec<(i64, i64, i64)>) -> Vec<Written> {
    rows.into_iter().map(|(customer, kind, version)| (number(customer), number(kind), number(version))).collect()
}

fn place(customer: u64, kind: u64) -> usize {
    usize::try_from(customer * KINDS + kind).unwrap_or(usize::MAX)
}

fn version(carts: &Mutex<Vec<u64>>, customer: u64, kind: u64) -> u64 {
    carts.lock().unwrap_or_else(PoisonError::into_inner).get(place(customer, kind)).copied().unwrap_or_default()
}

fn raise(carts: &Mutex<Vec<u64>>, changed: Changed) -> Vec<Written> {
    let mut carts = carts.lock().unwrap_or_else(PoisonError::into_inner);
    let raise = |(customer, kind)| {
        carts.get_mut(place(customer, kind)).map(|version| {
            *version += 1;
            (customer, kind, *version)
        })
    };
    changed.carts().filter_map(raise).collect()
}
