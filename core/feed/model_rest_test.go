package feed_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	gocmp "github.com/google/go-cmp/cmp"

	"freehold.example/core/ephemeral"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/id"
)

// rest is what a client has been told beside rooms' timelines and states.
type rest struct {
	data     map[dataKey]string
	marks    map[id.Room]map[mark]id.Event
	typing   map[id.Room][]id.User
	presence map[id.User]string
	uploads  map[id.User]int
	messages []int // to the device
	latest   int   // of them, those of the last answer
}

type plainEvent struct {
	Type    string
	Sender  id.User
	Content json.RawMessage
}

func (c *client) parse(raw json.RawMessage, to any) {
	c.t.Helper()
	c.ok(json.Unmarshal(raw, to))
}

// takeRoomRest takes in what a joined room says. fresh says that the client knew nothing of it.
func (c *client) takeRoomRest(in id.Room, j *csapi.JoinedRoom, fresh bool) {
	c.t.Helper()
	if fresh {
		delete(c.rest.typing, in)
		delete(c.rest.marks, in)
	}
	for _, raw := range j.AccountData.Events {
		var e plainEvent
		c.parse(raw, &e)
		c.rest.data[dataKey{in, e.Type}] = string(e.Content)
	}
	for _, raw := range j.Ephemeral.Events {
		var e plainEvent
		c.parse(raw, &e)
		switch e.Type {
		case "m.typing":
			var content struct {
				Users []id.User `json:"user_ids"`
			}
			c.parse(e.Content, &content)
			c.rest.typing[in] = content.Users
		case "m.receipt":
			var content map[id.Event]map[string]map[id.User]struct {
				Thread string `json:"thread_id"`
			}
			c.parse(e.Content, &content)
			for event, types := range content {
				for typ, users := range types {
					for user, data := range users {
						if c.rest.marks[in] == nil {
							c.rest.marks[in] = map[mark]id.Event{}
						}
						c.rest.marks[in][mark{user, typ, data.Thread}] = event
					}
				}
			}
		}
	}
}

// takeRest takes in what belongs to no room.
func (c *client) takeRest(out *csapi.SyncResponse) {
	c.t.Helper()
	if out.AccountData != nil {
		for _, raw := range out.AccountData.Events {
			var e plainEvent
			c.parse(raw, &e)
			c.rest.data[dataKey{"", e.Type}] = string(e.Content)
		}
	}
	if out.Presence != nil {
		for _, raw := range out.Presence.Events {
			var e plainEvent
			var content struct{ Presence string }
			c.parse(raw, &e)
			c.parse(e.Content, &content)
			c.rest.presence[e.Sender] = content.Presence
		}
	}
	if out.DeviceLists != nil {
		for _, u := range out.DeviceLists.Changed {
			c.rest.uploads[u] = c.uploads[u]
		}
	}
	c.rest.latest = 0
	if out.ToDevice != nil {
		for _, raw := range out.ToDevice.Events {
			var e struct{ Content struct{ N int } }
			c.parse(raw, &e)
			c.rest.messages = append(c.rest.messages, e.Content.N)
		}
		c.rest.latest = len(out.ToDevice.Events)
	}
}

// forgetRest makes the client one that knows nothing, but for the messages that it has acknowledged.
func (c *client) forgetRest() {
	c.rest = rest{
		data: map[dataKey]string{}, marks: map[id.Room]map[mark]id.Event{}, typing: map[id.Room][]id.User{},
		presence: map[id.User]string{}, uploads: map[id.User]int{},
		messages: c.rest.messages[:len(c.rest.messages)-c.rest.latest],
	}
	maps.Copy(c.rest.uploads, c.uploads)
}

// checkRest compares it with what was done.
func (c *client) checkRest() {
	c.t.Helper()
	c.checkData()
	c.checkReceipts()
	c.checkTyping()
	c.checkPeople()
	c.checkMessages()
}

func (c *client) checkData() {
	c.t.Helper()
	joined := func(in id.Room) bool { return in == "" || c.rooms[in] != nil && c.rooms[in].membership == "join" }
	told := func(all map[dataKey]string) map[dataKey]string {
		out := map[dataKey]string{}
		for key, content := range all {
			if content != "{}" && joined(key.room) && slices.Contains([]string{"org.a", "org.b", "m.tag"}, key.typ) {
				out[key] = content
			}
		}
		return out
	}
	if d := gocmp.Diff(told(c.data[c.user]), told(c.rest.data)); d != "" {
		c.t.Errorf("account data of %s (-want +got):\n%s", c.user, d)
	}
}

func (c *client) checkReceipts() {
	c.t.Helper()
	for in, k := range c.rooms {
		if k.membership != "join" {
			continue
		}
		visible := func(all map[mark]id.Event) map[mark]id.Event {
			out := map[mark]id.Event{}
			for m, e := range all {
				if (m.typ == ephemeral.Read || m.user == c.user) && !c.merged[m] && !c.everIgnored(c.user, m.user) {
					out[m] = e
				}
			}
			return out
		}
		if d := gocmp.Diff(visible(c.marks[in]), visible(c.rest.marks[in])); d != "" {
			c.t.Errorf("%s: receipts that %s knows (-want +got):\n%s", in, c.user, d)
		}
	}
}

func (c *client) checkTyping() {
	c.t.Helper()
	for in, k := range c.rooms {
		if k.membership != "join" {
			continue
		}
		users, _ := c.ephemeral.TypingSince(in, 0)
		heard := func(all []id.User) []id.User {
			return slices.DeleteFunc(append([]id.User{}, all...), func(u id.User) bool { return c.everIgnored(c.user, u) })
		}
		if d := gocmp.Diff(heard(users), heard(c.rest.typing[in])); d != "" {
			c.t.Errorf("%s: who types, for %s (-want +got):\n%s", in, c.user, d)
		}
	}
}

// checkPeople is about who is here, and what their devices are.
func (c *client) checkPeople() {
	c.t.Helper()
	for u := range c.shares() {
		want := ephemeral.Offline
		for _, p := range c.ephemeral.PresenceOf([]id.User{u}) {
			want = p.State
		}
		got := cmp.Or(c.rest.presence[u], ephemeral.Offline)
		if got != want && !c.everIgnored(c.user, u) {
			c.t.Errorf("%s believes that %s is %q, want %q", c.user, u, got, want)
		}
	}
	c.checkUploads()
}

func (c *client) checkUploads() {
	c.t.Helper()
	for u := range c.shares() {
		if got, want := c.rest.uploads[u], c.uploads[u]; got != want {
			c.t.Errorf("%s has device list %d of %s, want %d", c.user, got, u, want)
		}
	}
}

func (c *client) checkMessages() {
	c.t.Helper()
	if want := c.sent[c.user]; fmt.Sprint(want) != fmt.Sprint(c.rest.messages) {
		c.t.Errorf("%s has messages %v, want %v", c.user, c.rest.messages, want)
	}
}
