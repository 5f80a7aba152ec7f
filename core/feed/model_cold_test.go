package feed_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"freehold.example/core/feed"
	"freehold.example/matrix/csapi"
)

// askCold asks a feed that has just been started on the database and remembers nothing: what was done while it was not
// there it can know from the database only.
func (c *client) askCold(q feed.Request) *csapi.SyncResponse {
	c.t.Helper()
	w := &world{t: c.t, db: c.db}
	w.open(limits{})
	defer w.ephemeral.Close()
	return w.ask(q)
}

var age = regexp.MustCompile(`"age":\d+,?`)

// compare says whether two answers to one question say the same. Who types and who is here only a feed that was there
// knows, and which members a client knows already only the one that told it.
func (c *client) compare(what string, q feed.Request, want, got *csapi.SyncResponse) {
	c.t.Helper()
	w, g := c.plain(want, q.Since == ""), c.plain(got, q.Since == "")
	if d := cmp.Diff(w, g); d != "" {
		c.t.Errorf("%s and %s differ for %s at %q (-first +second):\n%s", what, "the feed", c.user, q.Since, d)
	}
}

func (c *client) plain(out *csapi.SyncResponse, initial bool) any {
	c.t.Helper()
	raw, err := json.Marshal(out)
	c.ok(err)
	var copied csapi.SyncResponse
	c.parse(age.ReplaceAll(raw, nil), &copied)
	copied.NextBatch, copied.Presence = "", nil // what is acknowledged takes a position too
	if copied.Rooms == nil {
		copied.Rooms = new(csapi.SyncRooms)
	}
	for in, j := range copied.Rooms.Join {
		j.Ephemeral.Events = slices.DeleteFunc(j.Ephemeral.Events, func(e json.RawMessage) bool {
			return strings.Contains(string(e), `"m.typing"`)
		})
		c.plainState(j.State, j.StateAfter)
		nothing := len(j.Ephemeral.Events)+len(j.Timeline.Events)+len(j.AccountData.Events) == 0 && !j.Timeline.Limited
		for _, state := range []*csapi.Events{j.State, j.StateAfter} {
			nothing = nothing && (state == nil || len(state.Events) == 0)
		}
		if nothing && !initial {
			delete(copied.Rooms.Join, in)
		}
	}
	for _, l := range copied.Rooms.Leave {
		c.plainState(l.State, l.StateAfter)
	}
	if d := copied.DeviceLists; d != nil {
		slices.Sort(d.Changed)
		slices.Sort(d.Left)
	}
	raw, err = json.Marshal(copied)
	c.ok(err)
	var plain any
	c.parse(raw, &plain)
	return plain
}

func (c *client) plainState(all ...*csapi.Events) {
	for _, state := range all {
		if state == nil {
			continue
		}
		slices.SortFunc(state.Events, func(a, b json.RawMessage) int { return strings.Compare(string(a), string(b)) })
		if c.lazy {
			state.Events = slices.DeleteFunc(state.Events, func(e json.RawMessage) bool {
				return strings.Contains(string(e), `"m.room.member"`)
			})
		}
	}
}
