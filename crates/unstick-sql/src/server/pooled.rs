//! The pool of a store, and the clock of the server behind it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{
    Connection, Pool,
    pool::{PoolConnectionMetadata, PoolOptions},
};
use unstick_core::{EngineClock, Error, ErrorKind, Runtime, Timestamp};

use super::{Dialect, Lease, Settings, Statement};
use crate::engine::{Call, Outcome};

/// A connection that was not used for this long is tested before it is used: something on the way may have forgotten it.
const IDLE_CHECK: Duration = Duration::from_secs(30);

/// How long that test may take before the connection is taken for broken.
const CHECK: Duration = Duration::from_millis(250);

/// When a connection broke last. Others of the pool that have not been used since are tested before they are.
#[derive(Debug, Default)]
pub(crate) struct Broken(Mutex<Option<Instant>>);

impl Broken {
    /// One broke now.
    pub(super) fn now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn is_suspect(&self, connection: &PoolConnectionMetadata) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        connection.idle_for >= IDLE_CHECK || last.is_some_and(|last| last.elapsed() <= connection.idle_for)
    }
}

/// For a pool of our own.
pub(crate) fn pool_options<DB: Dialect>(settings: &Settings, broken: &Arc<Broken>) -> PoolOptions<DB> {
    let broken = Arc::clone(broken);
    PoolOptions::new()
        .min_connections(0)
        .max_connections(settings.max_connections())
        .acquire_timeout(settings.acquire_timeout())
        .test_before_acquire(false)
        .before_acquire(move |connection: &mut DB::Connection, metadata| {
            let suspect = broken.is_suspect(&metadata);
            Box::pin(async move { Ok(!suspect || matches!(tokio::time::timeout(CHECK, connection.ping()).await, Ok(Ok(())))) })
        })
}

/// Connections to a server, and its clock.
pub(crate) struct Pooled<DB: Dialect> {
    pub(crate) pool: Pool<DB>,
    pub(crate) runtime: Runtime,
    broken: Arc<Broken>,
    clock: EngineClock,
}

impl<DB: Dialect> Pooled<DB> {
    pub(crate) fn new(pool: Pool<DB>, runtime: Runtime, broken: Arc<Broken>) -> Self {
        Self { pool, runtime, broken, clock: EngineClock::new() }
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
        Lease::take(&self.pool, &self.runtime, &self.broken, call).await
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
