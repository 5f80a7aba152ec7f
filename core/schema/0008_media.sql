-- Files that users of this server uploaded. The bytes are in the blob store under their hash; a row is written only once
-- they are durable there, so that a row without its bytes cannot be.

-- owner: core/media
CREATE TABLE media (
    media_id     TEXT PRIMARY KEY,
    user_id      TEXT NOT NULL,
    blob         TEXT NOT NULL,    -- empty while the id is only reserved
    size         BIGINT NOT NULL,  -- bytes
    content_type TEXT NOT NULL,
    name         TEXT NOT NULL,    -- empty when the upload gave none
    created      BIGINT NOT NULL,  -- milliseconds
    expires      BIGINT NOT NULL   -- a reserved id nobody uploaded to is gone after this time; 0 once uploaded
);
CREATE INDEX media_by_blob ON media (blob) WHERE blob <> '';
CREATE INDEX media_pending ON media (user_id, expires) WHERE expires <> 0;

-- owner: core/media
CREATE TABLE media_usage (
    user_id TEXT PRIMARY KEY, -- empty: the sum over all users
    bytes   BIGINT NOT NULL,
    files   BIGINT NOT NULL
);

-- Thumbnails belong to bytes, not to media ids: the same picture uploaded twice has one set.
-- owner: core/media
CREATE TABLE thumbnail (
    blob         TEXT NOT NULL, -- of the original
    width        BIGINT NOT NULL,
    height       BIGINT NOT NULL,
    method       TEXT NOT NULL, -- crop or scale
    result       TEXT NOT NULL, -- blob of the thumbnail
    size         BIGINT NOT NULL,
    content_type TEXT NOT NULL,
    PRIMARY KEY (blob, width, height, method)
);
