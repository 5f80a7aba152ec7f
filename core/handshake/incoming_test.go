package handshake

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

func TestIncoming(t *testing.T) {
	v, _ := version.Lookup("11")
	s := event.Signer{Server: "a.test", Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, 32))}
	of := func(room id.Room, n int) string {
		e, err := event.Build(v, event.Draft{
			Room: room, Type: "m.test", StateKey: new(fmt.Sprint(n)), Sender: "@u:a.test", Content: []byte(`{}`), Depth: 1,
		}, s)
		if err != nil {
			t.Fatal(err)
		}
		return string(e.Bytes())
	}
	const in = "!r:a.test"
	var many []string
	for n := range 3*atATime + 5 {
		many = append(many, of(in, n))
	}
	var a, b []*event.Event
	var flag bool
	var servers []id.Server
	read := func(r io.Reader) error {
		a, b, flag, servers = nil, nil, false, nil
		return (&incoming{
			version: v, room: in,
			lists: map[string]*[]*event.Event{"a": &a, "b": &b},
			rest:  map[string]any{"flag": &flag, "servers": &servers},
		}).read(r)
	}
	whole := `{"x":[{"y":1}],"a":[` + strings.Join(many, ",\n ") + `], "flag":true,"b":[1,"",` + of("!other:a.test", 1) + `,null,` + of(in, 7) + `],"servers":["c.test"],"z":null} `
	for name, r := range map[string]io.Reader{"at once": strings.NewReader(whole), "in pieces": iotest.OneByteReader(strings.NewReader(whole))} {
		if err := read(r); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(a) != len(many) || len(b) != 1 || !flag || len(servers) != 1 {
			t.Fatalf("%s: got %d and %d events, %v, %v", name, len(a), len(b), flag, servers)
		}
		for i, e := range a {
			if string(e.Bytes()) != many[i] {
				t.Fatalf("%s: event %d is another", name, i)
			}
		}
	}
	if err := read(strings.NewReader(`{"a":null,"b":[]}`)); err != nil || len(a)+len(b) != 0 {
		t.Errorf("nothing: got %d and %d events, %v", len(a), len(b), err)
	}
	for _, bad := range []string{
		``, `[]`, `null`, `{`, `{"a"`, `{"a":`, `{"a":[`, `{"a":[1`, `{"a":[1}`, `{"a":{}}`, `{"a":1}`, `{"flag":1}`, `{} {}`, `{"a":[]}]`, `{"x":}`, whole[:len(whole)/2],
		`{"a":[` + strings.Repeat("0,", maxState) + `0]}`,
	} {
		if err := read(strings.NewReader(bad)); err == nil {
			t.Errorf("%.50s is taken", bad)
		}
	}
	broken := errors.New("broken")
	if err := read(io.MultiReader(strings.NewReader(whole[:1000]), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("an answer that breaks off: got %v", err)
	}
}
