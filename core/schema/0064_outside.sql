-- Rooms that live elsewhere.

-- What somebody is shown of a room that this server is not in: the stripped state that came with her invitation or knock.
-- owner: core/room
CREATE TABLE outside (
    event BIGINT PRIMARY KEY, -- nid of her member event
    room  BIGINT NOT NULL,
    shown BYTEA NOT NULL -- a JSON array
);
CREATE INDEX outside_by_room ON outside (room);

-- Rooms that were joined without their members, which are being fetched.
-- owner: core/handshake
CREATE TABLE filling (
    room_id TEXT PRIMARY KEY,
    event   TEXT NOT NULL,   -- the join
    prev    TEXT NOT NULL,   -- its prev_events, a JSON array
    via     TEXT NOT NULL,   -- the server it went through
    began   BIGINT NOT NULL, -- milliseconds
    tries   BIGINT NOT NULL, -- that have failed
    cause   TEXT NOT NULL    -- why the last of them did
);
