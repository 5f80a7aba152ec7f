-- Public keys of devices and users, and the backup of room keys. All of it is public or encrypted by clients; nothing here
-- can decrypt anything.

-- owner: core/keys
CREATE TABLE device_key (
    user_id    TEXT NOT NULL,
    device_id  TEXT NOT NULL,
    body       BYTEA NOT NULL, -- canonical JSON without signatures and unsigned: what signatures are made over
    signatures BYTEA NOT NULL, -- JSON, as the device uploaded them
    PRIMARY KEY (user_id, device_id)
);

-- A key stays here for a while after it was given out, so that a repeated upload of it cannot make it be given out twice.
-- owner: core/keys
CREATE TABLE one_time_key (
    user_id   TEXT NOT NULL,
    device_id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    key_id    TEXT NOT NULL,   -- without the algorithm
    body      BYTEA NOT NULL,  -- canonical JSON
    uploaded  BIGINT NOT NULL, -- stream position of the upload
    claimed   BIGINT NOT NULL, -- stream position at which it was given out, or 0
    PRIMARY KEY (user_id, device_id, algorithm, key_id)
);
CREATE INDEX one_time_key_next ON one_time_key (user_id, device_id, algorithm, claimed, uploaded, key_id);

-- How many keys of one_time_key are unclaimed: written with it, because every sync asks.
-- owner: core/keys
CREATE TABLE one_time_count (
    user_id   TEXT NOT NULL,
    device_id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    held      BIGINT NOT NULL,
    PRIMARY KEY (user_id, device_id, algorithm)
);

-- owner: core/keys
CREATE TABLE fallback_key (
    user_id   TEXT NOT NULL,
    device_id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    key_id    TEXT NOT NULL,
    body      BYTEA NOT NULL,
    used      BOOLEAN NOT NULL, -- given out at least once
    PRIMARY KEY (user_id, device_id, algorithm)
);

-- owner: core/keys
CREATE TABLE cross_signing_key (
    user_id    TEXT NOT NULL,
    purpose    TEXT NOT NULL, -- master, self_signing or user_signing
    public_key TEXT NOT NULL, -- unpadded base64
    body       BYTEA NOT NULL,
    signatures BYTEA NOT NULL,
    PRIMARY KEY (user_id, purpose)
);

-- Signatures that were added to a key after its upload.
-- owner: core/keys
CREATE TABLE key_signature (
    user_id    TEXT NOT NULL, -- whose key is signed
    key_name   TEXT NOT NULL, -- which: a device id, or the public part of a master key
    signer     TEXT NOT NULL, -- a user
    signer_key TEXT NOT NULL, -- algorithm:name
    signature  TEXT NOT NULL,
    PRIMARY KEY (user_id, key_name, signer, signer_key)
);
CREATE INDEX key_signature_by_signer ON key_signature (signer, signer_key);

-- The device-list stream: the newest change of each device, and (with an empty device id) of a user's cross-signing keys.
-- owner: core/keys
CREATE TABLE device_change (
    user_id   TEXT NOT NULL,
    device_id TEXT NOT NULL,
    seen_by   TEXT NOT NULL, -- empty: whoever shares a room with the user; else only this user
    pos       BIGINT NOT NULL,
    PRIMARY KEY (user_id, device_id, seen_by)
);
CREATE INDEX device_change_by_pos ON device_change (pos);

-- Rows of deleted versions stay, emptied: their numbers are never given to another backup.
-- owner: core/backup
CREATE TABLE backup_version (
    user_id   TEXT NOT NULL,
    version   BIGINT NOT NULL, -- counts up for each user
    algorithm TEXT NOT NULL,
    auth_data BYTEA NOT NULL,
    etag      BIGINT NOT NULL, -- counts up with every change of a key
    keys      BIGINT NOT NULL,
    bytes     BIGINT NOT NULL, -- of session_data
    deleted   BOOLEAN NOT NULL,
    PRIMARY KEY (user_id, version)
);

-- owner: core/backup
CREATE TABLE backup_key (
    user_id             TEXT NOT NULL,
    version             BIGINT NOT NULL,
    room_id             TEXT NOT NULL,
    session_id          TEXT NOT NULL,
    first_message_index BIGINT NOT NULL,
    forwarded_count     BIGINT NOT NULL,
    is_verified         BOOLEAN NOT NULL,
    session_data        BYTEA NOT NULL, -- encrypted by the client
    PRIMARY KEY (user_id, version, room_id, session_id)
);
