CREATE TABLE bases (
    digest bytea PRIMARY KEY,
    document bytea NOT NULL
);

CREATE TABLE writers (
    number integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    id bytea NOT NULL UNIQUE,
    started bigint NOT NULL,
    basis bytea NOT NULL REFERENCES bases (digest)
);

-- Those of a fixed size first: nothing is lost to alignment.
CREATE TABLE decisions (
    sequence bigint NOT NULL,
    time bigint NOT NULL,
    writer integer NOT NULL REFERENCES writers (number),
    id bytea NOT NULL,
    hash bytea NOT NULL,
    outcome text NOT NULL,
    caller text NOT NULL,
    tag bytea,
    key bytea,
    content bytea NOT NULL
);
CREATE UNIQUE INDEX decisions_by_id ON decisions (id);
CREATE UNIQUE INDEX decisions_by_writer ON decisions (writer, sequence);
CREATE INDEX decisions_by_time ON decisions (time);
CREATE INDEX decisions_by_tag ON decisions (tag) WHERE tag IS NOT NULL;
-- Sealed is random: trying to compress it is lost time.
ALTER TABLE decisions ALTER COLUMN content SET STORAGE EXTERNAL;

-- Files that were decided by, by their SHA-256.
CREATE TABLE artifacts (
    digest text PRIMARY KEY,
    content bytea NOT NULL
);
