-- Rooms that application services list in the directories of the networks they bridge to.

-- owner: core/directory
CREATE TABLE network_room (
    service TEXT NOT NULL, -- the id of its registration
    network TEXT NOT NULL,
    room_id TEXT NOT NULL,
    PRIMARY KEY (service, network, room_id)
);
CREATE INDEX network_room_by_room ON network_room (room_id);
CREATE INDEX network_room_by_network ON network_room (network);
