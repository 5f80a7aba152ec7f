package client

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/account"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// "Device Management"
// https://spec.matrix.org/v1.19/client-server-api/#device-management
func (a *API) deviceRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/client/v3/devices", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.devices)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/devices/{deviceID}", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.device)},
		{Method: http.MethodPut, Path: "/_matrix/client/v3/devices/{deviceID}", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.renameDevice)},
		{Method: http.MethodDelete, Path: "/_matrix/client/v3/devices/{deviceID}", Auth: route.User, Limit: limit.Login, Serve: route.JSON(a.deleteDevice)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/delete_devices", Auth: route.User, Limit: limit.Login, Serve: route.JSON(a.deleteDevices)},
	}
}

func (a *API) devices(ctx context.Context, c *Call, _ *csapi.DevicesRequest) (*csapi.DevicesResponse, error) {
	list, err := a.Accounts.Devices(ctx, c.Session.User)
	if err != nil {
		return nil, err
	}
	out := &csapi.DevicesResponse{Devices: make([]csapi.Device, len(list))}
	for i, d := range list {
		out.Devices[i] = shownDevice(d)
	}
	return out, nil
}

func (a *API) device(ctx context.Context, c *Call, r *csapi.DeviceRequest) (*csapi.Device, error) {
	d, err := a.Accounts.Device(ctx, c.Session.User, r.Device)
	if err != nil {
		return nil, err
	}
	shown := shownDevice(d)
	return &shown, nil
}

func shownDevice(d *account.Device) csapi.Device {
	out := csapi.Device{Device: d.Device, Name: d.Name, LastSeenIP: d.SeenIP}
	if !d.Seen.IsZero() {
		out.LastSeenTS = d.Seen.UnixMilli()
	}
	return out
}

// renameDevice makes the device too when an application service asks ("Creating devices").
func (a *API) renameDevice(ctx context.Context, c *Call, r *csapi.RenameDeviceRequest) (*csapi.RenameDeviceResponse, error) {
	if c.Service != nil {
		name := ""
		if r.Name != nil {
			name = *r.Name
		}
		made, err := a.Accounts.AddDevice(ctx, c.Session.User, r.Device, name)
		if err != nil || made {
			return &csapi.RenameDeviceResponse{Made: made}, err
		}
	}
	if r.Name == nil {
		_, err := a.Accounts.Device(ctx, c.Session.User, r.Device)
		return &csapi.RenameDeviceResponse{}, err
	}
	return &csapi.RenameDeviceResponse{}, a.Accounts.Rename(ctx, c.Session.User, r.Device, *r.Name)
}

func (a *API) deleteDevice(ctx context.Context, c *Call, r *csapi.DeleteDeviceRequest) (*csapi.Empty, error) {
	if err := a.byPassword(ctx, c, "DELETE /devices/"+string(r.Device), nil, r.Auth); err != nil {
		return nil, err
	}
	return nil, a.Accounts.Remove(ctx, c.Session.User, []id.Device{r.Device})
}

// maxDelete is how many devices one request may delete: as many as a user can have.
const maxDelete = 1000

func (a *API) deleteDevices(ctx context.Context, c *Call, r *csapi.DeleteDevicesRequest) (*csapi.Empty, error) {
	if len(r.Devices) > maxDelete {
		return nil, fault.Newf(fault.InvalidParam, "At most %d devices can be deleted at once", maxDelete)
	}
	if err := a.byPassword(ctx, c, "POST /delete_devices", r.Devices, r.Auth); err != nil {
		return nil, err
	}
	return nil, a.Accounts.Remove(ctx, c.Session.User, r.Devices)
}
