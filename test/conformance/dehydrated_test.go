package conformance

import (
	"fmt"
	"slices"
	"testing"
)

// 39 Dehydrated devices (MSC3814)

const dehydratedPath = "/unstable/org.matrix.msc3814.v1/dehydrated_device"

// dehydrate uploads a dehydrated device and returns it, as one that cannot make requests.
func (u *user) dehydrate(device string, oneTime ...string) *user {
	u.t.Helper()
	dry := &user{t: u.t, id: u.id, device: device}
	a := u.put(dehydratedPath, obj{
		"device_id": device, "device_data": obj{"algorithm": "org.matrix.msc3814.v2", "device_pickle": "sealed"},
		"initial_device_display_name": "Dehydrated device",
		"device_keys":                 dry.deviceKeys(""), "one_time_keys": dry.oneTime(oneTime...),
		"fallback_keys": obj{"signed_curve25519:F": obj{"key": "fallback", "fallback": true, "signatures": obj{}}},
	}).ok()
	if a.str("device_id") != device {
		u.t.Errorf("got %s", a.raw)
	}
	return dry
}

func TestDehydratedDevice(t *testing.T) {
	alice, bob, _ := pair(t)
	alice.get(dehydratedPath).fails(404, "M_NOT_FOUND")
	alice.do("DELETE", dehydratedPath, nil).fails(404, "M_NOT_FOUND")
	since := bob.now()
	dry := alice.dehydrate("DRY", "A")

	bob.soon(since, "the new device", func(a *answer) bool { return a.lists("changed", alice) })
	if keys := bob.query(alice, "DRY").at("device_keys", alice.id, "DRY"); keys.str("device_id") != "DRY" {
		t.Errorf("its keys: %s", keys)
	}
	if keys := bob.claim(dry).at(alice.id, "DRY"); !keys.has("signed_curve25519:A") {
		t.Errorf("its one-time key: %s", keys)
	}
	if keys := bob.claim(dry).at(alice.id, "DRY"); !keys.has("signed_curve25519:F") {
		t.Errorf("its fallback key: %s", keys)
	}
	again := alice.login("") // another device of hers finds it
	if a := again.get(dehydratedPath).ok(); a.str("device_id") != "DRY" || a.str("device_data", "device_pickle") != "sealed" {
		t.Errorf("got %s", a.raw)
	}

	// What comes for it waits, and stays also when it has been read.
	const n = 150
	var want []string
	for i := range n {
		want = append(want, fmt.Sprint("m", i))
		bob.toDevice("m.room.encrypted", obj{alice.id: obj{"DRY": obj{"n": want[i]}}}).ok()
	}
	bodies := func(a *answer) (all []string) {
		for _, e := range a.list("events") {
			all = append(all, e.str("content", "n"))
		}
		return all
	}
	events := dehydratedPath + "/DRY/events"
	for range 2 {
		var got []string
		for next, i := "", 0; i == 0 || next != ""; i++ {
			query := ""
			if next != "" {
				query = "?from=" + next
			}
			a := again.get(events + query).ok()
			got, next = append(got, bodies(a)...), a.str("next_batch")
		}
		if !slices.Equal(got, want) {
			t.Errorf("GET: got %d of %d: %v", len(got), n, got)
		}
		got = nil
		for body := (obj{}); ; {
			a := again.post(events, body).ok()
			part := bodies(a)
			got = append(got, part...)
			body = obj{"next_batch": a.str("next_batch")}
			if a.str("next_batch") == "" {
				t.Fatal("POST: no next_batch")
			}
			if len(part) == 0 {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("POST: got %d of %d: %v", len(got), n, got)
		}
	}
	again.get(events+"?from=x").fails(400, "M_INVALID_PARAM")
	again.get(path(dehydratedPath, alice.device, "events")).fails(403, "M_FORBIDDEN")
	bob.get(events).fails(403, "M_FORBIDDEN")

	// A new one takes the place of the old.
	alice.dehydrate("DRY2")
	again.get(events).fails(403, "M_FORBIDDEN")
	if keys := bob.query(alice).at("device_keys", alice.id); keys.has("DRY") || !keys.has("DRY2") {
		t.Errorf("devices after that: %s", keys)
	}
	if a := again.do("DELETE", dehydratedPath, nil).ok(); a.str("device_id") != "DRY2" {
		t.Errorf("got %s", a.raw)
	}
	alice.get(dehydratedPath).fails(404, "M_NOT_FOUND")
	if keys := bob.query(alice).at("device_keys", alice.id); keys.has("DRY2") {
		t.Errorf("devices after it was removed: %s", keys)
	}
}

// It outlives the sessions of its user one by one, and ends with all of them.
func TestDehydratedDeviceStays(t *testing.T) {
	alice := newUser(t)
	alice.dehydrate("DRY")
	alice.post("/v3/logout", nil).ok()
	again := alice.login("")
	again.get(dehydratedPath).ok()
	again.post("/v3/logout/all", nil).ok()
	alice.login("").get(dehydratedPath).fails(404, "M_NOT_FOUND")
}

func TestDehydratedDeviceRefused(t *testing.T) {
	alice := newUser(t)
	dry := &user{t: t, id: alice.id, device: "DRY"}
	good := obj{"device_id": "DRY", "device_data": obj{"algorithm": "x"}, "device_keys": dry.deviceKeys("")}
	with := func(key string, value any) obj {
		o := obj{key: value}
		for k, v := range good {
			if k != key {
				o[k] = v
			}
		}
		if value == nil {
			delete(o, key)
		}
		return o
	}
	alice.put(dehydratedPath, with("device_data", nil)).fails(400, "M_MISSING_PARAM")
	alice.put(dehydratedPath, with("device_keys", nil)).fails(400, "M_MISSING_PARAM")
	alice.put(dehydratedPath, with("device_id", "OTHER")).fails(400, "M_INVALID_PARAM")
	alice.put(dehydratedPath, with("device_id", nil)).fails(400)
	taken := with("device_id", alice.device)
	taken["device_keys"] = alice.deviceKeys("")
	alice.put(dehydratedPath, taken).fails(400, "M_INVALID_PARAM")
	alice.get(dehydratedPath).fails(404, "M_NOT_FOUND")
	alice.put(dehydratedPath, good).ok()
}
