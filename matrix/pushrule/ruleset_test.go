package pushrule

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/fault"

	"github.com/google/go-cmp/cmp"
)

const alice = "@alice:example.org"

// ids of a kind, as the user sees them.
func ids(s *Ruleset, k Kind) []string {
	var out []string
	for _, r := range s.Rules(alice, k) {
		out = append(out, r.ID)
	}
	return out
}

func own(s *Ruleset, k Kind) string {
	var out []string
	for _, r := range s.Rules(alice, k) {
		if !r.Default {
			out = append(out, r.ID)
		}
	}
	return strings.Join(out, " ")
}

func TestDefaultsInOrder(t *testing.T) {
	s := new(Ruleset)
	want := map[Kind][]string{
		Override: {
			".m.rule.master", ".m.rule.suppress_notices", ".m.rule.invite_for_me", ".m.rule.member_event",
			".m.rule.is_user_mention", ".m.rule.contains_display_name", ".m.rule.is_room_mention", ".m.rule.roomnotif",
			".m.rule.tombstone", ".m.rule.reaction", ".m.rule.room.server_acl", ".m.rule.suppress_edits",
			".org.matrix.msc3930.rule.poll_response",
		},
		Content:     {".m.rule.contains_user_name"},
		PostContent: {".io.element.msc4306.rule.unsubscribed_thread", ".io.element.msc4306.rule.subscribed_thread"},
		Underride: {
			".m.rule.call", ".m.rule.encrypted_room_one_to_one", ".m.rule.room_one_to_one",
			".org.matrix.msc3930.rule.poll_start_one_to_one", ".org.matrix.msc3930.rule.poll_end_one_to_one",
			".m.rule.message", ".m.rule.encrypted", ".org.matrix.msc3930.rule.poll_start", ".org.matrix.msc3930.rule.poll_end",
		},
	}
	for k := range kinds {
		if diff := cmp.Diff(want[k], ids(s, k)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", k, diff)
		}
	}
}

// TestDefaultsAreTheSpecified compares ours with the definitions in the text of Client-Server API v1.19, "Predefined
// Rules", which testdata holds word for word and in order.
func TestDefaultsAreTheSpecified(t *testing.T) {
	raw, err := os.ReadFile("testdata/defaults-v1.19.json")
	if err != nil {
		t.Fatal(err)
	}
	var specified map[string][]map[string]any
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(raw), "[the user's Matrix ID]", alice)), &specified); err != nil {
		t.Fatal(err)
	}
	for _, k := range []Kind{Override, Underride} {
		var got []map[string]any
		for _, r := range new(Ruleset).Rules(alice, k) {
			if findDefault(k, r.ID).legacy || strings.HasPrefix(r.ID, ".org.matrix.") {
				continue
			}
			var rule map[string]any
			if err := json.Unmarshal(r.Append(nil, k), &rule); err != nil {
				t.Fatal(err)
			}
			got = append(got, rule)
		}
		if diff := cmp.Diff(specified[k.String()], got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", k, diff)
		}
	}
}

func TestJSON(t *testing.T) {
	s := new(Ruleset)
	body := `{"actions":["notify",{"set_tweak":"x","value":1.5}],"conditions":[{"kind":"room_member_count","is":"<=10"},{"kind":"org.new"}]}`
	s, err := s.Put(Override, "a\"b", "", "", []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	raw := s.JSON(alice)
	if again, err := canon.Canonical(raw, canon.Lenient); err != nil || string(again) != string(raw) {
		t.Errorf("the JSON is not canonical: %v\n%s", err, raw)
	}
	if got := `{"global":` + string(s.Global(alice)) + `}`; got != string(raw) {
		t.Errorf("got %s, want %s", got, raw)
	}
	var doc struct {
		Global map[string][]map[string]any
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	for _, kind := range kindNames {
		if doc.Global[kind] == nil {
			t.Errorf("%s is no list", kind)
		}
	}
	var want map[string]any
	if err := json.Unmarshal([]byte(body), &want); err != nil {
		t.Fatal(err)
	}
	want["rule_id"], want["default"], want["enabled"] = "a\"b", false, true
	if diff := cmp.Diff(want, doc.Global["override"][1]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := doc.Global["content"][0]["pattern"]; got != "alice" {
		t.Errorf("got pattern %v, want alice", got)
	}
}

func TestPutOrder(t *testing.T) {
	s := new(Ruleset)
	put := func(id, before, after, want string) {
		t.Helper()
		var err error
		if s, err = s.Put(Override, id, before, after, []byte(`{"actions":[]}`)); err != nil {
			t.Fatal(err)
		}
		if got := own(s, Override); got != want {
			t.Errorf("after %s: got %s, want %s", id, got, want)
		}
	}
	put("a", "", "", "a")
	put("b", "", "", "b a")
	put("c", "", "b", "b c a")
	put("d", "c", "", "b d c a")
	put("e", "a", "b", "b d c e a") // before wins
	put("d", "", "", "b d c e a")   // updated in its place
	put("d", "", "a", "b c e a d")
	put("d", "b", "", "d b c e a")
	if got := ids(s, Override); got[0] != ".m.rule.master" || got[6] != ".m.rule.suppress_notices" {
		t.Errorf("got %v, want master first and the other defaults last", got)
	}
}

func TestPutUpdateKeepsDisabled(t *testing.T) {
	s, err := new(Ruleset).Put(Room, "!r:x", "", "", []byte(`{"actions":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	if s, err = s.SetEnabled(Room, "!r:x", false); err != nil {
		t.Fatal(err)
	}
	if s, err = s.Put(Room, "!r:x", "", "", []byte(`{"actions":["notify"]}`)); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Rule(alice, Room, "!r:x"); err != nil || r.Enabled || string(r.Actions) != `["notify"]` {
		t.Errorf("got %+v, %v, want it disabled with new actions", r, err)
	}
}

func TestEditErrors(t *testing.T) {
	s, err := new(Ruleset).Put(Content, "a", "", "", []byte(`{"actions":[],"pattern":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	put := func(k Kind, id, before, after, body string) func() (*Ruleset, error) {
		return func() (*Ruleset, error) { return s.Put(k, id, before, after, []byte(body)) }
	}
	const ok = `{"actions":[],"pattern":"x"}`
	for _, tt := range []struct {
		name string
		edit func() (*Ruleset, error)
		want fault.Code
	}{
		{"no id", put(Content, "", "", "", ok), fault.InvalidParam},
		{"server's id", put(Content, ".m.rule.x", "", "", ok), fault.InvalidParam},
		{"slash", put(Content, "a/b", "", "", ok), fault.InvalidParam},
		{"backslash", put(Content, `a\b`, "", "", ok), fault.InvalidParam},
		{"long id", put(Content, strings.Repeat("x", 256), "", "", ok), fault.InvalidParam},
		{"before nothing", put(Content, "b", "none", "", ok), fault.Unknown},
		{"after nothing", put(Content, "b", "", "none", ok), fault.Unknown},
		{"before itself", put(Content, "a", "a", "", ok), fault.Unknown},
		{"after a default", put(Content, "b", "", ".m.rule.contains_user_name", ok), fault.Unknown},
		{"no kind", put(kinds, "b", "", "", ok), fault.NotFound},
		{"no pattern", put(Content, "b", "", "", `{"actions":[]}`), fault.BadJSON},
		{"pattern no text", put(Content, "b", "", "", `{"actions":[],"pattern":1}`), fault.BadJSON},
		{"long pattern", put(Content, "b", "", "", `{"actions":[],"pattern":"`+strings.Repeat("x", 600)+`"}`), fault.BadJSON},
		{"no actions", put(Room, "b", "", "", `{}`), fault.BadJSON},
		{"actions no list", put(Room, "b", "", "", `{"actions":"notify"}`), fault.BadJSON},
		{"unknown action", put(Room, "b", "", "", `{"actions":["explode"]}`), fault.BadJSON},
		{"empty action", put(Room, "b", "", "", `{"actions":[{}]}`), fault.BadJSON},
		{"many actions", put(Room, "b", "", "", `{"actions":[`+strings.Repeat(`"notify",`, 50)+`"notify"]}`), fault.BadJSON},
		{"not JSON", put(Room, "b", "", "", `{`), fault.NotJSON},
		{"no object", put(Room, "b", "", "", `[]`), fault.BadJSON},
		{"conditions no list", put(Override, "b", "", "", `{"actions":[],"conditions":{}}`), fault.BadJSON},
		{"condition no object", put(Override, "b", "", "", `{"actions":[],"conditions":["x"]}`), fault.BadJSON},
		{"condition without kind", put(Override, "b", "", "", `{"actions":[],"conditions":[{}]}`), fault.BadJSON},
		{"condition without key", put(Override, "b", "", "", `{"actions":[],"conditions":[{"kind":"event_match","pattern":"x"}]}`), fault.BadJSON},
		{"condition with fraction", put(Override, "b", "", "", `{"actions":[],"conditions":[{"kind":"event_property_is","key":"x","value":1.5}]}`), fault.BadJSON},
		{"member count of words", put(Override, "b", "", "", `{"actions":[],"conditions":[{"kind":"room_member_count","is":"two"}]}`), fault.BadJSON},
		{"large", put(Override, "b", "", "", `{"actions":[],"x":"`+strings.Repeat("x", maxRuleBytes)+`"}`), fault.TooLarge},
		{"delete nothing", func() (*Ruleset, error) { return s.Delete(Content, "none") }, fault.NotFound},
		{"delete other kind", func() (*Ruleset, error) { return s.Delete(Room, "a") }, fault.NotFound},
		{"delete default", func() (*Ruleset, error) { return s.Delete(Override, ".m.rule.master") }, fault.InvalidParam},
		{"enable nothing", func() (*Ruleset, error) { return s.SetEnabled(Content, "none", true) }, fault.NotFound},
		{"enable unknown default", func() (*Ruleset, error) { return s.SetEnabled(Content, ".m.rule.none", true) }, fault.NotFound},
		{"actions of nothing", func() (*Ruleset, error) { return s.SetActions(Content, "none", []byte(`[]`)) }, fault.NotFound},
		{"bad actions", func() (*Ruleset, error) { return s.SetActions(Content, "a", []byte(`{}`)) }, fault.BadJSON},
		{"missing actions", func() (*Ruleset, error) { return s.SetActions(Content, "a", nil) }, fault.BadJSON},
	} {
		if _, err := tt.edit(); !fault.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
	if _, err := s.Rule(alice, Content, "none"); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v, want not found", err)
	}
	if _, err := ParseKind("overrides"); !fault.Is(err, fault.InvalidParam) {
		t.Errorf("got %v, want an invalid parameter", err)
	}
	if got := own(s, Content); got != "a" {
		t.Errorf("got %s, want that failed edits change nothing", got)
	}
}

func TestCaps(t *testing.T) {
	s := new(Ruleset)
	var err error
	for i := range maxCostly {
		if s, err = s.Put(Content, "rule"+strconv.Itoa(i), "", "", []byte(`{"actions":[],"pattern":"a?"}`)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err = s.Put(Content, "x", "", "", []byte(`{"actions":[],"pattern":"a?"}`)); !fault.Is(err, fault.InvalidParam) {
		t.Errorf("got %v, want a refusal", err)
	}
	s = &Ruleset{}
	s.own[Room] = make([]Rule, MaxRules)
	if _, err = s.Put(Content, "x", "", "", []byte(`{"actions":[],"pattern":"a"}`)); !fault.Is(err, fault.InvalidParam) {
		t.Errorf("got %v, want a refusal", err)
	}
}

// All that can be put can be read back: it stays within maxBytes, whatever the edit.
func TestBytesAreBounded(t *testing.T) {
	big := strings.Repeat("x", 15<<10)
	s := new(Ruleset)
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		var next *Ruleset
		body := []byte(`{"actions":[],"conditions":[{"kind":"none","x":"` + big + `"}]}`)
		if next, err = s.Put(Override, strconv.Itoa(n), "", "", body); err == nil {
			s = next
		}
	}
	if !fault.Is(err, fault.TooLarge) || s.Size() > maxBytes || n < 10 {
		t.Errorf("after %d rules of %d bytes: %v", n, s.Size(), err)
	}
	actions := []byte(`[{"set_tweak":"` + big + `"}]`)
	for _, rule := range []string{"0", ".m.rule.master"} {
		if _, err := s.SetActions(Override, rule, actions); !fault.Is(err, fault.TooLarge) {
			t.Errorf("actions of %s: got %v, want a refusal", rule, err)
		}
	}
	if _, err := Parse(s.Stored()); err != nil {
		t.Error(err)
	}
}

func TestEditsLeaveTheOldOneAlone(t *testing.T) {
	a, err := new(Ruleset).Put(Sender, "@x:y", "", "", []byte(`{"actions":["dont_notify"]}`))
	if err != nil {
		t.Fatal(err)
	}
	before := string(a.Stored())
	for _, edit := range []func() (*Ruleset, error){
		func() (*Ruleset, error) { return a.SetEnabled(Sender, "@x:y", false) },
		func() (*Ruleset, error) { return a.SetActions(Sender, "@x:y", []byte(`["notify"]`)) },
		func() (*Ruleset, error) { return a.SetEnabled(Override, ".m.rule.master", true) },
		func() (*Ruleset, error) { return a.Delete(Sender, "@x:y") },
		func() (*Ruleset, error) { return a.Put(Sender, "@z:y", "", "", []byte(`{"actions":[]}`)) },
	} {
		b, err := edit()
		if err != nil {
			t.Fatal(err)
		}
		if string(a.Stored()) != before || string(b.Stored()) == before {
			t.Errorf("got %s and %s, want only the second changed", a.Stored(), b.Stored())
		}
	}
	if r, _ := a.Rule(alice, Sender, "@x:y"); string(r.Actions) != `["dont_notify"]` {
		t.Errorf("got %s, want the actions as they were set", r.Actions) // B351
	}
}

func TestStored(t *testing.T) {
	s := new(Ruleset)
	if s.Stored() != nil {
		t.Errorf("got %s, want nothing stored for nothing changed", s.Stored())
	}
	steps := []func() (*Ruleset, error){
		func() (*Ruleset, error) {
			return s.Put(Content, "cake", "", "", []byte(`{"actions":["notify"],"pattern":"cake*"}`))
		},
		func() (*Ruleset, error) {
			return s.Put(Content, "beer", "", "", []byte(`{"actions":[],"pattern":"<be\"er>"}`))
		},
		func() (*Ruleset, error) {
			return s.Put(Override, "o", "", "", []byte(`{"actions":[],"conditions":[{"kind":"x","y":1.5}]}`))
		},
		func() (*Ruleset, error) { return s.SetEnabled(Content, "cake", false) },
		func() (*Ruleset, error) { return s.SetEnabled(Override, ".m.rule.master", true) },
		func() (*Ruleset, error) { return s.SetEnabled(Underride, ".m.rule.call", true) }, // as it is
		func() (*Ruleset, error) { return s.SetActions(Underride, ".m.rule.message", []byte(`["dont_notify"]`)) },
	}
	for _, step := range steps {
		var err error
		if s, err = step(); err != nil {
			t.Fatal(err)
		}
	}
	for name, raw := range map[string][]byte{"stored": s.Stored(), "global": s.Global(alice), "json": s.JSON(alice)} {
		back, err := Parse(raw)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, want := string(back.JSON(alice)), string(s.JSON(alice)); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	if strings.Contains(string(s.Stored()), "suppress_notices") {
		t.Errorf("got %s, want no default rule that was not changed", s.Stored())
	}
	if empty, err := Parse(nil); err != nil || !empty.untouched() {
		t.Errorf("got %v, %v, want an untouched ruleset", empty, err)
	}
	for _, bad := range []string{
		`x`, `[]`, `{"override":{}}`, `{"global":[]}`, `{"room":[{}]}`, `{"room":[1]}`, `{"room":[{"rule_id":"a"}]}`,
		`{"room":[{"rule_id":"a","actions":[]},{"rule_id":"a","actions":[]}]}`, `{"override":[{"rule_id":".m.rule.master","actions":1}]}`,
	} {
		if s, err := Parse([]byte(bad)); err == nil {
			t.Errorf("%s: got %s, want an error", bad, s.Stored())
		}
	}
}

func TestCopyRoom(t *testing.T) {
	s, err := new(Ruleset).Put(Room, "!old", "", "", []byte(`{"actions":["dont_notify"]}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.CopyRoom("!other", "!new"); ok {
		t.Error("a rule was copied from a room that has none")
	}
	s, ok := s.CopyRoom("!old", "!new")
	if got := strings.Fields(own(s, Room)); !ok || !slices.Contains(got, "!old") || !slices.Contains(got, "!new") {
		t.Errorf("got %v, %v, want both rooms", got, ok)
	}
	if r, err := s.Rule(alice, Room, "!new"); err != nil || string(r.Actions) != `["dont_notify"]` {
		t.Errorf("got %+v, %v", r, err)
	}
	if _, ok := s.CopyRoom("!old", "!new"); ok {
		t.Error("a rule was copied twice")
	}
}

func FuzzRuleset(f *testing.F) {
	f.Add([]byte(`{"override":[{"rule_id":"a","actions":["notify"],"conditions":[{"kind":"event_match","key":"content.body","pattern":"a?b*"}]}]}`), []byte(`{"body":"axb"}`))
	f.Add(new(Ruleset).JSON(alice), []byte(`{"m.mentions":{"user_ids":["@alice:example.org"]}}`))
	f.Add([]byte(`{"content":[{"rule_id":"x","actions":[],"pattern":"*"}],"room":[{"rule_id":".x"}]}`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, raw, content []byte) {
		s, err := Parse(raw)
		if err != nil {
			return
		}
		shown := s.JSON(alice)
		if c, err := canon.Canonical(shown, canon.Lenient); err != nil || string(c) != string(shown) {
			t.Fatalf("%s shows as %s, which is not canonical: %v", raw, shown, err)
		}
		for _, form := range [][]byte{s.Stored(), shown} {
			back, err := Parse(form)
			if err != nil {
				t.Fatalf("%s cannot be read back: %v", form, err)
			}
			if got := back.JSON(alice); string(got) != string(shown) {
				t.Fatalf("got %s, want %s", got, shown)
			}
		}
		if content, err = canon.Canonical(content, canon.Lenient); err != nil || content[0] != '{' {
			return
		}
		r := s.Compile().Evaluate(Flatten("m.room.message", "@bob:x", "!r", nil, content), Occasion{Members: 3}, Reader{User: alice, DisplayName: "Al"})
		if r.Rule != "" {
			if _, err := s.Rule(alice, r.Kind, r.Rule); err != nil {
				t.Fatalf("got rule %q, which is none: %v", r.Rule, err)
			}
		}
	})
}
