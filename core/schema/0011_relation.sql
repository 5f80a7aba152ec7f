-- Which events refer to which (m.relates_to), written in the commit of the child and taken out in that of its redaction.

-- owner: core/room
CREATE TABLE relation (
    event  BIGINT PRIMARY KEY, -- nid of the child
    room   BIGINT NOT NULL,    -- of the child: it counts only for a parent in the same room
    parent TEXT NOT NULL,      -- event id, whether or not that event is here
    rel    TEXT NOT NULL,      -- rel_type
    type   TEXT NOT NULL,      -- of the child
    sender TEXT NOT NULL,
    depth  BIGINT NOT NULL,
    pos    BIGINT NOT NULL,
    mark   BYTEA               -- annotations: hash of parent, sender, type and key, to find the same one twice
);
CREATE INDEX relation_by_parent ON relation (parent, rel, depth, pos);
CREATE INDEX relation_by_voice ON relation (parent, sender) WHERE rel = 'm.thread';
CREATE INDEX relation_by_mark ON relation (mark) WHERE mark IS NOT NULL;

-- The sums of what is aggregated (m.thread, m.replace, m.reference), so that showing a parent does not count its children.
-- owner: core/room
CREATE TABLE parent (
    event_id TEXT NOT NULL,
    rel      TEXT NOT NULL,
    room     BIGINT NOT NULL,
    children BIGINT NOT NULL,
    depth    BIGINT NOT NULL, -- of the newest child
    pos      BIGINT NOT NULL,
    PRIMARY KEY (event_id, rel, room)
);
CREATE INDEX parent_by_newest ON parent (room, depth, pos) WHERE rel = 'm.thread';

-- owner: core/room
ALTER TABLE room ADD COLUMN related BOOLEAN NOT NULL DEFAULT FALSE; -- it has, or has had, a row in parent
