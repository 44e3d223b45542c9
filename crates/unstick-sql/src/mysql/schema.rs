//! Creating and checking the tables.

use sqlx::{AssertSqlSafe, Connection, MySqlConnection, Row};
use unstick_core::ConfigError;

use super::error;
use crate::{
    prefix,
    schema::{self, SchemaFile, Step, Tables},
};

/// All steps in order, for running them with a migration tool of your own together with
/// [`MySqlStoreBuilder::existing_tables`](super::MySqlStoreBuilder::existing_tables). Each statement of a step commits by itself, and all may be run again.
pub const SCHEMA: &[SchemaFile] =
    &[SchemaFile { version: 1, name: "0001_sessions.sql", sql: include_str!("../../sql/mysql/0001_sessions.sql") }];

/// How many seconds a node waits for another one that is making the tables.
const PATIENCE: i64 = 10;

/// Brings the tables to the newest step, or checks that they are there. The connection is used up, because it may hold a lock.
pub(super) async fn prepare(mut connection: MySqlConnection, place: &str, prefix: &str, tables: Tables) -> Result<(), ConfigError> {
    let failed = |error: sqlx::Error| error::start_up(place, &error);
    let current = version(&mut connection, prefix).await.map_err(failed)?;
    if schema::judge(SCHEMA, current, tables, place, prefix)? == Step::Upgrade {
        if !lock(&mut connection, prefix).await.map_err(failed)? {
            return Err(ConfigError::new(format!(
                "the tables in {place} are being made by another node, which did not finish; start again"
            )));
        }
        upgrade(&mut connection, prefix).await.map_err(failed)?;
    }
    // closing lets go of the lock, however it fails
    let _ = connection.close().await;
    Ok(())
}

async fn version(connection: &mut MySqlConnection, prefix: &str) -> Result<i64, sqlx::Error> {
    let select = AssertSqlSafe(format!("SELECT COALESCE(MAX(version), 0) FROM {prefix}schema"));
    match sqlx::query(select).fetch_one(connection).await {
        Ok(row) => row.try_get(0),
        Err(error) if error::number(&error) == error::NO_SUCH_TABLE => Ok(0),
        Err(error) => Err(error),
    }
}

/// The server's locks have names of at most 64 characters, for all of its databases.
async fn lock(connection: &mut MySqlConnection, prefix: &str) -> Result<bool, sqlx::Error> {
    let lock = sqlx::query("SELECT GET_LOCK(SHA2(CONCAT(DATABASE(), '.', ?), 256), ?)").bind(prefix).bind(PATIENCE);
    let got: Option<i64> = lock.fetch_one(connection).await?.try_get_unchecked(0)?;
    Ok(got == Some(1))
}

/// Under the lock: whoever comes second finds the work done. A run that broke off is taken up again.
async fn upgrade(connection: &mut MySqlConnection, prefix: &str) -> Result<(), sqlx::Error> {
    let current = version(connection, prefix).await?;
    for file in SCHEMA.iter().filter(|file| file.version > current) {
        sqlx::raw_sql(AssertSqlSafe(prefix::replace(file.sql, prefix))).execute(&mut *connection).await?;
    }
    Ok(())
}
