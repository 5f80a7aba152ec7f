-- The room in which each user is told what the administrators of this server have to say.

-- owner: core/notice
CREATE TABLE notice_room (
    user_id TEXT PRIMARY KEY,
    room_id TEXT NOT NULL
);
