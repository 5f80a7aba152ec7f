-- Messages from device to device, kept until the receiving device has them.

-- owner: core/inbox
CREATE TABLE inbox (
    user_id   TEXT NOT NULL,
    device_id TEXT NOT NULL,
    pos       BIGINT NOT NULL, -- stream position; a device gets at most one message in a transaction
    sender    TEXT NOT NULL,
    event     BYTEA NOT NULL,  -- the JSON that the device is given: content, sender, type
    PRIMARY KEY (user_id, device_id, pos)
);

-- What waits in inbox for each device, by sender, and in total with an empty sender. Written with it.
-- owner: core/inbox
CREATE TABLE inbox_size (
    user_id   TEXT NOT NULL,
    device_id TEXT NOT NULL,
    sender    TEXT NOT NULL,
    messages  BIGINT NOT NULL,
    bytes     BIGINT NOT NULL, -- of inbox.event
    PRIMARY KEY (user_id, device_id, sender)
);

-- Transactions that were done, so that a repeated request does nothing.
-- owner: core/inbox
CREATE TABLE inbox_txn (
    sender TEXT NOT NULL,
    device TEXT NOT NULL, -- the sender's
    type   TEXT NOT NULL,
    txn_id TEXT NOT NULL,
    at     BIGINT NOT NULL, -- ms
    PRIMARY KEY (sender, device, type, txn_id)
);
CREATE INDEX inbox_txn_by_age ON inbox_txn (sender, device, at);
