-- From which position on all members of a room are known: past all positions while some are not, as it was joined through
-- another server a moment ago.
-- owner: core/room
ALTER TABLE room ADD COLUMN whole BIGINT NOT NULL DEFAULT 0;
