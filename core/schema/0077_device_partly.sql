-- The newest change of the devices of each local user in a room of which not all members are known.
-- owner: core/keys
CREATE TABLE device_partly (
    user_id TEXT PRIMARY KEY,
    pos     BIGINT NOT NULL, -- of the change
    told    TEXT NOT NULL    -- servers that were told of it: a JSON array
);
