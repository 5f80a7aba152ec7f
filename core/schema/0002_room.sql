-- Rooms, their events and their state. Integer ids (nid) name rooms, events and state keys in every index; they are handed
-- out in blocks, so they say nothing about order. Order is pos, the stream position an event was committed at.

-- owner: core/room
CREATE TABLE nid_block (
    next BIGINT NOT NULL -- the first number of the next free block
);
INSERT INTO nid_block (next) VALUES (1);

-- owner: core/room
CREATE TABLE room (
    nid         BIGINT PRIMARY KEY,
    room_id     TEXT NOT NULL UNIQUE,
    version     TEXT NOT NULL,
    creator     TEXT NOT NULL,  -- sender of the create event
    head        BIGINT NOT NULL, -- nid of the newest event; every write compares and sets it
    head_pos    BIGINT NOT NULL, -- its position
    depth       BIGINT NOT NULL, -- the greatest depth among the forward extremities
    extremities BYTEA NOT NULL, -- event ids of the forward extremities: a JSON array of strings
    state       BYTEA NOT NULL, -- root of the current state
    open        BOOLEAN NOT NULL -- anybody may join it or read it: its members can be found by others
);

-- owner: core/room
CREATE TABLE event (
    nid         BIGINT PRIMARY KEY,
    room        BIGINT NOT NULL,
    pos         BIGINT NOT NULL,
    depth       BIGINT NOT NULL,
    ts          BIGINT NOT NULL, -- origin_server_ts: what the sender's server says, in milliseconds
    event_id    TEXT NOT NULL,
    state       BYTEA NOT NULL, -- root of the room's state once this event was in it
    replaces    BIGINT,         -- state events: nid of the event that stood there before
    redacted_by BIGINT,         -- nid of the redaction that emptied it
    device      TEXT,           -- the sender's device and transaction id, for unsigned.transaction_id
    txn_id      TEXT,
    txn         BYTEA,          -- hash of user, device, endpoint and transaction id: makes a send happen once
    json        BYTEA NOT NULL  -- canonical, signed, without unsigned
);
CREATE UNIQUE INDEX event_by_id ON event (event_id);
CREATE INDEX event_by_pos ON event (room, pos);
CREATE INDEX event_by_depth ON event (room, depth, pos);
CREATE INDEX event_by_ts ON event (room, ts);
CREATE UNIQUE INDEX event_by_txn ON event (txn) WHERE txn IS NOT NULL;

-- owner: core/room
CREATE TABLE state_key (
    nid       BIGINT PRIMARY KEY,
    type      TEXT NOT NULL,
    state_key TEXT NOT NULL,
    UNIQUE (type, state_key)
);

-- owner: core/room
CREATE TABLE state_node (
    address BYTEA PRIMARY KEY, -- hash of body
    body    BYTEA NOT NULL
);

-- The newest membership of each user in each room: an index over the current state, written with it.
-- owner: core/room
CREATE TABLE membership (
    room       BIGINT NOT NULL,
    user_id    TEXT NOT NULL,
    membership TEXT NOT NULL,
    event      BIGINT NOT NULL, -- nid of the member event
    pos        BIGINT NOT NULL, -- its position
    sender     TEXT NOT NULL,   -- who set it: a kick is not a leave
    forgotten  BIGINT NOT NULL, -- position at which the user forgot the room, or 0
    PRIMARY KEY (room, user_id)
);
CREATE INDEX membership_by_user ON membership (user_id, membership);
CREATE INDEX membership_by_pos ON membership (pos);
