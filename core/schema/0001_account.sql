-- Accounts, devices and the tokens that sessions are made with. Times are milliseconds since 1970.

-- owner: core/account
CREATE TABLE account (
	user_id     TEXT PRIMARY KEY,
	password    TEXT,             -- Argon2id in PHC form; NULL: no login by password
	admin       BOOLEAN NOT NULL,
	locked      BOOLEAN NOT NULL,
	suspended   BOOLEAN NOT NULL,
	erase       BOOLEAN NOT NULL, -- asked for at deactivation: hide this user's messages from those who have not seen them
	created     BIGINT NOT NULL,
	deactivated BIGINT            -- when; NULL while the account is in use
);

-- owner: core/account
CREATE TABLE account_device (
	user_id      TEXT NOT NULL,
	device_id    TEXT NOT NULL,
	display_name TEXT NOT NULL,
	created      BIGINT NOT NULL,
	seen         BIGINT NOT NULL, -- the last request, to within a minute or two
	seen_ip      TEXT NOT NULL,
	seen_agent   TEXT NOT NULL,
	PRIMARY KEY (user_id, device_id)
);

-- Only hashes of tokens are kept. A device has one session: one pair of tokens, and while a refresh has not been used yet,
-- the pair that follows it, whose rows name the refresh token they replace.
-- owner: core/account
CREATE TABLE access_token (
	hash      BYTEA PRIMARY KEY,
	user_id   TEXT NOT NULL,
	device_id TEXT NOT NULL,
	replaces  BYTEA,  -- the refresh token that this pair came from; NULL once the pair has been used
	expires   BIGINT  -- NULL: never
);
CREATE INDEX access_token_device ON access_token (user_id, device_id);

-- owner: core/account
CREATE TABLE refresh_token (
	hash      BYTEA PRIMARY KEY,
	user_id   TEXT NOT NULL,
	device_id TEXT NOT NULL,
	replaces  BYTEA,  -- as in access_token
	spent     BIGINT  -- when its successor was first used; a token that is presented after that was stolen, or its successor was
);
CREATE INDEX refresh_token_device ON refresh_token (user_id, device_id);

-- Invitations: tokens that let somebody register.
-- owner: core/account
CREATE TABLE registration_token (
	token     TEXT PRIMARY KEY,
	allowed   BIGINT,          -- how many accounts may be made with it; NULL: any number
	completed BIGINT NOT NULL, -- how many were
	expires   BIGINT,          -- NULL: never
	created   BIGINT NOT NULL
);
