//! Opening the file.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    Connection, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use unstick_core::{ConfigError, Events, Runtime};

use super::{SqliteStore, error, schema};
use crate::{prefix, schema::Tables, url};

/// When SQLite waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Synchronous {
    /// At checkpoints only. Acknowledged changes survive the death of every process; a power failure or a crash of the
    /// operating system may take the last ones back, logouts included. The file stays sound in any case.
    #[default]
    Normal,
    /// At every change: acknowledged changes survive power failures too, at the cost of one disk flush each.
    Full,
}

/// Settings of a [`SqliteStore`].
#[derive(Debug, Clone)]
#[must_use]
pub struct SqliteStoreBuilder {
    address: String,
    path: Option<PathBuf>,
    prefix: Option<String>,
    synchronous: Option<Synchronous>,
    readers: Option<u32>,
    busy_timeout: Option<Duration>,
    sweep_interval: Option<Duration>,
    must_exist: bool,
    tables: Tables,
    events: Events,
    runtime: Runtime,
}

impl SqliteStoreBuilder {
    pub(super) fn new(address: &str) -> Self {
        Self {
            address: address.into(),
            path: None,
            prefix: None,
            synchronous: None,
            readers: None,
            busy_timeout: None,
            sweep_interval: None,
            must_exist: false,
            tables: Tables::Made,
            events: Events::default(),
            runtime: Runtime::default(),
        }
    }

    /// The file, instead of the one in the address.
    pub fn path(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Start of all table names. Default `unstick_`; set it when several applications share the file. 1 to 32 of a-z, 0-9, `_`.
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// When SQLite waits for the disk. Default [`Synchronous::Normal`].
    pub fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.synchronous = Some(synchronous);
        self
    }

    /// How many connections read beside the one that writes. Default 4; each is a thread.
    pub fn readers(mut self, readers: u32) -> Self {
        self.readers = Some(readers);
        self
    }

    /// How long a statement waits for another process to finish writing, and for a connection of this process to become
    /// free. Default 750 ms. Keep the sum of both below the session layer's deadline (2 s by default), so that "busy" is
    /// told instead of "unknown".
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = Some(timeout);
        self
    }

    /// Refuses to start when the file does not exist. By default it is created; its directory never is.
    pub fn must_exist(mut self) -> Self {
        self.must_exist = true;
        self
    }

    /// Refuses to start when the tables are missing, instead of creating them; for those who run [`SCHEMA`](super::SCHEMA) themselves.
    pub fn existing_tables(mut self) -> Self {
        self.tables = Tables::Expected;
        self
    }

    /// How often expired sessions are deleted. Default 60 seconds; zero: never by this store, call
    /// [`sweep`](unstick_core::Store::sweep) yourself. Of all processes with the file, one sweeps.
    pub fn sweep_interval(mut self, interval: Duration) -> Self {
        self.sweep_interval = Some(interval);
        self
    }

    /// Where failed sweeps are reported. Default: to `tracing` only.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Timers, tasks and the wall clock that deadlines of operations refer to. Default [`Runtime::tokio`]; give it the session
    /// layer's when that one has a clock of its own. sqlx itself needs a tokio runtime in any case.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// Opens the file and makes or checks the tables. Waits up to about five seconds for another process that is starting too.
    ///
    /// # Errors
    /// One sentence that names the setting, or the file and what is the matter with it.
    pub async fn connect(mut self) -> Result<SqliteStore, ConfigError> {
        let path = self.take_address()?;
        let busy_timeout = self.busy_timeout.unwrap_or(DEFAULT_BUSY);
        let readers = self.readers.unwrap_or(4);
        if readers == 0 {
            return Err(ConfigError::new("`readers` is 0; it must be at least 1"));
        }
        if busy_timeout.is_zero() || busy_timeout > MAX_BUSY {
            return Err(ConfigError::new(format!("`busy_timeout` is {busy_timeout:?}; it must be over 0 and at most {MAX_BUSY:?}")));
        }
        check_directory(&path, self.must_exist)?;
        let writing = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(!self.must_exist)
            .busy_timeout(busy_timeout)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(match self.synchronous.unwrap_or_default() {
                Synchronous::Normal => SqliteSynchronous::Normal,
                Synchronous::Full => SqliteSynchronous::Full,
            });
        let reading = writing.clone().create_if_missing(false).pragma("query_only", "ON");
        let failed = |error: sqlx::Error| error::start_up(&path, &error);
        // outside a pool the engine's own error comes through
        schema::patiently(|| SqliteConnection::connect_with(&writing)).await.map_err(failed)?.close().await.map_err(failed)?;
        let writer = schema::patiently(|| pool(1, busy_timeout).connect_with(writing.clone())).await.map_err(failed)?;
        let reader = schema::patiently(|| pool(readers, busy_timeout).connect_with(reading.clone())).await.map_err(failed)?;
        self.finish(path, writer, reader).await
    }

    /// Over a pool of yours, which does both the reading and the writing. The file should be in WAL mode, and the pool should have a busy
    /// timeout and an acquire timeout below the session layer's deadline; the address, [`path`](Self::path), [`synchronous`](Self::synchronous),
    /// [`readers`](Self::readers), [`busy_timeout`](Self::busy_timeout) and [`must_exist`](Self::must_exist) are not looked at.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_pool(self, pool: SqlitePool) -> Result<SqliteStore, ConfigError> {
        let path = pool.connect_options().get_filename().to_path_buf();
        self.finish(path, pool.clone(), pool).await
    }

    async fn finish(self, path: PathBuf, writer: SqlitePool, reader: SqlitePool) -> Result<SqliteStore, ConfigError> {
        let prefix = self.prefix.as_deref().unwrap_or(prefix::DEFAULT);
        prefix::check(prefix)?;
        schema::prepare(&writer, &path, prefix, self.tables).await?;
        let interval = self.sweep_interval.unwrap_or(DEFAULT_SWEEP);
        SqliteStore::start(path, prefix, writer, reader, interval, &self.runtime, self.events)
    }

    /// Methods win over the address.
    fn take_address(&mut self) -> Result<PathBuf, ConfigError> {
        if let Some(path) = self.path.take() {
            return Ok(path);
        }
        let url::FileUrl { path, options } = url::file(&self.address, "sqlite")?;
        for (name, value) in options {
            let number = || value.parse::<u32>().map_err(|_| ConfigError::new(format!("`{name}` in the address must be a whole number")));
            match &*name {
                "prefix" => _ = self.prefix.get_or_insert(value),
                "synchronous" => {
                    let synchronous = match &*value {
                        "normal" => Synchronous::Normal,
                        "full" => Synchronous::Full,
                        _ => return Err(ConfigError::new("`synchronous` in the address must be `normal` or `full`")),
                    };
                    self.synchronous.get_or_insert(synchronous);
                }
                "readers" => _ = self.readers.get_or_insert(number()?),
                "busy_timeout_ms" => _ = self.busy_timeout.get_or_insert(Duration::from_millis(number()?.into())),
                "sweep_interval_s" => _ = self.sweep_interval.get_or_insert(Duration::from_secs(number()?.into())),
                "mode" if value == "rwc" => {}
                "mode" if value == "rw" => self.must_exist = true,
                "mode" => return Err(ConfigError::new("`mode` in the address must be `rwc` or `rw`: sessions are written to")),
                _ => {
                    return Err(ConfigError::new(format!(
                        "the address has an option {name:?}; known are prefix, synchronous, readers, busy_timeout_ms, sweep_interval_s and mode"
                    )));
                }
            }
        }
        Ok(path)
    }
}

const DEFAULT_BUSY: Duration = Duration::from_millis(750);
const MAX_BUSY: Duration = Duration::from_secs(60);
const DEFAULT_SWEEP: Duration = Duration::from_secs(60);

fn pool(connections: u32, acquire: Duration) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(connections)
        .acquire_timeout(acquire)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// Says what the engine would only call "unable to open database file".
fn check_directory(path: &Path, must_exist: bool) -> Result<(), ConfigError> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    if let Some(directory) = directory
        && !directory.is_dir()
    {
        return Err(ConfigError::new(format!(
            "the session database {} cannot be created: {} is not a directory; create it or name another path",
            path.display(),
            directory.display()
        )));
    }
    if must_exist && !path.exists() {
        return Err(ConfigError::new(format!(
            "the session database {} does not exist; create it, or leave out `must_exist` (`mode=rw`)",
            path.display()
        )));
    }
    Ok(())
}
