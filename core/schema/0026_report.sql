-- What users told the administrators of, and tokens by which they show other services who they are.

-- owner: core/report
CREATE TABLE report (
	id       BIGINT PRIMARY KEY, -- the stream position it was written at
	reporter TEXT NOT NULL,
	room_id  TEXT NOT NULL,      -- '' in the report of a user
	event_id TEXT NOT NULL,      -- '' in the report of a room or a user
	about    TEXT NOT NULL,      -- the user: who is reported, or who sent the event; '' in the report of a room
	reason   TEXT NOT NULL,
	created  BIGINT NOT NULL     -- milliseconds since 1970
);
CREATE INDEX report_by_reporter ON report (reporter, id);

-- Only hashes are kept. A token ends with the device that it was made on.
-- owner: core/account
CREATE TABLE openid_token (
	hash      BYTEA PRIMARY KEY,
	user_id   TEXT NOT NULL,
	device_id TEXT NOT NULL,
	expires   BIGINT NOT NULL -- milliseconds since 1970
);
CREATE INDEX openid_token_device ON openid_token (user_id, device_id);
CREATE INDEX openid_token_expires ON openid_token (expires);
