-- What is still to be told to other servers.

-- How far the stream of events has been looked through for what others are to be told.
-- owner: core/outbox
CREATE TABLE outbox_cursor (
    id  BIGINT PRIMARY KEY, -- 1: there is one
    pos BIGINT NOT NULL     -- of all up to here, each server has what concerns it, or there is a gap; 0: never looked
);
INSERT INTO outbox_cursor (id, pos) VALUES (1, 0);

-- A room in which a server may lack events.
-- owner: core/outbox
CREATE TABLE outbox_gap (
    server    TEXT NOT NULL,
    room      BIGINT NOT NULL,
    after_pos BIGINT NOT NULL, -- it has what it is to have up to here
    PRIMARY KEY (server, room)
);

-- What is to be told besides events, in the order of pos and n.
-- owner: core/outbox
CREATE TABLE outbox_edu (
    server  TEXT NOT NULL,
    pos     BIGINT NOT NULL, -- of the write that queued it
    n       BIGINT NOT NULL,
    kind    TEXT NOT NULL,   -- edu_type
    key     TEXT NOT NULL,   -- a later one of the kind with the same key takes its place; empty for none
    content BYTEA NOT NULL,  -- canonical JSON
    PRIMARY KEY (server, pos, n)
);
CREATE UNIQUE INDEX outbox_edu_by_key ON outbox_edu (server, kind, key) WHERE key <> '';
