package appservice

import (
	"encoding/json"
	"maps"
	"slices"

	"freehold.example/core/ephemeral"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
)

// transaction is PUT /transactions/{txnId} of the Application Service API, v1.19, and what encrypted bridges need besides:
// to_device of MSC4203, the rest of MSC3202. Those have the names of the proposals too, which is what some still read.
type transaction struct {
	Events    []json.RawMessage `json:"events"`
	Ephemeral []json.RawMessage `json:"ephemeral,omitempty"`

	ToDevice    []json.RawMessage `json:"to_device,omitempty"`
	DeviceLists *deviceLists      `json:"device_lists,omitempty"`
	Counts      counts            `json:"device_one_time_keys_count,omitempty"`
	Fallback    fallback          `json:"device_unused_fallback_key_types,omitempty"`

	UnstableEphemeral   []json.RawMessage `json:"de.sorunome.msc2409.ephemeral,omitempty"`
	UnstableToDevice    []json.RawMessage `json:"de.sorunome.msc2409.to_device,omitempty"`
	UnstableDeviceLists *deviceLists      `json:"org.matrix.msc3202.device_lists,omitempty"`
	UnstableCounts      counts            `json:"org.matrix.msc3202.device_one_time_keys_count,omitempty"`
	UnstableFallback    fallback          `json:"org.matrix.msc3202.device_unused_fallback_key_types,omitempty"`
}

type deviceLists struct {
	Changed []id.User `json:"changed"`
	Left    []id.User `json:"left"`
}

type (
	counts   map[id.User]map[id.Device]map[string]int
	fallback map[id.User]map[id.Device][]string
)

// body is the transaction that tells the news.
func (n *news) body(s *Service) ([]byte, error) {
	t := transaction{Events: n.shown}
	if t.Events == nil {
		t.Events = []json.RawMessage{}
	}
	var err error
	if t.Ephemeral, err = n.ephemeral(); err != nil {
		return nil, err
	}
	if s.oldEphemeral {
		t.UnstableEphemeral = t.Ephemeral
	}
	for _, d := range n.messages {
		to, err := canon.Marshal(struct {
			User   id.User   `json:"to_user_id"`
			Device id.Device `json:"to_device_id"`
		}{d.User, d.Device})
		if err != nil {
			return nil, err
		}
		// Both are objects with members in them.
		t.ToDevice = append(t.ToDevice, slices.Concat(d.Event[:len(d.Event)-1], []byte(","), to[1:]))
	}
	t.UnstableToDevice = t.ToDevice
	if len(n.changed)+len(n.left) > 0 {
		t.DeviceLists = &deviceLists{Changed: sorted(n.changed), Left: sorted(n.left)}
		t.UnstableDeviceLists = t.DeviceLists
	}
	if len(n.stocks) > 0 {
		t.Counts, t.Fallback = counts{}, fallback{}
		for user, devices := range n.stocks {
			t.Counts[user], t.Fallback[user] = map[id.Device]map[string]int{}, map[id.Device][]string{}
			for device, stock := range devices {
				t.Counts[user][device], t.Fallback[user][device] = stock.Counts, stock.UnusedFallback
			}
		}
		t.UnstableCounts, t.UnstableFallback = t.Counts, t.Fallback
	}
	return canon.Marshal(t)
}

func sorted(users map[id.User]bool) []id.User {
	return append([]id.User{}, slices.Sorted(maps.Keys(users))...)
}

// ephemeral is the receipts of each room, who types, and presence.
func (n *news) ephemeral() (all []json.RawMessage, err error) {
	add := func(e map[string]any) {
		var raw []byte
		if raw, err = canon.Marshal(e); err == nil {
			all = append(all, raw)
		}
	}
	rooms := map[id.Room][]ephemeral.Receipt{}
	for _, m := range n.receipts {
		rooms[m.Room] = append(rooms[m.Room], m.Receipt)
	}
	for _, in := range slices.Sorted(maps.Keys(rooms)) {
		for _, content := range ephemeral.Contents(rooms[in]) {
			add(map[string]any{"type": "m.receipt", "room_id": in, "content": content})
		}
	}
	for _, t := range n.typing {
		add(map[string]any{"type": "m.typing", "room_id": t.Room, "content": map[string]any{"user_ids": t.Users}})
	}
	for _, p := range n.presence {
		content := map[string]any{"presence": p.State, "currently_active": p.CurrentlyActive}
		if p.StatusMsg != "" {
			content["status_msg"] = p.StatusMsg
		}
		if !p.LastActive.IsZero() {
			content["last_active_ago"] = max(n.now.Sub(p.LastActive).Milliseconds(), 0)
		}
		add(map[string]any{"type": "m.presence", "sender": p.User, "content": content})
	}
	return all, err
}
