-- One-time codes that stand in for a second factor that was lost. A code that was used is gone.
CREATE TABLE recovery_codes (
    member_id TEXT COLLATE "C" NOT NULL REFERENCES members (id),
    hash      BYTEA            NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (member_id, hash)
);
