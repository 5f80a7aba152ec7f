package person

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold.example/base/bus"
	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/pushrule"
)

const (
	alice, bob, carol, dora = id.User("@alice:s1"), id.User("@bob:s1"), id.User("@carol:s1"), id.User("@dora:s1")
	room1                   = id.Room("!1:s1")
)

// fewRooms is what the room engine would say, and what it was told.
type fewRooms struct {
	told   []string
	shared map[id.User][]id.User
	public []id.User
}

func (r *fewRooms) SetMemberProfile(_ context.Context, user id.User, displayname, avatarURL string) error {
	r.told = append(r.told, fmt.Sprintf("%s %s %s", user, displayname, avatarURL))
	return nil
}

func (r *fewRooms) SharedUsers(_ *sqldb.Tx, user id.User) ([]id.User, error) {
	return slices.Clone(r.shared[user]), nil
}

func (r *fewRooms) PublicUsers(*sqldb.Tx) ([]id.User, error) { return slices.Clone(r.public), nil }

func each(t *testing.T, fn func(t *testing.T, p *People, rooms *fewRooms)) {
	t.Helper()
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		rooms := &fewRooms{}
		fn(t, newPeople(db, rooms), rooms)
	})
}

func newPeople(db *sqldb.DB, rooms *fewRooms) *People {
	return New(Config{
		DB: db, Bus: new(bus.Local), Rooms: rooms, Server: "s1", Log: slog.New(slog.DiscardHandler),
		Exists: func(_ *sqldb.Tx, user id.User) (bool, error) { return user == alice || user == bob, nil },
	})
}

func wantFault(t testing.TB, err error, code fault.Code) {
	t.Helper()
	if code == "" && err != nil || code != "" && !fault.Is(err, code) {
		t.Errorf("got error %v, want %q", err, code)
	}
}

func woken(s *bus.Sleeper) bool {
	select {
	case <-s.C():
		return true
	default:
		return false
	}
}

func setField(t testing.TB, p *People, field, value string) {
	t.Helper()
	if err := p.SetField(t.Context(), alice, field, json.RawMessage(value)); err != nil {
		t.Fatal(err)
	}
}

func TestProfile(t *testing.T) {
	each(t, func(t *testing.T, p *People, rooms *fewRooms) {
		ctx := t.Context()
		if got, err := p.Profile(ctx, alice); err != nil || len(got) != 0 {
			t.Errorf("got %v, %v, want an empty profile", got, err)
		}
		_, err := p.Profile(ctx, carol)
		wantFault(t, err, fault.NotFound)
		setField(t, p, "displayname", `"Alice"`)
		setField(t, p, "displayname", ` "Alice"`) // no change
		setField(t, p, "avatar_url", `"any string"`)
		setField(t, p, "org.example.pronouns", `{ "en" : ["she"] }`)
		setField(t, p, "m.tz", `"Europe/London"`)
		want := map[string]json.RawMessage{
			"displayname": []byte(`"Alice"`), "avatar_url": []byte(`"any string"`),
			"org.example.pronouns": []byte(`{"en":["she"]}`), "m.tz": []byte(`"Europe/London"`),
		}
		got, err := p.Profile(ctx, alice)
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%v (-want +got):\n%s", err, d)
		}
		name, avatar, err := Profiles{p.DB}.MemberProfile(ctx, alice)
		if name != "Alice" || avatar != "any string" || err != nil {
			t.Errorf("got %q, %q, %v", name, avatar, err)
		}
		if err := p.DropField(ctx, alice, "org.example.pronouns"); err != nil {
			t.Error(err)
		}
		_, err = p.Field(ctx, alice, "org.example.pronouns")
		wantFault(t, err, fault.NotFound)
		setField(t, p, "avatar_url", `""`)
		_, err = p.Field(ctx, alice, "avatar_url")
		wantFault(t, err, fault.NotFound)
		told := []string{"@alice:s1 Alice ", "@alice:s1 Alice ", "@alice:s1 Alice any string", "@alice:s1 Alice "}
		if d := cmp.Diff(told, rooms.told); d != "" {
			t.Errorf("what the rooms were told (-want +got):\n%s", d)
		}
	})
}

func TestProfileRefused(t *testing.T) {
	p := newPeople(sqldbtest.SQLite(t, schema.FS), &fewRooms{})
	large := `"` + strings.Repeat("x", 40<<10) + `"`
	setField(t, p, "org.example.large", large)
	for _, tt := range []struct {
		field, value string
		code         fault.Code
	}{
		{"org.example.larger", large, fault.ProfileTooLarge},
		{"org.example.large", large, ""}, // the same again
		{"org." + strings.Repeat("x", 252), `1`, fault.KeyTooLarge},
		{"org." + strings.Repeat("x", 251), `1`, ""},
		{"name", `1`, fault.InvalidParam},
		{"org.Example", `1`, fault.InvalidParam},
		{"1.example", `1`, fault.InvalidParam},
		{"org.example.", `1`, fault.InvalidParam},
		{"", `1`, fault.InvalidParam},
		{"displayname", `1`, fault.BadJSON},
		{"displayname", `null`, fault.BadJSON},
		{"avatar_url", `{}`, fault.BadJSON},
		{"m.tz", `5`, fault.BadJSON},
		{"displayname", `"` + strings.Repeat("é", 256) + `"`, ""},
		{"displayname", `"` + strings.Repeat("é", 257) + `"`, fault.TooLarge},
		{"org.example.null", `null`, ""},
		{"org.example.bad", `{`, fault.BadJSON},
	} {
		err := p.SetField(t.Context(), alice, tt.field, json.RawMessage(tt.value))
		if wantFault(t, err, tt.code); t.Failed() {
			t.Fatalf("for %.40s", tt.field)
		}
	}
}

// data is what a sync from since gets, as "room type content".
func data(t testing.TB, p *People, since sqldb.Pos) []string {
	t.Helper()
	var out []string
	err := p.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
		all, err := p.AccountData(tx, alice, since, tx.Pos())
		for _, d := range all {
			if d.Type == typePushRules {
				d.Content = []byte("...")
			}
			out = append(out, fmt.Sprintf("%s %s %s", d.Room, d.Type, d.Content))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func wantData(t testing.TB, p *People, since sqldb.Pos, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, data(t, p, since)); d != "" {
		t.Errorf("account data since %d (-want +got):\n%s", since, d)
	}
}

func setData(t testing.TB, p *People, room id.Room, typ, content string) {
	t.Helper()
	if err := p.SetData(t.Context(), alice, room, typ, json.RawMessage(content)); err != nil {
		t.Fatal(err)
	}
}

func TestAccountData(t *testing.T) {
	each(t, func(t *testing.T, p *People, _ *fewRooms) {
		asleep := p.Bus.Sleep("u:@alice:s1")
		defer asleep.Close()
		wantData(t, p, 0, " m.push_rules ...")
		setData(t, p, "", "m.direct", `{"@bob:s1":["!1:s1"]}`)
		if !woken(asleep) {
			t.Error("not woken")
		}
		setData(t, p, room1, "org.example", `{"a":1}`)
		first := p.DB.Committed()
		wantData(t, p, 0, ` m.direct {"@bob:s1":["!1:s1"]}`, `!1:s1 org.example {"a":1}`, " m.push_rules ...")
		wantData(t, p, first)
		setData(t, p, "", "m.direct", `{"@bob:s1":[]}`)
		wantData(t, p, first, ` m.direct {"@bob:s1":[]}`)
		if got, err := p.Data(t.Context(), alice, room1, "org.example"); err != nil || string(got) != `{"a":1}` {
			t.Errorf("got %s, %v", got, err)
		}
		if got, err := p.Data(t.Context(), alice, "", "m.push_rules"); err != nil || !strings.HasPrefix(string(got), `{"global":`) {
			t.Errorf("got %s, %v", got, err)
		}
		for _, tt := range []struct {
			user id.User
			room id.Room
			typ  string
		}{{alice, "", "org.example"}, {alice, room1, "m.direct"}, {bob, "", "m.direct"}} {
			_, err := p.Data(t.Context(), tt.user, tt.room, tt.typ)
			wantFault(t, err, fault.NotFound)
		}
		second := p.DB.Committed()
		setData(t, p, "", "m.direct", ` { } `)
		setData(t, p, "", "never.was", `{}`)
		wantData(t, p, second, " m.direct  { } ")
		wantData(t, p, 0, `!1:s1 org.example {"a":1}`, " m.push_rules ...")
		_, err := p.Data(t.Context(), alice, "", "m.direct")
		wantFault(t, err, fault.NotFound)

		if err := p.SetFullyRead(t.Context(), alice, room1, "$a"); err != nil {
			t.Fatal(err)
		}
		wantData(t, p, p.DB.Committed()-1, `!1:s1 m.fully_read {"event_id":"$a"}`)
		var roomData []Datum
		err = p.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
			roomData, err = p.RoomAccountData(tx, alice, room1, tx.Pos())
			return err
		})
		if err != nil || len(roomData) != 2 {
			t.Errorf("got %v, %v", roomData, err)
		}
	})
}

func TestAccountDataRefused(t *testing.T) {
	p := newPeople(sqldbtest.SQLite(t, schema.FS), &fewRooms{})
	for _, tt := range []struct {
		typ, content string
		code         fault.Code
	}{
		{"m.push_rules", `{}`, fault.BadJSON},
		{"m.fully_read", `{}`, fault.BadJSON},
		{"", `{"a":1}`, fault.InvalidParam},
		{strings.Repeat("x", 256), `{"a":1}`, fault.InvalidParam},
		{"a", `[]`, fault.BadJSON},
		{"a", `null`, fault.BadJSON},
		{"a", `{"a":"` + strings.Repeat("x", maxDatum) + `"}`, fault.TooLarge},
	} {
		wantFault(t, p.SetData(t.Context(), alice, room1, tt.typ, json.RawMessage(tt.content)), tt.code)
	}
	large := `{"a":"` + strings.Repeat("x", maxDatum-10) + `"}`
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		err = p.SetData(t.Context(), alice, room1, fmt.Sprint("type", i), json.RawMessage(large))
	}
	wantFault(t, err, fault.ResourceLimitExceeded)
	setData(t, p, room1, "type0", `{"smaller":true}`) // what makes room is allowed
}

func TestDropDevice(t *testing.T) {
	each(t, func(t *testing.T, p *People, _ *fewRooms) {
		const typ = "org.matrix.msc3890.local_notification_settings.DEVICE"
		setData(t, p, "", typ, `{"is_silenced":true}`)
		err := p.DB.Write(t.Context(), func(tx *sqldb.Tx) error { return p.DropDevice(tx, alice, "DEVICE") })
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Data(t.Context(), alice, "", typ)
		wantFault(t, err, fault.NotFound)
	})
}

func TestForget(t *testing.T) {
	each(t, func(t *testing.T, p *People, _ *fewRooms) {
		setField(t, p, "displayname", `"Alice"`)
		setData(t, p, room1, "a", `{"b":1}`)
		if err := p.Forget(t.Context(), alice); err != nil {
			t.Fatal(err)
		}
		wantData(t, p, 0, " m.push_rules ...")
		if got, err := p.Profile(t.Context(), alice); err != nil || len(got) != 0 {
			t.Errorf("got %v, %v, want an empty profile", got, err)
		}
	})
}

func TestIgnored(t *testing.T) {
	p := newPeople(sqldbtest.SQLite(t, schema.FS), &fewRooms{})
	for content, want := range map[string]map[id.User]bool{
		`{"ignored_users":{"@bob:s1":{}}}`: {bob: true},
		`{"ignored_users":[]}`:             nil,
		`{"other":1}`:                      {},
	} {
		setData(t, p, "", "m.ignored_user_list", content)
		err := p.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
			got, err := p.Ignored(tx, alice)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", content, d)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestTags(t *testing.T) {
	each(t, func(t *testing.T, p *People, _ *fewRooms) {
		ctx := t.Context()
		wantFault(t, p.SetTag(ctx, alice, room1, "m.favourite", json.RawMessage(`{"order":0.25}`)), "")
		wantFault(t, p.SetTag(ctx, alice, room1, "u.work", json.RawMessage(`{}`)), "")
		wantFault(t, p.DropTag(ctx, alice, room1, "u.none"), "")
		wantData(t, p, p.DB.Committed()-1, `!1:s1 m.tag {"tags":{"m.favourite":{"order":0.25},"u.work":{}}}`)
		wantFault(t, p.DropTag(ctx, alice, room1, "u.work"), "")
		tags, err := p.Tags(ctx, alice, room1)
		if err != nil || len(tags) != 1 || string(tags["m.favourite"]) != `{"order":0.25}` {
			t.Errorf("got %s, %v", tags, err)
		}
		wantFault(t, p.SetTag(ctx, alice, room1, strings.Repeat("x", 256), json.RawMessage(`{}`)), fault.InvalidParam)
		wantFault(t, p.SetTag(ctx, alice, room1, "a", json.RawMessage(`[]`)), fault.BadJSON)
		setData(t, p, room1, "m.tag", `{"tags":"odd"}`)
		wantFault(t, p.SetTag(ctx, alice, room1, "a", json.RawMessage(`{}`)), "")
		for i := range maxTags - 1 {
			wantFault(t, p.SetTag(ctx, alice, room1, fmt.Sprint("u.", i), json.RawMessage(`{}`)), "")
		}
		wantFault(t, p.SetTag(ctx, alice, room1, "more", json.RawMessage(`{}`)), fault.ResourceLimitExceeded)
	})
}

func TestFilters(t *testing.T) {
	each(t, func(t *testing.T, p *People, _ *fewRooms) {
		ctx := t.Context()
		body := json.RawMessage(`{"room":{"timeline":{"limit":5}}}`)
		first, err := p.AddFilter(ctx, alice, body)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := p.AddFilter(ctx, alice, body); again != first || err != nil {
			t.Errorf("got %s, %v, want %s again", again, err, first)
		}
		if got, err := p.FilterBody(ctx, alice, first); err != nil || string(got) != string(body) {
			t.Errorf("got %s, %v", got, err)
		}
		for range 2 { // read, and remembered
			f, err := p.Filter(ctx, alice, first)
			if err != nil || f.Timeline.Limit(10, 100) != 5 {
				t.Errorf("got %v, %v", f, err)
			}
		}
		for _, name := range []string{"99", "x", ""} {
			_, err = p.Filter(ctx, alice, name)
			wantFault(t, err, fault.NotFound)
		}
		_, err = p.FilterBody(ctx, bob, first)
		wantFault(t, err, fault.NotFound)
		_, err = p.AddFilter(ctx, alice, json.RawMessage(`{"room":"x"}`))
		wantFault(t, err, fault.BadJSON)
		for i := range maxFilters {
			if _, err := p.AddFilter(ctx, alice, fmt.Appendf(nil, `{"room":{"timeline":{"limit":%d}}}`, i+10)); err != nil {
				t.Fatal(err)
			}
		}
		_, err = p.FilterBody(ctx, alice, first)
		wantFault(t, err, fault.NotFound)
	})
}

func TestPushRules(t *testing.T) {
	each(t, func(t *testing.T, p *People, _ *fewRooms) {
		asleep := p.Bus.Sleep("u:@alice:s1")
		defer asleep.Close()
		before := p.DB.Committed()
		evaluated := func(user id.User) *pushrule.Ruleset {
			t.Helper()
			var rules *pushrule.Ruleset
			err := p.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
				all, err := p.RulesOf(tx, []id.User{bob, user})
				if err == nil {
					rules = all[1]
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return rules
		}
		for range 2 { // read, and remembered
			if evaluated(alice) != noRules {
				t.Error("who has changed nothing has rules of their own")
			}
		}
		put := func(s *pushrule.Ruleset) (*pushrule.Ruleset, error) {
			return s.Put(pushrule.Sender, "@bob:s1", "", "", []byte(`{"actions":["dont_notify"]}`))
		}
		if err := p.ChangePushRules(t.Context(), alice, put); err != nil {
			t.Fatal(err)
		}
		if !woken(asleep) {
			t.Error("not woken")
		}
		wantData(t, p, before, " m.push_rules ...")
		wantData(t, p, p.DB.Committed())
		for range 2 {
			rule, err := evaluated(alice).Rule(alice, pushrule.Sender, "@bob:s1")
			if err != nil || string(rule.Actions) != `["dont_notify"]` {
				t.Errorf("got %v, %v", rule, err)
			}
		}
		if evaluated(carol) != noRules {
			t.Error("carol has alice's rules")
		}
		undo := func(s *pushrule.Ruleset) (*pushrule.Ruleset, error) { return s.Delete(pushrule.Sender, "@bob:s1") }
		last := p.DB.Committed()
		wantFault(t, p.ChangePushRules(t.Context(), alice, undo), "")
		wantFault(t, p.ChangePushRules(t.Context(), alice, undo), fault.NotFound)
		wantData(t, p, last, " m.push_rules ...")
		if _, err := evaluated(alice).Rule(alice, pushrule.Sender, "@bob:s1"); err == nil {
			t.Error("the old rules are remembered")
		}
	})
}

// What a snapshot from before a change has read is not remembered after it.
func TestRuleCache(t *testing.T) {
	var c ruleCache
	found := func() (r *pushrule.Ruleset) {
		c.find([]id.User{alice}, func(_ int, got *pushrule.Ruleset) { r = got })
		return r
	}
	c.keep(alice, noRules, 5)
	if found() != noRules {
		t.Error("not kept")
	}
	c.changed(alice, 8)
	c.keep(alice, noRules, 7)
	if found() != nil {
		t.Error("kept what was read before the change")
	}
	c.keep(alice, noRules, 8)
	if found() != noRules {
		t.Error("not kept after the change")
	}
	for i := range maxCachedRules {
		c.keep(id.User(fmt.Sprint("@", i, ":s1")), noRules, 9)
	}
	if len(c.users) > maxCachedRules {
		t.Errorf("%d users are remembered", len(c.users))
	}
	if c.users[alice].changed != 8 {
		t.Error("the change was forgotten")
	}
}

func TestSearch(t *testing.T) {
	each(t, func(t *testing.T, p *People, rooms *fewRooms) {
		rooms.shared = map[id.User][]id.User{alice: {alice, bob}, bob: {alice, bob}}
		rooms.public = []id.User{carol}
		setName := func(u id.User, name string) {
			t.Helper()
			if err := p.SetField(t.Context(), u, "displayname", json.RawMessage(name)); err != nil {
				t.Fatal(err)
			}
		}
		setName(bob, `"Bobby 100% Tables"`)
		setName(carol, `"Caröl"`)
		setName(dora, `"Bobby too\u0000"`)
		for _, tt := range []struct {
			searcher id.User
			term     string
			want     []id.User
		}{
			{alice, "bobb", []id.User{bob}},
			{alice, "@bo", []id.User{bob}},
			{alice, "BOBBY", []id.User{bob}},
			{alice, "100%", []id.User{bob}},
			{alice, "1%0", nil},
			{alice, "bobby_", nil},
			{alice, "alice", nil}, // herself, in no public room
			{bob, "alice", []id.User{alice}},
			{carol, "carol", []id.User{carol}},
			{dora, "CARÖ", []id.User{carol}},
			{dora, "bob", nil},
			{alice, ":s1", []id.User{bob, carol}},
			{alice, "  ", nil},
			{alice, "bo\x00b", nil},
		} {
			found, more, err := p.Search(t.Context(), tt.searcher, tt.term, 0)
			var got []id.User
			for _, f := range found {
				got = append(got, f.User)
			}
			if err != nil || more || !slices.Equal(got, tt.want) {
				t.Errorf("%s searches %q: got %v, %v, want %v", tt.searcher, tt.term, got, err, tt.want)
			}
		}
		found, more, err := p.Search(t.Context(), alice, ":s1", 1)
		if err != nil || !more || len(found) != 1 || found[0].DisplayName != "Bobby 100% Tables" {
			t.Errorf("got %v, %v, %v", found, more, err)
		}
	})
}
