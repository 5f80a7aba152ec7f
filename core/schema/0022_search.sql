-- What can be searched for, and how far the log has been read for it.

-- owner: core/search
CREATE TABLE search_entry (
    pos   BIGINT PRIMARY KEY, -- of the event
    event BIGINT NOT NULL,    -- its nid
    room  BIGINT NOT NULL,    -- nid
    key   TEXT NOT NULL,      -- content.body, content.name or content.topic
    words TEXT NOT NULL,      -- each word once, folded and made of what neither engine takes apart, with a blank between two
    found TSVECTOR GENERATED ALWAYS AS (array_to_tsvector(string_to_array(words, ' '))) STORED, -- only: postgres
    UNIQUE (event)
);

CREATE INDEX search_entry_words ON search_entry USING gin (found); -- only: postgres

-- only: sqlite
CREATE VIRTUAL TABLE search_words USING fts5 (words, content = 'search_entry', content_rowid = 'pos', detail = 'none', columnsize = 0, tokenize = 'ascii');
CREATE TRIGGER search_entry_added AFTER INSERT ON search_entry BEGIN
    INSERT INTO search_words (rowid, words) VALUES (new.pos, new.words);
END;
CREATE TRIGGER search_entry_removed AFTER DELETE ON search_entry BEGIN
    INSERT INTO search_words (search_words, rowid, words) VALUES ('delete', old.pos, old.words);
END;

-- owner: core/search
CREATE TABLE search_cursor (
    id  BIGINT PRIMARY KEY, -- 1: there is one
    pos BIGINT NOT NULL     -- everything up to here is in search_entry
);
INSERT INTO search_cursor (id, pos) VALUES (1, 0);

-- For whoever reads the log of the whole server with a cursor of its own.
-- owner: core/room
CREATE INDEX event_by_stream ON event (pos);
