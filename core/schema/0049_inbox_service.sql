-- Which messages of inbox are for devices of an application service's users: it is told of them in this order.

-- owner: core/inbox
CREATE TABLE inbox_service (
    service   TEXT NOT NULL, -- the id of its registration
    pos       BIGINT NOT NULL,
    user_id   TEXT NOT NULL,
    device_id TEXT NOT NULL,
    PRIMARY KEY (service, pos, user_id, device_id)
);
CREATE INDEX inbox_service_by_device ON inbox_service (user_id, device_id);
