-- How far each application service has been told of what happened.

-- owner: core/appservice
CREATE TABLE appservice_queue (
    service TEXT PRIMARY KEY, -- the id of its registration
    pos     BIGINT NOT NULL,  -- everything up to here has arrived
    upto    BIGINT NOT NULL,  -- where the transaction ends that may have arrived; pos when there is none
    txn     TEXT NOT NULL,    -- its id
    events  TEXT NOT NULL     -- its events, a JSON list of their numbers
);
