//! Connecting to the server.

use std::{sync::Arc, time::Duration};

use sqlx::{
    Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use unstick_core::ConfigError;

use super::{PostgresStore, error, schema};
use crate::{
    server::{Broken, Pooled, Settings, pool_options, server_store_builder},
    url,
};

/// Settings of a [`PostgresStore`].
#[derive(Debug, Clone)]
#[must_use]
pub struct PostgresStoreBuilder {
    settings: Settings,
    statement_timeout: Option<Duration>,
}

server_store_builder!(PostgresStoreBuilder);

const DEFAULT_STATEMENT: Duration = Duration::from_secs(10);

/// How long starting waits for the server.
const START: Duration = Duration::from_secs(10);

const SCHEMES: [&str; 2] = ["postgres", "postgresql"];

/// What the driver understands in an address.
const DRIVER: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

impl PostgresStoreBuilder {
    pub(super) fn new(address: &str) -> Self {
        Self { settings: Settings::new(address), statement_timeout: None }
    }

    /// How long the server works on a statement, or waits with it for a lock, before it gives it up: after that nothing is left
    /// of a statement whose caller is gone. Default 10 seconds; keep it above the session layer's deadline. Zero leaves the
    /// server's own settings alone, and sends none with the connection: for poolers that don't take settings.
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = Some(timeout);
        self
    }

    /// Connects, and makes or checks the tables.
    ///
    /// # Errors
    /// One sentence that names the setting, or the server and what is the matter with it. Never the password.
    pub async fn connect(mut self) -> Result<PostgresStore, ConfigError> {
        let mut timeout = self.statement_timeout;
        let address = self.settings.take_address(&SCHEMES, &DRIVER, &["statement_timeout_ms"], |name, value| {
            timeout.get_or_insert(Duration::from_millis(url::number(name, value)?.into()));
            Ok(())
        })?;
        let Ok(mut options) = address.parse::<PgConnectOptions>() else {
            return Err(ConfigError::new(
                "the address cannot be read; write `postgres://user:password@host:port/database`, special characters percent-encoded, and check the values of its options",
            ));
        };
        let timeout = timeout.unwrap_or(DEFAULT_STATEMENT);
        if !timeout.is_zero() {
            let isolation = "read committed".to_owned();
            options =
                options.options([("statement_timeout", timeout.as_millis().to_string()), ("default_transaction_isolation", isolation)]);
        }
        let place = place(&options);
        if let Some(host) = url::unbracketed(options.get_host()) {
            options = options.host(&host);
        }
        // outside a pool the server's own error comes through
        let first = async { PgConnection::connect_with(&options).await?.close().await };
        match tokio::time::timeout(START, first).await {
            Ok(connected) => connected.map_err(|error| error::start_up(&place, &error))?,
            Err(_) => return Err(ConfigError::new(format!("{place} did not answer within {START:?}"))),
        }
        let broken = Arc::new(Broken::default());
        let pool: PgPoolOptions = pool_options(&self.settings, &broken);
        self.finish(place, pool.connect_lazy_with(options), broken).await
    }

    /// Over a pool of yours. Its acquire timeout should be below the session layer's deadline (2 s by default), its transactions
    /// `read committed`; it should bound statements on the server by `statement_timeout`, and test connections that were idle for
    /// long. The address, [`max_connections`](Self::max_connections), [`acquire_timeout`](Self::acquire_timeout) and
    /// [`statement_timeout`](Self::statement_timeout) are not looked at.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_pool(self, pool: PgPool) -> Result<PostgresStore, ConfigError> {
        let place = place(&pool.connect_options());
        self.finish(place, pool, Arc::default()).await
    }

    async fn finish(self, place: String, pool: PgPool, broken: Arc<Broken>) -> Result<PostgresStore, ConfigError> {
        let settings = self.settings;
        let prefix = settings.prefix()?;
        let (sent, clock) = schema::prepare(&pool, &place, prefix, settings.tables).await?;
        let pooled = Pooled::new(pool, settings.runtime.clone(), broken);
        pooled.learn(sent, clock);
        PostgresStore::start(place, prefix, pooled, settings.sweep_interval(), settings.events.clone())
    }
}

/// The database in words, for messages.
fn place(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    match options.get_socket() {
        Some(socket) => format!("the session database {database:?} at {}", socket.display()),
        None => format!("the session database {database:?} at {}:{}", options.get_host(), options.get_port()),
    }
}
