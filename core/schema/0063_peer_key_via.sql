-- A key that another server vouched for, because its owner could not be asked.

-- owner: core/peer
ALTER TABLE peer_key ADD COLUMN via TEXT NOT NULL DEFAULT ''; -- that server; empty where the owner told the key itself
