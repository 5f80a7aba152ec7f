-- What the administrators of this server have done.

-- owner: core/audit
CREATE TABLE audit (
	id      BIGINT PRIMARY KEY, -- the stream position it was written at
	at      BIGINT NOT NULL,    -- milliseconds since 1970
	admin   TEXT NOT NULL,      -- a user id, or 'operator' for who is at the machine
	device  TEXT NOT NULL,
	action  TEXT NOT NULL,      -- method and route
	target  TEXT NOT NULL,      -- a user, a room, a file; '' for none
	params  TEXT NOT NULL,      -- JSON, without what is secret
	outcome TEXT NOT NULL       -- 'begun', 'done' or an error code
);
CREATE INDEX audit_by_admin ON audit (admin, id);
CREATE INDEX audit_by_target ON audit (target, id);
