-- What was told of decisions after they were made, in one chain.
CREATE TABLE events (
    sequence INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    day INTEGER,
    decision BLOB NOT NULL,
    hash BLOB NOT NULL,
    kind TEXT NOT NULL,
    content BLOB
);
CREATE INDEX events_by_decision ON events (decision, sequence);
CREATE INDEX events_by_notice ON events (day, sequence) WHERE kind = 'notified';
