-- What waits in inbox of each sender, over all devices. Written with it.
-- owner: core/inbox
CREATE TABLE inbox_sent (
	sender   TEXT PRIMARY KEY,
	messages BIGINT NOT NULL,
	bytes    BIGINT NOT NULL
);
INSERT INTO inbox_sent (sender, messages, bytes)
	SELECT sender, sum(messages), sum(bytes) FROM inbox_size WHERE sender <> '' GROUP BY sender;
