//! Connecting to the server.

use std::time::Duration;

use sqlx::{Connection, PgConnection, PgPool, Postgres, postgres::PgConnectOptions};
use unstick_core::ConfigError;

use super::{
    PostgresStore, error,
    schema::{self, Clock},
};
use crate::{
    server::{Pooled, Settings, server_store_builder},
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

pub(super) const SCHEMES: [&str; 2] = ["postgres", "postgresql"];

/// What the driver understands in an address.
pub(super) const DRIVER: [&str; 18] = [
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
        let mut options = options(&address)?;
        let timeout = timeout.unwrap_or(DEFAULT_STATEMENT);
        if !timeout.is_zero() {
            let isolation = "read committed".to_owned();
            options =
                options.options([("statement_timeout", timeout.as_millis().to_string()), ("default_transaction_isolation", isolation)]);
        }
        let place = place(SESSIONS, &options);
        let mut first = match tokio::time::timeout(START, PgConnection::connect_with(&options)).await {
            Ok(connected) => connected.map_err(|error| error::start_up(&place, &error))?,
            Err(_) => return Err(ConfigError::new(format!("{place} did not answer within {START:?}"))),
        };
        let clock = schema::prepare(&mut first, &place, self.settings.prefix()?, self.settings.tables).await?;
        let pooled = Pooled::own(options, None, Some(first), &self.settings);
        self.finish(place, pooled, clock)
    }

    /// Over a pool of yours. Its acquire timeout should be 2 to 5 s: a connection that is being opened is not given up before, even
    /// when its operation is, but neither is one that hangs, and as long as the server is away sqlx tries again ever more rarely
    /// until then. Its transactions should be `read committed`; it should bound statements on the server by `statement_timeout`,
    /// and test connections that were idle for long. sqlx asks each connection that is given back whether it still answers, which is a
    /// trip more than on connections of the store's own. The address, [`max_connections`](Self::max_connections),
    /// [`min_connections`](Self::min_connections), [`connect_timeout`](Self::connect_timeout),
    /// [`acquire_timeout`](Self::acquire_timeout) and [`statement_timeout`](Self::statement_timeout) are not looked at.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_pool(self, pool: PgPool) -> Result<PostgresStore, ConfigError> {
        let place = place(SESSIONS, &pool.connect_options());
        let mut connection = pool.acquire().await.map_err(|error| error::start_up(&place, &error))?;
        let clock = schema::prepare(&mut connection, &place, self.settings.prefix()?, self.settings.tables).await?;
        drop(connection);
        let pooled = Pooled::users(pool, self.settings.runtime.clone());
        self.finish(place, pooled, clock)
    }

    fn finish(self, place: String, pooled: Pooled<Postgres>, (sent, clock): Clock) -> Result<PostgresStore, ConfigError> {
        pooled.learn(sent, clock);
        let settings = self.settings;
        PostgresStore::start(place, settings.prefix()?, pooled, settings.sweep_interval(), settings.events.clone())
    }
}

const SESSIONS: &str = "the session database";

/// What the driver makes of an address that holds nothing of ours any more.
pub(super) fn options(address: &str) -> Result<PgConnectOptions, ConfigError> {
    let Ok(options) = address.parse::<PgConnectOptions>() else {
        return Err(ConfigError::new(
            "the address cannot be read; write `postgres://user:password@host:port/database`, special characters percent-encoded, and check the values of its options",
        ));
    };
    match url::unbracketed(options.get_host()) {
        Some(host) => Ok(options.host(&host)),
        None => Ok(options),
    }
}

/// The database in words, for messages; `what` it is to us.
pub(super) fn place(what: &str, options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    match options.get_socket() {
        Some(socket) => format!("{what} {database:?} at {}", socket.display()),
        None => format!("{what} {database:?} at {}:{}", options.get_host(), options.get_port()),
    }
}
