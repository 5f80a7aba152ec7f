package keys

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// Told is what another server is told when it asks for all devices of a user of this one.
type Told struct {
	User        id.User         `json:"user_id"`
	Stream      int64           `json:"stream_id"`
	Devices     []ToldDevice    `json:"devices"`
	Master      json.RawMessage `json:"master_key,omitempty"`
	SelfSigning json.RawMessage `json:"self_signing_key,omitempty"`
}

// ToldDevice is one of them.
type ToldDevice struct {
	Device id.Device       `json:"device_id"`
	Name   string          `json:"device_display_name,omitempty"`
	Keys   json.RawMessage `json:"keys"`
}

// Tell gives a server all devices with keys of a local user it shares a room with
// (https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1userdevicesuserid). shares is false for a server
// that shares none.
func (k *Keys) Tell(ctx context.Context, to id.Server, user id.User) (t *Told, shares bool, err error) {
	err = k.DB.Read(ctx, func(tx *sqldb.Tx) error {
		t, shares = nil, false
		servers, err := k.Rooms.SharedServers(tx, user)
		if err != nil || !slices.Contains(servers, to) {
			return err
		}
		names, err := k.Devices(tx, user)
		if err != nil {
			return err
		}
		now, err := k.published(tx, user)
		if err != nil {
			return err
		}
		last, err := stream(tx, user)
		if err != nil {
			return err
		}
		t, shares = &Told{User: user, Stream: last, Devices: []ToldDevice{}, Master: now.Master[user], SelfSigning: now.SelfSigning[user]}, true
		for _, device := range slices.Sorted(maps.Keys(now.Devices[user])) {
			t.Devices = append(t.Devices, ToldDevice{device, names[device], now.Devices[user][device]})
		}
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("read the devices of a user: %w", err)
	}
	return t, shares, nil
}
