package event

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

func TestLimits(t *testing.T) {
	s := specKey(t)
	v := version.Default()
	text := func(n int) *string { s := strings.Repeat("k", n); return &s }
	ids := func(n int) []id.Event {
		list := make([]id.Event, n)
		for i := range list {
			list[i] = id.Event(fmt.Sprintf("$%d", i))
		}
		return list
	}
	for _, c := range []struct {
		name   string
		change func(d *Draft)
		large  bool
		ok     bool
	}{
		{"plain", func(*Draft) {}, false, true},
		{"state key of 255 bytes", func(d *Draft) { d.StateKey = text(255) }, false, true},
		{"state key of 256 bytes", func(d *Draft) { d.StateKey = text(256) }, true, false},
		{"state key of 128 two-byte letters", func(d *Draft) { k := strings.Repeat("ä", 128); d.StateKey = &k }, true, false},
		{"type of 255 bytes", func(d *Draft) { d.Type = *text(255) }, false, true},
		{"type of 256 bytes", func(d *Draft) { d.Type = *text(256) }, true, false},
		{"sender of 255 bytes", func(d *Draft) { d.Sender = id.User("@" + *text(247) + ":domain") }, false, true},
		{"sender of 256 bytes", func(d *Draft) { d.Sender = id.User("@" + *text(248) + ":domain") }, true, false},
		{"room of 256 bytes", func(d *Draft) { d.Room = id.Room("!" + *text(248) + ":domain") }, true, false},
		{"previous event of 256 bytes", func(d *Draft) { d.Prev = []id.Event{id.Event("$" + *text(255))} }, true, false},
		{"10 auth events", func(d *Draft) { d.Auth = ids(10) }, false, true},
		{"11 auth events", func(d *Draft) { d.Auth = ids(11) }, true, false},
		{"20 previous events", func(d *Draft) { d.Prev = ids(20) }, false, true},
		{"21 previous events", func(d *Draft) { d.Prev = ids(21) }, true, false},
		{"content of 70,000 bytes", func(d *Draft) { d.Content = []byte(`{"a":"` + *text(70000) + `"}`) }, true, false},
		{"depth of 2^53-1", func(d *Draft) { d.Depth = 1<<53 - 1 }, false, true},
		{"timestamp of 2^53-1", func(d *Draft) { d.Timestamp = 1<<53 - 1 }, false, true},
		{"timestamp of 2^53", func(d *Draft) { d.Timestamp = 1 << 53 }, false, false},
		{"timestamp of -2^53", func(d *Draft) { d.Timestamp = -1 << 53 }, false, false},
		{"content that is a list", func(d *Draft) { d.Content = []byte(`[]`) }, false, false},
		{"content that is not JSON", func(d *Draft) { d.Content = []byte(`{`) }, false, false},
		{"no content", func(d *Draft) { d.Content = nil }, false, false},
		{"content with a fraction", func(d *Draft) { d.Content = []byte(`{"a":1.0}`) }, false, false},
		{"content with a key twice", func(d *Draft) { d.Content = []byte(`{"a":1,"a":1}`) }, false, false},
		{"content in white space", func(d *Draft) { d.Content = []byte(" {\n\"a\" : 1 }\n") }, false, true},
		{"no room", func(d *Draft) { d.Room = "" }, false, false},
		{"room of a create event", func(d *Draft) { d.Type = typeCreate }, false, false},
		{"sender that is no user", func(d *Draft) { d.Sender = "a" }, false, false},
		{"type that is not UTF-8", func(d *Draft) { d.Type = "a\xff" }, false, true}, // becomes U+FFFD
	} {
		d := Draft{Room: "!r:domain", Type: "t", Sender: "@a:domain", Content: []byte(`{}`), Depth: 1, Timestamp: 1}
		c.change(&d)
		e, err := Build(v, d, s)
		_, typed := errors.AsType[*Invalid](err)
		switch {
		case (err == nil) != c.ok || err != nil && !typed:
			t.Errorf("%s: got %v, want ok %v", c.name, err, c.ok)
		case errors.Is(err, ErrTooLarge) != c.large:
			t.Errorf("%s: got %v, want too large %v", c.name, err, c.large)
		case err == nil:
			if _, err := Parse(v, e.Bytes()); err != nil {
				t.Errorf("%s: parsed: %v", c.name, err)
			}
		}
	}
}

// TestDepthLimit checks that a room whose depth has reached the limit can go on.
func TestDepthLimit(t *testing.T) {
	for _, v := range version.All() {
		for _, over := range []int64{v.MaxDepth, v.MaxDepth + 1, math.MaxInt64, math.MinInt64, -1} {
			e, err := Build(v, Draft{Room: "!r:a", Type: "t", Sender: "@u:a", Content: []byte(`{}`), Depth: over}, specKey(t))
			if err != nil || e.Depth() != v.MaxDepth {
				t.Errorf("version %s, depth %d: got %v, %v, want depth %d", v.ID, over, e, err, v.MaxDepth)
			}
		}
	}
}

// TestSize finds the largest event and checks that Build and Parse draw the line at the same byte. What is dropped from
// an event, and how its JSON is written, does not count.
func TestSize(t *testing.T) {
	s := specKey(t)
	v := version.Default()
	build := func(n int) (*Event, error) {
		return Build(v, Draft{
			Room: "!r:domain", Type: "t", Sender: "@a:domain", Content: []byte(`{"a":"` + strings.Repeat("x", n) + `"}`),
		}, s)
	}
	small, err := build(0)
	if err != nil {
		t.Fatal(err)
	}
	most := MaxSize - len(small.Bytes())
	largest, err := build(most)
	if err != nil || len(largest.Bytes()) != MaxSize {
		t.Fatalf("got %v, want an event of %d bytes", err, MaxSize)
	}
	if _, err := build(most + 1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("one byte more: got %v, want too large", err)
	}
	loose := "  " + strings.TrimSuffix(string(largest.Bytes()), "}") + `, "unsigned":{"a":"` + strings.Repeat("x", MaxSize) + `"}}`
	if e, err := Parse(v, []byte(loose)); err != nil || e.ID() != largest.ID() || e.Redacted() {
		t.Errorf("largest event with unsigned: got %v, %v", e, err)
	}
	if _, err := Parse(v, []byte(strings.Replace(string(largest.Bytes()), "xx", "xxx", 1))); !errors.Is(err, ErrTooLarge) {
		t.Errorf("one byte more: got %v, want too large", err)
	}
	if _, err := Parse(v, make([]byte, MaxRaw+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too many bytes to look at: got %v, want too large", err)
	}
	if _, err := largest.Sign(Signer{Server: "other", Key: s.Key, Private: s.Private}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a second signature on the largest event: got %v, want too large", err)
	}
}

func TestDraftNeedsHashes(t *testing.T) {
	v, _ := version.Lookup("2")
	d := Draft{Room: "!r:domain", Type: "t", Sender: "@a:domain", Content: []byte(`{}`), Prev: []id.Event{"$x:domain"}}
	if e, err := Build(v, d, specKey(t)); err == nil {
		t.Errorf("got %s without the hash of a previous event", e.Bytes())
	}
	d.Prev, d.ID = nil, "$mine:domain"
	if e, err := Build(v, d, specKey(t)); err != nil || e.ID() != "$mine:domain" {
		t.Errorf("got %v, %v, want the id of the draft", e, err)
	}
}

// TestParseKeepsNothing checks that an event does not change with the bytes it was read from.
func TestParseKeepsNothing(t *testing.T) {
	v := version.Default()
	e := built(t, v, specKey(t), `{"a":"b"}`)
	raw := append([]byte(nil), e.Bytes()...)
	got, err := Parse(v, raw)
	if err != nil {
		t.Fatal(err)
	}
	clear(raw)
	same(t, v, got, e)
}

func TestStoredDamaged(t *testing.T) {
	v := version.Default()
	e := built(t, v, specKey(t), `{"a":"b"}`)
	for n := range e.Bytes() {
		if got, err := Stored(v, e.ID(), e.Bytes()[:n], nil); err == nil {
			t.Errorf("%d bytes of %d: got %v", n, len(e.Bytes()), got)
		}
	}
	if got, err := Stored(v, "", e.Bytes(), nil); err == nil {
		t.Errorf("without an id: got %v", got)
	}
}

// TestAppendDoesNotReachIn checks that appending to what the accessors give does not write into the event.
func TestAppendDoesNotReachIn(t *testing.T) {
	v := version.Default()
	e := built(t, v, specKey(t), `{"a":"b"}`)
	before := string(e.Bytes())
	_ = append(e.Content(), "xxxx"...)
	_ = append(e.Bytes(), "xxxx"...)
	if string(e.Bytes()) != before {
		t.Errorf("got %s, want %s", e.Bytes(), before)
	}
}
