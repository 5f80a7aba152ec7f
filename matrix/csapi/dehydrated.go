package csapi

import (
	"encoding/json"

	"freehold.example/matrix/id"
)

// DehydrateRequest is PUT /dehydrated_device (MSC3814).
type DehydrateRequest struct {
	Device id.Device       `json:"device_id"`
	Data   json.RawMessage `json:"device_data"`
	Name   string          `json:"initial_device_display_name"`
	KeysUploadRequest
}

// DehydratedDeviceRequest is GET and DELETE /dehydrated_device.
type DehydratedDeviceRequest struct{}

// DehydratedDevice is a device to be taken up.
type DehydratedDevice struct {
	Device id.Device       `json:"device_id"`
	Data   json.RawMessage `json:"device_data,omitempty"`
}

// DehydratedEventsRequest is GET and POST /dehydrated_device/{device_id}/events.
type DehydratedEventsRequest struct {
	Device id.Device `path:"deviceID" json:"-"`
	From   string    `query:"from" json:"-"`  // GET
	Limit  *int      `query:"limit" json:"-"` // GET; 100 when nil
	Next   string    `json:"next_batch"`      // POST, as clients did it before
}

// DehydratedEventsResponse is a batch of what was sent to the device.
type DehydratedEventsResponse struct {
	Events []json.RawMessage `json:"events"`
	Next   string            `json:"next_batch,omitempty"` // "": there are no more
}
