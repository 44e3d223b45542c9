//! What a connection must be like, and whether a server can do what is asked of it.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, MySqlConnection, Row, SqlStr};
use unstick_core::{ConfigError, Timestamp};

use super::{
    error,
    statements::{CLOCK, Isolation},
};

/// Settings of each connection in a pool of ours. Nothing depends on the isolation; less of it means fewer locks on what is not there.
pub(super) const SETTINGS: SqlStr =
    SqlStr::from_static("SET SESSION autocommit = 1, innodb_lock_wait_timeout = 5; SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");

/// What is known of a server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Server {
    /// The most bytes that it takes at a time.
    pub(super) packet: usize,
    pub(super) isolation: Isolation,
    pub(super) asked: Timestamp,
    pub(super) clock: Timestamp,
}

/// Looks at a connection of the pool that will be used.
pub(super) async fn check(connection: &mut MySqlConnection, place: &str) -> Result<Server, ConfigError> {
    let failed = |error: sqlx::Error| error::start_up(place, &error);
    let rows = sqlx::raw_sql(
        "SHOW SESSION VARIABLES WHERE Variable_name IN \
         ('version', 'autocommit', 'character_set_client', 'max_allowed_packet', 'log_bin', 'binlog_format', 'transaction_isolation', 'tx_isolation', \
         'innodb_snapshot_isolation')",
    );
    let rows = rows.fetch_all(&mut *connection).await.map_err(failed)?;
    let text = |row: &sqlx::mysql::MySqlRow, at| row.try_get_unchecked::<String, usize>(at).map_err(failed);
    let variables = rows.iter().map(|row| Ok((text(row, 0)?, text(row, 1)?))).collect::<Result<HashMap<_, _>, ConfigError>>()?;
    let packet = judge(&variables).map_err(|why| ConfigError::new(format!("{place} {why}")))?;
    let asked = Timestamp::system_now();
    let select = AssertSqlSafe(format!("SELECT SLEEP(0.002), SYSDATE(6) > NOW(6), {CLOCK}"));
    let row = sqlx::query(select).fetch_one(connection).await.map_err(failed)?;
    if row.try_get_unchecked::<i64, _>(1).map_err(failed)? == 0 {
        return Err(ConfigError::new(format!(
            "{place} was started with `sysdate-is-now`, so that it cannot tell a late write; start it without"
        )));
    }
    let clock = row.try_get_unchecked(2).map(Timestamp::from_millis).map_err(failed)?;
    Ok(Server { packet, isolation: isolation(&variables), asked, clock })
}

fn judge(variables: &HashMap<String, String>) -> Result<usize, String> {
    let of = |name: &str| variables.get(name).map_or("", String::as_str);
    let version = of("version");
    if is_too_old(version) {
        return Err(format!("is version {version}; MySQL 8.0.19 or MariaDB 10.6 or newer is needed"));
    }
    if !of("autocommit").eq_ignore_ascii_case("ON") {
        return Err("has `autocommit` off in the pool's connections; switch it on".into());
    }
    if of("character_set_client") != "utf8mb4" {
        return Err("has another character set than `utf8mb4` in the pool's connections; set that".into());
    }
    if of("log_bin").eq_ignore_ascii_case("ON") && of("binlog_format").eq_ignore_ascii_case("STATEMENT") {
        return Err("has `binlog_format` STATEMENT; set ROW or MIXED".into());
    }
    if of("innodb_snapshot_isolation").eq_ignore_ascii_case("ON") && level(variables).is_some_and(|level| !level.starts_with("READ-")) {
        return Err("refuses writers that had to wait for another one (`innodb_snapshot_isolation`); set the isolation of the pool's connections to READ COMMITTED".into());
    }
    Ok(of("max_allowed_packet").parse().unwrap_or(1 << 24))
}

/// MariaDB had another name for it until version 11.
fn level(variables: &HashMap<String, String>) -> Option<&String> {
    variables.get("transaction_isolation").or_else(|| variables.get("tx_isolation"))
}

fn isolation(variables: &HashMap<String, String>) -> Isolation {
    if level(variables).is_some_and(|level| level == "READ-COMMITTED") { Isolation::ReadCommitted } else { Isolation::Stricter }
}

/// Versions that cannot be read are given a try.
fn is_too_old(version: &str) -> bool {
    let mut numbers = version.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let Some(major) = numbers.next() else { return false };
    let Some(minor) = numbers.next() else { return false };
    if version.contains("MariaDB") {
        (major, minor) < (10, 6)
    } else {
        numbers.next().is_some_and(|patch| (major, minor, patch) < (8, 0, 19))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for old in ["5.7.44", "8.0.18", "8.0.11-TiDB-v7.5.0", "10.5.29-MariaDB", "5.5.5-10.3.1-MariaDB"] {
            assert!(is_too_old(old), "{old}");
        }
        for new in ["8.0.19", "8.4.0", "9.7.4-2", "10.6.0-MariaDB", "11.4.2-MariaDB-ubu2404", "8.0.mysql_aurora.3.05.2", "x"] {
            assert!(!is_too_old(new), "{new}");
        }
    }

    #[test]
    fn sessions_of_the_users_own_pool_are_judged() {
        let good = [
            ("version", "10.11.2-MariaDB"),
            ("autocommit", "ON"),
            ("character_set_client", "utf8mb4"),
            ("max_allowed_packet", "16777216"),
            ("log_bin", "ON"),
            ("binlog_format", "MIXED"),
        ];
        let variables = |change: (&str, &str)| {
            good.into_iter().chain([change]).map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<HashMap<_, _>>()
        };
        assert_eq!(judge(&variables(("x", "y"))).unwrap(), 1 << 24);
        for bad in [("version", "5.7.1"), ("autocommit", "OFF"), ("character_set_client", "latin1"), ("binlog_format", "STATEMENT")] {
            assert!(judge(&variables(bad)).unwrap_err().contains(if bad.0 == "character_set_client" {
                "utf8mb4"
            } else if bad.0 == "version" {
                "8.0.19"
            } else {
                bad.0
            }));
        }
    }
}
