//! The store itself: parameters in, rows out.

use std::{
    fmt,
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    SqlStr, Sqlite, SqlitePool, Transaction,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};
use unstick_core::{
    Change, ConfigError, Error, Events, NewRecord, Presented, RecordKey, Renewal, Reservation, Rotation, Runtime, SessionEntry, Timestamp,
};

use super::{
    SqliteStoreBuilder, error,
    read::{column, seen},
    statements::Statements,
};
use crate::{
    delta,
    engine::{Call, Engine, Outcome, Seen, Turned, Written},
    row,
    store::store_over_engine,
    sweeper::{self, Sweeper},
};

/// Sessions in one SQLite file. See the [module docs](super). Clones share one set of connections.
///
/// The connections are closed and the sweeper ends when the last clone is dropped.
#[derive(Clone)]
pub struct SqliteStore {
    pub(super) inner: Arc<Inner>,
    _sweeper: Option<Arc<Sweeper>>,
}

pub(super) struct Inner {
    path: PathBuf,
    owner: String,
    runtime: Runtime,
    pub(super) writer: SqlitePool,
    pub(super) reader: SqlitePool,
    pub(super) sql: Statements,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

pub(super) fn is_late(deadline: Timestamp) -> bool {
    Timestamp::system_now() >= deadline
}

pub(super) type Statement = Query<'static, Sqlite, SqliteArguments>;

pub(super) fn statement(sql: &SqlStr) -> Statement {
    sqlx::query(sql.clone())
}

/// The parameters that `apply` and `rotate` share.
fn change(sql: &SqlStr, call: Call<'_>, key: &RecordKey, presented: &Presented, change: &Change) -> Result<Statement, Error> {
    let op = call.op;
    let renewal = change.renewal.unwrap_or(Renewal { idle_deadline: Timestamp::ZERO, issued: Timestamp::ZERO });
    Ok(statement(sql)
        .bind(key.as_bytes().to_vec())
        .bind(op.now.as_millis())
        .bind(presented.secret.as_bytes().to_vec())
        .bind(presented.issued.as_millis())
        .bind(call.deadline.as_millis())
        .bind(delta::operation(op.op_id))
        .bind(delta::applied(op.op_id, delta::remembered_until(call)))
        .bind(change.clear)
        .bind(delta::patch(change, op.op_id.field_version())?)
        .bind(delta::preconditions(&change.preconditions)?)
        .bind(i64::try_from(change.max_size).unwrap_or(i64::MAX))
        .bind(renewal.idle_deadline.as_millis())
        .bind(renewal.issued.as_millis()))
}

/// From the row that `apply` returned.
fn written(call: Call<'_>, row: &SqliteRow) -> Result<Written, Error> {
    let proof = row::proof(call.op, column(row, 1)?, column(row, 2)?);
    Ok(Written { proof, idle_deadline: Timestamp::from_millis(column(row, 0)?) })
}

/// From the row that `rotate` returned.
fn turned(row: &SqliteRow) -> Result<Turned, Error> {
    Ok(Turned { rotated: column(row, 1)?, idle_deadline: Timestamp::from_millis(column(row, 0)?) })
}

impl SqliteStore {
    /// Opens a file with the default settings: its path, or `sqlite:path?options` as said in the [module docs](super).
    ///
    /// # Errors
    /// One sentence that names the option, or the file and what is the matter with it.
    pub async fn connect(address: &str) -> Result<Self, ConfigError> {
        Self::builder(address).connect().await
    }

    /// Settings for a file. Methods of the builder win over options in the address.
    pub fn builder(address: &str) -> SqliteStoreBuilder {
        SqliteStoreBuilder::new(address)
    }

    /// Over a pool of yours, with the default settings. See [`SqliteStoreBuilder::connect_pool`] for what the pool needs.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn from_pool(pool: SqlitePool) -> Result<Self, ConfigError> {
        Self::builder("").connect_pool(pool).await
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Waits for statements under way, then closes the connections and merges the write-ahead log into the file.
    /// Later operations answer [`ErrorKind::Unavailable`](unstick_core::ErrorKind::Unavailable).
    pub async fn close(&self) {
        self.inner.reader.close().await;
        self.inner.writer.close().await;
    }

    pub(super) fn start(
        path: PathBuf,
        prefix: &str,
        writer: SqlitePool,
        reader: SqlitePool,
        interval: Duration,
        runtime: &Runtime,
        events: Events,
    ) -> Result<Self, ConfigError> {
        let inner =
            Arc::new(Inner { path, owner: sweeper::owner()?, runtime: runtime.clone(), writer, reader, sql: Statements::new(prefix) });
        let sweeper = sweeper::start(&inner, interval, events);
        Ok(Self { inner, _sweeper: sweeper })
    }
}

impl Inner {
    /// Runs a writing statement to its very end, so that a commit that fails is not taken for a success.
    pub(super) async fn write(&self, statement: Statement) -> Result<Vec<SqliteRow>, Error> {
        statement.fetch_all(&self.writer).await.map_err(error::run_time)
    }
}

/// What a change returned; a statement that fails on a row with unreadable data counts as "no row", and reading that row then tells.
fn outcome<T>(answer: Result<Vec<SqliteRow>, sqlx::Error>, read: impl FnOnce(&SqliteRow) -> Result<T, Error>) -> Result<Outcome<T>, Error> {
    match answer {
        Ok(rows) => match rows.first() {
            Some(row) => read(row).map(Outcome::Done),
            None => Ok(Outcome::Nothing),
        },
        Err(error) if error::code(&error) == error::ERROR => Ok(Outcome::Failed(error::run_time(error))),
        Err(error) => Err(error::run_time(error)),
    }
}

impl Engine for Inner {
    const REMOTE: bool = false;
    type Locked = Transaction<'static, Sqlite>;

    fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    async fn insert(&self, call: Call<'_>, key: &RecordKey, new: &NewRecord) -> Result<bool, Error> {
        let insert = statement(&self.sql.create)
            .bind(key.as_bytes().to_vec())
            .bind(new.secret.as_bytes().to_vec())
            .bind(new.created.as_millis())
            .bind(new.principal.as_deref().map(str::to_owned))
            .bind(new.idle_deadline.min(new.absolute_deadline).as_millis())
            .bind(new.absolute_deadline.as_millis())
            .bind(delta::fields(&new.fields)?)
            .bind(delta::applied(call.op.op_id, delta::remembered_until(call)))
            .bind(call.deadline.as_millis());
        Ok(insert.execute(&self.writer).await.map_err(error::run_time)?.rows_affected() > 0)
    }

    async fn find(&self, _: Call<'_>, key: &RecordKey) -> Result<Seen, Error> {
        let select = statement(&self.sql.read).bind(key.as_bytes().to_vec());
        Ok(seen(select.fetch_optional(&self.reader).await.map_err(error::run_time)?.as_ref()))
    }

    async fn find_renewing(&self, call: Call<'_>, key: &RecordKey, presented: &Presented, renewal: &Renewal) -> Result<Seen, Error> {
        let update = statement(&self.sql.read_renewing)
            .bind(key.as_bytes().to_vec())
            .bind(call.op.now.as_millis())
            .bind(presented.secret.as_bytes().to_vec())
            .bind(presented.issued.as_millis())
            .bind(call.deadline.as_millis())
            .bind(renewal.idle_deadline.as_millis())
            .bind(renewal.issued.as_millis());
        Ok(seen(self.write(update).await?.first()))
    }

    async fn apply(&self, call: Call<'_>, key: &RecordKey, presented: &Presented, delta: &Change) -> Result<Outcome<Written>, Error> {
        let update = change(&self.sql.apply, call, key, presented, delta)?;
        outcome(update.fetch_all(&self.writer).await, |row| written(call, row))
    }

    async fn rotate(
        &self,
        call: Call<'_>,
        key: &RecordKey,
        presented: &Presented,
        rotation: &Rotation,
        delta: &Change,
    ) -> Result<Outcome<Turned>, Error> {
        let update = change(&self.sql.rotate, call, key, presented, delta)?
            .bind(rotation.secret.as_bytes().to_vec())
            .bind(rotation.grace_until.map(Timestamp::as_millis))
            .bind(rotation.principal.as_deref().map(str::to_owned))
            .bind(rotation.idle_deadline.as_millis())
            .bind(rotation.overlap_since.as_millis());
        outcome(update.fetch_all(&self.writer).await, turned)
    }

    async fn end(&self, call: Call<'_>, key: &RecordKey, presented: Option<&Presented>, until: Timestamp) -> Result<Option<bool>, Error> {
        let upsert = statement(&self.sql.end)
            .bind(key.as_bytes().to_vec())
            .bind(call.op.now.as_millis())
            .bind(presented.map(|presented| presented.secret.as_bytes().to_vec()))
            .bind(presented.map(|presented| presented.issued.as_millis()))
            .bind(call.deadline.as_millis())
            .bind(delta::operation(call.op.op_id))
            .bind(until.as_millis());
        self.write(upsert).await?.first().map(|row| column(row, 0)).transpose()
    }

    async fn list(&self, call: Call<'_>, principal: &str) -> Result<Vec<SessionEntry>, Error> {
        self.list_of(call, principal).await
    }

    async fn end_others(&self, call: Call<'_>, principal: &str, keep: Option<&RecordKey>, skew: Duration) -> Result<Option<u64>, Error> {
        self.end_others_of(call, principal, keep, skew).await
    }

    async fn has_newer(&self, call: Call<'_>, principal: &str, keep: Option<&RecordKey>) -> Result<bool, Error> {
        self.has_newer_of(call, principal, keep).await
    }

    async fn reserve(
        &self,
        call: Call<'_>,
        principal: &str,
        key: &RecordKey,
        max: NonZeroU32,
        until: Timestamp,
    ) -> Result<Option<Reservation>, Error> {
        self.reserve_for(call, principal, key, max, until).await
    }

    async fn sweep(&self, call: Call<'_>, limit: usize) -> Result<usize, Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let delete =
            |sql: &SqlStr| statement(sql).bind(call.op.now.as_millis()).bind(limit).bind(call.deadline.as_millis()).execute(&self.writer);
        let deleted = delete(&self.sql.sweep).await.map_err(error::run_time)?.rows_affected();
        delete(&self.sql.sweep_reservations).await.map_err(error::run_time)?;
        Ok(usize::try_from(deleted).unwrap_or(usize::MAX))
    }

    async fn claim(&self, _: Call<'_>, lease: Duration) -> Result<bool, Error> {
        let lease = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX / 2);
        let claim = statement(&self.sql.claim).bind(self.owner.clone()).bind(lease);
        Ok(claim.execute(&self.writer).await.map_err(error::run_time)?.rows_affected() > 0)
    }

    async fn lock(&self, _: Call<'_>, key: &RecordKey) -> Result<(Self::Locked, Seen), Error> {
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(error::run_time)?;
        let select = statement(&self.sql.read).bind(key.as_bytes().to_vec());
        let row = select.fetch_optional(&mut *transaction).await.map_err(error::run_time)?;
        Ok((transaction, seen(row.as_ref())))
    }

    async fn apply_locked(
        &self,
        call: Call<'_>,
        locked: &mut Self::Locked,
        key: &RecordKey,
        presented: &Presented,
        delta: &Change,
    ) -> Result<Outcome<Written>, Error> {
        let update = change(&self.sql.apply, call, key, presented, delta)?;
        outcome(update.fetch_all(&mut **locked).await, |row| written(call, row))
    }

    async fn commit(&self, call: Call<'_>, locked: Self::Locked) -> Result<(), Error> {
        if is_late(call.deadline) {
            return Err(row::late());
        }
        locked.commit().await.map_err(error::run_time)
    }
}

store_over_engine!(SqliteStore, "sqlite", unstick_core::Scope::Host);
