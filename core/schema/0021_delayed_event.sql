-- Events that are sent later unless they are given up first (MSC4140).

-- owner: core/delayed
CREATE TABLE delayed_event (
    delay_id  TEXT PRIMARY KEY, -- not to be guessed: who knows it may give the event up or send it
    user_id   TEXT NOT NULL,
    device_id TEXT NOT NULL,
    room_id   TEXT NOT NULL,
    type      TEXT NOT NULL,
    state_key TEXT,             -- NULL for a message event
    content   BYTEA NOT NULL,
    txn_id    TEXT,             -- NULL for a state event
    delay     BIGINT NOT NULL,  -- milliseconds
    due       BIGINT NOT NULL,
    sending   BOOLEAN NOT NULL  -- it is being sent, and cannot be given up any more
);
CREATE INDEX delayed_event_due ON delayed_event (due, delay_id);
CREATE INDEX delayed_event_user ON delayed_event (user_id);
CREATE UNIQUE INDEX delayed_event_txn ON delayed_event (user_id, device_id, room_id, type, txn_id);
