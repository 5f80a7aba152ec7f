-- Which threads a user has subscribed to (MSC4306).

-- owner: core/thread
CREATE TABLE thread_subscription (
    user_id    TEXT NOT NULL,
    room_id    TEXT NOT NULL,
    root       TEXT NOT NULL,    -- event id
    subscribed BOOLEAN NOT NULL, -- FALSE: she has unsubscribed, at pos
    automatic  BOOLEAN NOT NULL,
    pos        BIGINT NOT NULL,  -- of the last change
    PRIMARY KEY (user_id, room_id, root)
);
CREATE INDEX thread_subscription_by_pos ON thread_subscription (user_id, pos);
