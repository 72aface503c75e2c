-- What was told of decisions after they were made, in one chain.
CREATE TABLE events (
    sequence bigint PRIMARY KEY,
    time bigint NOT NULL,
    day integer,
    decision bytea NOT NULL,
    hash bytea NOT NULL,
    kind text NOT NULL,
    content bytea
);
CREATE INDEX events_by_decision ON events (decision, sequence);
CREATE INDEX events_by_notice ON events (day, sequence) WHERE kind = 'notified';
