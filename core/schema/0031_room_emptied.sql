-- What is remembered of a room's state is out of date when a state event is redacted, though the state is the same events.

-- owner: core/room
ALTER TABLE room ADD COLUMN emptied BIGINT NOT NULL DEFAULT 0; -- position of the newest redaction of a state event
