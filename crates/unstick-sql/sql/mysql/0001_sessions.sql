-- Sessions of unstick, schema 1, for MySQL 8.0.19 and MariaDB 10.6 or newer. Each statement commits by itself; all may be run again.
-- All times are milliseconds since the Unix epoch. Another prefix than `unstick_` is put in by replacing that word.
-- Names are kept as bytes, because comparing text ignores trailing spaces in many collations.

CREATE TABLE IF NOT EXISTS unstick_schema (
    version BIGINT NOT NULL PRIMARY KEY
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS unstick_sessions (
    `key`             VARBINARY(32) NOT NULL PRIMARY KEY, -- one-way hash of the session's lineage
    format            BIGINT        NOT NULL,             -- of this row; a release leaves rows of a format it does not know alone
    secret            VARBINARY(16) NOT NULL,             -- one-way hash of the current id
    previous          VARBINARY(16),                      -- one-way hash of the id before it
    previous_until    BIGINT,                             -- until when the id before is served
    previous_reissued BIGINT,                             -- from when on it was sent again while it was being replaced; 0: it was not
    rotated           BIGINT        NOT NULL,
    reissued          BIGINT        NOT NULL,             -- when the current id was last sent again; 0: never
    principal         VARBINARY(1024),
    created           BIGINT        NOT NULL,
    idle_deadline     BIGINT        NOT NULL,
    absolute_deadline BIGINT        NOT NULL,
    fields            LONGTEXT      CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, -- JSON: {"name":[version,"j<text>" or "b<unpadded base64>"]}
    applied           LONGTEXT      CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, -- JSON: {"operation":until}
    ended_at          BIGINT,                             -- not NULL: a tombstone
    ended_until       BIGINT,
    ended_op          VARBINARY(32),                      -- the operation that ended it
    ended_live        BIGINT,                             -- whether there was a session to end
    forget_at         BIGINT GENERATED ALWAYS AS (CASE WHEN ended_at IS NULL THEN LEAST(idle_deadline, 9223372036854000000) + 300000 ELSE ended_until END) STORED,
    KEY unstick_sessions_forget (forget_at),
    KEY unstick_sessions_principal (principal, created),
    -- Where the server is not strict, a result that is too large for it would be stored as an empty text.
    CONSTRAINT unstick_sessions_fields CHECK (fields <> ''),
    CONSTRAINT unstick_sessions_applied CHECK (applied <> '')
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- The row of a principal with the key 00 is no reservation: whoever counts the principal's sessions holds its lock.
CREATE TABLE IF NOT EXISTS unstick_reservations (
    principal VARBINARY(1024) NOT NULL,
    `key`     VARBINARY(32)   NOT NULL,
    until     BIGINT          NOT NULL,
    PRIMARY KEY (principal, `key`),
    KEY unstick_reservations_until (until)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- One row: which process sweeps, and until when it has the right to.
CREATE TABLE IF NOT EXISTS unstick_sweeper (
    id    BIGINT        NOT NULL PRIMARY KEY,
    owner VARBINARY(32) NOT NULL,
    until BIGINT        NOT NULL
) ENGINE = InnoDB;

INSERT IGNORE INTO unstick_sweeper (id, owner, until) VALUES (1, 'nobody', 0);

INSERT IGNORE INTO unstick_schema (version) VALUES (1);
