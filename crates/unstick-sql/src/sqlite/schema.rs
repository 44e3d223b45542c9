//! Creating and checking the tables.

use std::{
    future::Future,
    path::Path,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Row, SqliteConnection, SqlitePool};
use unstick_core::ConfigError;

use super::error;
use crate::{
    prefix,
    schema::{self, SchemaFile, Step, Tables},
};

/// All steps in order, for running them with a migration tool of your own together with
/// [`SqliteStoreBuilder::existing_tables`](super::SqliteStoreBuilder::existing_tables).
pub const SCHEMA: &[SchemaFile] =
    &[SchemaFile { version: 1, name: "0001_sessions.sql", sql: include_str!("../../sql/sqlite/0001_sessions.sql") }];

const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

/// Runs `attempt` again while another process holds the file, for about five seconds: processes that start together take turns.
/// In real time, as the engine's own waiting.
pub(crate) async fn patiently<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, sqlx::Error>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    let start = Instant::now();
    loop {
        match attempt().await {
            Err(error) if error::is_locked(&error) && start.elapsed() < PATIENCE => tokio::time::sleep(PAUSE).await,
            answer => return answer,
        }
    }
}

/// Brings the tables to the newest step, or checks that they are there.
pub(crate) async fn prepare(pool: &SqlitePool, path: &Path, prefix: &str, tables: Tables) -> Result<(), ConfigError> {
    let current = patiently(|| current_version(pool, prefix)).await.map_err(|error| error::start_up(path, &error))?;
    let place = format!("the session database {}", path.display());
    match schema::judge(SCHEMA, current, tables, &place, prefix)? {
        Step::Stay => Ok(()),
        Step::Upgrade => patiently(|| upgrade(pool, prefix)).await.map_err(|error| error::start_up(path, &error)),
    }
}

async fn current_version(pool: &SqlitePool, prefix: &str) -> Result<i64, sqlx::Error> {
    version(&mut *pool.acquire().await?, prefix).await
}

async fn version(connection: &mut SqliteConnection, prefix: &str) -> Result<i64, sqlx::Error> {
    let table = format!("{prefix}schema");
    let find = sqlx::query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1").bind(&table);
    if find.fetch_optional(&mut *connection).await?.is_none() {
        return Ok(0);
    }
    sqlx::query(AssertSqlSafe(format!("SELECT coalesce(max(version), 0) FROM {table}"))).fetch_one(connection).await?.try_get(0)
}

/// Under the write lock: whoever comes second finds the work done.
async fn upgrade(pool: &SqlitePool, prefix: &str) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let current = version(&mut transaction, prefix).await?;
    for file in SCHEMA.iter().filter(|file| file.version > current) {
        sqlx::raw_sql(AssertSqlSafe(prefix::replace(file.sql, prefix))).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}
