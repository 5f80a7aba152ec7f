-- Which events refer to which by m.relationship (MSC2836), written in the commit of the child. It stays when the child is
-- redacted: what was said goes, that something was said in answer does not.

-- owner: core/room
CREATE TABLE reference (
    event  BIGINT PRIMARY KEY, -- nid of the child
    room   BIGINT NOT NULL,    -- of the child: it counts only for a parent in the same room
    parent TEXT NOT NULL,      -- event id, whether or not that event is here
    rel    TEXT NOT NULL,      -- rel_type
    ts     BIGINT NOT NULL     -- origin_server_ts of the child, in milliseconds
);
CREATE INDEX reference_by_parent ON reference (parent, room, ts, event);
