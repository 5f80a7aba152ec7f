-- Other homeservers: the address book, and the keys they sign with.

-- owner: core/peer
CREATE TABLE peer (
    server      TEXT PRIMARY KEY,
    route       TEXT NOT NULL,   -- where it is: core/peer.Route as JSON
    found       BIGINT NOT NULL, -- milliseconds: when that was learnt
    until       BIGINT NOT NULL, -- ... and when it is to be looked for again
    last_ok     BIGINT NOT NULL DEFAULT 0, -- milliseconds: when it first answered after its last failure; 0 for never
    last_failed BIGINT NOT NULL DEFAULT 0, -- when it first failed after that
    last_error  TEXT NOT NULL DEFAULT ''   -- why; empty while it answers
);

-- Keys that were seen once are kept: an event that was signed long ago stays verifiable.
-- owner: core/peer
CREATE TABLE peer_key (
    server      TEXT NOT NULL,
    key_id      TEXT NOT NULL,
    public      BYTEA NOT NULL,
    valid_until BIGINT NOT NULL, -- milliseconds: what is signed up to then is signed by it
    expired     BIGINT NOT NULL, -- milliseconds: since when it is no longer in use; 0 while it is
    seen        BIGINT NOT NULL, -- when it was last fetched
    PRIMARY KEY (server, key_id)
);

-- What a server last published, as it was sent, for others who ask this server for it.
-- owner: core/peer
CREATE TABLE peer_key_document (
    server   TEXT PRIMARY KEY,
    document BYTEA NOT NULL,
    fetched  BIGINT NOT NULL -- milliseconds
);
