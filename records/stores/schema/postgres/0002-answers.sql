-- What requests with an Idempotency-Key were answered.
CREATE TABLE answers (
    expires timestamptz NOT NULL,
    key bytea PRIMARY KEY,
    request bytea NOT NULL,
    tags bytea NOT NULL,
    data_key bytea NOT NULL,
    content bytea NOT NULL
);
CREATE INDEX answers_by_expiry ON answers (expires);
ALTER TABLE answers ALTER COLUMN content SET STORAGE EXTERNAL;

-- Keys in work, each by the advisory lock of the session that claimed it. What a crash of the server loses of it was
-- lost with those sessions anyway.
CREATE UNLOGGED TABLE claims (
    key bytea PRIMARY KEY,
    owner bigint NOT NULL
);
