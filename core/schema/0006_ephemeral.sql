-- How far each user has read in each room.

-- owner: core/ephemeral
CREATE TABLE receipt (
    room_id   TEXT NOT NULL,
    user_id   TEXT NOT NULL,
    type      TEXT NOT NULL, -- m.read or m.read.private
    thread    TEXT NOT NULL, -- event id of the thread's root, "main", or empty for an unthreaded receipt
    event_id  TEXT NOT NULL,
    event_pos BIGINT NOT NULL, -- position of that event, 0 when this server does not have it
    ts        BIGINT NOT NULL, -- when it was sent, milliseconds
    pos       BIGINT NOT NULL, -- stream position of the last change
    PRIMARY KEY (room_id, user_id, type, thread)
);
CREATE INDEX receipt_by_pos ON receipt (room_id, pos);
CREATE INDEX receipt_by_change ON receipt (pos);
