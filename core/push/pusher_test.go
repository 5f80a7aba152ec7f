package push_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/push"
	"freehold.example/core/schema"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

func each(t *testing.T, fn func(t *testing.T, p *push.Push)) {
	t.Helper()
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) { fn(t, newWorld(t, db).push) })
}

func phone(key string) push.Pusher {
	return push.Pusher{
		AppID: "app", Key: key, Kind: "http", App: "App", Device: "Phone", Lang: "en",
		URL: "https://push.test/_matrix/push/v1/notify", Data: json.RawMessage(`{"format":"event_id_only"}`),
	}
}

func set(t *testing.T, p *push.Push, u id.User, device id.Device, x push.Pusher, add bool) {
	t.Helper()
	if err := p.Set(t.Context(), u, device, x, add); err != nil {
		t.Fatal(err)
	}
}

func keys(t *testing.T, p *push.Push, u id.User) []string {
	t.Helper()
	list, err := p.Pushers(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, x := range list {
		keys = append(keys, x.Key)
	}
	return keys
}

func TestSetAndDelete(t *testing.T) {
	each(t, func(t *testing.T, p *push.Push) {
		set(t, p, alice, "A", phone("1"), false)
		changed := phone("1")
		changed.Device = "Tablet"
		set(t, p, alice, "A", changed, false)
		list, err := p.Pushers(t.Context(), alice)
		if err != nil || len(list) != 1 || list[0].Device != "Tablet" || string(list[0].Data) != `{"format":"event_id_only"}` {
			t.Errorf("after a change: %+v, %v", list, err)
		}
		set(t, p, bob, "B", phone("1"), true)
		if got := append(keys(t, p, alice), keys(t, p, bob)...); len(got) != 2 {
			t.Errorf("append: %v", got)
		}
		set(t, p, bob, "B", phone("1"), false)
		if got := keys(t, p, alice); got != nil {
			t.Errorf("another user took the key over, and there is still %v", got)
		}
		if err := p.Delete(t.Context(), bob, "app", "1"); err != nil || keys(t, p, bob) != nil {
			t.Errorf("deleted: %v, %v", keys(t, p, bob), err)
		}
	})
}

func TestTheOldestGoes(t *testing.T) {
	p := newWorld(t, sqldbtest.SQLite(t, schema.FS)).push
	for i := range 60 {
		set(t, p, alice, "A", phone(fmt.Sprint(i)), false)
	}
	if got := keys(t, p, alice); len(got) != 50 || got[0] != "10" {
		t.Errorf("got %d, from %s on", len(got), got[0])
	}
}

func TestPushersGoWithTheirDevices(t *testing.T) {
	each(t, func(t *testing.T, p *push.Push) {
		for _, device := range []id.Device{"A", "B", "C"} {
			set(t, p, alice, device, phone(string(device)), false)
		}
		err := p.DB.Write(t.Context(), func(tx *sqldb.Tx) error { return p.DropDevice(tx, alice, "A") })
		if got := keys(t, p, alice); err != nil || !slices.Equal(got, []string{"B", "C"}) {
			t.Errorf("after a device went: %v, %v", got, err)
		}
		err = p.DB.Write(t.Context(), func(tx *sqldb.Tx) error { return p.DropOthers(tx, alice, "C") })
		if got := keys(t, p, alice); err != nil || !slices.Equal(got, []string{"C"}) {
			t.Errorf("after a change of password by C: %v, %v", got, err)
		}
	})
}

func TestWhatIsNoPusher(t *testing.T) {
	p := newWorld(t, sqldbtest.SQLite(t, schema.FS)).push
	for name, spoil := range map[string]func(*push.Pusher){
		"kind":           func(x *push.Pusher) { x.Kind = "smoke" },
		"mail":           func(x *push.Pusher) { x.Kind = "email" },
		"long app id":    func(x *push.Pusher) { x.AppID = strings.Repeat("é", 65) },
		"long key":       func(x *push.Pusher) { x.Key = strings.Repeat("k", 513) },
		"NUL":            func(x *push.Pusher) { x.Lang = "e\x00n" },
		"scheme":         func(x *push.Pusher) { x.URL = "ftp://push.test/_matrix/push/v1/notify" },
		"path":           func(x *push.Pusher) { x.URL = "https://push.test/notify" },
		"password in it": func(x *push.Pusher) { x.URL = "https://a:b@push.test/_matrix/push/v1/notify" },
		"much data":      func(x *push.Pusher) { x.Data = json.RawMessage(`{"x":"` + strings.Repeat("x", 5000) + `"}`) },
	} {
		x := phone("1")
		spoil(&x)
		if err := p.Set(t.Context(), alice, "A", x, false); !fault.Is(err, fault.InvalidParam) {
			t.Errorf("%s: got %v, want M_INVALID_PARAM", name, err)
		}
	}
	for name, spoil := range map[string]func(*push.Pusher){
		"app_id": func(x *push.Pusher) { x.AppID = "" }, "pushkey": func(x *push.Pusher) { x.Key = "" },
		"url": func(x *push.Pusher) { x.URL = "" }, "lang": func(x *push.Pusher) { x.Lang = "" },
	} {
		x := phone("1")
		spoil(&x)
		if err := p.Set(t.Context(), alice, "A", x, false); !fault.Is(err, fault.MissingParam) {
			t.Errorf("%s: got %v, want M_MISSING_PARAM", name, err)
		}
	}
}
