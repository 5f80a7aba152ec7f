package account

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

func TestDehydrated(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		var dropped, published []id.Device
		a, _ := open(t, db, Config{DropDevice: []DeviceHook{func(_ *sqldb.Tx, _ id.User, d id.Device) error {
			dropped = append(dropped, d)
			return nil
		}}})
		alice := register(t, a, "alice")
		dehydrate := func(device id.Device, data string) error {
			published, dropped = nil, nil
			return a.Dehydrate(t.Context(), alice.User, Dehydrated{device, json.RawMessage(data)}, "Dry", func(*sqldb.Tx) error {
				published = []id.Device{device}
				return nil
			})
		}
		devices := func() (all []id.Device) {
			t.Helper()
			list, err := a.Devices(t.Context(), alice.User)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range list {
				all = append(all, d.Device)
			}
			return all
		}
		has := func(device id.Device, data string) {
			t.Helper()
			d, err := a.Dehydrated(t.Context(), alice.User)
			if device == "" {
				wantFault(t, err, fault.NotFound)
			} else if err != nil || d.Device != device || string(d.Data) != data {
				t.Errorf("got %s with %s (%v), want %s with %s", d.Device, d.Data, err, device, data)
			}
		}
		has("", "")
		_, err := a.RemoveDehydrated(t.Context(), alice.User)
		wantFault(t, err, fault.NotFound)
		wantFault(t, dehydrate("", `{}`), fault.InvalidParam)
		wantFault(t, dehydrate("nul\x00", `{}`), fault.InvalidParam)
		wantFault(t, dehydrate("DRY", `"`+strings.Repeat("x", maxDehydrated)+`"`), fault.TooLarge)
		wantFault(t, dehydrate(alice.Device, `{}`), fault.InvalidParam)
		has("", "")

		wantFault(t, dehydrate("DRY", `{"a":1}`), "")
		has("DRY", `{"a":1}`)
		if want := []id.Device{alice.Device, "DRY"}; len(devices()) != 2 || !slices.Contains(devices(), "DRY") || !slices.Equal(published, want[1:]) {
			t.Errorf("got %v, published %v", devices(), published)
		}
		wantFault(t, dehydrate("DRY", `{"a":2}`), "") // the same id, with other keys
		has("DRY", `{"a":2}`)
		if len(dropped) == 0 || dropped[0] != "DRY" {
			t.Errorf("what belonged to the old one was kept: dropped %v", dropped)
		}
		failing := errors.New("no")
		err = a.Dehydrate(t.Context(), alice.User, Dehydrated{"WET", json.RawMessage(`{}`)}, "", func(*sqldb.Tx) error { return failing })
		if !errors.Is(err, failing) {
			t.Errorf("got %v", err)
		}
		has("DRY", `{"a":2}`) // all or nothing
		if gone, err := a.RemoveDehydrated(t.Context(), alice.User); err != nil || gone != "DRY" || len(devices()) != 1 {
			t.Errorf("got %s (%v), and %v are left", gone, err, devices())
		}
		has("", "")

		// It ends as other devices end.
		wantFault(t, dehydrate("DRY", `{}`), "")
		wantFault(t, a.Remove(t.Context(), alice.User, []id.Device{"DRY"}), "")
		has("", "")
		wantFault(t, dehydrate("DRY", `{}`), "")
		wantFault(t, a.Deactivate(t.Context(), alice.User, false), "")
		has("", "")
	})
}
