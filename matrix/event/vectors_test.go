package event

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

var rewrite = flag.Bool("rewrite", false, "write the vectors' results anew")

// vectors runs a file of test/vectors/event: of each case, outcome is what a version makes of the input. Versions of the
// same outcome stand on one line.
func vectors(t *testing.T, file string, outcome func(t *testing.T, v *version.Version, in string) string) {
	t.Helper()
	file = "../../test/vectors/event/" + file
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for block := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n\n") {
		if !strings.HasPrefix(block, "-- ") {
			out = append(out, block)
			continue
		}
		lines := strings.SplitN(block, "\n", 3)
		_, in, _ := strings.Cut(lines[1], ": ")
		var results []string
		all := version.All()
		for from := 0; from < len(all); {
			got := outcome(t, all[from], in)
			to := from
			for to+1 < len(all) && outcome(t, all[to+1], in) == got {
				to++
			}
			results = append(results, all[from].ID+"-"+all[to].ID+": "+got)
			from = to + 1
		}
		got := strings.Join(append(lines[:2:2], results...), "\n")
		if got != block && !*rewrite {
			t.Errorf("got\n%s\nwant\n%s", got, block)
		}
		out = append(out, got)
	}
	if *rewrite {
		if err := os.WriteFile(file, []byte(strings.Join(out, "\n\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRedactVectors(t *testing.T) {
	vectors(t, "redact.txt", func(t *testing.T, v *version.Version, in string) string {
		b, members, err := canon.Members([]byte(in), canon.Strict, nil)
		if err != nil {
			t.Fatalf("%s: %v", in, err)
		}
		typ, _ := canon.String(canon.Get(b, "type"))
		e := &Event{version: v, typ: typ}
		return string(e.appendRedacted(nil, members, whole))
	})
}

func TestParseVectors(t *testing.T) {
	vectors(t, "parse.txt", func(t *testing.T, v *version.Version, in string) string {
		e, err := Parse(v, changed(t, v, in))
		switch {
		case err != nil:
			return "! " + err.Error()
		case e.Redacted():
			return "redacted " + string(e.ID())
		}
		return string(e.ID())
	})
}

// changed is the base event of the parse vectors with some members set.
func changed(t *testing.T, v *version.Version, set string) []byte {
	t.Helper()
	base := `{"auth_events":["$a:a"],"content":{"body":"x"},"depth":2,"origin_server_ts":1,"prev_events":["$p:a"],
		"room_id":"!r:a","sender":"@u:a","signatures":{"a":{"ed25519:1":"x"}},"type":"m.room.message"}`
	if v.HashedReferences {
		base = strings.NewReplacer(`"$a:a"`, `["$a:a",{"sha256":"x"}]`, `"$p:a"`, `["$p:a",{"sha256":"x"}]`).Replace(base)
	}
	var members, change map[string]json.RawMessage
	if err := json.Unmarshal([]byte(base), &members); err != nil {
		t.Fatal(err)
	}
	if v.EventID == version.IDGiven {
		members["event_id"] = json.RawMessage(`"$e:a"`)
	}
	if err := json.Unmarshal([]byte(set), &change); err != nil {
		t.Fatalf("%s: %v", set, err)
	}
	maps.Copy(members, change)
	maps.DeleteFunc(members, func(_ string, value json.RawMessage) bool { return string(value) == "null" })
	encode := func() []byte {
		b, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if _, ok := change["hashes"]; ok {
		return encode()
	}
	_, list, err := canon.Members(encode(), mode(v), nil)
	if err != nil {
		return encode()
	}
	hashed := appendObject(nil, list, func(key []byte) bool { return isStored(key) && isHashed(key) })
	sum := sha256.Sum256(hashed)
	members["hashes"] = json.RawMessage(fmt.Sprintf(`{"sha256":%q}`, base64.RawStdEncoding.EncodeToString(sum[:])))
	return encode()
}

// TestSignedVectors runs signed.txt: a draft, signed with the specification's test key. The outcome is the event's id, the
// whole event and what clients see of it.
func TestSignedVectors(t *testing.T) {
	s := specKey(t)
	vectors(t, "signed.txt", func(t *testing.T, v *version.Version, in string) string {
		d := Draft{Room: "!r:domain", Sender: "@a:domain", Depth: 7, Timestamp: 1700000000000}
		var text struct {
			Type     string
			StateKey *string
			Content  json.RawMessage
			Redacts  id.Event
		}
		if err := json.Unmarshal([]byte(in), &text); err != nil {
			t.Fatalf("%s: %v", in, err)
		}
		d.Type, d.StateKey, d.Content, d.Redacts = text.Type, text.StateKey, text.Content, text.Redacts
		if v.RoomIDIsCreateHash && d.Type == typeCreate {
			d.Room = ""
		}
		if d.Type != typeCreate {
			d.Prev, d.Auth = []id.Event{"$p:domain"}, []id.Event{"$c:domain", "$p:domain"}
			d.Hashes = map[id.Event][sha256.Size]byte{"$p:domain": {1}, "$c:domain": {2}}
		}
		e, err := Build(v, d, s)
		if err != nil {
			return "! " + err.Error()
		}
		if err := e.Verify("domain", s.Key, s.Private.Public().(ed25519.PublicKey)); err != nil {
			t.Errorf("version %s, %s: %v", v.ID, in, err)
		}
		return fmt.Sprintf("%s in %s\n\t%s\n\t%s", e.ID(), e.Room(), e.Bytes(),
			e.AppendClient(nil, ClientForm{Unsigned: []byte(`{"age":1}`)}))
	})
}
