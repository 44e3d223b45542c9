//! One connection, for as long as one operation needs it.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use futures_util::future::{Either, select};
use sqlx::{Database, SqlStr, pool::PoolConnection, query::Query};
use tokio::sync::OwnedSemaphorePermit;
use unstick_core::{BoxFuture, Error, ErrorKind, Runtime};

use super::{pool::Taken, pooled::Source};
use crate::engine::Call;

/// A statement with its parameters.
pub(crate) type Statement<DB> = Query<'static, DB, <DB as Database>::Arguments>;

/// What the driver answers.
pub(crate) type Answer<'c, T> = BoxFuture<'c, Result<T, sqlx::Error>>;

/// The driver's entry points, which it has for each database by itself, and what its errors mean.
pub(crate) trait Dialect: Database {
    /// To its very end, so that a commit that fails is not taken for a success.
    fn fetch(connection: &mut Self::Connection, statement: Statement<Self>) -> Answer<'_, Vec<Self::Row>>;

    /// As [`fetch`](Self::fetch), for statements without rows.
    #[cfg(feature = "mysql")]
    fn execute(connection: &mut Self::Connection, statement: Statement<Self>) -> Answer<'_, Self::QueryResult>;

    /// Several statements without parameters in one trip; the rows of all of them.
    fn fetch_raw(connection: &mut Self::Connection, sql: SqlStr) -> Answer<'_, Vec<Self::Row>>;

    /// For errors of statements that were sent: outcome unknown unless it is certain that the statement has no effect.
    fn run_time(error: sqlx::Error) -> Error;

    /// Whether the connection is good for another statement after `error`.
    fn survives(error: &sqlx::Error) -> bool;
}

/// How long the user's pool may take to look at a connection that is given back, and a transaction to be rolled back.
const RETURN: Duration = Duration::from_secs(2);

/// A connection, and what gives it back.
#[derive(Debug)]
enum Held<DB: Dialect> {
    Own(Taken<DB>),
    Users(PoolConnection<DB>, OwnedSemaphorePermit),
}

impl<DB: Dialect> Held<DB> {
    fn connection(&mut self) -> Option<&mut DB::Connection> {
        match self {
            Self::Own(taken) => taken.connection(),
            Self::Users(connection, _) => Some(connection),
        }
    }

    /// The connection broke, or did not answer. A pool of the user's finds out by itself, or is not to know.
    fn broke(&self) {
        if let Self::Own(taken) = self {
            taken.broke();
        }
    }

    fn give_back(self) {
        match self {
            Self::Own(taken) => taken.give_back(),
            Self::Users(mut connection, permit) => match tokio::runtime::Handle::try_current() {
                // The pool asks whether the connection still answers, for as long as it takes; meanwhile the place in the pool is taken.
                Ok(handle) => {
                    handle.spawn(async move {
                        let _permit = permit;
                        let _ = tokio::time::timeout(RETURN, connection.return_to_pool()).await;
                    });
                }
                Err(_) => drop(connection.detach()),
            },
        }
    }

    fn close(self) {
        match self {
            Self::Own(taken) => drop(taken),
            Self::Users(connection, _) => drop(connection.detach()),
        }
    }
}

/// A connection that is closed when it is dropped in the middle of something, and goes back to its pool otherwise.
#[derive(Debug)]
pub(crate) struct Lease<DB: Dialect> {
    held: Option<Held<DB>>,
    idle: bool,
    runtime: Runtime,
}

/// The answer of `future`, or `None` when it took longer than `time`.
async fn bounded<T>(runtime: &Runtime, time: Duration, future: impl Future<Output = T>) -> Option<T> {
    if time.is_zero() {
        return None;
    }
    match select(pin!(future), pin!(runtime.sleep(time))).await {
        Either::Left((answer, _)) => Some(answer),
        Either::Right(_) => None,
    }
}

pub(super) const NOT_IN_TIME: &str = "no connection to the session database could be had in time";
pub(super) const UNREACHABLE: &str = "the session database cannot be reached";
pub(super) const REFUSED: &str = "the session database refused the connection";
pub(super) const CLOSED: &str = "the session store was closed";

/// Why the user's pool gave no connection.
fn refused<T>(error: sqlx::Error) -> Result<Option<T>, Error> {
    let why = match error {
        sqlx::Error::PoolTimedOut => NOT_IN_TIME,
        sqlx::Error::PoolClosed => CLOSED,
        sqlx::Error::Database(_) => REFUSED,
        _ => UNREACHABLE,
    };
    Err(Error::new(ErrorKind::Unavailable, why))
}

impl<DB: Dialect> Lease<DB> {
    /// Takes a connection, in half of the time that is left at most; nothing has been sent when this fails.
    ///
    /// # Cancel safety
    /// A connection that is being opened goes to the next caller.
    pub(super) async fn take(source: &Source<DB>, runtime: &Runtime, call: Call<'_>) -> Result<Self, Error> {
        // whoever got one with no time left to use it would only break it
        let patience = call.left(runtime) / 2;
        let held = match source {
            Source::Own(pool) => bounded(runtime, patience, pool.take()).await.transpose()?.map(Held::Own),
            Source::Users { pool, gate } => {
                let (pool, gate) = (pool.clone(), Arc::clone(gate));
                let acquired = async {
                    let permit = gate.acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
                    let acquiring = tokio::spawn(async move { pool.acquire().await.map(|connection| Held::Users(connection, permit)) });
                    acquiring.await.map_err(|_| sqlx::Error::WorkerCrashed)?
                };
                bounded(runtime, patience, acquired).await.transpose().or_else(refused)?
            }
        };
        match held {
            Some(held) => Ok(Self { held: Some(held), idle: true, runtime: runtime.clone() }),
            None => Err(Error::new(ErrorKind::Unavailable, NOT_IN_TIME)),
        }
    }

    /// The rows that a statement returns.
    pub(crate) async fn rows(&mut self, call: Call<'_>, statement: Statement<DB>) -> Result<Vec<DB::Row>, Error> {
        self.run(call, |connection| DB::fetch(connection, statement)).await
    }

    /// How many rows a statement matched, and what else the database says of it.
    #[cfg(feature = "mysql")]
    pub(crate) async fn execute(&mut self, call: Call<'_>, statement: Statement<DB>) -> Result<DB::QueryResult, Error> {
        self.run(call, |connection| DB::execute(connection, statement)).await
    }

    /// Several statements in one trip, each number and text written into them.
    pub(crate) async fn raw(&mut self, call: Call<'_>, sql: SqlStr) -> Result<Vec<DB::Row>, Error> {
        self.run(call, |connection| DB::fetch_raw(connection, sql)).await
    }

    async fn run<T>(&mut self, call: Call<'_>, run: impl for<'c> FnOnce(&'c mut DB::Connection) -> Answer<'c, T>) -> Result<T, Error> {
        let Some(held) = self.held.as_mut() else {
            return Err(Error::new(ErrorKind::Internal, "a connection was used after its end"));
        };
        self.idle = false;
        let Some(connection) = held.connection() else {
            return Err(Error::new(ErrorKind::Internal, "a connection was used after its end"));
        };
        let answer = bounded(&self.runtime, call.left(&self.runtime), run(connection)).await;
        match answer {
            None => {
                held.broke();
                Err(Error::new(ErrorKind::Timeout, "the session database did not answer in time"))
            }
            Some(Ok(answer)) => {
                self.idle = true;
                Ok(answer)
            }
            Some(Err(error)) => {
                self.idle = DB::survives(&error);
                if !self.idle {
                    held.broke();
                }
                Err(DB::run_time(error))
            }
        }
    }
}

impl<DB: Dialect> Drop for Lease<DB> {
    fn drop(&mut self) {
        match self.held.take() {
            Some(held) if self.idle => held.give_back(),
            Some(held) => held.close(),
            None => {}
        }
    }
}

/// A lease with an open transaction, which is rolled back when this is dropped.
#[derive(Debug)]
pub(crate) struct Locked<DB: Dialect>(Option<Lease<DB>>);

impl<DB: Dialect> Locked<DB> {
    /// Sends `begin`.
    pub(crate) async fn begin(mut lease: Lease<DB>, call: Call<'_>, begin: SqlStr) -> Result<Self, Error> {
        lease.raw(call, begin).await?;
        Ok(Self(Some(lease)))
    }

    /// The connection inside the transaction.
    pub(crate) fn lease(&mut self) -> Result<&mut Lease<DB>, Error> {
        self.0.as_mut().ok_or_else(|| Error::new(ErrorKind::Internal, "a transaction was used after its end"))
    }

    /// Commits.
    pub(crate) async fn commit(mut self, call: Call<'_>) -> Result<(), Error> {
        let Some(mut lease) = self.0.take() else { return Ok(()) };
        let committed = lease.raw(call, SqlStr::from_static("COMMIT")).await;
        if committed.is_err() {
            lease.idle = false; // what the transaction came to is not known
        }
        committed.map(drop)
    }
}

impl<DB: Dialect> Drop for Locked<DB> {
    fn drop(&mut self) {
        let Some(mut lease) = self.0.take() else { return };
        if !lease.idle {
            return; // closing the connection rolls back
        }
        lease.idle = false;
        if let Ok(handle) = tokio::runtime::Handle::try_current() {
            handle.spawn(async move {
                let Some(connection) = lease.held.as_mut().and_then(Held::connection) else { return };
                let rollback = DB::fetch_raw(connection, SqlStr::from_static("ROLLBACK"));
                lease.idle = matches!(tokio::time::timeout(RETURN, rollback).await, Ok(Ok(_)));
                drop(lease);
            });
        }
    }
}
