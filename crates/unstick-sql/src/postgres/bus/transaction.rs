//! Notices that are sent with a transaction of the application: when it commits, and only then.

use std::fmt;

use sqlx::postgres::PgExecutor;
use unstick_core::{Error, ErrorKind};

use super::{super::error, PostgresBus, link::NOTIFY, wire};

/// A statement that sends a notice, for other drivers: [`sql`](Self::sql) with two parameters of type text.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotifyStatement {
    /// `SELECT pg_notify($1, $2)`.
    pub sql: &'static str,
    /// The first parameter.
    pub channel: String,
    /// The second parameter. It holds what is invalidated, and does not belong into logs.
    pub text: String,
}

/// Leaves the text out.
impl fmt::Debug for NotifyStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotifyStatement").field("sql", &self.sql).field("channel", &self.channel).finish_non_exhaustive()
    }
}

impl PostgresBus {
    /// Sends a notice from inside a transaction of yours: every node gets it when the transaction commits, this one included, and
    /// nobody when it is rolled back. So nothing is lost when the process ends between the commit and whatever it would do next.
    /// Outside a transaction it is sent at once.
    ///
    /// `executor` is on the database of the bus: `&mut *transaction`, a connection, or a pool. See the [module docs](super) for an example.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] before anything is sent. Otherwise the statement failed, and as with any other, the transaction
    /// can only be rolled back: the write that the notice belongs to is then not made either.
    ///
    /// # Cancel safety
    /// As any statement in your transaction: roll it back.
    pub async fn notify_in<'c>(&self, executor: impl PgExecutor<'c>, payload: &[u8]) -> Result<(), Error> {
        let text = wire::notice(payload)?;
        let notify = sqlx::query(NOTIFY).bind(self.channel()).bind(text);
        notify.execute(executor).await.map(drop).map_err(|error| failed(&error))
    }

    /// The statement that [`notify_in`](Self::notify_in) sends, for transactions of another driver or program.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`].
    pub fn notify_statement(&self, payload: &[u8]) -> Result<NotifyStatement, Error> {
        Ok(NotifyStatement { sql: NOTIFY, channel: self.channel().to_owned(), text: wire::notice(payload)? })
    }
}

fn failed(error: &sqlx::Error) -> Error {
    match error::code(error) {
        Some(code) => Error::new(ErrorKind::Unavailable, format!("the database did not take the notice (SQLSTATE {code})")),
        None => Error::new(ErrorKind::Interrupted, "the connection broke while a notice was sent in a transaction"),
    }
}
