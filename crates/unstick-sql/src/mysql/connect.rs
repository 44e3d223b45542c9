//! Reaching the server.

use std::{str::FromStr, sync::Arc, time::Duration};

use sqlx::{Connection, Executor, MySql, MySqlConnection, MySqlPool, mysql::MySqlConnectOptions};
use unstick_core::ConfigError;

use super::{MySqlStore, error, schema, session};
use crate::{
    server::{Broken, Settings, pool_options, server_store_builder},
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
        // outside the pool the server's own error comes through
        let probe = in_time(&place, MySqlConnection::connect_with(&options)).await?;
        let broken = Arc::new(Broken::default());
        let pool = pool_options::<MySql>(&self.settings, &broken)
            .after_connect(|connection, _| Box::pin(async move { connection.execute(sqlx::raw_sql(session::SETTINGS)).await.map(drop) }));
        let pool = pool.connect_lazy_with(options);
        in_time(&place, probe.close()).await?;
        self.finish(place, pool, broken).await
    }

    /// Over a pool of yours. Its connections need `autocommit` and the character set utf8mb4, which are the defaults; all
    /// `sql_mode`s and time zones will do, and all isolation levels unless `innodb_snapshot_isolation` is on (MariaDB's default from 11.6.2): then
    /// `READ COMMITTED`. Its acquire timeout should be below the session layer's deadline. The address,
    /// [`max_connections`](Self::max_connections) and [`acquire_timeout`](Self::acquire_timeout) are not looked at.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_pool(self, pool: MySqlPool) -> Result<MySqlStore, ConfigError> {
        let place = place(&pool.connect_options());
        self.finish(place, pool, Arc::default()).await
    }

    async fn finish(self, place: String, pool: MySqlPool, broken: Arc<Broken>) -> Result<MySqlStore, ConfigError> {
        let prefix = self.settings.prefix()?;
        let (server, connection) = {
            let mut connection = in_time(&place, pool.acquire()).await?.detach();
            (bounded(&place, session::check(&mut connection, &place)).await?, connection)
        };
        bounded(&place, schema::prepare(connection, &place, prefix, self.settings.tables)).await?;
        MySqlStore::start(&self.settings, prefix, pool, broken, server)
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
