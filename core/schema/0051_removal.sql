-- What administrators have removed, and what they keep out.

-- Rooms that nobody of this server may enter.
-- owner: core/room
CREATE TABLE blocked_room (
	room_id TEXT PRIMARY KEY,
	admin   TEXT NOT NULL,
	at      BIGINT NOT NULL -- milliseconds since 1970
);

-- Work that takes long: it is done in the background, goes on after a restart, and says how far it is.
-- owner: core/removal
CREATE TABLE removal (
	id      TEXT PRIMARY KEY, -- not to be guessed
	kind    TEXT NOT NULL,    -- purge, room or redact
	target  TEXT NOT NULL,    -- the room or the user
	admin   TEXT NOT NULL,
	device  TEXT NOT NULL,
	request TEXT NOT NULL,    -- JSON: what was asked for
	state   TEXT NOT NULL,    -- JSON: how far it is
	status  TEXT NOT NULL,    -- scheduled, active, complete or failed
	error   TEXT NOT NULL,    -- why it failed
	created BIGINT NOT NULL,  -- the stream position it was written at: they are done in this order
	at      BIGINT NOT NULL   -- when it was last changed, in milliseconds since 1970
);
CREATE INDEX removal_by_target ON removal (target, created);
CREATE INDEX removal_open ON removal (created) WHERE status IN ('scheduled', 'active');
