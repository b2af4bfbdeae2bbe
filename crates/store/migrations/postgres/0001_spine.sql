-- Orgs, keys, workloads, hostnames and routes. Times are microseconds since 1970 (UTC), ids are UUIDs as text.
-- Text is compared byte by byte (COLLATE "C"), so that lists and cursors have the same order in every database.

-- One row. Its revision grows with every change that an edge must hear of.
CREATE TABLE state (
    one      BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    revision BIGINT NOT NULL
);
INSERT INTO state (one, revision) VALUES (1, 0);

CREATE TABLE orgs (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name       TEXT COLLATE "C" NOT NULL UNIQUE,
    created_at BIGINT           NOT NULL
);

-- Service-account keys. The secret half never comes here.
CREATE TABLE keys (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    org_id     TEXT COLLATE "C" NOT NULL REFERENCES orgs (id),
    name       TEXT COLLATE "C" NOT NULL,
    public_key BYTEA            NOT NULL UNIQUE CHECK (length(public_key) = 32),
    created_at BIGINT           NOT NULL,
    revoked_at BIGINT
);
CREATE UNIQUE INDEX keys_live_name ON keys (org_id, name) WHERE revoked_at IS NULL;

CREATE TABLE workloads (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    org_id       TEXT COLLATE "C" NOT NULL REFERENCES orgs (id),
    name         TEXT COLLATE "C" NOT NULL,
    -- The hostname given at enrolment, even where its route has since been taken away by a person.
    default_host TEXT COLLATE "C",
    created_at   BIGINT           NOT NULL,
    UNIQUE (org_id, name)
);

-- Who owns a hostname. A name has one owner, whatever the number of its routes.
CREATE TABLE hostnames (
    name       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    org_id     TEXT COLLATE "C" NOT NULL REFERENCES orgs (id),
    created_at BIGINT           NOT NULL
);

CREATE TABLE routes (
    id          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    host        TEXT COLLATE "C" NOT NULL REFERENCES hostnames (name),
    path        TEXT COLLATE "C" NOT NULL,
    workload_id TEXT COLLATE "C" NOT NULL REFERENCES workloads (id),
    pipeline    TEXT             NOT NULL CHECK (pipeline::json IS NOT NULL),
    created_at  BIGINT           NOT NULL,
    UNIQUE (host, path)
);
CREATE INDEX routes_workload ON routes (workload_id);
