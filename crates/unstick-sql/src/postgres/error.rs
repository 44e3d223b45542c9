//! What went wrong in PostgreSQL, as the core's kinds. The server's own words may hold values, so only its code is passed on.

use sqlx::postgres::{PgDatabaseError, PgSeverity};
use unstick_core::{ConfigError, Error, ErrorKind};

use super::statements::LATE;

fn of_server(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error().and_then(|error| error.try_downcast_ref())
}

/// The server's code for what went wrong; `None` when it was not the server that said so.
pub(super) fn code(error: &sqlx::Error) -> Option<&str> {
    of_server(error).map(PgDatabaseError::code)
}

/// Whether the connection is good for another statement. A server that only reads is no longer the one to write to, and one that
/// forgot a statement which the driver takes for prepared would go on refusing it.
pub(super) fn survives(error: &sqlx::Error) -> bool {
    let closed = [READ_ONLY, NO_STATEMENT, OTHER_STATEMENT];
    of_server(error).is_some_and(|error| error.severity() == PgSeverity::Error && !closed.contains(&error.code()))
}

const READ_ONLY: &str = "25006";
const NO_STATEMENT: &str = "26000";
const OTHER_STATEMENT: &str = "42P05";

/// For answers to statements.
pub(super) fn run_time(error: &sqlx::Error) -> Error {
    use ErrorKind::{Contended, Internal, Interrupted, Late, TooLarge, Unavailable};
    let Some(error) = of_server(error) else {
        return match error {
            sqlx::Error::Encode(_) => Error::new(Internal, "a parameter cannot be sent to the session database"),
            _ => Error::new(Interrupted, "the connection to the session database broke"),
        };
    };
    let code = error.code();
    let (kind, text) = match code {
        "22P02" if error.message().contains(LATE) => (Late, "the operation arrived after its deadline and was refused"),
        "25P03" => (Late, "the transaction was still open at the operation's deadline and was rolled back"),
        "40001" | "40P01" => (Contended, "other writers of the session database got in the way"),
        READ_ONLY => (Unavailable, "the session database is read-only; after a failover the new primary is to be used"),
        "57014" | "55P03" => (Unavailable, "the session database was locked by another writer for too long"),
        "57P03" => (Unavailable, "the session database is starting up or shutting down"),
        "57P01" | "57P02" | "57P04" | "57P05" => (Interrupted, "the session database shut the connection down"),
        "54000" => (TooLarge, "a principal's name is too long for the index of the session database"),
        "53100" => (Unavailable, "the disk of the session database is full"),
        "42501" => (Unavailable, "the user of the session database lacks a right to its tables"),
        "42P01" => (Unavailable, "the tables of the session store are missing"),
        NO_STATEMENT | OTHER_STATEMENT => {
            (Unavailable, "a pooler in front of the session database does not keep prepared statements apart")
        }
        _ => match &code[..code.len().min(2)] {
            "08" => (Interrupted, "the connection to the session database broke"),
            "53" => (Unavailable, "the session database lacks a resource"),
            "28" | "57" | "58" | "XX" => (Unavailable, "the session database failed"),
            _ => (Internal, "the session database refused a statement"),
        },
    };
    Error::new(kind, format!("{text} (SQLSTATE {code})"))
}

/// For starting up: one sentence that names the server.
pub(super) fn start_up(place: &str, error: &sqlx::Error) -> ConfigError {
    let text = match of_server(error).map(PgDatabaseError::code) {
        Some("28P01" | "28000") => "refused the user name or the password".into(),
        Some("3D000") => "does not exist; create it or name another one".into(),
        Some("42501") => {
            "may not be used this way by this user: grant CREATE on the schema, or run the schema files as another user and set `existing_tables`".into()
        }
        Some("42P01") => "lacks tables of the session store".into(),
        Some("53300") => "accepts no more connections".into(),
        Some(READ_ONLY) => "is read-only; name the primary".into(),
        Some("57P03") => "is starting up or shutting down".into(),
        Some(code) => format!("cannot be used (SQLSTATE {code})"),
        None => match error {
            sqlx::Error::Io(error) => format!("cannot be reached ({}); check host and port, and that the server runs", error.kind()),
            sqlx::Error::Tls(_) => "cannot be reached over TLS; check `sslmode` and the certificates, and that the feature `tls` is on".into(),
            sqlx::Error::PoolTimedOut => "gave no connection in time".into(),
            _ => "cannot be used: the driver failed".into(),
        },
    };
    ConfigError::new(format!("{place} {text}"))
}
