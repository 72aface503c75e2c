-- What challengers said of decisions, which may be in another file.
CREATE TABLE verdicts (
    basis BLOB NOT NULL REFERENCES bases (digest),
    time INTEGER NOT NULL,
    decision BLOB NOT NULL,
    outcome TEXT NOT NULL,
    tag BLOB,
    content BLOB NOT NULL,
    key BLOB,
    PRIMARY KEY (basis, time, decision)
) WITHOUT ROWID;
CREATE INDEX verdicts_by_decision ON verdicts (decision);
CREATE INDEX verdicts_by_tag ON verdicts (tag) WHERE tag IS NOT NULL;
