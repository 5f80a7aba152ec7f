-- What a room was made as, so that a list of rooms without the spaces among them does not read their create events.

-- owner: core/room
ALTER TABLE room ADD COLUMN type TEXT; -- '' for an ordinary room; NULL in rooms from before, of which the create event says it
