-- What belongs to one user: the profile that everybody may read, and the account data that nobody else may.

-- owner: core/person
CREATE TABLE profile (
    user_id TEXT NOT NULL,
    field   TEXT NOT NULL,
    value   BYTEA NOT NULL, -- JSON
    folded  TEXT NOT NULL,  -- displayname in lower case, for the user directory; empty for other fields
    PRIMARY KEY (user_id, field)
);

-- Rows whose content is {} mark data that was deleted: an incremental sync must still tell it.
-- owner: core/person
CREATE TABLE account_data (
    user_id TEXT NOT NULL,
    room_id TEXT NOT NULL, -- empty for data of the whole account
    type    TEXT NOT NULL,
    size    BIGINT NOT NULL, -- bytes of type and content
    pos     BIGINT NOT NULL, -- stream position of the last change
    content BYTEA NOT NULL,  -- a JSON object; last, so that counting need not read past it
    PRIMARY KEY (user_id, room_id, type)
);
CREATE INDEX account_data_by_pos ON account_data (user_id, pos);

-- owner: core/person
CREATE TABLE filter (
    user_id   TEXT NOT NULL,
    filter_id BIGINT NOT NULL, -- counts up for each user
    hash      BYTEA NOT NULL,  -- SHA-256 of body
    body      BYTEA NOT NULL,  -- JSON as it was given
    PRIMARY KEY (user_id, filter_id)
);
CREATE UNIQUE INDEX filter_by_hash ON filter (user_id, hash);

-- How a user's push rules differ from the default ones; no row, no difference.
-- owner: core/person
CREATE TABLE push_rules (
    user_id     TEXT PRIMARY KEY,
    pos         BIGINT NOT NULL, -- stream position of the last change
    differences BYTEA NOT NULL   -- as matrix/pushrule writes it
);
