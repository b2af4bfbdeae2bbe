-- Orgs, keys, workloads, hostnames and routes. Times are microseconds since 1970 (UTC), ids are UUIDs as text.

-- One row. Its revision grows with every change that an edge must hear of.
CREATE TABLE state (
    one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    revision INTEGER NOT NULL
) STRICT;
INSERT INTO state (one, revision) VALUES (1, 0);

CREATE TABLE orgs (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

-- Service-account keys. The secret half never comes here.
CREATE TABLE keys (
    id         TEXT    NOT NULL PRIMARY KEY,
    org_id     TEXT    NOT NULL REFERENCES orgs (id),
    name       TEXT    NOT NULL,
    public_key BLOB    NOT NULL UNIQUE CHECK (length(public_key) = 32),
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE UNIQUE INDEX keys_live_name ON keys (org_id, name) WHERE revoked_at IS NULL;

CREATE TABLE workloads (
    id           TEXT    NOT NULL PRIMARY KEY,
    org_id       TEXT    NOT NULL REFERENCES orgs (id),
    name         TEXT    NOT NULL,
    -- The hostname given at enrolment, even where its route has since been taken away by a person.
    default_host TEXT,
    created_at   INTEGER NOT NULL,
    UNIQUE (org_id, name)
) STRICT;

-- Who owns a hostname. A name has one owner, whatever the number of its routes.
CREATE TABLE hostnames (
    name       TEXT    NOT NULL PRIMARY KEY,
    org_id     TEXT    NOT NULL REFERENCES orgs (id),
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE routes (
    id          TEXT    NOT NULL PRIMARY KEY,
    host        TEXT    NOT NULL REFERENCES hostnames (name),
    path        TEXT    NOT NULL,
    workload_id TEXT    NOT NULL REFERENCES workloads (id),
    pipeline    TEXT    NOT NULL CHECK (json_valid(pipeline)),
    created_at  INTEGER NOT NULL,
    UNIQUE (host, path)
) STRICT;
CREATE INDEX routes_workload ON routes (workload_id);
