//! Every statement, built once per store for its table prefix.
//!
//! Parameters of the writing statements: `?1` key, `?2` the operation's time, `?3` presented secret, `?4` its issue time,
//! `?5` the deadline on the server's clock, `?6` the operation, `?7` its `applied` object, `?8` clear, `?9` the fields to set, `?10` and
//! `?11` preconditions (fields that must be there, as `{"name":[version]}`, and those that must not, as `{"name":0}`), `?12` size limit,
//! `?13` bytes of the names and values to set, `?14` all names that the change touches, as `{"name":[0,"j"]}`, `?15` and `?16` renewal
//! (idle deadline, issue time; 0: none); for a rotation `?17` new secret, `?18` end of grace, `?19` principal, `?20` idle deadline,
//! `?21` start of the overlap; `?22` is `?13` without the names in `?14`; from `?23` on the fields to remove, as `{"name":null}` each.
//!
//! There is no RETURNING in MySQL: a statement answers with the count of the rows it matched and with the number that it gives to
//! `LAST_INSERT_ID`. Assignments see the new values of the columns assigned before them, in MariaDB under
//! `SIMULTANEOUS_ASSIGNMENT` the old ones: so none looks at a column that was assigned before it.

use super::numbered::Numbered;
use crate::row::ROW_FORMAT;

/// The server's clock in milliseconds, at this very moment: `NOW` and `UTC_TIMESTAMP` stay at the start of the statement, before any
/// wait for a lock, and only `SYSDATE` goes on. The difference of two local times is right in every time zone of the session.
pub(super) const CLOCK: &str =
    "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) + TIMESTAMPDIFF(MICROSECOND, NOW(6), SYSDATE(6))) DIV 1000";

/// The columns of a row, in the order in which they are read.
const COLUMNS: &str = "s.format, s.secret, s.previous, s.previous_until, s.previous_reissued, s.rotated, s.reissued, s.principal, \
     s.created, s.idle_deadline, s.absolute_deadline, s.fields, s.applied, s.ended_at, s.ended_until";

/// Whether `?3` and `?4` are good for the row at `?2`.
const PROVEN: &str = "(secret = ?3 OR (previous = ?3 AND (?2 < previous_until OR (previous_reissued <> 0 AND previous_reissued <= ?4))))";

/// Whether the row was proven by something else than a previous secret in its grace.
const MAY_ROTATE: &str = "(secret = ?3 OR previous_until <= ?2)";

const LIVES: &str = "ended_at IS NULL AND ?2 < idle_deadline AND ?2 < absolute_deadline";

/// The fields after the change. Each removal is a patch of its own: MariaDB (10.11) does not see what stands in a patch before a
/// removal that matched, and would leave those fields as they were.
fn merged(removals: usize) -> String {
    let removals: String = (0..removals).map(|one| format!(", ?{}", 23 + one)).collect();
    format!("JSON_MERGE_PATCH(CASE WHEN ?8 THEN '{{}}' ELSE fields END, ?9{removals})")
}

/// The fields that the change leaves as they are, and empty ones under the names that it touches.
const KEPT: &str = "JSON_MERGE_PATCH(CASE WHEN ?8 THEN '{}' ELSE fields END, ?14)";

/// A statement for up to so many removals.
const REMOVALS: [usize; 7] = [0, 1, 2, 4, 8, 16, 32];

/// A statement in one shape for each number of removals, so that few are prepared.
#[derive(Debug)]
pub(crate) struct Shapes(Vec<Numbered>);

impl Shapes {
    fn new(shape: impl Fn(&str) -> String) -> Self {
        Self(REMOVALS.into_iter().map(|removals| Numbered::new(&shape(&merged(removals)))).collect())
    }

    /// The statement for this many removals, and how many it takes; `None`: too many for a statement.
    pub(super) fn of(&self, removals: usize) -> Option<(&Numbered, usize)> {
        let at = REMOVALS.iter().position(|&most| removals <= most)?;
        self.0.get(at).map(|sql| (sql, REMOVALS[at]))
    }
}

/// The most that fits into an answer beside the proof; later deadlines are taken for it.
const LAST_DEADLINE: i64 = (1 << 61) - 1;

/// No reservation, but the lock on all of a principal's.
const LOCK: &str = "X'00'";

/// What is left of a session that ended, besides how it ended.
const BURIED: &str = "secret = X'00000000000000000000000000000000', previous = NULL, previous_until = NULL, previous_reissued = NULL, \
     principal = NULL, fields = '{}', applied = '{}'";

/// Operations still to be remembered, and this one. The members of an object and its names come in the same order.
fn remembered() -> String {
    format!(
        "JSON_MERGE_PATCH((SELECT COALESCE(JSON_OBJECTAGG(o.name, u.until), '{{}}') \
         FROM JSON_TABLE(JSON_KEYS(applied), '$[*]' COLUMNS (at FOR ORDINALITY, name VARCHAR(32) CHARACTER SET utf8mb4 PATH '$')) AS o \
         JOIN JSON_TABLE(applied, '$.*' COLUMNS (at FOR ORDINALITY, until BIGINT PATH '$')) AS u ON u.at = o.at \
         WHERE u.until > {CLOCK}), ?7)"
    )
}

/// Bytes of all names and values, as the core counts them.
fn size(fields: &str) -> String {
    format!(
        "((SELECT COALESCE(SUM(OCTET_LENGTH(n.name)), 0) FROM JSON_TABLE(JSON_KEYS({fields}), '$[*]' \
         COLUMNS (name LONGTEXT CHARACTER SET utf8mb4 PATH '$')) AS n) \
         + (SELECT COALESCE(SUM(CASE LEFT(v.value, 1) WHEN 'b' THEN (OCTET_LENGTH(v.value) - 1) * 3 DIV 4 ELSE OCTET_LENGTH(v.value) - 1 END), 0) \
         FROM JSON_TABLE({fields}, '$.*' COLUMNS (value LONGTEXT CHARACTER SET utf8mb4 PATH '$[1]')) AS v))"
    )
}

/// The row may be written to by this operation. The JSON text is longer than what it encodes, so the exact sizes are
/// counted only when the text is near the limit. Operations are hexadecimal digits, safe in a path; names of fields are not.
fn writable() -> String {
    let (kept, old) = (size(KEPT), size("fields"));
    format!(
        "`key` = ?1 AND format = {ROW_FORMAT} AND {LIVES} AND {PROVEN} AND {CLOCK} < ?5 \
         AND JSON_TYPE(fields) = 'OBJECT' AND JSON_TYPE(applied) = 'OBJECT' \
         AND JSON_EXTRACT(applied, CONCAT('$.\"', ?6, '\"')) IS NULL \
         AND (?10 IS NULL OR JSON_CONTAINS(fields, ?10)) \
         AND (?11 IS NULL OR JSON_LENGTH(JSON_MERGE_PATCH(fields, ?11)) = JSON_LENGTH(fields) + JSON_LENGTH(?11)) \
         AND (?12 = 0 OR OCTET_LENGTH(fields) + ?13 <= ?12 OR {kept} + ?22 <= ?12 OR {kept} + ?22 <= {old})"
    )
}

/// The idle deadline after the write, and four times it plus the proof as the answer: 0 current, 1 in its grace, 2 reordered.
fn answered(idle_deadline: &str) -> String {
    format!(
        "idle_deadline = LAST_INSERT_ID(LEAST({idle_deadline}, absolute_deadline, {LAST_DEADLINE}) * 4 \
         + CASE WHEN secret = ?3 THEN 0 WHEN ?2 < previous_until THEN 1 ELSE 2 END) DIV 4"
    )
}

/// How far apart the transactions of a pool are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Isolation {
    ReadCommitted,
    /// Or laxer. To look for a row with a lock would here lock the place between its neighbours, against other new rows.
    Stricter,
}

/// All statements of one store.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) create: Numbered,
    pub(crate) read: Numbered,
    pub(crate) read_locking: Numbered,
    pub(crate) renew: Numbered,
    pub(crate) apply: Shapes,
    pub(crate) rotate: Shapes,
    pub(crate) rotate_in_grace: Shapes,
    pub(crate) end: Numbered,
    pub(crate) end_missing: Numbered,
    pub(crate) sweep: Numbered,
    pub(crate) sweep_reservations: Numbered,
    pub(crate) claim: Numbered,
    pub(crate) list: Numbered,
    pub(crate) lock_principal: Numbered,
    pub(crate) newer: Numbered,
    pub(crate) end_live: Numbered,
    pub(crate) end_expired: Numbered,
    pub(crate) end_reserved_live: Numbered,
    pub(crate) end_reserved: Numbered,
    pub(crate) places_taken: Numbered,
    pub(crate) reserve: Numbered,
}

impl Statements {
    /// For a prefix that was checked.
    pub(crate) fn new(prefix: &str, isolation: Isolation) -> Self {
        let sessions = format!("{prefix}sessions");
        let reservations = format!("{prefix}reservations");
        let (writable, remembered) = (writable(), remembered());
        // the row that is to be made may be another's that is not committed; what is waited for here is judged after the wait
        let absent = match isolation {
            Isolation::ReadCommitted => {
                format!(
                    "FROM (SELECT 1) AS one LEFT JOIN {sessions} AS s ON s.`key` = ?1 WHERE s.`key` IS NULL AND {CLOCK} < ?9 FOR UPDATE"
                )
            }
            Isolation::Stricter => format!("FROM DUAL WHERE {CLOCK} < ?9"),
        };
        let apply = |merged: &str| {
            let answered = answered("GREATEST(idle_deadline, ?15)");
            format!(
                "UPDATE {sessions} SET fields = {merged}, applied = {remembered}, reissued = GREATEST(reissued, ?16), {answered} \
                 WHERE {writable}"
            )
        };
        // a row in any case, for the sake of the clock
        let read = format!("SELECT {CLOCK}, {COLUMNS} FROM (SELECT 1) AS one LEFT JOIN {sessions} AS s ON s.`key` = ?1");
        Self {
            create: Numbered::new(&format!(
                "INSERT INTO {sessions} (`key`, format, secret, rotated, reissued, principal, created, idle_deadline, absolute_deadline, \
                 fields, applied) SELECT ?1, {ROW_FORMAT}, ?2, ?3, 0, ?4, ?3, ?5, ?6, ?7, ?8 {absent}"
            )),
            read_locking: Numbered::new(&format!("{read} FOR UPDATE")),
            read: Numbered::new(&read),
            renew: Numbered::new(&format!(
                "UPDATE {sessions} SET reissued = GREATEST(reissued, ?7), \
                 idle_deadline = LEAST(GREATEST(idle_deadline, ?6), absolute_deadline) \
                 WHERE `key` = ?1 AND format = {ROW_FORMAT} AND {LIVES} AND {PROVEN} AND {CLOCK} < ?5"
            )),
            rotate: Shapes::new(|merged| {
                let answered = answered("GREATEST(idle_deadline, ?15, ?20)");
                format!(
                    "UPDATE {sessions} SET fields = {merged}, applied = {remembered}, \
                     previous_reissued = CASE WHEN ?18 IS NULL THEN NULL \
                         WHEN GREATEST(reissued, ?16) >= ?21 THEN GREATEST(?21, rotated + 1) ELSE 0 END, \
                     {answered}, previous_until = ?18, previous = CASE WHEN ?18 IS NULL THEN NULL ELSE secret END, secret = ?17, \
                     rotated = ?2, reissued = 0, principal = COALESCE(?19, principal) WHERE {writable} AND {MAY_ROTATE}"
                )
            }),
            rotate_in_grace: Shapes::new(|merged| format!("{} AND NOT ({MAY_ROTATE})", apply(merged))),
            apply: Shapes::new(apply),
            end: Numbered::new(&end(&sessions)),
            end_missing: Numbered::new(&format!(
                "INSERT INTO {sessions} (`key`, format, secret, rotated, reissued, created, idle_deadline, absolute_deadline, fields, applied, \
                 ended_at, ended_until, ended_op, ended_live) SELECT ?1, {ROW_FORMAT}, X'00000000000000000000000000000000', ?2, 0, ?2, ?2, ?2, \
                 '{{}}', '{{}}', ?2, ?7, ?6, 0 {}",
                absent.replace("?9", "?5")
            )),
            sweep: Numbered::new(&format!(
                "DELETE FROM {sessions} WHERE forget_at <= ?1 AND format = {ROW_FORMAT} AND {CLOCK} < ?3 ORDER BY forget_at LIMIT ?2"
            )),
            sweep_reservations: Numbered::new(&format!(
                "DELETE FROM {reservations} WHERE until <= ?1 AND {CLOCK} < ?3 ORDER BY until LIMIT ?2"
            )),
            claim: Numbered::new(&format!(
                "UPDATE {prefix}sweeper SET until = LAST_INSERT_ID({CLOCK}) + ?2, owner = ?1 WHERE id = 1 AND (until <= {CLOCK} OR owner = ?1)"
            )),
            list: Numbered::new(&format!(
                "SELECT `key`, created, idle_deadline, absolute_deadline FROM {sessions} WHERE principal = ?1 AND {LIVES} \
                 AND format = {ROW_FORMAT} ORDER BY created"
            )),
            lock_principal: Numbered::new(&format!(
                "INSERT INTO {reservations} (principal, `key`, until) VALUES (?1, {LOCK}, LAST_INSERT_ID({CLOCK}) + {LOCK_KEPT}) \
                 ON DUPLICATE KEY UPDATE until = LAST_INSERT_ID({CLOCK}) + {LOCK_KEPT}"
            )),
            newer: Numbered::new(&format!(
                "SELECT EXISTS (SELECT 1 FROM {sessions} WHERE principal = ?1 AND {LIVES} AND format <> {ROW_FORMAT} \
                 AND (?3 IS NULL OR `key` <> ?3))"
            )),
            end_live: Numbered::new(&format!("{} AND {LIVES}", end_own(&sessions))),
            end_expired: Numbered::new(&format!("{} AND (?2 >= idle_deadline OR ?2 >= absolute_deadline)", end_own(&sessions))),
            end_reserved_live: Numbered::new(&end_reserved_live(&sessions, &reservations)),
            end_reserved: Numbered::new(&end_reserved(&sessions, &reservations)),
            places_taken: Numbered::new(&format!(
                "SELECT COUNT(*), {CLOCK} FROM (SELECT `key` FROM {sessions} WHERE principal = ?1 AND `key` <> ?3 AND {LIVES} \
                 UNION SELECT r.`key` FROM {reservations} AS r WHERE r.principal = ?1 AND r.`key` <> ?3 AND r.`key` <> {LOCK} AND r.until > ?2 \
                 AND NOT EXISTS (SELECT 1 FROM {sessions} AS s WHERE s.`key` = r.`key` AND s.ended_at IS NOT NULL)) AS taken"
            )),
            reserve: Numbered::new(&format!(
                "INSERT INTO {reservations} (principal, `key`, until) SELECT ?1, ?2, ?3 FROM DUAL WHERE {CLOCK} < ?4 \
                 ON DUPLICATE KEY UPDATE until = GREATEST(until, ?3)"
            )),
        }
    }
}

/// `?1` key, `?2` time, `?3` secret or NULL for anybody, `?4` issue time, `?5` deadline, `?6` operation, `?7` until. An ended or expired
/// session may be ended by any secret but a replaced one. Answers 2 or 3 when this operation ended a live session.
fn end(sessions: &str) -> String {
    format!(
        "UPDATE {sessions} SET ended_live = LAST_INSERT_ID(CASE WHEN ended_at IS NULL THEN 3 WHEN ended_op = ?6 THEN ended_live * 3 \
         ELSE ended_live END) MOD 2, \
         ended_op = CASE WHEN ended_at IS NULL THEN ?6 ELSE ended_op END, ended_until = GREATEST(COALESCE(ended_until, 0), ?7), \
         ended_at = COALESCE(ended_at, ?2), {BURIED} \
         WHERE `key` = ?1 AND format = {ROW_FORMAT} AND {CLOCK} < ?5 \
         AND (?3 IS NULL OR ended_at IS NOT NULL OR ?2 >= idle_deadline OR ?2 >= absolute_deadline OR {PROVEN})"
    )
}

/// How long the lock row of a principal is kept after its last use, in milliseconds.
const LOCK_KEPT: i64 = 3_600_000;

/// `?1` principal, `?2` time, `?3` key to keep or NULL, `?4` skew, `?5` deadline, `?6` operation.
fn end_own(sessions: &str) -> String {
    format!(
        "UPDATE {sessions} SET ended_op = ?6, ended_live = 1, ended_until = GREATEST(idle_deadline, ?2) + ?4, ended_at = ?2, {BURIED} \
         WHERE principal = ?1 AND (?3 IS NULL OR `key` <> ?3) AND ended_at IS NULL AND format = {ROW_FORMAT} AND {CLOCK} < ?5"
    )
}

/// Sessions that are about to become the principal's. Parameters as for [`end_own`].
fn end_reserved_live(sessions: &str, reservations: &str) -> String {
    format!(
        "UPDATE {sessions} AS s JOIN {reservations} AS r ON r.`key` = s.`key` \
         SET s.ended_op = ?6, s.ended_live = 1, s.ended_until = GREATEST(s.idle_deadline, r.until, ?2) + ?4, s.ended_at = ?2, {} \
         WHERE r.principal = ?1 AND r.until > ?2 AND (?3 IS NULL OR r.`key` <> ?3) AND s.ended_at IS NULL AND ?2 < s.idle_deadline \
         AND ?2 < s.absolute_deadline AND s.format = {ROW_FORMAT} AND {CLOCK} < ?5",
        qualified("s")
    )
}

/// [`BURIED`] for a statement over two tables.
fn qualified(table: &str) -> String {
    BURIED.split(", ").map(|one| format!("{table}.{one}")).collect::<Vec<_>>().join(", ")
}

/// Tombstones for what is not published yet, so that it will not be, and longer ones for what has ended. Live sessions are left
/// to [`end_reserved_live`], which counts them. Parameters as for [`end_own`].
fn end_reserved(sessions: &str, reservations: &str) -> String {
    let dead = format!(
        "{sessions}.format = {ROW_FORMAT} \
         AND ({sessions}.ended_at IS NOT NULL OR ?2 >= {sessions}.idle_deadline OR ?2 >= {sessions}.absolute_deadline)"
    );
    let open = format!("{dead} AND {sessions}.ended_at IS NULL");
    let set =
        |column: &str, when: &str, value: &str| format!("{sessions}.{column} = CASE WHEN {when} THEN {value} ELSE {sessions}.{column} END");
    let buried = BURIED.split(", ").filter_map(|one| one.split_once(" = ")).map(|(column, value)| set(column, &dead, value));
    let ended = [
        set("ended_op", &open, "?6"),
        set("ended_live", &open, "1"),
        set("ended_until", &dead, &format!("GREATEST(COALESCE({sessions}.ended_until, 0), r.until + ?4)")),
        set("ended_at", &open, "?2"),
    ];
    format!(
        "INSERT INTO {sessions} (`key`, format, secret, rotated, reissued, created, idle_deadline, absolute_deadline, fields, applied, \
         ended_at, ended_until, ended_op, ended_live) SELECT r.`key`, {ROW_FORMAT}, X'00000000000000000000000000000000', ?2, 0, ?2, ?2, ?2, \
         '{{}}', '{{}}', ?2, GREATEST(r.until, ?2) + ?4, ?6, 0 FROM {reservations} AS r \
         WHERE r.principal = ?1 AND r.until > ?2 AND r.`key` <> {LOCK} AND (?3 IS NULL OR r.`key` <> ?3) AND {CLOCK} < ?5 \
         ON DUPLICATE KEY UPDATE {}",
        buried.chain(ended).collect::<Vec<_>>().join(", ")
    )
}
