-- Files that nobody uploaded and that are kept for a while only: the pictures of link previews. They count in media_usage
-- under 'borrowed', which is no user's id; thumbnails count under 'thumbnails'.

-- owner: core/media
ALTER TABLE media ADD COLUMN until BIGINT NOT NULL DEFAULT 0; -- milliseconds; 0 is for ever
CREATE INDEX media_until ON media (until) WHERE until <> 0;
