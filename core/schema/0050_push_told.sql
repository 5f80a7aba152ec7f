-- What a push gateway was last told of the number of unread messages, so that it is told when they have been read; and what
-- went wrong with it.

-- owner: core/push
ALTER TABLE pusher ADD COLUMN told BIGINT NOT NULL DEFAULT -1; -- -1: not known
-- owner: core/push
CREATE TABLE push_failure (
    pusher  BIGINT NOT NULL, -- its nid
    at      BIGINT NOT NULL, -- milliseconds
    times   BIGINT NOT NULL, -- how many in a row it was the last of
    trouble TEXT NOT NULL,
    PRIMARY KEY (pusher, at)
);
