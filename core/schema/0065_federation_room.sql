-- What rooms have that are shared with other servers: events beside the timeline, and state by the room's graph.

-- owner: core/room
CREATE TABLE event_aside (
    nid      BIGINT PRIMARY KEY, -- from the same numbers as event.nid; one that gets its place in the timeline keeps it
    room     BIGINT NOT NULL,
    depth    BIGINT NOT NULL,
    event_id TEXT NOT NULL,
    verdict  TEXT NOT NULL,  -- outlier: not judged in the room, others refer to it; rejected; soft_failed
    own      BYTEA,          -- roots of the state before and after it, by the room's graph; NULL for outliers
    json     BYTEA NOT NULL  -- canonical, signed, without unsigned
);
CREATE UNIQUE INDEX event_aside_by_id ON event_aside (event_id);
CREATE INDEX event_aside_by_room ON event_aside (room);

-- owner: core/room
ALTER TABLE event ADD COLUMN own BYTEA; -- as above, where that is another state than the room's when the event arrived

-- Redactions that came before what they redact.
-- owner: core/room
CREATE TABLE early_redaction (
    redaction BIGINT PRIMARY KEY, -- nid of the redaction
    room      BIGINT NOT NULL,
    target    TEXT NOT NULL
);
CREATE INDEX early_redaction_by_target ON early_redaction (target);

-- Rooms of which not all members are known yet, as they were joined a moment ago.
-- owner: core/room
CREATE TABLE partial_room (
    room    BIGINT PRIMARY KEY,
    event   BIGINT NOT NULL, -- nid of the join
    servers BYTEA NOT NULL   -- those that are in the room: a JSON array of strings
);
