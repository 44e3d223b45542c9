//! What went wrong in SQLite, as the core's kinds. Neither parameters nor rows are in these messages.

use std::{borrow::Cow, path::Path};

use unstick_core::{ConfigError, Error, ErrorKind};

/// The primary result code, 0 when the error did not come from the engine.
pub(crate) fn code(error: &sqlx::Error) -> i32 {
    error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<i32>().ok()).map_or(0, |code| code & 0xff)
}

pub(crate) const ERROR: i32 = 1;
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READONLY: i32 = 8;
const IOERR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const NOTADB: i32 = 26;

/// Whether the answer may be another one when somebody else is done.
pub(crate) fn is_locked(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::PoolTimedOut) || matches!(code(error), BUSY | LOCKED)
}

fn describe(error: &sqlx::Error) -> (ErrorKind, &'static str) {
    use ErrorKind::{Internal, Interrupted, Unavailable};
    match error {
        sqlx::Error::PoolTimedOut => (Unavailable, "no connection to the session database became free in time"),
        sqlx::Error::PoolClosed => (Unavailable, "the session store was closed"),
        sqlx::Error::Io(_) => (Unavailable, "the session database cannot be reached"),
        sqlx::Error::WorkerCrashed => (Interrupted, "the connection to the session database broke"),
        sqlx::Error::Database(_) => match code(error) {
            BUSY | LOCKED => (Unavailable, "the session database was locked by another writer for too long"),
            FULL => (Unavailable, "the disk of the session database is full"),
            IOERR => (Unavailable, "the disk of the session database failed"),
            READONLY => (Unavailable, "the session database is read-only"),
            CANTOPEN => (Unavailable, "the session database cannot be opened"),
            CORRUPT | NOTADB => (Unavailable, "the session database file is damaged"),
            _ => (Internal, "the session database refused a statement"),
        },
        _ => (Internal, "the session database driver failed"),
    }
}

/// For answers at run time.
pub(crate) fn run_time(error: sqlx::Error) -> Error {
    let (kind, message) = describe(&error);
    match error {
        sqlx::Error::Database(_) | sqlx::Error::Io(_) => Error::with_source(kind, message, error),
        _ => Error::new(kind, message),
    }
}

/// For starting up: one sentence that names the file.
pub(crate) fn start_up(path: &Path, error: &sqlx::Error) -> ConfigError {
    let file = path.display();
    let text: Cow<'static, str> = match code(error) {
        BUSY | LOCKED => "is locked by another process; stop that process or wait until it is done".into(),
        _ if matches!(error, sqlx::Error::PoolTimedOut) => {
            "gave no connection in time: it is locked by another process, or the pool is used up".into()
        }
        CANTOPEN if path.is_dir() => "is a directory; name a file in it".into(),
        CANTOPEN => "cannot be opened; its directory must exist and be writable, and the file too if it exists".into(),
        READONLY => "is not writable by this process".into(),
        NOTADB => "is not an SQLite database; name another file".into(),
        CORRUPT => "is damaged; restore it or name another file".into(),
        FULL => "cannot be written: the disk is full".into(),
        IOERR => "cannot be read or written: the disk or filesystem failed".into(),
        _ => format!("cannot be used: {error}").into(),
    };
    ConfigError::new(format!("the session database {file} {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_broken_connection_leaves_the_outcome_open() {
        for (error, kind) in [
            (sqlx::Error::PoolTimedOut, ErrorKind::Unavailable),
            (sqlx::Error::PoolClosed, ErrorKind::Unavailable),
            (sqlx::Error::Io(std::io::ErrorKind::NotFound.into()), ErrorKind::Unavailable),
            (sqlx::Error::WorkerCrashed, ErrorKind::Interrupted),
            (sqlx::Error::RowNotFound, ErrorKind::Internal),
        ] {
            assert_eq!(run_time(error).kind(), kind);
        }
    }
}
