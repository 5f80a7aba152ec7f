-- The content of what is told to other servers is text, as it is JSON.

-- owner: core/outbox
ALTER TABLE outbox_edu DROP COLUMN content;
ALTER TABLE outbox_edu ADD COLUMN content TEXT NOT NULL DEFAULT ''; -- canonical JSON
