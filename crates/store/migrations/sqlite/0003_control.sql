-- People, machines, and what they have done: the base of the control plane.
-- Hashes are SHA-256 of secrets that only their bearers know. Columns named as JSON hold an object or a list.

-- Everything that was done or refused, in order, each row chained to the one before by its hash.
CREATE TABLE audit (
    seq          INTEGER NOT NULL PRIMARY KEY CHECK (seq > 0),
    at           INTEGER NOT NULL,
    -- No foreign key: what was done outlives whom it was done to.
    org_id       TEXT,
    actor        TEXT    NOT NULL,
    source       TEXT    NOT NULL,
    request_id   TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    object       TEXT    NOT NULL,
    outcome      TEXT    NOT NULL CHECK (outcome IN ('done', 'refused')),
    state_before TEXT,
    state_after  TEXT,
    prev         BLOB    NOT NULL CHECK (length(prev) = 32),
    hash         BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX audit_org ON audit (org_id, seq);
CREATE TRIGGER audit_never_changes BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_never_shrinks BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- Also holds off INSERT OR REPLACE, which deletes without asking the trigger above.
CREATE TRIGGER audit_has_no_gap BEFORE INSERT ON audit
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM audit)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
ALTER TABLE orgs ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE state ADD COLUMN audit_seq INTEGER NOT NULL DEFAULT 0;

CREATE TABLE members (
    id          TEXT    NOT NULL PRIMARY KEY,
    email       TEXT    NOT NULL UNIQUE,
    name        TEXT    NOT NULL,
    password    TEXT,
    totp_secret TEXT,
    -- The newest time step whose code was accepted: no code works twice.
    totp_step   INTEGER,
    disabled_at INTEGER,
    created_at  INTEGER NOT NULL,
    version     INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE TABLE memberships (
    org_id     TEXT    NOT NULL REFERENCES orgs (id),
    member_id  TEXT    NOT NULL REFERENCES members (id),
    role       TEXT    NOT NULL CHECK (role IN ('viewer', 'editor', 'admin', 'owner')),
    created_at INTEGER NOT NULL,
    version    INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (org_id, member_id)
) STRICT;
CREATE INDEX memberships_member ON memberships (member_id);

CREATE TABLE sessions (
    hash       BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    member_id  TEXT    NOT NULL REFERENCES members (id),
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    source     TEXT    NOT NULL,
    agent      TEXT    NOT NULL
) STRICT;
CREATE INDEX sessions_member ON sessions (member_id);
CREATE INDEX sessions_end ON sessions (expires_at);

CREATE TABLE tokens (
    id         TEXT    NOT NULL PRIMARY KEY,
    org_id     TEXT    NOT NULL REFERENCES orgs (id),
    member_id  TEXT    NOT NULL REFERENCES members (id),
    name       TEXT    NOT NULL,
    role       TEXT    NOT NULL CHECK (role IN ('viewer', 'editor', 'admin', 'owner')),
    hash       BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    -- The token's last characters, to tell it from others.
    hint       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    used_at    INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE INDEX tokens_org ON tokens (org_id, id);
CREATE INDEX tokens_member ON tokens (member_id);

CREATE TABLE invitations (
    id         TEXT    NOT NULL PRIMARY KEY,
    org_id     TEXT    NOT NULL REFERENCES orgs (id),
    email      TEXT    NOT NULL,
    role       TEXT    NOT NULL CHECK (role IN ('viewer', 'editor', 'admin', 'owner')),
    hash       BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    invited_by TEXT    REFERENCES members (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER
) STRICT;
CREATE INDEX invitations_org ON invitations (org_id, id);

-- Service accounts. JSON: `workloads` the names that its keys may serve, `cidrs` where they may come from; null is any.
CREATE TABLE accounts (
    id         TEXT    NOT NULL PRIMARY KEY,
    org_id     TEXT    NOT NULL REFERENCES orgs (id),
    name       TEXT    NOT NULL,
    workloads  TEXT    CHECK (workloads IS NULL OR json_valid(workloads)),
    cidrs      TEXT    CHECK (cidrs IS NULL OR json_valid(cidrs)),
    created_at INTEGER NOT NULL,
    deleted_at INTEGER,
    version    INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE UNIQUE INDEX accounts_name ON accounts (org_id, name) WHERE deleted_at IS NULL;
CREATE INDEX accounts_org ON accounts (org_id, id);

ALTER TABLE keys ADD COLUMN account_id TEXT REFERENCES accounts (id);
ALTER TABLE keys ADD COLUMN expires_at INTEGER;
ALTER TABLE keys ADD COLUMN used_at INTEGER;
-- The keys there are keep working: those of one name become an account of that name, with its first key's id.
INSERT INTO accounts (id, org_id, name, created_at) SELECT min(id), org_id, name, min(created_at) FROM keys GROUP BY org_id, name;
UPDATE keys SET account_id = (SELECT a.id FROM accounts a WHERE a.org_id = keys.org_id AND a.name = keys.name);
DROP INDEX keys_live_name;
CREATE UNIQUE INDEX keys_live_name ON keys (account_id, name) WHERE revoked_at IS NULL;
CREATE INDEX keys_org ON keys (org_id, id);

ALTER TABLE workloads ADD COLUMN labels TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(labels));
ALTER TABLE workloads ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
CREATE INDEX workloads_org ON workloads (org_id, id);

-- held: a person has claimed it. used: it is held by its routes alone. released: kept for its last owner for a while.
ALTER TABLE hostnames ADD COLUMN state TEXT NOT NULL DEFAULT 'used' CHECK (state IN ('held', 'used', 'released'));
ALTER TABLE hostnames ADD COLUMN released_at INTEGER;
CREATE INDEX hostnames_org ON hostnames (org_id, name);

-- A host and path may lead to several places, told apart by `matcher` (JSON: methods, headers, kind of path).
CREATE TABLE routes_new (
    id          TEXT    NOT NULL PRIMARY KEY,
    org_id      TEXT    NOT NULL REFERENCES orgs (id),
    host        TEXT    NOT NULL REFERENCES hostnames (name),
    path        TEXT    NOT NULL,
    matcher     TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(matcher)),
    -- The place in the order given by hand; without, the most specific is asked first.
    rank        INTEGER,
    enabled     INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    workload_id TEXT    NOT NULL REFERENCES workloads (id),
    pipeline    TEXT    NOT NULL CHECK (json_valid(pipeline)),
    created_at  INTEGER NOT NULL,
    version     INTEGER NOT NULL DEFAULT 1,
    UNIQUE (host, path, matcher)
) STRICT;
INSERT INTO routes_new (id, org_id, host, path, workload_id, pipeline, created_at)
    SELECT r.id, w.org_id, r.host, r.path, r.workload_id, r.pipeline, r.created_at
    FROM routes r JOIN workloads w ON w.id = r.workload_id;
DROP TABLE routes;
ALTER TABLE routes_new RENAME TO routes;
CREATE INDEX routes_workload ON routes (workload_id);
CREATE INDEX routes_org ON routes (org_id, id);

-- The answers to requests that came with a key, so that asking again does nothing again.
CREATE TABLE idempotency (
    scope   TEXT    NOT NULL,
    key     TEXT    NOT NULL,
    request BLOB    NOT NULL CHECK (length(request) = 32),
    status  INTEGER NOT NULL,
    body    TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT;
CREATE INDEX idempotency_at ON idempotency (at);

CREATE TABLE drafts (
    id         TEXT    NOT NULL PRIMARY KEY,
    org_id     TEXT    NOT NULL REFERENCES orgs (id),
    name       TEXT    NOT NULL,
    ops        TEXT    NOT NULL CHECK (json_valid(ops)),
    publish_at INTEGER,
    created_by TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    version    INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX drafts_org ON drafts (org_id, id);
CREATE INDEX drafts_due ON drafts (publish_at) WHERE publish_at IS NOT NULL;

-- `ops` (JSON) holds each change with what was before and after, so that it can be taken back.
CREATE TABLE publishes (
    id      TEXT    NOT NULL PRIMARY KEY,
    org_id  TEXT    NOT NULL REFERENCES orgs (id),
    at      INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    summary TEXT    NOT NULL,
    ops     TEXT    NOT NULL CHECK (json_valid(ops)),
    undo_of TEXT    UNIQUE REFERENCES publishes (id)
) STRICT;
CREATE INDEX publishes_org ON publishes (org_id, id);

-- One row: the token that makes the first owner, once and never again.
CREATE TABLE setup (
    one     INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    hash    BLOB    NOT NULL CHECK (length(hash) = 32),
    used_at INTEGER
) STRICT;
