-- The first schema: what incoming email needs.
--
-- Instants that are ordered by are whole nanoseconds since 1970. Ids of mailboxes and records are the 16
-- bytes of the UUID. `body` and `health` hold the value itself as JSON; the columns beside it exist only to
-- be searched, and follow from it. Text is compared byte for byte (SQLite's BINARY collation): item ids
-- differ in case.

-- "Hybr": tells Hybridge's files from other programs'.
PRAGMA application_id = 1215914610;

CREATE TABLE installation (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    body TEXT NOT NULL
) STRICT;

CREATE TABLE mailbox (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE lane (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE, -- mailbox/kind
    epoch INTEGER NOT NULL,
    health TEXT NOT NULL,
    cursor TEXT
) STRICT;

CREATE TABLE intent (
    lane INTEGER NOT NULL REFERENCES lane (id),
    item TEXT NOT NULL,
    recorded INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (lane, item)
) STRICT, WITHOUT ROWID;

CREATE TABLE decision (
    item TEXT NOT NULL,
    lane INTEGER NOT NULL REFERENCES lane (id),
    message_id TEXT, -- without angle brackets
    record BLOB,
    outcome TEXT NOT NULL,
    due INTEGER, -- of a waiting one
    decided INTEGER NOT NULL,
    subject TEXT NOT NULL, -- in lower case
    sender TEXT NOT NULL, -- in lower case
    body TEXT NOT NULL,
    -- The item first: it is looked for with and without its lane.
    PRIMARY KEY (item, lane)
) STRICT;

CREATE INDEX decision_due ON decision (lane, due) WHERE due IS NOT NULL;
CREATE INDEX decision_message_id ON decision (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX decision_record ON decision (record) WHERE record IS NOT NULL;
CREATE INDEX decision_outcome ON decision (outcome, decided);
CREATE INDEX decision_lane_outcome ON decision (lane, outcome, decided);
-- A search for text reads this index from its newest end, and the table only where it finds something.
CREATE INDEX decision_newest ON decision (decided, subject, sender);

CREATE TABLE link (
    item TEXT NOT NULL,
    lane INTEGER NOT NULL REFERENCES lane (id),
    record BLOB NOT NULL,
    linked INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (item, lane)
) STRICT;

CREATE INDEX link_record ON link (record);

CREATE TABLE fact (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE subscription (
    id TEXT PRIMARY KEY,
    lane TEXT NOT NULL UNIQUE, -- its name; there may be a subscription before the first run
    body TEXT NOT NULL
) STRICT;
