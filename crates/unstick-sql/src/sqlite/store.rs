//! The store itself: parameters in, rows out, refusals explained.

use std::{
    fmt,
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    SqlStr, Sqlite, SqlitePool,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};
use unstick_core::{
    Applied, Change, ConfigError, Created, Decide, Ended, Error, ErrorKind, Events, Loaded, NewRecord, OpCtx, OpId, Presented,
    PrincipalIndex, Proof, RecordKey, Renewal, Rotated, Rotation, Runtime, Scope, Standing, Store, Timestamp,
};

use super::{
    SqliteStoreBuilder, error,
    read::{column, raw, record},
    statements::Statements,
};
use crate::{
    delta, row,
    sweeper::{self, Sweeper, Swept},
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

impl Inner {
    /// The moment on the engine's clock, which is this host's, after which the operation is refused. The engine knows nothing
    /// of a clock that a test moves, so the time that is left is carried over, and never more than the operation had.
    pub(super) fn engine_deadline(&self, op: &OpCtx) -> Timestamp {
        Timestamp::system_now() + op.deadline.since(self.runtime.wall()).min(op.budget())
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
fn change(
    sql: &SqlStr,
    op: &OpCtx,
    deadline: Timestamp,
    key: &RecordKey,
    presented: &Presented,
    change: &Change,
) -> Result<Statement, Error> {
    let renewal = change.renewal.unwrap_or(Renewal { idle_deadline: Timestamp::ZERO, issued: Timestamp::ZERO });
    Ok(statement(sql)
        .bind(key.as_bytes().to_vec())
        .bind(op.now.as_millis())
        .bind(presented.secret.as_bytes().to_vec())
        .bind(presented.issued.as_millis())
        .bind(deadline.as_millis())
        .bind(delta::operation(op.op_id))
        .bind(delta::applied(op.op_id, delta::remembered_until(op, deadline)))
        .bind(change.clear)
        .bind(delta::patch(change, op.op_id.field_version())?)
        .bind(delta::preconditions(&change.preconditions)?)
        .bind(i64::try_from(change.max_size).unwrap_or(i64::MAX))
        .bind(renewal.idle_deadline.as_millis())
        .bind(renewal.issued.as_millis()))
}

/// From the row that `apply` returned.
fn done(op: &OpCtx, row: &SqliteRow) -> Result<Applied, Error> {
    let current: bool = column(row, 1)?;
    let previous_until: Option<i64> = column(row, 2)?;
    let proof = match previous_until {
        _ if current => Proof::Current,
        Some(until) if op.now.as_millis() < until => Proof::Grace,
        _ => Proof::Reordered,
    };
    Ok(Applied::Done { proof, idle_deadline: Timestamp::from_millis(column(row, 0)?) })
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
    /// Later operations answer [`ErrorKind::Unavailable`].
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
        let mut owner = [0; 16];
        getrandom::fill(&mut owner).map_err(|_| ConfigError::new("the operating system gave no randomness"))?;
        let owner = format!("{:032x}", u128::from_be_bytes(owner));
        let inner = Arc::new(Inner { path, owner, runtime: runtime.clone(), writer, reader, sql: Statements::new(prefix) });
        let sweeper = (!interval.is_zero()).then(|| Arc::new(sweeper::start(Arc::downgrade(&inner), interval, runtime, events)));
        Ok(Self { inner, _sweeper: sweeper })
    }

    /// Runs a writing statement to its very end, so that a commit that fails is not taken for a success.
    pub(super) async fn write(&self, statement: Statement) -> Result<Vec<SqliteRow>, sqlx::Error> {
        statement.fetch_all(&self.inner.writer).await
    }

    async fn find(&self, key: &RecordKey) -> Result<Option<SqliteRow>, Error> {
        let select = statement(&self.inner.sql.read).bind(key.as_bytes().to_vec());
        select.fetch_optional(&self.inner.reader).await.map_err(error::run_time)
    }

    /// As [`write`](Self::write) for the first row; a statement that fails on a row with unreadable data counts as "no row",
    /// and reading that row then tells.
    async fn write_one(&self, statement: Statement) -> Result<Result<Option<SqliteRow>, Error>, Error> {
        match self.write(statement).await {
            Ok(mut rows) => Ok(Ok(rows.pop())),
            Err(error) if error::code(&error) == error::ERROR => Ok(Err(error::run_time(error))),
            Err(error) => Err(error::run_time(error)),
        }
    }
}

/// Splits "cannot be read" off from errors of the backend.
fn readable<T>(result: Result<T, Error>) -> Result<Result<T, ErrorKind>, Error> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::UnknownFormat) => Ok(Err(error.kind())),
        Err(error) => Err(error),
    }
}

impl Store for SqliteStore {
    fn scope(&self) -> Scope {
        Scope::Host
    }

    fn name(&self) -> &'static str {
        "sqlite"
    }

    async fn create(&self, op: OpCtx, key: RecordKey, new: &NewRecord) -> Result<Created, Error> {
        let deadline = self.inner.engine_deadline(&op);
        let insert = statement(&self.inner.sql.create)
            .bind(key.as_bytes().to_vec())
            .bind(new.secret.as_bytes().to_vec())
            .bind(new.created.as_millis())
            .bind(new.principal.as_deref().map(str::to_owned))
            .bind(new.idle_deadline.min(new.absolute_deadline).as_millis())
            .bind(new.absolute_deadline.as_millis())
            .bind(delta::fields(&new.fields)?)
            .bind(delta::applied(op.op_id, delta::remembered_until(&op, deadline)))
            .bind(deadline.as_millis());
        let inserted = insert.execute(&self.inner.writer).await.map_err(error::run_time)?.rows_affected();
        if inserted > 0 {
            return Ok(Created::Done);
        }
        match self.find(&key).await? {
            Some(row) => match readable(raw(&row))? {
                Ok(row) => row::refused_create(row, &op, is_late(deadline)),
                Err(_) if is_late(deadline) => Err(row::late()),
                Err(_) => Ok(Created::Exists),
            },
            None if is_late(deadline) => Err(row::late()),
            // deleted between the two statements, as old as it was
            None => Ok(Created::Exists),
        }
    }

    async fn load(&self, op: OpCtx, key: RecordKey, presented: Presented, renewal: Option<Renewal>) -> Result<Loaded, Error> {
        let row = match renewal {
            None => self.find(&key).await?,
            Some(renewal) => {
                let update = statement(&self.inner.sql.read_renewing)
                    .bind(key.as_bytes().to_vec())
                    .bind(op.now.as_millis())
                    .bind(presented.secret.as_bytes().to_vec())
                    .bind(presented.issued.as_millis())
                    .bind(self.inner.engine_deadline(&op).as_millis())
                    .bind(renewal.idle_deadline.as_millis())
                    .bind(renewal.issued.as_millis());
                self.write(update).await.map_err(error::run_time)?.pop()
            }
        };
        let Some(row) = row else { return Ok(Loaded::Missing) };
        Ok(match readable(record(&row))? {
            Ok(record) => Loaded::judge(&record, &presented, op.now),
            Err(kind) => Loaded::Unreadable(kind),
        })
    }

    async fn apply(&self, op: OpCtx, key: RecordKey, presented: Presented, delta: &Change) -> Result<Applied, Error> {
        let deadline = self.inner.engine_deadline(&op);
        let update = change(&self.inner.sql.apply, &op, deadline, &key, &presented, delta)?;
        let refusal = match self.write_one(update).await? {
            Ok(Some(row)) => return done(&op, &row),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        match self.find(&key).await? {
            None if is_late(deadline) => Err(row::late()),
            None => Ok(Applied::Missing),
            Some(row) => match (readable(record(&row))?, refusal) {
                (Err(kind), _) => Ok(Applied::Unreadable(kind)),
                (Ok(_), Some(error)) => Err(error),
                (Ok(record), None) => row::refused_apply(record, &op, is_late(deadline), &presented, delta),
            },
        }
    }

    async fn rotate(&self, op: OpCtx, key: RecordKey, presented: Presented, rotation: &Rotation, delta: &Change) -> Result<Rotated, Error> {
        let deadline = self.inner.engine_deadline(&op);
        let update = change(&self.inner.sql.rotate, &op, deadline, &key, &presented, delta)?
            .bind(rotation.secret.as_bytes().to_vec())
            .bind(rotation.grace_until.map(Timestamp::as_millis))
            .bind(rotation.principal.as_deref().map(str::to_owned))
            .bind(rotation.idle_deadline.as_millis())
            .bind(rotation.overlap_since.as_millis());
        let refusal = match self.write_one(update).await? {
            Ok(Some(row)) => {
                return Ok(Rotated::Done { rotated: column(&row, 1)?, idle_deadline: Timestamp::from_millis(column(&row, 0)?) });
            }
            Ok(None) => None,
            Err(error) => Some(error),
        };
        match self.find(&key).await? {
            None if is_late(deadline) => Err(row::late()),
            None => Ok(Rotated::Refused(Applied::Missing)),
            Some(row) => match (readable(record(&row))?, refusal) {
                (Err(kind), _) => Ok(Rotated::Refused(Applied::Unreadable(kind))),
                (Ok(_), Some(error)) => Err(error),
                (Ok(record), None) => row::refused_rotate(record, &op, is_late(deadline), &presented, rotation, delta),
            },
        }
    }

    async fn end(&self, op: OpCtx, key: RecordKey, presented: Option<Presented>, until: Timestamp) -> Result<Ended, Error> {
        let deadline = self.inner.engine_deadline(&op);
        let upsert = statement(&self.inner.sql.end)
            .bind(key.as_bytes().to_vec())
            .bind(op.now.as_millis())
            .bind(presented.map(|presented| presented.secret.as_bytes().to_vec()))
            .bind(presented.map(|presented| presented.issued.as_millis()))
            .bind(deadline.as_millis())
            .bind(delta::operation(op.op_id))
            .bind(until.as_millis());
        if let Some(row) = self.write(upsert).await.map_err(error::run_time)?.pop() {
            return Ok(Ended::Done { was_live: column(&row, 0)? });
        }
        if is_late(deadline) {
            return Err(row::late());
        }
        let row = self.find(&key).await?;
        match (row.as_ref().map(record).transpose()?, presented) {
            (Some(record), Some(presented)) => match record.standing(&presented, op.now) {
                Standing::Superseded { at } => Ok(Ended::Superseded { at }),
                _ => Err(Error::new(ErrorKind::Contended, "the session changed while it was being ended")),
            },
            _ => Err(Error::new(ErrorKind::Contended, "the session changed while it was being ended")),
        }
    }

    async fn sweep(&self, op: OpCtx, limit: usize) -> Result<usize, Error> {
        self.inner.sweep(&op, limit).await
    }

    async fn update_locked(&self, op: OpCtx, key: RecordKey, presented: Presented, decide: Decide<'_>) -> Result<Option<Applied>, Error> {
        let deadline = self.inner.engine_deadline(&op);
        let sql = &self.inner.sql;
        // dropping the transaction, with this future or by an early return, rolls it back
        let mut transaction = self.inner.writer.begin_with("BEGIN IMMEDIATE").await.map_err(error::run_time)?;
        let select = statement(&sql.read).bind(key.as_bytes().to_vec());
        let Some(row) = select.fetch_optional(&mut *transaction).await.map_err(error::run_time)? else {
            return if is_late(deadline) { Err(row::late()) } else { Ok(Some(Applied::Missing)) };
        };
        let record = match readable(record(&row))? {
            Ok(record) => record,
            Err(kind) => return Ok(Some(Applied::Unreadable(kind))),
        };
        let delta = match record.clone().apply(&op, &presented, &Change::new()) {
            Applied::Done { .. } if !record.applied.iter().any(|(id, _)| *id == op.op_id) => decide(&record.fields)?,
            refused_or_applied => return Ok(Some(refused_or_applied)),
        };
        let update = change(&sql.apply, &op, deadline, &key, &presented, &delta)?;
        let rows = update.fetch_all(&mut *transaction).await.map_err(error::run_time)?;
        let Some(row) = rows.first() else {
            return row::refused_apply(record, &op, is_late(deadline), &presented, &delta).map(Some);
        };
        let answer = done(&op, row)?;
        if is_late(deadline) {
            return Err(row::late());
        }
        transaction.commit().await.map_err(error::run_time)?;
        Ok(Some(answer))
    }

    fn principal_index(&self) -> Option<&dyn PrincipalIndex> {
        Some(self)
    }
}

impl Inner {
    async fn sweep(&self, op: &OpCtx, limit: usize) -> Result<usize, Error> {
        let deadline = self.engine_deadline(op);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let delete = |sql: &SqlStr| statement(sql).bind(op.now.as_millis()).bind(limit).bind(deadline.as_millis()).execute(&self.writer);
        let deleted = delete(&self.sql.sweep).await.map_err(error::run_time)?.rows_affected();
        delete(&self.sql.sweep_reservations).await.map_err(error::run_time)?;
        Ok(usize::try_from(deleted).unwrap_or(usize::MAX))
    }
}

/// A batch is given up after this long.
const SWEEP_BUDGET: Duration = Duration::from_secs(10);

impl Swept for Inner {
    async fn claim(&self, lease: Duration) -> Result<bool, Error> {
        let lease = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX / 2);
        let claim = statement(&self.sql.claim).bind(self.owner.clone()).bind(lease);
        Ok(claim.execute(&self.writer).await.map_err(error::run_time)?.rows_affected() > 0)
    }

    fn sweep_batch(&self) -> impl Future<Output = Result<usize, Error>> + Send {
        let now = self.runtime.wall();
        let op = OpCtx { now, deadline: now + SWEEP_BUDGET, op_id: OpId::from_u128(0) };
        async move { self.sweep(&op, sweeper::BATCH).await }
    }
}
