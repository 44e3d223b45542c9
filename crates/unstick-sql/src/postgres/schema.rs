//! Creating and checking the tables, and what else a server must be like.

use sqlx::{AssertSqlSafe, PgConnection, Row};
use unstick_core::{ConfigError, Timestamp};

use super::{error, statements::CLOCK};
use crate::{
    prefix,
    schema::{self, SchemaFile, Step, Tables},
};

/// All steps in order, for running them with a migration tool of your own together with
/// [`PostgresStoreBuilder::existing_tables`](super::PostgresStoreBuilder::existing_tables).
pub const SCHEMA: &[SchemaFile] =
    &[SchemaFile { version: 1, name: "0001_sessions.sql", sql: include_str!("../../sql/postgres/0001_sessions.sql") }];

/// The oldest server that is known to work, as it numbers itself.
const OLDEST: i32 = 130_000;

/// When the question for its time was sent, and the server's answer.
pub(super) type Clock = (Timestamp, Timestamp);

/// Brings the tables to the newest step, or checks that they are there.
pub(super) async fn prepare(connection: &mut PgConnection, place: &str, prefix: &str, tables: Tables) -> Result<Clock, ConfigError> {
    let failed = |error: sqlx::Error| error::start_up(place, &error);
    let clock = server(connection, place).await?;
    let current = version(connection, prefix).await.map_err(failed)?;
    if schema::judge(SCHEMA, current, tables, place, prefix)? == Step::Upgrade {
        upgrade(connection, prefix).await.map_err(failed)?;
    }
    Ok(clock)
}

/// Refuses a server that the statements do not work on.
async fn server(connection: &mut PgConnection, place: &str) -> Result<Clock, ConfigError> {
    let sent = Timestamp::system_now();
    let question = AssertSqlSafe(format!(
        "SELECT current_setting('server_version_num')::int4, current_setting('server_encoding'), \
         current_setting('transaction_isolation'), {CLOCK}"
    ));
    let row = sqlx::query(question).fetch_one(connection).await;
    let answer = row.and_then(|row| {
        let (number, encoding, isolation): (i32, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        Ok((number, encoding, isolation, row.try_get::<i64, _>(3)?))
    });
    let (number, encoding, isolation, clock) = answer.map_err(|error| error::start_up(place, &error))?;
    if number < OLDEST {
        return Err(ConfigError::new(format!("{place} is on PostgreSQL {}; 13 or newer is needed", number / 10_000)));
    }
    if encoding != "UTF8" {
        return Err(ConfigError::new(format!("{place} has the encoding {encoding}; create it with UTF8")));
    }
    if isolation != "read committed" {
        return Err(ConfigError::new(format!(
            "transactions of {place} are {isolation} by default; set `default_transaction_isolation` to `read committed` for the pool or the user"
        )));
    }
    Ok((sent, Timestamp::from_millis(clock)))
}

async fn version(connection: &mut PgConnection, prefix: &str) -> Result<i64, sqlx::Error> {
    let table = format!("{prefix}schema");
    // not `to_regclass`: it would remember that there was no table, even when another node made it meanwhile
    let find = sqlx::query("SELECT 1 FROM pg_catalog.pg_class WHERE relname = $1 AND pg_catalog.pg_table_is_visible(oid)").bind(&table);
    if find.fetch_optional(&mut *connection).await?.is_none() {
        return Ok(0);
    }
    sqlx::query(AssertSqlSafe(format!("SELECT coalesce(max(version), 0) FROM {table}"))).fetch_one(connection).await?.try_get(0)
}

/// Under a lock for the prefix: whoever comes second finds the work done.
async fn upgrade(connection: &mut PgConnection, prefix: &str) -> Result<(), sqlx::Error> {
    let mut transaction = sqlx::Connection::begin(connection).await?;
    let lock = sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))").bind(format!("{prefix}schema"));
    lock.execute(&mut *transaction).await?;
    let current = version(&mut transaction, prefix).await?;
    for file in SCHEMA.iter().filter(|file| file.version > current) {
        sqlx::raw_sql(AssertSqlSafe(prefix::replace(file.sql, prefix))).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}
