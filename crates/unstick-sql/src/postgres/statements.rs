//! Every statement, built once per store for its table prefix.
//!
//! Parameters of the writing statements: `$1` key, `$2` the operation's time, `$3` presented secret, `$4` its issue time,
//! `$5` the deadline on the server's clock, `$6` the operation, `$7` its `applied` object, `$8` clear, `$9` fields to set,
//! `$10` preconditions, `$11` size limit, `$12` and `$13` renewal (idle deadline, issue time; 0: none), `$14` fields to remove,
//! and for a rotation `$15` new secret, `$16` end of grace, `$17` principal, `$18` idle deadline, `$19` start of the overlap.
//!
//! A statement evaluates its `WHERE` before it waits for a row's lock, and again only if the row was changed by the lock's
//! holder. So the clock is looked at once more in `RETURNING`, which is evaluated when the lock is held; past the deadline
//! that look is an error, which takes the whole statement back.

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::row::ROW_FORMAT;

/// The server's clock in milliseconds, read anew wherever it stands.
pub(super) const CLOCK: &str = "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// In the server's words when a statement is late; see [`in_time`].
pub(super) const LATE: &str = "unstick: refused as late";

/// The columns of a row, in the order in which they are read.
const COLUMNS: &str = "format, secret, previous, previous_until, previous_reissued, rotated, reissued, principal, created, \
     idle_deadline, absolute_deadline, fields::text, applied::text, ended_at, ended_until";

/// The server's clock, or an error when it has passed `deadline`. The text that is no number depends on the clock, as it would
/// be found out when the statement is planned otherwise.
fn in_time(deadline: &str) -> String {
    format!("CASE WHEN {CLOCK} < {deadline} THEN {CLOCK} ELSE ('{LATE} at ' || {CLOCK})::bigint END")
}

/// Between this and the commit the server waits until the deadline `$5`, and no longer.
const COMMIT_BY: &str = "set_config('idle_in_transaction_session_timeout', \
     least(2147483647, greatest(1, $5 - floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint))::text, true)";

/// Whether `$3` and `$4` are good for the row `s` at `$2`.
const PROVEN: &str =
    "(s.secret = $3 OR (s.previous = $3 AND ($2 < s.previous_until OR (s.previous_reissued <> 0 AND s.previous_reissued <= $4))))";

/// Whether the row was proven by something else than a previous secret in its grace.
const MAY_ROTATE: &str = "(s.secret = $3 OR s.previous_until <= $2)";

/// The fields after the change.
const MERGED: &str = "((CASE WHEN $8 THEN '{}'::jsonb ELSE s.fields END - $14::text[]) || $9::jsonb)";

fn lives(now: &str) -> String {
    format!("s.ended_at IS NULL AND {now} < s.idle_deadline AND {now} < s.absolute_deadline")
}

/// Operations still to be remembered, and this one.
fn remembered() -> String {
    format!(
        "(SELECT coalesce(jsonb_object_agg(a.key, a.value), '{{}}') FROM jsonb_each(s.applied) AS a WHERE a.value::bigint > {CLOCK}) || $7::jsonb"
    )
}

/// Bytes of all names and values, as the core counts them.
fn size(fields: &str) -> String {
    format!(
        "(SELECT coalesce(sum(octet_length(f.key) + CASE left(f.value ->> 1, 1) WHEN 'b' THEN (octet_length(f.value ->> 1) - 1) * 3 / 4 \
         ELSE octet_length(f.value ->> 1) - 1 END), 0) FROM jsonb_each({fields}) AS f)"
    )
}

/// The row may be written to by this operation. The JSON text is longer than what it encodes, so the exact sizes are
/// counted only when the text is over the limit.
///
/// Violated preconditions are counted, not looked for with `NOT EXISTS`: that would become a join, whose other side is not
/// looked at again when the row had to be waited for, and a change would go in on a version that is gone.
fn writable() -> String {
    let (lives, new, old) = (lives("$2"), size(MERGED), size("s.fields"));
    format!(
        "s.key = $1 AND s.format = {ROW_FORMAT} AND {lives} AND {PROVEN} AND {CLOCK} < $5 AND jsonb_typeof(s.fields) = 'object' \
         AND NOT s.applied ? $6 \
         AND (SELECT count(*) FROM jsonb_array_elements($10::jsonb) AS p \
             WHERE coalesce((s.fields -> (p ->> 0) ->> 0)::bigint, 0) <> (p ->> 1)::bigint) = 0 \
         AND CASE WHEN $11 = 0 THEN true WHEN octet_length({MERGED}::text) <= $11 THEN true ELSE {new} <= $11 OR {new} <= {old} END"
    )
}

/// All statements of one store.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) create: SqlStr,
    pub(super) read: SqlStr,
    pub(super) read_renewing: SqlStr,
    pub(super) read_locking: SqlStr,
    pub(super) apply: SqlStr,
    pub(super) apply_locked: SqlStr,
    pub(super) rotate: SqlStr,
    pub(super) end: SqlStr,
    pub(super) sweep: SqlStr,
    pub(super) sweep_reservations: SqlStr,
    pub(super) claim: SqlStr,
    pub(super) list: SqlStr,
    pub(super) lock_principal: SqlStr,
    pub(super) end_others: SqlStr,
    pub(super) newer: SqlStr,
    pub(super) reserve: SqlStr,
}

fn made(sql: String) -> SqlStr {
    AssertSqlSafe(std::sync::Arc::<str>::from(sql)).into_sql_str()
}

impl Statements {
    /// For a prefix that was checked.
    pub(super) fn new(prefix: &str) -> Self {
        let (sessions, reservations) = (format!("{prefix}sessions"), format!("{prefix}reservations"));
        let apply = apply(&sessions);
        Self {
            create: made(format!(
                "INSERT INTO {sessions} (key, format, secret, rotated, reissued, principal, created, idle_deadline, absolute_deadline, \
                 fields, applied) SELECT $1, {ROW_FORMAT}, $2, $3, 0, $4, $3, $5, $6, $7::jsonb, $8::jsonb WHERE {CLOCK} < $9 \
                 ON CONFLICT (key) DO NOTHING RETURNING {}",
                in_time("$9")
            )),
            // always one row, so that it tells the clock too
            read: made(format!("SELECT {COLUMNS}, {CLOCK} FROM (SELECT 1) AS one LEFT JOIN {sessions} ON key = $1")),
            read_renewing: made(read_renewing(&sessions)),
            read_locking: made(format!(
                "WITH locked (format, secret, previous, previous_until, previous_reissued, rotated, reissued, principal, created, \
                 idle_deadline, absolute_deadline, fields, applied, ended_at, ended_until) \
                 AS MATERIALIZED (SELECT {COLUMNS} FROM {sessions} WHERE key = $1 FOR UPDATE) \
                 SELECT locked.*, {CLOCK} FROM (SELECT 1) AS one LEFT JOIN locked ON true"
            )),
            apply_locked: made(format!("{apply}, {COMMIT_BY}")),
            apply: made(apply),
            rotate: made(rotate(&sessions)),
            end: made(end(&sessions)),
            sweep: made(format!(
                "WITH dead AS MATERIALIZED (SELECT key FROM {sessions} WHERE forget_at <= $1 AND format = {ROW_FORMAT} ORDER BY forget_at \
                 LIMIT $2 FOR UPDATE SKIP LOCKED), gone AS (DELETE FROM {sessions} AS s USING dead WHERE s.key = dead.key \
                 AND {CLOCK} < $3 RETURNING 1) SELECT count(*), {CLOCK} FROM gone"
            )),
            sweep_reservations: made(format!(
                "WITH dead AS MATERIALIZED (SELECT principal, key FROM {reservations} WHERE until <= $1 ORDER BY until LIMIT $2 \
                 FOR UPDATE SKIP LOCKED) DELETE FROM {reservations} AS r USING dead \
                 WHERE r.principal = dead.principal AND r.key = dead.key AND {CLOCK} < $3"
            )),
            claim: made(format!(
                "INSERT INTO {prefix}sweeper AS s (id, owner, until) VALUES (1, $1, {CLOCK} + $2) ON CONFLICT (id) DO UPDATE \
                 SET owner = excluded.owner, until = excluded.until WHERE s.until <= {CLOCK} OR s.owner = $1 RETURNING {CLOCK}"
            )),
            list: made(format!(
                "SELECT key, created, idle_deadline, absolute_deadline FROM {sessions} AS s WHERE principal = $1 AND {} \
                 AND format = {ROW_FORMAT} ORDER BY created",
                lives("$2")
            )),
            lock_principal: made(format!("SELECT pg_advisory_xact_lock(hashtextextended('{sessions}' || $1, 0))")),
            end_others: made(end_others(&sessions, &reservations)),
            newer: made(format!(
                "SELECT EXISTS (SELECT FROM {sessions} AS s WHERE principal = $1 AND {} AND format <> {ROW_FORMAT} \
                 AND ($3 IS NULL OR key <> $3))",
                lives("$2")
            )),
            reserve: made(reserve(&sessions, &reservations)),
        }
    }
}

fn apply(sessions: &str) -> String {
    format!(
        "UPDATE {sessions} AS s SET fields = {MERGED}, applied = {}, reissued = greatest(reissued, $13), \
         idle_deadline = least(greatest(idle_deadline, $12), absolute_deadline) WHERE {} \
         RETURNING idle_deadline, secret = $3, previous_until, {}",
        remembered(),
        writable(),
        in_time("$5")
    )
}

/// `$1` key, `$2` time, `$3` secret, `$4` issue time, `$5` deadline, `$6` idle deadline, `$7` issue time of the renewal.
/// Answers with the row in any case, so that a refused renewal costs no second statement; a renewal without effect writes nothing.
fn read_renewing(sessions: &str) -> String {
    format!(
        "WITH renewed AS (UPDATE {sessions} AS s SET reissued = greatest(reissued, $7), \
         idle_deadline = least(greatest(idle_deadline, $6), absolute_deadline) \
         WHERE key = $1 AND format = {ROW_FORMAT} AND {} AND {PROVEN} AND {CLOCK} < $5 \
         AND (reissued < $7 OR idle_deadline < least($6, absolute_deadline)) RETURNING {COLUMNS}, {}) \
         SELECT * FROM renewed UNION ALL SELECT {COLUMNS}, {CLOCK} FROM (SELECT 1) AS one LEFT JOIN {sessions} ON key = $1 \
         WHERE NOT EXISTS (SELECT FROM renewed)",
        lives("$2"),
        in_time("$5")
    )
}

fn rotate(sessions: &str) -> String {
    format!(
        "UPDATE {sessions} AS s SET fields = {MERGED}, applied = {}, \
         previous = CASE WHEN NOT {MAY_ROTATE} THEN previous WHEN $16 IS NULL THEN NULL ELSE secret END, \
         previous_until = CASE WHEN {MAY_ROTATE} THEN $16 ELSE previous_until END, \
         previous_reissued = CASE WHEN NOT {MAY_ROTATE} THEN previous_reissued WHEN $16 IS NULL THEN NULL \
             WHEN greatest(reissued, $13) >= $19 THEN greatest($19, rotated + 1) ELSE 0 END, \
         secret = CASE WHEN {MAY_ROTATE} THEN $15 ELSE secret END, \
         rotated = CASE WHEN {MAY_ROTATE} THEN $2 ELSE rotated END, \
         reissued = CASE WHEN {MAY_ROTATE} THEN 0 ELSE greatest(reissued, $13) END, \
         principal = CASE WHEN {MAY_ROTATE} THEN coalesce($17, principal) ELSE principal END, \
         idle_deadline = least(greatest(idle_deadline, $12, CASE WHEN {MAY_ROTATE} THEN $18 ELSE 0 END), absolute_deadline) \
         WHERE {} AND ($16 IS NOT NULL OR {MAY_ROTATE}) \
         RETURNING idle_deadline, secret = $15, {}",
        remembered(),
        writable(),
        in_time("$5")
    )
}

/// The columns of a tombstone that is put in, except key, time and what follows it.
const TOMBSTONE: &str = "key, format, secret, rotated, reissued, created, idle_deadline, absolute_deadline, fields, applied, \
     ended_at, ended_until, ended_op, ended_live";

/// What a tombstone keeps of a row: when, until when, and the deadline by which it can be told whether it was live.
const BURIED: &str = "secret = excluded.secret, previous = NULL, previous_until = NULL, previous_reissued = NULL, \
     principal = NULL, fields = '{}', applied = '{}'";

/// The values of [`TOMBSTONE`].
fn tombstone(key: &str, now: &str, until: &str, op: &str) -> String {
    format!(
        "{key}, {ROW_FORMAT}, decode(repeat('00', 16), 'hex'), {now}, 0, {now}, {now}, {now}, '{{}}'::jsonb, '{{}}'::jsonb, {now}, {until}, {op}, false"
    )
}

/// `$1` key, `$2` time, `$3` secret or NULL for anybody, `$4` issue time, `$5` deadline, `$6` operation, `$7` until.
/// An ended or expired session may be ended by any secret but a replaced one.
fn end(sessions: &str) -> String {
    format!(
        "INSERT INTO {sessions} AS s ({TOMBSTONE}) SELECT {} WHERE {CLOCK} < $5 ON CONFLICT (key) DO UPDATE SET {BURIED}, \
         ended_op = CASE WHEN s.ended_at IS NULL THEN $6 ELSE s.ended_op END, ended_live = s.ended_at IS NULL OR s.ended_live, \
         ended_until = greatest(s.ended_until, $7), ended_at = coalesce(s.ended_at, $2) \
         WHERE s.format = {ROW_FORMAT} AND ($3 IS NULL OR s.ended_at IS NOT NULL OR $2 >= s.idle_deadline \
         OR $2 >= s.absolute_deadline OR {PROVEN}) \
         RETURNING s.ended_live AND s.ended_op = $6, {}",
        tombstone("$1", "$2", "$7", "$6"),
        in_time("$5")
    )
}

/// `$1` principal, `$2` time, `$3` key to keep or NULL, `$4` skew, `$5` deadline, `$6` operation. Counts the tombstones that were
/// made, and those among them with a live session under them. In the order of keys, so that two of these at once, of principals
/// that share a session, don't wait for each other.
fn end_others(sessions: &str, reservations: &str) -> String {
    format!(
        "WITH done AS (INSERT INTO {sessions} AS s ({TOMBSTONE}) SELECT {} FROM (SELECT key, max(until) AS until FROM ( \
         SELECT key, idle_deadline AS until FROM {sessions} WHERE principal = $1 AND ended_at IS NULL UNION ALL \
         SELECT key, until FROM {reservations} WHERE principal = $1 AND until > $2) AS taken GROUP BY key) AS o \
         WHERE ($3 IS NULL OR o.key <> $3) AND {CLOCK} < $5 ORDER BY o.key \
         ON CONFLICT (key) DO UPDATE SET {BURIED}, ended_op = $6, ended_live = true, \
         ended_until = greatest(excluded.ended_until, s.idle_deadline + $4), ended_at = $2 \
         WHERE s.ended_at IS NULL AND s.format = {ROW_FORMAT} \
         RETURNING s.ended_live AND s.idle_deadline > $2 AS live, {} AS clock) \
         SELECT count(clock), count(*) FILTER (WHERE live), {CLOCK}, {COMMIT_BY} FROM done",
        tombstone("o.key", "$2", "greatest(o.until, $2) + $4", "$6"),
        in_time("$5")
    )
}

/// `$1` principal, `$2` time, `$3` key, `$4` how many places there are, `$5` deadline, `$6` until. Counts the places taken, 1 or 0.
fn reserve(sessions: &str, reservations: &str) -> String {
    format!(
        "WITH done AS (INSERT INTO {reservations} AS r (principal, key, until) SELECT $1, $3, $6 WHERE {CLOCK} < $5 \
         AND $4 > (SELECT count(*) FROM ( \
         SELECT key FROM {sessions} AS s WHERE principal = $1 AND key <> $3 AND {} UNION \
         SELECT key FROM {reservations} AS o WHERE principal = $1 AND key <> $3 AND until > $2 \
         AND NOT EXISTS (SELECT FROM {sessions} AS s WHERE s.key = o.key AND s.ended_at IS NOT NULL)) AS taken) \
         ON CONFLICT (principal, key) DO UPDATE SET until = greatest(r.until, excluded.until) RETURNING {} AS clock) \
         SELECT count(clock), 0::bigint, {CLOCK}, {COMMIT_BY} FROM done",
        lives("$2"),
        in_time("$5")
    )
}
