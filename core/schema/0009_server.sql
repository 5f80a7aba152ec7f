-- Whose accounts these are: one row. Everything else in the database is signed with and addressed by that name.
-- owner: core/account
CREATE TABLE server (
    id   BIGINT PRIMARY KEY, -- 1
    name TEXT NOT NULL
);
