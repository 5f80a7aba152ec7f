-- What is still to be told to push gateways.

-- owner: core/push
CREATE TABLE push_queue (
    pusher  BIGINT NOT NULL, -- its nid
    pos     BIGINT NOT NULL, -- of the event
    event   BIGINT NOT NULL, -- its nid
    actions TEXT NOT NULL,   -- of the rule that matched: a JSON array
    PRIMARY KEY (pusher, pos)
);

-- owner: core/push
CREATE TABLE push_cursor (
    id  BIGINT PRIMARY KEY, -- 1: there is one
    pos BIGINT NOT NULL     -- the events up to here have been judged; 0: none, and those that are there will not be
);
INSERT INTO push_cursor (id, pos) VALUES (1, 0);
