-- What administrators do about files.

-- Who has taken the file out of circulation; '' for nobody. It goes with the bytes: all files that are the same have it.
-- owner: core/media
ALTER TABLE media ADD COLUMN quarantined_by TEXT NOT NULL DEFAULT '';
-- The file is not quarantined, whatever room or user it is of.
ALTER TABLE media ADD COLUMN protected BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX media_by_user ON media (user_id, created);
CREATE INDEX media_by_age ON media (created);
