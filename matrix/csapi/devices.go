package csapi

import "freehold.example/matrix/id"

// Device is one of a user's devices as its owner sees it.
type Device struct {
	Device     id.Device `json:"device_id"`
	Name       string    `json:"display_name,omitempty"`
	LastSeenIP string    `json:"last_seen_ip,omitempty"`
	LastSeenTS int64     `json:"last_seen_ts,omitempty"` // milliseconds since 1970
}

// DevicesRequest is GET /devices.
type DevicesRequest struct{}

// DevicesResponse lists the caller's devices.
type DevicesResponse struct {
	Devices []Device `json:"devices"`
}

// DeviceRequest is GET /devices/{deviceId}.
type DeviceRequest struct {
	Device id.Device `path:"deviceID" json:"-"`
}

// RenameDeviceRequest is PUT /devices/{deviceId}.
type RenameDeviceRequest struct {
	Device id.Device `path:"deviceID" json:"-"`
	Name   *string   `json:"display_name,omitempty"` // nil: unchanged
}

// RenameDeviceResponse is {}, with 201 for a device that was made.
type RenameDeviceResponse struct {
	Made bool `json:"-"`
}

// Status is that of the answer.
func (r *RenameDeviceResponse) Status() int {
	if r.Made {
		return 201
	}
	return 200
}

// DeleteDeviceRequest is DELETE /devices/{deviceId}.
type DeleteDeviceRequest struct {
	Device id.Device `path:"deviceID" json:"-"`
	Auth   *Auth     `json:"auth,omitempty"`
}

// DeleteDevicesRequest is POST /delete_devices.
type DeleteDevicesRequest struct {
	Devices []id.Device `json:"devices"`
	Auth    *Auth       `json:"auth,omitempty"`
}
