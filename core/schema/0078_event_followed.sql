-- Events that the history of a room follows and that had no place in it yet. One that gets its place later is no end of the
-- room's graph.
-- owner: core/room
CREATE TABLE event_followed (
    room     BIGINT NOT NULL,
    event_id TEXT NOT NULL,
    PRIMARY KEY (room, event_id)
);
