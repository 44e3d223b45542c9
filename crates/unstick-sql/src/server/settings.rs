//! Settings of the stores on database servers, and their builder.

use std::{fmt, time::Duration};

use unstick_core::{ConfigError, Events, Runtime};

use crate::{prefix, schema::Tables, url};

const DEFAULT_CONNECTIONS: u32 = 10;
const DEFAULT_MIN_CONNECTIONS: u32 = 2;
const DEFAULT_CONNECT: Duration = Duration::from_secs(2);
const DEFAULT_ACQUIRE: Duration = Duration::from_millis(750);
const DEFAULT_SWEEP: Duration = Duration::from_secs(60);

/// Methods win over the address, which wins over the defaults.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    pub(crate) address: String,
    pub(crate) prefix: Option<String>,
    pub(crate) max_connections: Option<u32>,
    pub(crate) min_connections: Option<u32>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) acquire_timeout: Option<Duration>,
    pub(crate) sweep_interval: Option<Duration>,
    pub(crate) tables: Tables,
    pub(crate) events: Events,
    pub(crate) runtime: Runtime,
}

/// Leaves the address out: it may hold a password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("prefix", &self.prefix)
            .field("max_connections", &self.max_connections)
            .field("min_connections", &self.min_connections)
            .field("connect_timeout", &self.connect_timeout)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("sweep_interval", &self.sweep_interval)
            .field("tables", &self.tables)
            .finish_non_exhaustive()
    }
}

impl Settings {
    pub(crate) fn new(address: &str) -> Self {
        Self { address: address.into(), ..Self::default() }
    }

    /// Takes our own options out of the address; what is left is for the driver. `more` takes the dialect's own options, and
    /// says whether it knows one. `driver` lists those that the driver understands.
    pub(crate) fn take_address(
        &mut self,
        schemes: &[&str],
        driver: &[&str],
        own: &[&str],
        mut more: impl FnMut(&str, &str) -> Result<(), ConfigError>,
    ) -> Result<String, ConfigError> {
        const OURS: [&str; 6] =
            ["prefix", "max_connections", "min_connections", "connect_timeout_ms", "acquire_timeout_ms", "sweep_interval_s"];
        let url::NetworkUrl { address, options } = url::network(&self.address, schemes, driver)?;
        for (name, value) in options {
            match &*name {
                "prefix" => _ = self.prefix.get_or_insert(value),
                "max_connections" => _ = self.max_connections.get_or_insert(url::number(&name, &value)?),
                "min_connections" => _ = self.min_connections.get_or_insert(url::number(&name, &value)?),
                "connect_timeout_ms" => {
                    self.connect_timeout.get_or_insert(Duration::from_millis(url::number(&name, &value)?.into()));
                }
                "acquire_timeout_ms" => {
                    self.acquire_timeout.get_or_insert(Duration::from_millis(url::number(&name, &value)?.into()));
                }
                "sweep_interval_s" => _ = self.sweep_interval.get_or_insert(Duration::from_secs(url::number(&name, &value)?.into())),
                name if own.contains(&name) => more(name, &value)?,
                name => return Err(url::unknown(name, OURS.iter().chain(own).chain(driver))),
            }
        }
        if self.max_connections == Some(0) {
            return Err(ConfigError::new("`max_connections` is 0; it must be at least 1"));
        }
        if let Some(min) = self.min_connections.filter(|min| *min > self.max_connections()) {
            let max = self.max_connections();
            return Err(ConfigError::new(format!("`min_connections` is {min}; it must be at most `max_connections`, which is {max}")));
        }
        if self.connect_timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(ConfigError::new("`connect_timeout` is 0; it must be over 0"));
        }
        if self.acquire_timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(ConfigError::new("`acquire_timeout` is 0; it must be over 0"));
        }
        Ok(address)
    }

    pub(crate) fn prefix(&self) -> Result<&str, ConfigError> {
        let prefix = self.prefix.as_deref().unwrap_or(prefix::DEFAULT);
        prefix::check(prefix)?;
        Ok(prefix)
    }

    pub(crate) fn max_connections(&self) -> u32 {
        self.max_connections.unwrap_or(DEFAULT_CONNECTIONS)
    }

    pub(crate) fn min_connections(&self) -> u32 {
        self.min_connections.unwrap_or(DEFAULT_MIN_CONNECTIONS).min(self.max_connections())
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        self.connect_timeout.unwrap_or(DEFAULT_CONNECT)
    }

    pub(crate) fn acquire_timeout(&self) -> Duration {
        self.acquire_timeout.unwrap_or(DEFAULT_ACQUIRE)
    }

    pub(crate) fn sweep_interval(&self) -> Duration {
        self.sweep_interval.unwrap_or(DEFAULT_SWEEP)
    }
}

/// The methods that the builders of all servers have; `settings` is a field of the builder.
macro_rules! server_store_builder {
    ($builder:ident) => {
        impl $builder {
            /// Start of all table names. Default `unstick_`; set it when several applications share the database. 1 to 32 of a-z,
            /// 0-9, `_`.
            pub fn prefix(mut self, prefix: &str) -> Self {
                self.settings.prefix = Some(prefix.into());
                self
            }

            /// How many connections this store opens at most, when they are needed. Default 10. All nodes together must stay
            /// below what the server accepts.
            pub fn max_connections(mut self, connections: u32) -> Self {
                self.settings.max_connections = Some(connections);
                self
            }

            /// How many connections are opened in advance, at the start and after they broke. Default 2, or `max_connections` when
            /// that is less; more for a load that comes in bursts, where opening a connection takes long. Connections beyond that
            /// are closed when they were not needed for ten minutes. 0 opens none before the first operation.
            pub fn min_connections(mut self, connections: u32) -> Self {
                self.settings.min_connections = Some(connections);
                self
            }

            /// How long opening one connection may take. Default 2 seconds; more for a server that is far away or slow to accept.
            /// It may be above [`acquire_timeout`](Self::acquire_timeout): an operation that gives up waiting does not stop what was
            /// begun, and the next one finds the connection.
            pub fn connect_timeout(mut self, timeout: std::time::Duration) -> Self {
                self.settings.connect_timeout = Some(timeout);
                self
            }

            /// How long an operation waits for a connection, a new one included. Default 750 ms, and never more than half of the time
            /// that the operation has. When the last attempt to connect failed and there is no connection, it is refused at once.
            pub fn acquire_timeout(mut self, timeout: std::time::Duration) -> Self {
                self.settings.acquire_timeout = Some(timeout);
                self
            }

            /// Refuses to start when the tables are missing, instead of creating them; for those who run [`SCHEMA`](super::SCHEMA)
            /// themselves, and for users without the right to create tables.
            pub fn existing_tables(mut self) -> Self {
                self.settings.tables = $crate::schema::Tables::Expected;
                self
            }

            /// How often expired sessions are deleted. Default 60 seconds; zero: never by this store, call
            /// [`sweep`](unstick_core::Store::sweep) yourself. Of all nodes on the tables, one sweeps.
            pub fn sweep_interval(mut self, interval: std::time::Duration) -> Self {
                self.settings.sweep_interval = Some(interval);
                self
            }

            /// Where failed sweeps are reported. Default: to `tracing` only.
            pub fn events(mut self, events: unstick_core::Events) -> Self {
                self.settings.events = events;
                self
            }

            /// Timers, tasks and the wall clock that deadlines of operations refer to. Default
            /// [`Runtime::tokio`](unstick_core::Runtime::tokio); give it the session layer's when that one has a clock of its own.
            /// sqlx itself needs a tokio runtime in any case.
            pub fn runtime(mut self, runtime: unstick_core::Runtime) -> Self {
                self.settings.runtime = runtime;
                self
            }
        }
    };
}
pub(crate) use server_store_builder;
