-- What requests with an Idempotency-Key were answered. Times are microseconds since 1970.
CREATE TABLE answers (
    key BLOB NOT NULL UNIQUE,
    request BLOB NOT NULL,
    expires INTEGER NOT NULL,
    tags BLOB NOT NULL,
    data_key BLOB NOT NULL,
    content BLOB NOT NULL
);
CREATE INDEX answers_by_expiry ON answers (expires);
