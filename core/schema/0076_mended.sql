-- At which position something that clients had been told of a room was taken back, when all of its members had become known;
-- 0 where nothing was.
-- owner: core/room
ALTER TABLE room ADD COLUMN mended BIGINT NOT NULL DEFAULT 0;
