//! The store itself: parameters in, rows out.

use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

use sqlx::{AssertSqlSafe, Executor, PgConnection, PgPool, Postgres, SqlSafeStr, SqlStr, postgres::PgRow};
use unstick_core::{
    Change, ConfigError, Error, ErrorKind, Events, Fields, NewRecord, Presented, RecordKey, Renewal, Reservation, Rotation, Runtime,
    SessionEntry, Timestamp,
};

use super::{
    PostgresStoreBuilder, error,
    read::{CLOCK_AT, column, seen},
    statements::Statements,
};
use crate::{
    delta,
    engine::{Call, Engine, Outcome, Seen, Turned, Written},
    row,
    server::{Answer, Dialect, Locked, Pooled, Statement, outcome},
    store::store_over_engine,
    sweeper::{self, Sweeper},
};

/// Sessions in a PostgreSQL database. See the [module docs](super). Clones share one set of connections.
///
/// The connections are closed and the sweeper ends when the last clone is dropped.
#[derive(Clone)]
pub struct PostgresStore {
    inner: Arc<Inner>,
    _sweeper: Option<Arc<Sweeper>>,
}

pub(super) struct Inner {
    place: String,
    owner: String,
    pub(super) pooled: Pooled<Postgres>,
    pub(super) sql: Statements,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("place", &self.inner.place).finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Connects to the server of an address and makes or checks the tables, with the default settings. See the
    /// [module docs](super) for what the address may hold.
    ///
    /// # Errors
    /// One sentence that names the setting, or the server and what is the matter with it. Never the password.
    pub async fn connect(address: &str) -> Result<Self, ConfigError> {
        Self::builder(address).connect().await
    }

    /// As [`connect`](Self::connect), with settings.
    pub fn builder(address: &str) -> PostgresStoreBuilder {
        PostgresStoreBuilder::new(address)
    }

    /// Over a pool of yours, with the default settings. See [`PostgresStoreBuilder::connect_pool`] for what the pool needs.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn from_pool(pool: PgPool) -> Result<Self, ConfigError> {
        Self::builder("").connect_pool(pool).await
    }

    /// Waits for statements under way, then closes the connections. Later operations answer [`ErrorKind::Unavailable`].
    pub async fn close(&self) {
        self.inner.pooled.close().await;
    }

    pub(super) fn start(
        place: String,
        prefix: &str,
        pooled: Pooled<Postgres>,
        interval: Duration,
        events: Events,
    ) -> Result<Self, ConfigError> {
        let inner = Arc::new(Inner { place, owner: sweeper::owner()?, pooled, sql: Statements::new(prefix) });
        let sweeper = sweeper::start(&inner, interval, events);
        Ok(Self { inner, _sweeper: sweeper })
    }
}

impl Dialect for Postgres {
    fn fetch(connection: &mut PgConnection, statement: Statement<Self>) -> Answer<'_, Vec<PgRow>> {
        connection.fetch_all(statement)
    }

    #[cfg(feature = "mysql")]
    fn execute(connection: &mut PgConnection, statement: Statement<Self>) -> Answer<'_, sqlx::postgres::PgQueryResult> {
        connection.execute(statement)
    }

    fn fetch_raw(connection: &mut PgConnection, sql: SqlStr) -> Answer<'_, Vec<PgRow>> {
        connection.fetch_all(sqlx::raw_sql(sql))
    }

    fn run_time(error: sqlx::Error) -> Error {
        error::run_time(&error)
    }

    fn survives(error: &sqlx::Error) -> bool {
        error::survives(error)
    }
}

pub(super) fn statement(sql: &SqlStr) -> Statement<Postgres> {
    sqlx::query(sql.clone())
}

/// The one character that PostgreSQL's texts cannot hold; [`Fields::check_name`] refuses it, too.
pub(super) fn check_text(text: &str) -> Result<(), Error> {
    if text.contains('\0') {
        return Err(Error::new(ErrorKind::Codec, "PostgreSQL cannot hold a session key or principal with a NUL character in it"));
    }
    Ok(())
}

fn check_fields(fields: &Fields) -> Result<(), Error> {
    fields.iter().try_for_each(|(name, _)| check_text(name))
}

/// The parameters that `apply` and `rotate` share.
fn change(sql: &SqlStr, call: Call<'_>, key: &RecordKey, presented: &Presented, change: &Change) -> Result<Statement<Postgres>, Error> {
    change.fields.iter().try_for_each(|(name, _)| check_text(name))?;
    change.preconditions.iter().try_for_each(|one| check_text(&one.name))?;
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
        .bind(delta::sets(change, op.op_id.field_version())?)
        .bind(delta::preconditions(&change.preconditions)?)
        .bind(i64::try_from(change.max_size).unwrap_or(i64::MAX))
        .bind(renewal.idle_deadline.as_millis())
        .bind(renewal.issued.as_millis())
        .bind(delta::removals(change)))
}

/// From the row that `apply` returned.
fn written(call: Call<'_>, row: &PgRow) -> Result<Written, Error> {
    let proof = row::proof(call.op, column(row, 1)?, column(row, 2)?);
    Ok(Written { proof, idle_deadline: Timestamp::from_millis(column(row, 0)?) })
}

/// From the row that `rotate` returned.
fn turned(row: &PgRow) -> Result<Turned, Error> {
    Ok(Turned { rotated: column(row, 1)?, idle_deadline: Timestamp::from_millis(column(row, 0)?) })
}

impl Inner {
    /// Runs one statement and takes in the server's clock from column `clock` of its first row.
    async fn rows(&self, call: Call<'_>, statement: Statement<Postgres>, clock: usize) -> Result<Vec<PgRow>, Error> {
        let mut lease = self.pooled.lease(call).await?;
        let sent = Timestamp::system_now();
        let rows = lease.rows(call, statement).await?;
        if let Some(row) = rows.first() {
            self.pooled.learn(sent, Timestamp::from_millis(column(row, clock)?));
        }
        Ok(rows)
    }

    /// Opens a transaction. A node that stops inside it must not hold its locks for longer than the operation has time: then the
    /// server takes it back. It waits a little longer for others' locks, so that it can tell that it got them too late.
    pub(super) async fn begin(&self, call: Call<'_>) -> Result<Locked<Postgres>, Error> {
        let left = i64::try_from(call.left(&self.pooled.runtime).as_millis()).unwrap_or(i64::MAX).clamp(1, 3_600_000);
        let begin = AssertSqlSafe(format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = {left}; SET LOCAL lock_timeout = {}",
            left + 1000
        ));
        Locked::begin(self.pooled.lease(call).await?, call, begin.into_sql_str()).await
    }

    /// What one change came to.
    async fn write<T>(
        &self,
        call: Call<'_>,
        statement: Statement<Postgres>,
        clock: usize,
        read: impl FnOnce(&PgRow) -> Result<T, Error>,
    ) -> Result<Outcome<T>, Error> {
        outcome(self.rows(call, statement, clock).await.and_then(|rows| rows.first().map(read).transpose()))
    }
}

impl Engine for Inner {
    const REMOTE: bool = true;
    type Locked = Locked<Postgres>;

    fn runtime(&self) -> &Runtime {
        &self.pooled.runtime
    }

    fn deadline(&self, here: Timestamp) -> Timestamp {
        self.pooled.deadline(here)
    }

    async fn insert(&self, call: Call<'_>, key: &RecordKey, new: &NewRecord) -> Result<bool, Error> {
        check_fields(&new.fields)?;
        new.principal.as_deref().map_or(Ok(()), check_text)?;
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
        match self.write(call, insert, 0, |_| Ok(())).await? {
            Outcome::Done(()) => Ok(true),
            Outcome::Nothing => Ok(false),
            Outcome::Failed(error) => Err(error),
        }
    }

    async fn find(&self, call: Call<'_>, key: &RecordKey) -> Result<Seen, Error> {
        let select = statement(&self.sql.read).bind(key.as_bytes().to_vec());
        seen(&self.rows(call, select, CLOCK_AT).await?)
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
        match self.rows(call, update, CLOCK_AT).await {
            // it waited for a lock until it was too late to renew, but it may still read
            Err(error) if error.kind() == ErrorKind::Late => self.find(call, key).await,
            answer => seen(&answer?),
        }
    }

    async fn apply(&self, call: Call<'_>, key: &RecordKey, presented: &Presented, delta: &Change) -> Result<Outcome<Written>, Error> {
        let update = change(&self.sql.apply, call, key, presented, delta)?;
        self.write(call, update, 3, |row| written(call, row)).await
    }

    async fn rotate(
        &self,
        call: Call<'_>,
        key: &RecordKey,
        presented: &Presented,
        rotation: &Rotation,
        delta: &Change,
    ) -> Result<Outcome<Turned>, Error> {
        rotation.principal.as_deref().map_or(Ok(()), check_text)?;
        let update = change(&self.sql.rotate, call, key, presented, delta)?
            .bind(rotation.secret.as_bytes().to_vec())
            .bind(rotation.grace_until.map(Timestamp::as_millis))
            .bind(rotation.principal.as_deref().map(str::to_owned))
            .bind(rotation.idle_deadline.as_millis())
            .bind(rotation.overlap_since.as_millis());
        self.write(call, update, 2, turned).await
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
        match self.write(call, upsert, 1, |row| column(row, 0)).await? {
            Outcome::Done(was_live) => Ok(Some(was_live)),
            Outcome::Nothing => Ok(None),
            Outcome::Failed(error) => Err(error),
        }
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
        let delete = |sql: &SqlStr| statement(sql).bind(call.op.now.as_millis()).bind(limit).bind(call.deadline.as_millis());
        let rows = self.rows(call, delete(&self.sql.sweep), 1).await?;
        self.pooled.rows(call, delete(&self.sql.sweep_reservations)).await?;
        let deleted: i64 = rows.first().map_or(Ok(0), |row| column(row, 0))?;
        Ok(usize::try_from(deleted).unwrap_or(0))
    }

    async fn claim(&self, call: Call<'_>, lease: Duration) -> Result<bool, Error> {
        let lease = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX / 2);
        let claim = statement(&self.sql.claim).bind(self.owner.clone()).bind(lease);
        Ok(!self.rows(call, claim, 0).await?.is_empty())
    }

    async fn lock(&self, call: Call<'_>, key: &RecordKey) -> Result<(Self::Locked, Seen), Error> {
        let mut locked = self.begin(call).await?;
        let select = statement(&self.sql.read_locking).bind(key.as_bytes().to_vec());
        let seen = seen(&locked.lease()?.rows(call, select).await?)?;
        Ok((locked, seen))
    }

    async fn apply_locked(
        &self,
        call: Call<'_>,
        locked: &mut Self::Locked,
        key: &RecordKey,
        presented: &Presented,
        delta: &Change,
    ) -> Result<Outcome<Written>, Error> {
        let update = change(&self.sql.apply_locked, call, key, presented, delta)?;
        let rows = locked.lease()?.rows(call, update).await;
        outcome(rows.and_then(|rows| rows.first().map(|row| written(call, row)).transpose()))
    }

    async fn commit(&self, call: Call<'_>, locked: Self::Locked) -> Result<(), Error> {
        locked.commit(call).await
    }
}

store_over_engine!(PostgresStore, "postgres", unstick_core::Scope::Shared);
