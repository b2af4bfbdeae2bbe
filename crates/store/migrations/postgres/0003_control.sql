-- People, machines, and what they have done: the base of the control plane.
-- Hashes are SHA-256 of secrets that only their bearers know. Columns named as JSON hold an object or a list.

-- Everything that was done or refused, in order, each row chained to the one before by its hash.
CREATE TABLE audit (
    seq          BIGINT NOT NULL PRIMARY KEY CHECK (seq > 0),
    at           BIGINT NOT NULL,
    -- No foreign key: what was done outlives whom it was done to.
    org_id       TEXT COLLATE "C",
    actor        TEXT COLLATE "C"    NOT NULL,
    source       TEXT COLLATE "C"    NOT NULL,
    request_id   TEXT COLLATE "C"    NOT NULL,
    action       TEXT COLLATE "C"    NOT NULL,
    object       TEXT COLLATE "C"    NOT NULL,
    outcome      TEXT COLLATE "C"    NOT NULL CHECK (outcome IN ('done', 'refused')),
    state_before TEXT COLLATE "C",
    state_after  TEXT COLLATE "C",
    prev         BYTEA    NOT NULL CHECK (length(prev) = 32),
    hash         BYTEA    NOT NULL UNIQUE CHECK (length(hash) = 32)
);
CREATE INDEX audit_org ON audit (org_id, seq);
CREATE FUNCTION audit_refuses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END $$;
CREATE FUNCTION audit_has_no_gap() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM audit) THEN
        RAISE EXCEPTION 'the audit log is append-only';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_never_changes BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_refuses();
CREATE TRIGGER audit_never_shrinks BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_refuses();
CREATE TRIGGER audit_has_no_gap BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_has_no_gap();
ALTER TABLE orgs ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE state ADD COLUMN audit_seq BIGINT NOT NULL DEFAULT 0;

CREATE TABLE members (
    id          TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    email       TEXT COLLATE "C"    NOT NULL UNIQUE,
    name        TEXT COLLATE "C"    NOT NULL,
    password    TEXT COLLATE "C",
    totp_secret TEXT COLLATE "C",
    -- The newest time step whose code was accepted: no code works twice.
    totp_step   BIGINT,
    disabled_at BIGINT,
    created_at  BIGINT NOT NULL,
    version     BIGINT NOT NULL DEFAULT 1
);

CREATE TABLE memberships (
    org_id     TEXT COLLATE "C"    NOT NULL REFERENCES orgs (id),
    member_id  TEXT COLLATE "C"    NOT NULL REFERENCES members (id),
    role       TEXT COLLATE "C"    NOT NULL CHECK (role IN ('viewer', 'editor', 'admin', 'owner')),
    created_at BIGINT NOT NULL,
    version    BIGINT NOT NULL DEFAULT 1,
    PRIMARY KEY (org_id, member_id)
);
CREATE INDEX memberships_member ON memberships (member_id);

CREATE TABLE sessions (
    hash       BYTEA    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    member_id  TEXT COLLATE "C"    NOT NULL REFERENCES members (id),
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    source     TEXT COLLATE "C"    NOT NULL,
    agent      TEXT COLLATE "C"    NOT NULL
);
CREATE INDEX sessions_member ON sessions (member_id);
CREATE INDEX sessions_end ON sessions (expires_at);

CREATE TABLE tokens (
    id         TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    org_id     TEXT COLLATE "C"    NOT NULL REFERENCES orgs (id),
    member_id  TEXT COLLATE "C"    NOT NULL REFERENCES members (id),
    name       TEXT COLLATE "C"    NOT NULL,
    role       TEXT COLLATE "C"    NOT NULL CHECK (role IN ('viewer', 'editor', 'admin', 'owner')),
    hash       BYTEA    NOT NULL UNIQUE CHECK (length(hash) = 32),
    -- The token's last characters, to tell it from others.
    hint       TEXT COLLATE "C"    NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    used_at    BIGINT,
    revoked_at BIGINT
);
CREATE INDEX tokens_org ON tokens (org_id, id);
CREATE INDEX tokens_member ON tokens (member_id);

CREATE TABLE invitations (
    id         TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    org_id     TEXT COLLATE "C"    NOT NULL REFERENCES orgs (id),
    email      TEXT COLLATE "C"    NOT NULL,
    role       TEXT COLLATE "C"    NOT NULL CHECK (role IN ('viewer', 'editor', 'admin', 'owner')),
    hash       BYTEA    NOT NULL UNIQUE CHECK (length(hash) = 32),
    invited_by TEXT COLLATE "C"    REFERENCES members (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT
);
CREATE INDEX invitations_org ON invitations (org_id, id);

-- Service accounts. JSON: `workloads` the names that its keys may serve, `cidrs` where they may come from; null is any.
CREATE TABLE accounts (
    id         TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    org_id     TEXT COLLATE "C"    NOT NULL REFERENCES orgs (id),
    name       TEXT COLLATE "C"    NOT NULL,
    workloads  TEXT COLLATE "C"    CHECK (workloads IS NULL OR workloads::json IS NOT NULL),
    cidrs      TEXT COLLATE "C"    CHECK (cidrs IS NULL OR cidrs::json IS NOT NULL),
    created_at BIGINT NOT NULL,
    deleted_at BIGINT,
    version    BIGINT NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX accounts_name ON accounts (org_id, name) WHERE deleted_at IS NULL;
CREATE INDEX accounts_org ON accounts (org_id, id);

ALTER TABLE keys ADD COLUMN account_id TEXT COLLATE "C" REFERENCES accounts (id);
ALTER TABLE keys ADD COLUMN expires_at BIGINT;
ALTER TABLE keys ADD COLUMN used_at BIGINT;
-- The keys there are keep working: those of one name become an account of that name, with its first key's id.
INSERT INTO accounts (id, org_id, name, created_at) SELECT min(id), org_id, name, min(created_at) FROM keys GROUP BY org_id, name;
UPDATE keys SET account_id = (SELECT a.id FROM accounts a WHERE a.org_id = keys.org_id AND a.name = keys.name);
DROP INDEX keys_live_name;
CREATE UNIQUE INDEX keys_live_name ON keys (account_id, name) WHERE revoked_at IS NULL;
CREATE INDEX keys_org ON keys (org_id, id);

ALTER TABLE workloads ADD COLUMN labels TEXT COLLATE "C" NOT NULL DEFAULT '{}' CHECK (labels::json IS NOT NULL);
ALTER TABLE workloads ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
CREATE INDEX workloads_org ON workloads (org_id, id);

-- held: a person has claimed it. used: it is held by its routes alone. released: kept for its last owner for a while.
ALTER TABLE hostnames ADD COLUMN state TEXT COLLATE "C" NOT NULL DEFAULT 'used' CHECK (state IN ('held', 'used', 'released'));
ALTER TABLE hostnames ADD COLUMN released_at BIGINT;
CREATE INDEX hostnames_org ON hostnames (org_id, name);

-- A host and path may lead to several places, told apart by `matcher` (JSON: methods, headers, kind of path).
CREATE TABLE routes_new (
    id          TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    org_id      TEXT COLLATE "C"    NOT NULL REFERENCES orgs (id),
    host        TEXT COLLATE "C"    NOT NULL REFERENCES hostnames (name),
    path        TEXT COLLATE "C"    NOT NULL,
    matcher     TEXT COLLATE "C"    NOT NULL DEFAULT '{}' CHECK (matcher::json IS NOT NULL),
    -- The place in the order given by hand; without, the most specific is asked first.
    rank        BIGINT,
    enabled     BIGINT NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    workload_id TEXT COLLATE "C"    NOT NULL REFERENCES workloads (id),
    pipeline    TEXT COLLATE "C"    NOT NULL CHECK (pipeline::json IS NOT NULL),
    created_at  BIGINT NOT NULL,
    version     BIGINT NOT NULL DEFAULT 1,
    UNIQUE (host, path, matcher)
);
INSERT INTO routes_new (id, org_id, host, path, workload_id, pipeline, created_at)
    SELECT r.id, w.org_id, r.host, r.path, r.workload_id, r.pipeline, r.created_at
    FROM routes r JOIN workloads w ON w.id = r.workload_id;
DROP TABLE routes;
ALTER TABLE routes_new RENAME TO routes;
CREATE INDEX routes_workload ON routes (workload_id);
CREATE INDEX routes_org ON routes (org_id, id);

-- The answers to requests that came with a key, so that asking again does nothing again.
CREATE TABLE idempotency (
    scope   TEXT COLLATE "C"    NOT NULL,
    key     TEXT COLLATE "C"    NOT NULL,
    request BYTEA    NOT NULL CHECK (length(request) = 32),
    status  BIGINT NOT NULL,
    body    TEXT COLLATE "C"    NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_at ON idempotency (at);

CREATE TABLE drafts (
    id         TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    org_id     TEXT COLLATE "C"    NOT NULL REFERENCES orgs (id),
    name       TEXT COLLATE "C"    NOT NULL,
    ops        TEXT COLLATE "C"    NOT NULL CHECK (ops::json IS NOT NULL),
    publish_at BIGINT,
    created_by TEXT COLLATE "C"    NOT NULL,
    created_at BIGINT NOT NULL,
    version    BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX drafts_org ON drafts (org_id, id);
CREATE INDEX drafts_due ON drafts (publish_at) WHERE publish_at IS NOT NULL;

-- `ops` (JSON) holds each change with what was before and after, so that it can be taken back.
CREATE TABLE publishes (
    id      TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    org_id  TEXT COLLATE "C"    NOT NULL REFERENCES orgs (id),
    at      BIGINT NOT NULL,
    actor   TEXT COLLATE "C"    NOT NULL,
    summary TEXT COLLATE "C"    NOT NULL,
    ops     TEXT COLLATE "C"    NOT NULL CHECK (ops::json IS NOT NULL),
    undo_of TEXT COLLATE "C"    UNIQUE REFERENCES publishes (id)
);
CREATE INDEX publishes_org ON publishes (org_id, id);

-- One row: the token that makes the first owner, once and never again.
CREATE TABLE setup (
    one     BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    hash    BYTEA    NOT NULL CHECK (length(hash) = 32),
    used_at BIGINT
);
