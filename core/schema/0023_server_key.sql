-- The keys that this server has signed with: a file with another key is not taken for its own.

-- owner: core/account
CREATE TABLE server_key (
	key_id TEXT PRIMARY KEY, -- ed25519:name
	public BYTEA NOT NULL,
	since  BIGINT NOT NULL,  -- milliseconds
	until  BIGINT            -- when another took its place: what it has signed is still good; NULL: the one in use
);
