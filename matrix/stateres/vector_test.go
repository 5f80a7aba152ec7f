package stateres_test

import (
	"bufio"
	"encoding/json"
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
	"freehold.example/matrix/stateres"
	"freehold.example/matrix/version"
)

var rewrite = flag.Bool("rewrite", false, "write what the code answers into test/vectors")

// vector is one file of test/vectors/stateres; README.md above it describes the format.
type vector struct {
	events   []draft
	sets     [][]id.Event
	rejected map[id.Event]bool
	want     map[string]string // by span of versions
}

// draft is an event of any version.
type draft struct {
	id      id.Event
	typ     string
	key     *string
	sender  id.User
	ts      int64
	content string
	auth    []id.Event
	depth   int
}

// build makes the event of that version.
func (d *draft) build(t testing.TB, v *version.Version) *event.Event {
	t.Helper()
	full := map[string]any{
		"room_id": "!room:a", "type": d.typ, "sender": d.sender, "origin_server_ts": d.ts, "depth": d.depth,
		"content": json.RawMessage(d.content), "hashes": map[string]string{},
	}
	if d.key != nil {
		full["state_key"] = *d.key
	}
	refs := make([]any, 0, len(d.auth))
	for _, name := range d.auth {
		switch {
		case v.RoomIDIsCreateHash && name == "$create":
		case v.HashedReferences:
			refs = append(refs, []any{name, map[string]string{"sha256": strings.Repeat("A", 43)}})
		default:
			refs = append(refs, name)
		}
	}
	full["auth_events"], full["prev_events"] = refs, refs
	if v.HashedReferences {
		full["event_id"] = d.id
	}
	if v.RoomIDIsCreateHash {
		full["room_id"] = "!create"
		if d.typ == "m.room.create" {
			delete(full, "room_id")
		}
	}
	raw, err := canon.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	e, err := event.Stored(v, d.id, raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestVectors(t *testing.T) {
	files, err := filepath.Glob("../../test/vectors/stateres/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { runVector(t, file) })
	}
}

func runVector(t *testing.T, file string) {
	c, other := readVector(t, file)
	got := make(map[string]string)
	for _, v := range version.All() {
		for span, want := range c.want {
			if !inSpan(t, span, v.ID) {
				continue
			}
			answer := c.resolve(t, v)
			if got[v.ID] = answer; answer != want && !*rewrite {
				t.Errorf("version %s: got %s, want %s", v.ID, answer, want)
			}
		}
	}
	if *rewrite {
		text := strings.Join(slices.Concat(other, spans(got)), "\n") + "\n"
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// resolve resolves the sets in every order of them there is, up to a rotation, and gives the result as a want line does.
func (c *vector) resolve(t *testing.T, v *version.Version) string {
	t.Helper()
	events := make(map[id.Event]*event.Event)
	for _, d := range c.events {
		events[d.id] = d.build(t, v)
	}
	var answers []string
	for turn := range c.sets {
		var sets []stateres.StateMap
		for i := range c.sets {
			set := make(stateres.StateMap)
			for _, name := range c.sets[(i+turn)%len(c.sets)] {
				e := events[name]
				key, _ := e.StateKey()
				set[authrule.StateKey{Type: e.Type(), Key: key}] = name
			}
			sets = append(sets, set)
		}
		state, err := stateres.Resolve(v, sets, events, c.rejected)
		if err != nil {
			answers = append(answers, "error "+err.Error())
			continue
		}
		var names []string
		for _, d := range c.events { // in the file's order
			if slices.Contains(slices.Collect(maps.Values(state)), d.id) {
				names = append(names, string(d.id))
			}
		}
		answers = append(answers, strings.Join(names, " "))
	}
	for _, answer := range answers[1:] {
		if answer != answers[0] {
			t.Errorf("version %s: the result depends on the order of the sets: %s, %s", v.ID, answers[0], answer)
		}
	}
	return answers[0]
}

// readVector reads a file; other is its lines but those of the results.
func readVector(t *testing.T, file string) (c *vector, other []string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c = &vector{rejected: make(map[id.Event]bool), want: make(map[string]string)}
	named := make(map[string][]id.Event)
	list := func(words []string) (all []id.Event) {
		for _, w := range words {
			if strings.HasPrefix(w, "$") {
				all = append(all, id.Event(w))
			} else if named[w] == nil {
				t.Fatalf("%s: %q is not defined", file, w)
			} else {
				all = append(all, named[w]...)
			}
		}
		return all
	}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		words := strings.Fields(line)
		if len(words) > 0 && words[0] == "want" {
			c.want[words[1]] = strings.Join(words[2:], " ")
			continue
		}
		other = append(other, line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		switch words[0] {
		case "event":
			at := slices.Index(words, "<")
			ts, err := strconv.ParseInt(words[5], 10, 64)
			if at < 0 || err != nil {
				t.Fatalf("%s: %s", file, line)
			}
			key := strings.TrimPrefix(words[3], "-")
			c.events = append(c.events, draft{
				id: id.Event(words[1]), typ: words[2], key: &key, sender: id.User(words[4]), ts: ts,
				content: strings.Join(words[6:at], " "), auth: list(words[at+1:]), depth: len(c.events) + 1,
			})
		case "let":
			named[words[1]] = list(words[2:])
		case "set":
			c.sets = append(c.sets, list(words[1:]))
		case "rejected":
			for _, name := range list(words[1:]) {
				c.rejected[name] = true
			}
		default:
			t.Fatalf("%s: %s", file, line)
		}
	}
	return c, other
}

// inSpan says whether a version is in a span such as "1-5" or "12".
func inSpan(t *testing.T, span, v string) bool {
	t.Helper()
	from, to, isRange := strings.Cut(span, "-")
	if !isRange {
		to = from
	}
	var low, high, n int
	if _, err := fmt.Sscan(from+" "+to+" "+v, &low, &high, &n); err != nil {
		t.Fatalf("span %q: %v", span, err)
	}
	return low <= n && n <= high
}

// spans is the want lines, neighbouring versions with the same answer together.
func spans(got map[string]string) (lines []string) {
	all := version.All()
	for i := 0; i < len(all); {
		answer, has := got[all[i].ID]
		j := i + 1
		for has && j < len(all) && got[all[j].ID] == answer {
			j++
		}
		switch {
		case has && j == i+1:
			lines = append(lines, "want "+all[i].ID+" "+answer)
		case has:
			lines = append(lines, "want "+all[i].ID+"-"+all[j-1].ID+" "+answer)
		}
		i = j
	}
	return lines
}
