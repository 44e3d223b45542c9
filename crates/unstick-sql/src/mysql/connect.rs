//! Reaching the server.

use std::{str::FromStr, time::Duration};

use sqlx::{Connection, Executor, MySql, MySqlConnection, MySqlPool, mysql::MySqlConnectOptions};
use unstick_core::ConfigError;

use super::{MySqlStore, error, schema, session};
use crate::{
    server::{Pooled, Settings, server_store_builder},
    url,
};

/// Settings of a [`MySqlStore`].
#[derive(Clone)]
#[must_use]
pub struct MySqlStoreBuilder {
    settings: Settings,
}

server_store_builder!(MySqlStoreBuilder);

/// Leaves the address out: it may hold a password.
impl std::fmt::Debug for MySqlStoreBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MySqlStoreBuilder").field("prefix", &self.settings.prefix).finish_non_exhaustive()
    }
}

/// Options that the driver understands and the statements can live with.
const DRIVER: &[&str] = &["ssl-mode", "sslmode", "ssl-ca", "sslca", "ssl-cert", "sslcert", "ssl-key", "sslkey", "socket"];

/// How long the server may take to answer at the start.
const PATIENCE: Duration = Duration::from_secs(15);

impl MySqlStoreBuilder {
    pub(super) fn new(address: &str) -> Self {
        Self { settings: Settings::new(address) }
    }

    /// Reaches the server, and makes or checks the tables.
    ///
    /// # Errors
    /// One sentence that names the setting, or what is the matter with the server. It never holds the address, which may hold a password.
    pub async fn connect(mut self) -> Result<MySqlStore, ConfigError> {
        let address = self.settings.take_address(&["mysql", "mariadb"], DRIVER, &[], |_, _| Ok(()))?;
        let mut options = MySqlConnectOptions::from_str(&address).map_err(|_| {
            ConfigError::new("the address of the session database cannot be read; write mysql://user:password@host/database, with `%` and two digits for special characters in the password")
        })?;
        if options.get_database().is_none() {
            return Err(ConfigError::new(
                "the address of the session database names no database; write mysql://user:password@host/database",
            ));
        }
        let place = place(&options);
        if let Some(host) = url::unbracketed(options.get_host()) {
            options = options.host(&host);
        }
        let first = in_time(&place, async {
            let mut connection = MySqlConnection::connect_with(&options).await?;
            connection.execute(sqlx::raw_sql(session::SETTINGS)).await?;
            Ok(connection)
        });
        let first = first.await?;
        self.finish(&place, first, |settings| Pooled::own(options, Some(session::SETTINGS), None, settings)).await
    }

    /// Over a pool of yours. Its connections need `autocommit` and the character set utf8mb4, which are the defaults; all
    /// `sql_mode`s and time zones will do, and all isolation levels unless `innodb_snapshot_isolation` is on (MariaDB's default from 11.6.2): then
    /// `READ COMMITTED`. Its acquire timeout should be 2 to 5 s: a connection that is being opened is not given up before, even
    /// when its operation is, but neither is one that hangs, and as long as the server is away sqlx tries again ever more rarely
    /// until then. sqlx asks each connection that is given back whether it still answers, which is a trip more than on connections of
    /// the store's own. The address, [`max_connections`](Self::max_connections), [`min_connections`](Self::min_connections),
    /// [`connect_timeout`](Self::connect_timeout) and [`acquire_timeout`](Self::acquire_timeout) are not looked at.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_pool(self, pool: MySqlPool) -> Result<MySqlStore, ConfigError> {
        let place = place(&pool.connect_options());
        let first = in_time(&place, pool.acquire()).await?.detach();
        self.finish(&place, first, |settings| Pooled::users(pool, settings.runtime.clone())).await
    }

    async fn finish(
        self,
        place: &str,
        mut first: MySqlConnection,
        pooled: impl FnOnce(&Settings) -> Pooled<MySql>,
    ) -> Result<MySqlStore, ConfigError> {
        let prefix = self.settings.prefix()?;
        let server = bounded(place, session::check(&mut first, place)).await?;
        bounded(place, schema::prepare(first, place, prefix, self.settings.tables)).await?;
        MySqlStore::start(&self.settings, prefix, pooled(&self.settings), server)
    }
}

/// Where the sessions are, in words for the operator.
fn place(options: &MySqlConnectOptions) -> String {
    let database = options.get_database().unwrap_or("");
    match options.get_socket() {
        Some(socket) => format!("the session database `{database}` at {}", socket.display()),
        None => format!("the session database `{database}` at {}:{}", options.get_host(), options.get_port()),
    }
}

async fn in_time<T>(place: &str, future: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, ConfigError> {
    bounded(place, async { future.await.map_err(|error| error::start_up(place, &error)) }).await
}

async fn bounded<T>(place: &str, future: impl Future<Output = Result<T, ConfigError>>) -> Result<T, ConfigError> {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(answer) => answer,
        Err(_) => Err(ConfigError::new(format!("{place} did not answer within {} seconds", PATIENCE.as_secs()))),
    }
}
