//! What went wrong, as the core's kinds. The server's own messages are never repeated: some hold values and keys.

use unstick_core::{ConfigError, Error, ErrorKind};

/// The server's number of an error, 0 when it did not come from the server.
pub(super) fn number(error: &sqlx::Error) -> u16 {
    error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>())
        .map_or(0, |error| error.number())
}

const TOO_MANY_CONNECTIONS: u16 = 1040;
const BAD_HANDSHAKE: u16 = 1043;
const DATABASE_DENIED: u16 = 1044;
const ACCESS_DENIED: u16 = 1045;
const NOT_READY: u16 = 1047;
const NULL_IN_COLUMN: u16 = 1048;
const UNKNOWN_DATABASE: u16 = 1049;
const SHUTDOWN: u16 = 1053;
const DUPLICATE: u16 = 1062;
const HOST_BLOCKED: u16 = 1129;
const COMMAND_DENIED: u16 = 1142;
pub(super) const NO_SUCH_TABLE: u16 = 1146;
/// MariaDB's, under `innodb_snapshot_isolation`; what is waited for was rolled back.
const CHANGED_SINCE: u16 = 1020;
const PACKET_TOO_LARGE: u16 = 1153;
const NET_ERRORS: std::ops::RangeInclusive<u16> = 1158..=1161;
const USER_CONNECTIONS: u16 = 1203;
const LOCK_WAIT: u16 = 1205;
const DEADLOCK: u16 = 1213;
const UNKNOWN_STATEMENT: u16 = 1243;
const READ_ONLY_OPTION: u16 = 1290;
const RESULT_TOO_LARGE: u16 = 1301;
const INTERRUPTED: u16 = 1317;
const STATEMENT_LOGGING: u16 = 1665;
const READ_ONLY_TRANSACTION: u16 = 1792;
const READ_ONLY: u16 = 1836;
const KILLED: u16 = 1927;
const STATEMENT_TIME: u16 = 1969;
const GONE: u16 = 2006;
const LOST: u16 = 2013;
const EXECUTION_TIME: u16 = 3024;
const CHECK: u16 = 3819;
const CHECK_MARIADB: u16 = 4025;
const INACTIVE: u16 = 4031;

fn describe(error: &sqlx::Error) -> (ErrorKind, &'static str) {
    use ErrorKind::{Contended, Internal, Interrupted, Refused, TooLarge, Unavailable};
    if error.as_database_error().is_none() {
        return match error {
            sqlx::Error::PoolTimedOut => (Unavailable, "no connection to the session database became free in time"),
            sqlx::Error::PoolClosed => (Unavailable, "the session store was closed"),
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed => {
                (Interrupted, "the connection to the session database broke")
            }
            _ => (Internal, "the session database driver failed"),
        };
    }
    match number(error) {
        TOO_MANY_CONNECTIONS | USER_CONNECTIONS => (Unavailable, "the session database takes no more connections"),
        SHUTDOWN => (Interrupted, "the session database is shutting down"),
        KILLED | GONE | LOST | INACTIVE => (Interrupted, "the session database closed the connection"),
        number if NET_ERRORS.contains(&number) => (Interrupted, "the connection to the session database broke"),
        // what is waited for was rolled back, nothing else
        LOCK_WAIT => (Contended, "the session was locked by another writer for too long"),
        DEADLOCK => (Contended, "the session database broke a deadlock"),
        CHANGED_SINCE => (Contended, "another writer of the session database was faster"),
        DUPLICATE => (Refused, "there is such a row"),
        READ_ONLY_OPTION | READ_ONLY | READ_ONLY_TRANSACTION => (Unavailable, "the session database is read-only; it may be a replica now"),
        NOT_READY => (Unavailable, "the session database is not ready"),
        INTERRUPTED | STATEMENT_TIME | EXECUTION_TIME => (Unavailable, "the session database cancelled a statement"),
        UNKNOWN_STATEMENT => (Unavailable, "the session database has forgotten a statement"),
        DATABASE_DENIED | ACCESS_DENIED | COMMAND_DENIED => (Unavailable, "the session database's user lacks a right"),
        NO_SUCH_TABLE => (Unavailable, "a table of the session database is missing"),
        PACKET_TOO_LARGE => (TooLarge, "the change is larger than the session database takes (max_allowed_packet)"),
        NULL_IN_COLUMN | CHECK | CHECK_MARIADB | RESULT_TOO_LARGE => {
            (TooLarge, "the session would be larger than the session database takes (max_allowed_packet)")
        }
        1021 | 1114 => (Unavailable, "the disk of the session database is full"),
        STATEMENT_LOGGING => (Unavailable, "the session database's binlog_format is STATEMENT; ROW or MIXED is needed"),
        _ => (Internal, "the session database refused a statement"),
    }
}

/// For errors of statements that were sent.
pub(super) fn run_time(error: &sqlx::Error) -> Error {
    let (kind, message) = describe(error);
    match number(error) {
        0 => Error::new(kind, message),
        number => Error::new(kind, format!("{message} (error {number})")),
    }
}

/// Whether `error` says that there is a row with this key.
pub(super) fn is_duplicate(error: &Error) -> bool {
    error.kind() == ErrorKind::Refused
}

/// Whether the connection is good for another statement after `error`. One to a server that became read-only is not: a new one may
/// reach the server that took over.
pub(super) fn survives(error: &sqlx::Error) -> bool {
    let closed = [
        SHUTDOWN,
        KILLED,
        GONE,
        LOST,
        INACTIVE,
        PACKET_TOO_LARGE,
        NOT_READY,
        UNKNOWN_STATEMENT,
        READ_ONLY_OPTION,
        READ_ONLY,
        READ_ONLY_TRANSACTION,
    ];
    error.as_database_error().is_some() && !closed.contains(&number(error)) && !NET_ERRORS.contains(&number(error))
}

/// For starting up: one sentence. `place` is "the session database X".
pub(super) fn start_up(place: &str, error: &sqlx::Error) -> ConfigError {
    let text = match error {
        sqlx::Error::PoolTimedOut => "gave no connection in time; it does not answer, or the pool is used up",
        sqlx::Error::PoolClosed => "cannot be used: the pool is closed",
        sqlx::Error::Io(_) => "cannot be reached; check host and port, and that the server runs",
        sqlx::Error::Tls(_) => "cannot be reached by TLS; check `ssl-mode` and `ssl-ca`, and that the feature `tls` is on",
        // the driver says so when a password would have to be sent in the clear
        sqlx::Error::Configuration(_) | sqlx::Error::Protocol(_) => {
            "could not be logged in to; passwords of `caching_sha2_password` need TLS, a unix socket, or the feature `mysql-rsa` of sqlx"
        }
        _ => match number(error) {
            ACCESS_DENIED => "refused user and password",
            DATABASE_DENIED => "may not be used by this user",
            UNKNOWN_DATABASE => "does not exist; create it first",
            TOO_MANY_CONNECTIONS | USER_CONNECTIONS => {
                "takes no more connections; raise `max_connections` of the server or lower that of the nodes"
            }
            HOST_BLOCKED => "has blocked this host; `FLUSH HOSTS` there lifts that",
            BAD_HANDSHAKE => "did not understand the greeting; is it a MySQL server?",
            COMMAND_DENIED => {
                "denies this user a right; grant CREATE, SELECT, INSERT, UPDATE and DELETE, or create the tables with another user and set `existing_tables`"
            }
            READ_ONLY_OPTION | READ_ONLY | READ_ONLY_TRANSACTION => "is read-only; name the primary",
            STATEMENT_LOGGING => "has `binlog_format` STATEMENT; set ROW or MIXED",
            0 => "cannot be used: the driver failed",
            number => return ConfigError::new(format!("{place} cannot be used: error {number}")),
        },
    };
    ConfigError::new(format!("{place} {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_broken_connection_leaves_the_outcome_open() {
        for (error, kind) in [
            (sqlx::Error::PoolTimedOut, ErrorKind::Unavailable),
            (sqlx::Error::PoolClosed, ErrorKind::Unavailable),
            (sqlx::Error::Io(std::io::ErrorKind::UnexpectedEof.into()), ErrorKind::Interrupted),
            (sqlx::Error::Protocol("?".into()), ErrorKind::Interrupted),
            (sqlx::Error::RowNotFound, ErrorKind::Internal),
        ] {
            assert_eq!(run_time(&error).kind(), kind);
            assert!(!survives(&error), "what is not said by the server leaves the connection in doubt");
        }
    }
}
