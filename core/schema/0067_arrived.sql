-- Events of other servers that were taken and are not judged yet.

-- owner: core/arrival
CREATE TABLE arrived (
    row      BIGINT PRIMARY KEY, -- in the order in which they came
    origin   TEXT NOT NULL,      -- the server that sent it, which need not be its sender's
    room_id  TEXT NOT NULL,
    event_id TEXT NOT NULL,
    body     BYTEA NOT NULL,     -- canonical, without unsigned
    at       BIGINT NOT NULL,    -- milliseconds
    UNIQUE (origin, event_id)
);
