//! Every statement, built once per store for its table prefix.
//!
//! Parameters of the writing statements: `?1` key, `?2` the operation's time, `?3` presented secret, `?4` its issue time,
//! `?5` the deadline on the engine's clock, `?6` the operation, `?7` its `applied` object, `?8` clear, `?9` patch,
//! `?10` preconditions, `?11` size limit, `?12` and `?13` renewal (idle deadline, issue time; 0: none), and for a rotation
//! `?14` new secret, `?15` end of grace, `?16` principal, `?17` idle deadline, `?18` start of the overlap.

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::row::ROW_FORMAT;

/// SQLite's clock in milliseconds. Read once per statement, when the statement holds its lock.
const CLOCK: &str = "CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)";

/// The columns of a row, in the order in which they are read.
const COLUMNS: &str = "format, secret, previous, previous_until, previous_reissued, rotated, reissued, principal, created, \
     idle_deadline, absolute_deadline, fields, applied, ended_at, ended_until";

/// Whether `?3` and `?4` are good for the row at `?2`.
const PROVEN: &str = "(secret = ?3 OR (previous = ?3 AND (?2 < previous_until OR (previous_reissued <> 0 AND previous_reissued <= ?4))))";

/// Whether the row was proven by something else than a previous secret in its grace.
const MAY_ROTATE: &str = "(secret = ?3 OR previous_until <= ?2)";

const LIVES: &str = "ended_at IS NULL AND ?2 < idle_deadline AND ?2 < absolute_deadline";

/// The fields after the change.
const MERGED: &str = "json_patch(CASE WHEN ?8 THEN '{}' ELSE fields END, ?9)";

/// Operations still to be remembered, and this one.
fn remembered() -> String {
    format!("json_patch((SELECT json_group_object(key, value) FROM json_each(applied) WHERE value > {CLOCK}), ?7)")
}

/// Bytes of all names and values, as the core counts them.
fn size(fields: &str) -> String {
    format!(
        "(SELECT coalesce(sum(octet_length(f.key) + CASE substr(json_extract(f.value, '$[1]'), 1, 1) \
         WHEN 'b' THEN (octet_length(json_extract(f.value, '$[1]')) - 1) * 3 / 4 \
         ELSE octet_length(json_extract(f.value, '$[1]')) - 1 END), 0) FROM json_each({fields}) AS f)"
    )
}

/// The row may be written to by this operation. The JSON text is longer than what it encodes, so the exact sizes are
/// counted only when the text is over the limit.
fn writable() -> String {
    let (new, old) = (size(MERGED), size("fields"));
    format!(
        "key = ?1 AND format = {ROW_FORMAT} AND {LIVES} AND {PROVEN} AND {CLOCK} < ?5 AND json_type(fields) = 'object' \
         AND NOT EXISTS (SELECT 1 FROM json_each(applied) WHERE key = ?6) \
         AND NOT EXISTS (SELECT 1 FROM json_each(?10) AS p LEFT JOIN json_each(fields) AS f ON f.key = json_extract(p.value, '$[0]') \
             WHERE coalesce(json_extract(f.value, '$[0]'), 0) <> json_extract(p.value, '$[1]')) \
         AND (?11 = 0 OR octet_length({MERGED}) <= ?11 OR {new} <= ?11 OR {new} <= {old})"
    )
}

/// All statements of one store.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) create: SqlStr,
    pub(crate) read: SqlStr,
    pub(crate) read_renewing: SqlStr,
    pub(crate) apply: SqlStr,
    pub(crate) rotate: SqlStr,
    pub(crate) end: SqlStr,
    pub(crate) sweep: SqlStr,
    pub(crate) sweep_reservations: SqlStr,
    pub(crate) claim: SqlStr,
    pub(crate) list: SqlStr,
    pub(crate) end_others: SqlStr,
    pub(crate) newer: SqlStr,
    pub(crate) reserve: SqlStr,
}

fn made(sql: String) -> SqlStr {
    AssertSqlSafe(std::sync::Arc::<str>::from(sql)).into_sql_str()
}

impl Statements {
    /// For a prefix that was checked.
    pub(crate) fn new(prefix: &str) -> Self {
        let sessions = format!("{prefix}sessions");
        let reservations = format!("{prefix}reservations");
        let (writable, remembered) = (writable(), remembered());
        Self {
            create: made(format!(
                "INSERT INTO {sessions} (key, format, secret, rotated, reissued, principal, created, idle_deadline, absolute_deadline, \
                 fields, applied) SELECT ?1, {ROW_FORMAT}, ?2, ?3, 0, ?4, ?3, ?5, ?6, ?7, ?8 WHERE {CLOCK} < ?9 \
                 ON CONFLICT (key) DO NOTHING"
            )),
            read: made(format!("SELECT {COLUMNS} FROM {sessions} WHERE key = ?1")),
            read_renewing: made(read_renewing(&sessions)),
            apply: made(format!(
                "UPDATE {sessions} SET fields = {MERGED}, applied = {remembered}, reissued = max(reissued, ?13), \
                 idle_deadline = min(max(idle_deadline, ?12), absolute_deadline) WHERE {writable} \
                 RETURNING idle_deadline, secret = ?3, previous_until"
            )),
            rotate: made(rotate(&sessions, &writable, &remembered)),
            end: made(end(&sessions)),
            sweep: made(format!(
                "DELETE FROM {sessions} WHERE rowid IN (SELECT rowid FROM {sessions} WHERE forget_at <= ?1 AND format = {ROW_FORMAT} \
                 ORDER BY forget_at LIMIT ?2) AND {CLOCK} < ?3"
            )),
            sweep_reservations: made(format!(
                "DELETE FROM {reservations} WHERE (principal, key) IN (SELECT principal, key FROM {reservations} WHERE until <= ?1 \
                 ORDER BY until LIMIT ?2) AND {CLOCK} < ?3"
            )),
            claim: made(format!(
                "INSERT INTO {prefix}sweeper (id, owner, until) VALUES (1, ?1, {CLOCK} + ?2) ON CONFLICT (id) DO UPDATE \
                 SET owner = excluded.owner, until = excluded.until WHERE {prefix}sweeper.until <= {CLOCK} OR {prefix}sweeper.owner = ?1"
            )),
            list: made(format!(
                "SELECT key, created, idle_deadline, absolute_deadline FROM {sessions} WHERE principal = ?1 AND {LIVES} \
                 AND format = {ROW_FORMAT} ORDER BY created"
            )),
            end_others: made(end_others(&sessions, &reservations)),
            newer: made(format!(
                "SELECT EXISTS (SELECT 1 FROM {sessions} WHERE principal = ?1 AND {LIVES} AND format <> {ROW_FORMAT} \
                 AND (?3 IS NULL OR key <> ?3))"
            )),
            reserve: made(format!(
                "INSERT INTO {reservations} (principal, key, until) SELECT ?1, ?3, ?5 WHERE {CLOCK} < ?6 AND ?4 > (SELECT count(*) FROM ( \
                 SELECT key FROM {sessions} WHERE principal = ?1 AND key <> ?3 AND {LIVES} UNION \
                 SELECT key FROM {reservations} AS r WHERE principal = ?1 AND key <> ?3 AND until > ?2 \
                 AND NOT EXISTS (SELECT 1 FROM {sessions} AS s WHERE s.key = r.key AND s.ended_at IS NOT NULL))) \
                 ON CONFLICT (principal, key) DO UPDATE SET until = max({reservations}.until, excluded.until)"
            )),
        }
    }
}

/// `?1` key, `?2` time, `?3` secret, `?4` issue time, `?5` engine deadline, `?6` idle deadline, `?7` issue time of the renewal.
/// Answers with the row in any case, so that a refused renewal costs no second statement.
fn read_renewing(sessions: &str) -> String {
    let renewed = format!("format = {ROW_FORMAT} AND {LIVES} AND {PROVEN} AND {CLOCK} < ?5");
    format!(
        "UPDATE {sessions} SET reissued = CASE WHEN {renewed} THEN max(reissued, ?7) ELSE reissued END, \
         idle_deadline = CASE WHEN {renewed} THEN min(max(idle_deadline, ?6), absolute_deadline) ELSE idle_deadline END \
         WHERE key = ?1 RETURNING {COLUMNS}"
    )
}

fn rotate(sessions: &str, writable: &str, remembered: &str) -> String {
    format!(
        "UPDATE {sessions} SET fields = {MERGED}, applied = {remembered}, \
         previous = CASE WHEN NOT {MAY_ROTATE} THEN previous WHEN ?15 IS NULL THEN NULL ELSE secret END, \
         previous_until = CASE WHEN {MAY_ROTATE} THEN ?15 ELSE previous_until END, \
         previous_reissued = CASE WHEN NOT {MAY_ROTATE} THEN previous_reissued WHEN ?15 IS NULL THEN NULL \
             WHEN max(reissued, ?13) >= ?18 THEN max(?18, rotated + 1) ELSE 0 END, \
         secret = CASE WHEN {MAY_ROTATE} THEN ?14 ELSE secret END, \
         rotated = CASE WHEN {MAY_ROTATE} THEN ?2 ELSE rotated END, \
         reissued = CASE WHEN {MAY_ROTATE} THEN 0 ELSE max(reissued, ?13) END, \
         principal = CASE WHEN {MAY_ROTATE} THEN coalesce(?16, principal) ELSE principal END, \
         idle_deadline = min(max(idle_deadline, ?12, CASE WHEN {MAY_ROTATE} THEN ?17 ELSE 0 END), absolute_deadline) \
         WHERE {writable} AND (?15 IS NOT NULL OR {MAY_ROTATE}) \
         RETURNING idle_deadline, secret = ?14"
    )
}

/// What a tombstone keeps of a row: when, until when, and the deadline by which it can be told whether it was live.
const BURIED: &str = "secret = excluded.secret, previous = NULL, previous_until = NULL, previous_reissued = NULL, principal = NULL, \
     fields = '{}', applied = '{}'";

/// `?1` key, `?2` time, `?3` secret or NULL for anybody, `?4` issue time, `?5` engine deadline, `?6` operation, `?7` until.
/// An ended or expired session may be ended by any secret but a replaced one.
fn end(sessions: &str) -> String {
    format!(
        "INSERT INTO {sessions} (key, format, secret, rotated, reissued, created, idle_deadline, absolute_deadline, fields, applied, \
         ended_at, ended_until, ended_op, ended_live) SELECT ?1, {ROW_FORMAT}, zeroblob(16), ?2, 0, ?2, ?2, ?2, '{{}}', '{{}}', ?2, ?7, ?6, 0 \
         WHERE {CLOCK} < ?5 ON CONFLICT (key) DO UPDATE SET {BURIED}, \
         ended_op = CASE WHEN ended_at IS NULL THEN ?6 ELSE ended_op END, ended_live = CASE WHEN ended_at IS NULL THEN 1 ELSE ended_live END, \
         ended_until = max(coalesce(ended_until, 0), ?7), ended_at = coalesce(ended_at, ?2) \
         WHERE format = {ROW_FORMAT} AND (?3 IS NULL OR ended_at IS NOT NULL OR ?2 >= idle_deadline OR ?2 >= absolute_deadline OR {PROVEN}) \
         RETURNING ended_live = 1 AND ended_op = ?6"
    )
}

/// `?1` principal, `?2` time, `?3` key to keep or NULL, `?4` skew, `?5` engine deadline, `?6` operation. One row per tombstone
/// made, true when there was a live session under it.
fn end_others(sessions: &str, reservations: &str) -> String {
    format!(
        "INSERT INTO {sessions} (key, format, secret, rotated, reissued, created, idle_deadline, absolute_deadline, fields, applied, \
         ended_at, ended_until, ended_op, ended_live) SELECT o.key, {ROW_FORMAT}, zeroblob(16), ?2, 0, ?2, ?2, ?2, '{{}}', '{{}}', ?2, \
         max(o.until, ?2) + ?4, ?6, 0 FROM (SELECT key, max(until) AS until FROM ( \
         SELECT key, idle_deadline AS until FROM {sessions} WHERE principal = ?1 AND ended_at IS NULL UNION ALL \
         SELECT key, until FROM {reservations} WHERE principal = ?1 AND until > ?2) GROUP BY key) AS o \
         WHERE (?3 IS NULL OR o.key <> ?3) AND {CLOCK} < ?5 \
         ON CONFLICT (key) DO UPDATE SET {BURIED}, ended_op = ?6, ended_live = 1, \
         ended_until = max(excluded.ended_until, idle_deadline + ?4), ended_at = ?2 \
         WHERE ended_at IS NULL AND format = {ROW_FORMAT} \
         RETURNING ended_live = 1 AND idle_deadline > ?2"
    )
}
