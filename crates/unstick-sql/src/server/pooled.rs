//! The connections of a store, and the clock of the server behind them.

use std::sync::Arc;

use sqlx::{Connection, Pool, SqlStr};
use tokio::sync::Semaphore;
use unstick_core::{EngineClock, Error, ErrorKind, Runtime, Timestamp};

use super::{Dialect, Lease, Settings, Statement, pool::OwnPool};
use crate::engine::{Call, Outcome};

/// Where connections come from.
pub(super) enum Source<DB: Dialect> {
    Own(Arc<OwnPool<DB>>),
    /// The user's. It has a limit and hooks of its own, and opens connections in the caller's task: so each is acquired by a task
    /// that goes on when the caller has gone. The gate, with a permit for each connection, keeps such tasks from piling up.
    Users {
        pool: Pool<DB>,
        gate: Arc<Semaphore>,
    },
}

/// Connections to a server, and its clock.
pub(crate) struct Pooled<DB: Dialect> {
    source: Source<DB>,
    pub(crate) runtime: Runtime,
    clock: EngineClock,
}

impl<DB: Dialect> Pooled<DB> {
    /// Connections that are opened with these options; each one is greeted by a statement. `first` is greeted already.
    pub(crate) fn own(
        options: <DB::Connection as Connection>::Options,
        greeting: Option<SqlStr>,
        first: Option<DB::Connection>,
        settings: &Settings,
    ) -> Self {
        let pool = OwnPool::new(options, greeting, settings);
        pool.start(first);
        Self { source: Source::Own(pool), runtime: settings.runtime.clone(), clock: EngineClock::new() }
    }

    /// Connections of a pool that is not ours.
    pub(crate) fn users(pool: Pool<DB>, runtime: Runtime) -> Self {
        let places = usize::try_from(pool.options().get_max_connections()).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let gate = Arc::new(Semaphore::new(places));
        Self { source: Source::Users { pool, gate }, runtime, clock: EngineClock::new() }
    }

    /// Waits for statements under way, and closes the connections.
    pub(crate) async fn close(&self) {
        match &self.source {
            Source::Own(pool) => pool.close().await,
            Source::Users { pool, .. } => pool.close().await,
        }
    }

    /// How many connections there are.
    #[cfg(feature = "mysql")]
    pub(crate) fn size(&self) -> u32 {
        match &self.source {
            Source::Own(pool) => pool.size(),
            Source::Users { pool, .. } => pool.size(),
        }
    }

    /// The moment `here` on the server's clock, or a little earlier.
    pub(crate) fn deadline(&self, here: Timestamp) -> Timestamp {
        self.clock.at(here).unwrap_or(here)
    }

    /// Takes in the server's clock from an answer to what was sent at `sent`.
    pub(crate) fn learn(&self, sent: Timestamp, engine: Timestamp) {
        self.clock.learn(sent, Timestamp::system_now(), engine);
    }

    /// A connection.
    pub(crate) async fn lease(&self, call: Call<'_>) -> Result<Lease<DB>, Error> {
        Lease::take(&self.source, &self.runtime, call).await
    }

    /// The rows of one statement, in a transaction of its own.
    pub(crate) async fn rows(&self, call: Call<'_>, statement: Statement<DB>) -> Result<Vec<DB::Row>, Error> {
        self.lease(call).await?.rows(call, statement).await
    }

    /// As [`Lease::execute`], in a transaction of its own.
    #[cfg(feature = "mysql")]
    pub(crate) async fn execute(&self, call: Call<'_>, statement: Statement<DB>) -> Result<DB::QueryResult, Error> {
        self.lease(call).await?.execute(call, statement).await
    }
}

/// What a change came to: `None` is nothing, and so is a refusal for lateness by the statement itself; a statement that the
/// server could not execute may have failed on the row.
pub(crate) fn outcome<T>(answer: Result<Option<T>, Error>) -> Result<Outcome<T>, Error> {
    match answer {
        Ok(Some(done)) => Ok(Outcome::Done(done)),
        Ok(None) => Ok(Outcome::Nothing),
        Err(error) if error.kind() == ErrorKind::Late => Ok(Outcome::Nothing),
        Err(error) if error.kind() == ErrorKind::Internal => Ok(Outcome::Failed(error)),
        Err(error) => Err(error),
    }
}
