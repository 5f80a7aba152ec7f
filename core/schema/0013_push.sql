-- Who is told of a user's notifications, and how far each was told.

-- owner: core/push
CREATE TABLE pusher (
    nid      BIGINT PRIMARY KEY, -- the position at which it was set: which of them are old
    user_id  TEXT NOT NULL,
    device   TEXT NOT NULL,   -- of the session that set it; it goes with that
    app_id   TEXT NOT NULL,
    pushkey  TEXT NOT NULL,
    kind     TEXT NOT NULL,
    app      TEXT NOT NULL,   -- app_display_name
    name     TEXT NOT NULL,   -- device_display_name
    tag      TEXT NOT NULL,   -- profile_tag
    lang     TEXT NOT NULL,
    url      TEXT NOT NULL,
    data     TEXT NOT NULL,   -- JSON object, without url
    since    BIGINT NOT NULL, -- when it was set, in milliseconds
    pos      BIGINT NOT NULL, -- everything up to here was delivered or need not be
    failures BIGINT NOT NULL, -- attempts in a row that failed
    retry    BIGINT NOT NULL, -- not before this time, in milliseconds
    trouble  TEXT NOT NULL,   -- why the last attempt failed
    UNIQUE (user_id, app_id, pushkey)
);
CREATE INDEX pusher_by_key ON pusher (app_id, pushkey);
