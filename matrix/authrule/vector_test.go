package authrule_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"freehold.example/matrix/authrule"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

var rewrite = flag.Bool("rewrite", false, "write what the code answers into test/vectors")

// vector is one line of test/vectors/authrule; README.md there describes the format.
type vector struct {
	Define string                       `json:"define,omitempty"`
	Name   string                       `json:"name,omitempty"`
	In     string                       `json:"in,omitempty"`
	State  []map[string]json.RawMessage `json:"state,omitempty"`
	Event  map[string]json.RawMessage   `json:"event,omitempty"`
	// Cited, if present, are the auth events: then the rules on these are asked.
	Cited    []map[string]json.RawMessage `json:"cited,omitempty"`
	Rejected []id.Event                   `json:"rejected,omitempty"`
	SignedBy []id.Server                  `json:"signed_by,omitempty"`
	Want     map[string]string            `json:"want,omitempty"`
}

func TestVectors(t *testing.T) {
	files, err := filepath.Glob("../../test/vectors/authrule/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".jsonl"), func(t *testing.T) { runVectors(t, file) })
	}
}

func runVectors(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	states := make(map[string][]map[string]json.RawMessage)
	var out []string
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		var c vector
		dec := json.NewDecoder(strings.NewReader(line))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&c); err != nil {
			t.Fatalf("%s:%d: %v", file, i+1, err)
		}
		if c.Define != "" {
			states[c.Define] = c.State
			out = append(out, line)
			continue
		}
		base, ok := states[c.In]
		if !ok {
			t.Fatalf("%s:%d: state %q is not defined", file, i+1, c.In)
		}
		got := make(map[string]string)
		for _, v := range version.All() {
			for span, want := range c.Want {
				if !inSpan(t, span, v.ID) {
					continue
				}
				answer := c.run(t, v, base)
				got[v.ID] = answer
				if answer != want && !*rewrite {
					t.Errorf("%s:%d: %s, version %s: got %q, want %q", filepath.Base(file), i+1, c.Name, v.ID, answer, want)
				}
			}
		}
		if *rewrite {
			out = append(out, rewritten(t, line, spans(got)))
		}
	}
	if *rewrite {
		if err := os.WriteFile(file, []byte(strings.Join(out, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// run answers a vector in one version: "allow" or the rule's number.
func (c *vector) run(t *testing.T, v *version.Version, base []map[string]json.RawMessage) string {
	t.Helper()
	e := pdu(t, v, c.Event, 99)
	var err error
	if c.Cited != nil {
		var cited []*event.Event
		for i, raw := range c.Cited {
			cited = append(cited, pdu(t, v, raw, i))
		}
		rejected := make(map[id.Event]bool)
		for _, name := range c.Rejected {
			rejected[name] = true
		}
		err = authrule.CheckAuthEvents(e, cited, rejected)
	} else {
		err = authrule.Check(e, gather(t, v, slices.Concat(base, c.State)), c.SignedBy...)
	}
	if err == nil {
		return "allow"
	}
	refused, ok := errors.AsType[*authrule.Refused](err)
	if !ok {
		return "missing" // an auth event is not there
	}
	return refused.Rule
}

// gather makes the state of a list of partial events, of which a later one replaces an earlier one.
func gather(t *testing.T, v *version.Version, list []map[string]json.RawMessage) *authrule.State {
	t.Helper()
	state := make(map[authrule.StateKey]map[string]json.RawMessage)
	for _, raw := range list {
		key := authrule.StateKey{Type: str(raw["type"]), Key: str(raw["state_key"])}
		state[key] = raw
		if raw["absent"] != nil {
			delete(state, key)
		}
	}
	var events []*event.Event
	for _, raw := range state {
		events = append(events, pdu(t, v, raw, len(events)))
	}
	s, err := authrule.Gather(v, events)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pdu fills a partial event up.
func pdu(t testing.TB, v *version.Version, partial map[string]json.RawMessage, n int) *event.Event {
	t.Helper()
	full := map[string]json.RawMessage{
		"room_id": []byte(`"!room:a"`), "depth": []byte("10"), "origin_server_ts": []byte("1000"),
		"prev_events": []byte(`["$prev"]`), "auth_events": []byte("[]"), "hashes": []byte("{}"), "content": []byte("{}"),
		"event_id": fmt.Appendf(nil, `"$event%d:a"`, n),
	}
	if v.RoomIDIsCreateHash {
		full["room_id"] = []byte(`"!create"`)
		if str(partial["type"]) == "m.room.create" {
			delete(full, "room_id")
		}
	}
	maps.Copy(full, partial)
	name := id.Event(str(full["event_id"]))
	if v.HashedReferences {
		for _, field := range []string{"prev_events", "auth_events"} {
			full[field] = pairs(t, full[field])
		}
	} else {
		delete(full, "event_id")
	}
	if v.RedactsInContent && full["redacts"] != nil {
		full["content"] = fmt.Appendf(nil, `{"redacts":%s}`, full["redacts"])
		delete(full, "redacts")
	}
	raw, err := json.Marshal(full)
	if err == nil {
		raw, err = canon.Canonical(raw, canon.Lenient)
	}
	if err != nil {
		t.Fatal(err)
	}
	e, err := event.Stored(v, name, raw, nil)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return e
}

// pairs gives event ids the hashes that versions 1 and 2 have beside them.
func pairs(t testing.TB, list json.RawMessage) json.RawMessage {
	t.Helper()
	var names []string
	if err := json.Unmarshal(list, &names); err != nil {
		t.Fatal(err)
	}
	out := make([][]any, 0, len(names))
	for _, name := range names {
		out = append(out, []any{name, map[string]string{"sha256": strings.Repeat("A", 43)}})
	}
	raw, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func str(raw json.RawMessage) string {
	s, _ := canon.String(raw)
	return s
}

// inSpan says whether a version is in a span such as "1-5" or "12".
func inSpan(t *testing.T, span, v string) bool {
	t.Helper()
	from, to, isRange := strings.Cut(span, "-")
	if !isRange {
		to = from
	}
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("span %q: %v", span, err)
		}
		return n
	}
	return number(from) <= number(v) && number(v) <= number(to)
}

// spans puts neighbouring versions with the same answer together.
func spans(got map[string]string) map[string]string {
	out := make(map[string]string)
	from, last := "", ""
	flush := func() {
		switch from {
		case "":
		case last:
			out[from] = got[from]
		default:
			out[from+"-"+last] = got[from]
		}
	}
	for _, v := range version.All() {
		answer, has := got[v.ID]
		if from != "" && has && got[from] == answer {
			last = v.ID
			continue
		}
		flush()
		from, last = "", ""
		if has {
			from, last = v.ID, v.ID
		}
	}
	flush()
	return out
}

// rewritten is the line with other answers, the rest as it was.
func rewritten(t *testing.T, line string, want map[string]string) string {
	t.Helper()
	var parts []string
	for v := range want {
		parts = append(parts, v)
	}
	slices.SortFunc(parts, func(a, b string) int {
		first := func(s string) int { n, _ := strconv.Atoi(strings.Split(s, "-")[0]); return n }
		return first(a) - first(b)
	})
	var b bytes.Buffer
	before, _, _ := strings.Cut(line, `,"want":`)
	b.WriteString(before + `,"want":{`)
	for i, v := range parts {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, "%q:%q", v, want[v])
	}
	b.WriteString("}}")
	return b.String()
}
