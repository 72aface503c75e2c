-- What challengers said of decisions.
CREATE TABLE verdicts (
    time bigint NOT NULL,
    basis bytea NOT NULL REFERENCES bases (digest),
    decision bytea NOT NULL,
    outcome text NOT NULL,
    tag bytea,
    key bytea,
    content bytea NOT NULL,
    PRIMARY KEY (basis, time, decision)
);
CREATE INDEX verdicts_by_decision ON verdicts (decision);
CREATE INDEX verdicts_by_tag ON verdicts (tag) WHERE tag IS NOT NULL;
ALTER TABLE verdicts ALTER COLUMN content SET STORAGE EXTERNAL;
