-- Devices that are kept for their users while nobody uses them (MSC3814).

-- owner: core/account
CREATE TABLE dehydrated_device (
	user_id   TEXT PRIMARY KEY,
	device_id TEXT NOT NULL,  -- one of account_device; it goes with that
	data      BYTEA NOT NULL  -- a JSON object with the device's private keys, encrypted by the client
);
