-- Sessions of unstick, schema 1. Runs inside one transaction.
-- All times are milliseconds since the Unix epoch. Another prefix than `unstick_` is put in by replacing that word.

CREATE TABLE unstick_schema (
    version INTEGER NOT NULL PRIMARY KEY
);

CREATE TABLE unstick_sessions (
    key               BLOB    NOT NULL PRIMARY KEY, -- one-way hash of the session's lineage
    format            INTEGER NOT NULL,             -- of this row; a release leaves rows of a format it does not know alone
    secret            BLOB    NOT NULL,             -- one-way hash of the current id
    previous          BLOB,                         -- one-way hash of the id before it
    previous_until    INTEGER,                      -- until when the id before is served
    previous_reissued INTEGER,                      -- from when on it was sent again while it was being replaced; 0: it was not
    rotated           INTEGER NOT NULL,
    reissued          INTEGER NOT NULL,             -- when the current id was last sent again; 0: never
    principal         TEXT,
    created           INTEGER NOT NULL,
    idle_deadline     INTEGER NOT NULL,
    absolute_deadline INTEGER NOT NULL,
    fields            TEXT    NOT NULL,             -- JSON: {"name":[version,"j<text>" or "b<unpadded base64>"]}
    applied           TEXT    NOT NULL,             -- JSON: {"operation":until}
    ended_at          INTEGER,                      -- not NULL: a tombstone
    ended_until       INTEGER,
    ended_op          TEXT,                         -- the operation that ended it
    ended_live        INTEGER,                      -- whether there was a session to end
    forget_at         INTEGER GENERATED ALWAYS AS (CASE WHEN ended_at IS NULL THEN idle_deadline + 300000 ELSE ended_until END) VIRTUAL
);

CREATE INDEX unstick_sessions_forget ON unstick_sessions (forget_at);
CREATE INDEX unstick_sessions_principal ON unstick_sessions (principal, created) WHERE principal IS NOT NULL;

CREATE TABLE unstick_reservations (
    principal TEXT    NOT NULL,
    key       BLOB    NOT NULL,
    until     INTEGER NOT NULL,
    PRIMARY KEY (principal, key)
) WITHOUT ROWID;

CREATE INDEX unstick_reservations_until ON unstick_reservations (until);

-- One row: which process sweeps, and until when it has the right to.
CREATE TABLE unstick_sweeper (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    owner TEXT    NOT NULL,
    until INTEGER NOT NULL
);

INSERT INTO unstick_schema (version) VALUES (1);
