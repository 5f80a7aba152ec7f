-- Device lists between servers.

-- Other servers' users whose devices are known here: a copy of what their server says.
-- owner: core/keys
CREATE TABLE followed (
    user_id      TEXT PRIMARY KEY,
    streams      TEXT NOT NULL,    -- the newest stream ids that the copy has, the last one last: a JSON array
    heard        BIGINT NOT NULL,  -- counts news of it, so that an answer is known that was asked for before the news
    stale        BOOLEAN NOT NULL, -- something is missing: the whole has to be asked for
    next         BIGINT NOT NULL,  -- milliseconds: when to ask by itself, where it is stale
    fetched      BIGINT NOT NULL,  -- milliseconds: when the whole was told last; 0 for never
    master       BYTEA NOT NULL,   -- cross-signing keys; empty for none
    self_signing BYTEA NOT NULL
);
CREATE INDEX followed_stale ON followed (next) WHERE stale;

-- owner: core/keys
CREATE TABLE followed_device (
    user_id   TEXT NOT NULL,
    device_id TEXT NOT NULL,
    keys      BYTEA NOT NULL, -- as clients are given them
    PRIMARY KEY (user_id, device_id)
);

-- Other servers' users whose devices changed before it was known whether they share a room with anybody here.
-- owner: core/keys
CREATE TABLE followed_early (
    user_id TEXT PRIMARY KEY
);

-- The newest stream id of each local user's device list.
-- owner: core/keys
CREATE TABLE device_stream (
    user_id TEXT PRIMARY KEY,
    stream  BIGINT NOT NULL
);

-- Rooms that a local user is in, whose servers know of the user's devices.
-- owner: core/keys
CREATE TABLE device_told (
    user_id TEXT NOT NULL,
    room    BIGINT NOT NULL,
    pos     BIGINT NOT NULL, -- since when
    PRIMARY KEY (user_id, room)
);
CREATE INDEX device_told_by_room ON device_told (room);

-- How far changes of devices and of memberships have been looked through for what other servers are to be told.
-- owner: core/keys
CREATE TABLE device_cursor (
    id  BIGINT PRIMARY KEY, -- 1: there is one
    pos BIGINT NOT NULL
);
INSERT INTO device_cursor (id, pos) VALUES (1, 0);
