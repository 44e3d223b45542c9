-- Sessions of unstick, schema 1, for PostgreSQL 13 or newer. Runs inside one transaction.
-- All times are milliseconds since the Unix epoch. Another prefix than `unstick_` is put in by replacing that word.

CREATE TABLE unstick_schema (
    version BIGINT NOT NULL PRIMARY KEY
);

CREATE TABLE unstick_sessions (
    key               BYTEA  NOT NULL PRIMARY KEY, -- one-way hash of the session's lineage
    format            BIGINT NOT NULL,             -- of this row; a release leaves rows of a format it does not know alone
    secret            BYTEA  NOT NULL,             -- one-way hash of the current id
    previous          BYTEA,                       -- one-way hash of the id before it
    previous_until    BIGINT,                      -- until when the id before is served
    previous_reissued BIGINT,                      -- from when on it was sent again while it was being replaced; 0: it was not
    rotated           BIGINT NOT NULL,
    reissued          BIGINT NOT NULL,             -- when the current id was last sent again; 0: never
    principal         TEXT   COLLATE "C",
    created           BIGINT NOT NULL,
    idle_deadline     BIGINT NOT NULL,
    absolute_deadline BIGINT NOT NULL,
    fields            JSONB  NOT NULL,             -- {"name":[version,"j<text>" or "b<unpadded base64>"]}
    applied           JSONB  NOT NULL,             -- {"operation":until}
    ended_at          BIGINT,                      -- not NULL: a tombstone
    ended_until       BIGINT,
    ended_op          TEXT,                        -- the operation that ended it
    ended_live        BOOLEAN,                     -- whether there was a session to end
    forget_at         BIGINT GENERATED ALWAYS AS (CASE WHEN ended_at IS NULL THEN idle_deadline + 300000 ELSE ended_until END) STORED
) WITH (fillfactor = 80);                          -- room for the next version of a row on its own page

CREATE INDEX unstick_sessions_forget ON unstick_sessions (forget_at);
CREATE INDEX unstick_sessions_principal ON unstick_sessions (principal, created) WHERE principal IS NOT NULL;

CREATE TABLE unstick_reservations (
    principal TEXT   COLLATE "C" NOT NULL,
    key       BYTEA  NOT NULL,
    until     BIGINT NOT NULL,
    PRIMARY KEY (principal, key)
);

CREATE INDEX unstick_reservations_until ON unstick_reservations (until);

-- One row: which store sweeps, and until when it has the right to.
CREATE TABLE unstick_sweeper (
    id    BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    owner TEXT   NOT NULL,
    until BIGINT NOT NULL
);

INSERT INTO unstick_schema (version) VALUES (1);
