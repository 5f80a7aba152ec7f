-- Room aliases of this server, and which rooms are in its directory of published rooms.

-- owner: core/directory
CREATE TABLE room_alias (
    alias   TEXT PRIMARY KEY,
    room_id TEXT NOT NULL,
    creator TEXT NOT NULL, -- who may delete it without any power in the room
    created BIGINT NOT NULL
);
CREATE INDEX room_alias_room ON room_alias (room_id);
CREATE INDEX room_alias_creator ON room_alias (creator);

-- owner: core/directory
CREATE TABLE published_room (
    room_id TEXT PRIMARY KEY
);
