package admin

import (
	"context"
	"net/http"

	"freehold.example/core/account"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#user-devices
func deviceRows[C any](t *table[C]) {
	const path = "/_synapse/admin/v2/users/{userID}"
	a := t.api
	does(t, http.MethodGet, "/_synapse/admin/v1/whois/{userID}", a.whois)
	does(t, http.MethodGet, path+"/devices", a.devices)
	does(t, http.MethodPost, path+"/devices", a.addDevice)
	does(t, http.MethodGet, path+"/devices/{deviceID}", a.device)
	does(t, http.MethodPut, path+"/devices/{deviceID}", a.renameDevice)
	does(t, http.MethodDelete, path+"/devices/{deviceID}", a.removeDevice)
	does(t, http.MethodPost, path+"/delete_devices", a.removeDevices)
}

// Device is one of a user's devices. Where it was last seen says where she has been: reading it is written down.
type Device struct {
	Device     id.Device `json:"device_id"`
	Name       *string   `json:"display_name"`
	SeenIP     *string   `json:"last_seen_ip"`
	SeenAgent  *string   `json:"last_seen_user_agent"`
	Seen       *int64    `json:"last_seen_ts"`
	User       id.User   `json:"user_id"`
	Dehydrated bool      `json:"dehydrated"`
}

func shownDevice(user id.User, d *account.Device) Device {
	out := Device{Device: d.Device, User: user, Name: some(d.Name), SeenIP: some(d.SeenIP), SeenAgent: some(d.SeenAgent)}
	if !d.Seen.IsZero() {
		ms := d.Seen.UnixMilli()
		out.Seen = &ms
	}
	return out
}

// DevicesResponse lists a user's devices.
type DevicesResponse struct {
	Devices []Device `json:"devices"`
	Total   int      `json:"total"`
}

func (a *API) devices(ctx context.Context, _ By, r *UserRequest) (*DevicesResponse, error) {
	if _, err := a.known(ctx, r.User); err != nil {
		return nil, err
	}
	list, err := a.Accounts.Devices(ctx, r.User)
	if err != nil {
		return nil, err
	}
	out := &DevicesResponse{Devices: []Device{}, Total: len(list)}
	for _, d := range list {
		out.Devices = append(out.Devices, shownDevice(r.User, d))
	}
	return out, nil
}

// whois says from where a user's devices were last seen.
func (a *API) whois(ctx context.Context, _ By, r *UserRequest) (*csapi.WhoisResponse, error) {
	if _, err := a.known(ctx, r.User); err != nil {
		return nil, err
	}
	list, err := a.Accounts.Devices(ctx, r.User)
	if err != nil {
		return nil, err
	}
	out := &csapi.WhoisResponse{User: r.User, Devices: make(map[id.Device]csapi.WhoisDevice, len(list))}
	for _, d := range list {
		seen := []csapi.WhoisConnection{}
		if !d.Seen.IsZero() {
			seen = append(seen, csapi.WhoisConnection{IP: d.SeenIP, LastSeen: d.Seen.UnixMilli(), UserAgent: d.SeenAgent})
		}
		out.Devices[d.Device] = csapi.WhoisDevice{Sessions: []csapi.WhoisSession{{Connections: seen}}}
	}
	return out, nil
}

// AddDeviceRequest is POST /_synapse/admin/v2/users/{userID}/devices.
type AddDeviceRequest struct {
	User   id.User   `path:"userID" json:"-"`
	Device id.Device `json:"device_id"`
}

func (r *AddDeviceRequest) deed() (string, any) {
	return string(r.User), map[string]any{"device_id": r.Device}
}

// Made is an empty answer with status 201.
type Made struct{}

// Status is 201.
func (*Made) Status() int { return http.StatusCreated }

// addDevice makes a device without a session.
func (a *API) addDevice(ctx context.Context, _ By, r *AddDeviceRequest) (*Made, error) {
	if _, err := a.inUse(ctx, r.User); err != nil {
		return nil, err
	}
	if r.Device == "" {
		return nil, fault.New(fault.MissingParam, "device_id is missing")
	}
	_, err := a.Accounts.AddDevice(ctx, r.User, r.Device, "")
	return &Made{}, err
}

// inUse finds an account that is not deactivated.
func (a *API) inUse(ctx context.Context, user id.User) (*account.Account, error) {
	acc, err := a.known(ctx, user)
	if err == nil && !acc.Deactivated.IsZero() {
		err = fault.New(fault.NotFound, "This account is deactivated")
	}
	return acc, err
}

// DeviceRequest names a device.
type DeviceRequest struct {
	User   id.User   `path:"userID" json:"-"`
	Device id.Device `path:"deviceID" json:"-"`
}

func (r *DeviceRequest) deed() (string, any) {
	return string(r.User), map[string]any{"device_id": r.Device}
}

func (a *API) device(ctx context.Context, _ By, r *DeviceRequest) (*Device, error) {
	if _, err := a.known(ctx, r.User); err != nil {
		return nil, err
	}
	d, err := a.Accounts.Device(ctx, r.User, r.Device)
	if err != nil {
		return nil, err
	}
	out := shownDevice(r.User, d)
	return &out, nil
}

// RenameDeviceRequest is PUT /_synapse/admin/v2/users/{userID}/devices/{deviceID}.
type RenameDeviceRequest struct {
	User   id.User   `path:"userID" json:"-"`
	Device id.Device `path:"deviceID" json:"-"`
	Name   *string   `json:"display_name"`
}

func (r *RenameDeviceRequest) deed() (string, any) {
	p := map[string]any{"device_id": r.Device}
	put(p, "display_name", r.Name)
	return string(r.User), p
}

func (a *API) renameDevice(ctx context.Context, _ By, r *RenameDeviceRequest) (*csapi.Empty, error) {
	if _, err := a.known(ctx, r.User); err != nil {
		return nil, err
	}
	if r.Name == nil {
		_, err := a.Accounts.Device(ctx, r.User, r.Device)
		return nil, err
	}
	return nil, a.Accounts.Rename(ctx, r.User, r.Device, *r.Name)
}

func (a *API) removeDevice(ctx context.Context, _ By, r *DeviceRequest) (*csapi.Empty, error) {
	if _, err := a.known(ctx, r.User); err != nil {
		return nil, err
	}
	return nil, a.Accounts.Remove(ctx, r.User, []id.Device{r.Device})
}

// RemoveDevicesRequest is POST /_synapse/admin/v2/users/{userID}/delete_devices.
type RemoveDevicesRequest struct {
	User    id.User     `path:"userID" json:"-"`
	Devices []id.Device `json:"devices"`
}

func (r *RemoveDevicesRequest) deed() (string, any) {
	return string(r.User), map[string]any{"devices": r.Devices}
}

func (a *API) removeDevices(ctx context.Context, _ By, r *RemoveDevicesRequest) (*csapi.Empty, error) {
	if _, err := a.known(ctx, r.User); err != nil {
		return nil, err
	}
	return nil, a.Accounts.Remove(ctx, r.User, r.Devices)
}
