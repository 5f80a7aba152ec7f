-- What administrators allow single users.

-- Until when she may replace her cross-signing keys without her password, in milliseconds since 1970.
-- owner: core/account
ALTER TABLE account ADD COLUMN reset_keys_until BIGINT;

-- How fast a user may send, where it is not what the configuration says.
-- owner: core/account
CREATE TABLE send_rate (
	user_id    TEXT PRIMARY KEY,
	per_second BIGINT NOT NULL,
	burst      BIGINT NOT NULL -- 0: no limit
);
