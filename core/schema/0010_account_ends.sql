-- One-time tokens to log in with, and what an account that is closed leaves to be done.

-- Only hashes are kept. A login token ends with the device that it was made on.
-- owner: core/account
CREATE TABLE login_token (
	hash      BYTEA PRIMARY KEY,
	user_id   TEXT NOT NULL,
	device_id TEXT NOT NULL,
	expires   BIGINT NOT NULL -- milliseconds since 1970
);
CREATE INDEX login_token_device ON login_token (user_id, device_id);
CREATE INDEX login_token_expires ON login_token (expires);

-- Deactivated, and not everything of the account has been taken out of the rest of the server yet.
ALTER TABLE account ADD COLUMN departing BOOLEAN NOT NULL DEFAULT FALSE;
-- The position in the stream at which the user asked to be erased: who joins a room after it does not get to read what
-- the user sent there. NULL: she did not.
ALTER TABLE account ADD COLUMN erased BIGINT;
CREATE INDEX account_departing ON account (user_id) WHERE departing;
CREATE INDEX account_erased ON account (user_id) WHERE erased IS NOT NULL;
