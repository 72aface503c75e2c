CREATE TABLE bases (
    digest BLOB PRIMARY KEY,
    document BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE writers (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    started INTEGER NOT NULL,
    basis BLOB NOT NULL REFERENCES bases (digest)
);

-- In the order in which they were written, which is that of each writer's sequence.
CREATE TABLE decisions (
    number INTEGER PRIMARY KEY,
    writer INTEGER NOT NULL REFERENCES writers (number),
    sequence INTEGER NOT NULL,
    id BLOB NOT NULL,
    time INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    caller TEXT NOT NULL,
    tag BLOB,
    content BLOB NOT NULL,
    key BLOB,
    hash BLOB NOT NULL
);
CREATE UNIQUE INDEX decisions_by_id ON decisions (id);
CREATE UNIQUE INDEX decisions_by_writer ON decisions (writer, sequence);
CREATE INDEX decisions_by_time ON decisions (time);
CREATE INDEX decisions_by_tag ON decisions (tag) WHERE tag IS NOT NULL;
