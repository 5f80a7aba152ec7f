package server

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	far "freehold.example/test/remote"
)

// siege is a server that another one attacks, in a room where both have users. Whatever is tried, it stays up, keeps its
// state, and serves its users and a third server.
type siege struct {
	*hostel
	room    *far.Room // as the attacker has it
	mallory id.User

	friend  *far.Server
	friends *far.Room // the same room, as the friend has it
	at      *far.Subject
	carol   id.User
	state   string // the room's state when the attack began
}

func newSiege(t *testing.T, roomVersion string) *siege {
	t.Helper()
	x := &siege{hostel: newHostel(t)}
	x.mallory = x.r.User("mallory")
	in := x.hostel.room(roomVersion)
	x.friend = far.New(t)
	x.friend.Lenient = true
	x.at, x.carol = x.friend.Meet("a.example", x.s.FederationAddr()), x.friend.User("carol")
	x.friends = x.at.Join(in, x.carol)
	x.room = x.sut.Join(in, x.mallory)
	x.r.Lenient = true
	x.state = x.stateNow()
	return x
}

// stateNow is the room's state as alice sees it: event ids.
func (x *siege) stateNow() string {
	x.Helper()
	status, body := askRaw(x.T, x.base+"/_matrix/client/v3/rooms/"+url.PathEscape(string(x.room.ID))+"/state", x.token)
	if status != http.StatusOK {
		x.Fatalf("the state: %d %s", status, body)
	}
	var events []struct {
		ID id.Event `json:"event_id"`
	}
	if err := json.Unmarshal(body, &events); err != nil {
		x.Fatal(err)
	}
	var ids []string
	for _, e := range events {
		ids = append(ids, string(e.ID))
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

func askRaw(t *testing.T, address, token string) (int, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b.Bytes()
}

// holds checks that the server is as well as before: its user talks, the friend is heard, the state is what it was, and what
// clients begin with is answered. The attacker's own good event is heard too.
func (x *siege) holds(what string) {
	x.Helper()
	alices := x.say(x.room.ID, what)
	carols := x.friends.Make(x.carol, "m.room.message", far.Text(what))
	x.at.Transaction(nil, carols).OK()
	good := x.room.Make(x.mallory, "m.room.message", far.Text(what))
	x.sut.Transaction(nil, good).OK()
	for who, e := range map[string]id.Event{"alice": alices, "carol": carols.ID(), "mallory": good.ID()} {
		x.eventually(what+": what "+who+" says is shown", func() bool { return x.sees(x.room.ID, e) })
	}
	if now := x.stateNow(); now != x.state {
		x.Errorf("%s: the state was\n%s\nand is\n%s", what, x.state, now)
	}
	for _, path := range []string{"/sync", "/publicRooms", "/rooms/" + url.PathEscape(string(x.room.ID)) + "/members"} {
		if status, body := askRaw(x.T, x.base+"/_matrix/client/v3"+path, x.token); status != http.StatusOK {
			x.Errorf("%s: %s is %d %s", what, path, status, body)
		}
	}
}

// object is a good message of mallory's, to be spoilt.
func (x *siege) object() map[string]any {
	x.Helper()
	e := x.room.Build(x.mallory, "m.room.message", nil, far.Text("x"))
	d := json.NewDecoder(bytes.NewReader(e.Bytes()))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		x.Fatal(err)
	}
	return m
}

// forge hashes and signs an object as if it were an event, where it can be, so that it is refused for what is wrong with it.
func (x *siege) forge(m map[string]any) json.RawMessage {
	delete(m, "hashes")
	delete(m, "signatures")
	plain, err := json.Marshal(m)
	if err != nil {
		x.Fatal(err)
	}
	form, err := canon.Canonical(plain, canon.Lenient)
	if err != nil {
		return plain
	}
	sum := sha256.Sum256(form)
	m["hashes"] = map[string]any{"sha256": base64.RawStdEncoding.EncodeToString(sum[:])}
	redacted := map[string]any{"content": map[string]any{}}
	for _, key := range []string{"auth_events", "depth", "hashes", "origin_server_ts", "prev_events", "room_id", "sender", "state_key", "type"} {
		if v, ok := m[key]; ok {
			redacted[key] = v
		}
	}
	if c, ok := m["content"].(map[string]any); ok && m["type"] == "m.room.member" && c["membership"] != nil {
		redacted["content"] = map[string]any{"membership": c["membership"]}
	}
	b, err := json.Marshal(redacted)
	if err != nil {
		x.Fatal(err)
	}
	signer := x.r.Signer()
	if signed, err := event.SignJSON(b, string(signer.Server), signer.Key, signer.Private); err == nil {
		var with struct {
			Signatures any `json:"signatures"`
		}
		if json.Unmarshal(signed, &with) == nil {
			m["signatures"] = with.Signatures
		}
	}
	b, err = json.Marshal(m)
	if err != nil {
		x.Fatal(err)
	}
	return b
}

// throw sends bad events, each transaction of them with a good one at its end, which has to get through.
func (x *siege) throw(what string, bad ...json.RawMessage) {
	x.Helper()
	for some := range slices.Chunk(bad, 49) {
		good := x.room.Make(x.mallory, "m.room.message", far.Text("good"))
		a := x.sut.Raw("throw "+string(good.ID()), nil, append(slices.Clone(some), good.Bytes())...)
		if a.Status != http.StatusOK {
			x.Fatalf("%s: got %d %s", what, a.Status, a.Body)
		}
		x.eventually(what+": the good event among the bad is shown", func() bool { return x.sees(x.room.ID, good.ID()) })
	}
	x.holds(what)
}

// TestSiegeSizes: limits of events and transactions.
func TestSiegeSizes(t *testing.T) {
	x := newSiege(t, "11")
	long := func(n int) string { return strings.Repeat("x", n) }
	edges := func(n int) (all []any) {
		for i := range n {
			all = append(all, fmt.Sprintf("$%043d", i))
		}
		return all
	}
	var bad []json.RawMessage
	for _, change := range []map[string]any{
		{"content": map[string]any{"body": long(65_536)}},
		{"content": map[string]any{"body": long(300_000)}},
		{"type": long(256)},
		{"type": strings.Repeat("é", 200)},
		{"state_key": long(256)},
		{"sender": "@" + long(255) + ":" + string(x.r.Name)},
		{"room_id": "!" + long(300) + ":a.example"},
		{"auth_events": edges(11)},
		{"auth_events": edges(5000)},
		{"prev_events": edges(21)},
		{"prev_events": edges(5000)},
		{"prev_events": []any{}},
		{"auth_events": []any{}},
		{"prev_events": []any{"$" + long(60_000)}},
	} {
		m := x.object()
		maps.Copy(m, change)
		bad = append(bad, x.forge(m))
	}
	x.throw("sizes", bad...)
	many := make([]json.RawMessage, 51)
	for i := range many {
		many[i] = x.forge(x.object())
	}
	if a := x.sut.Raw("fifty-one", nil, many...); a.Status/100 != 4 {
		t.Errorf("51 events: got %d", a.Status)
	}
	edus := make([]far.EDU, 101)
	for i := range edus {
		edus[i] = far.MakeEDU("m.typing", fields{"room_id": x.room.ID, "user_id": x.mallory, "typing": true})
	}
	if a := x.sut.Raw("hundred-and-one", edus); a.Status/100 != 4 {
		t.Errorf("101 EDUs: got %d", a.Status)
	}
	x.holds("too many")
}

// TestSiegeNumbers: numbers and texts at the edges of what JSON can say.
func TestSiegeNumbers(t *testing.T) {
	for _, roomVersion := range []string{"1", "5", "11"} {
		x := newSiege(t, roomVersion)
		deep := strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)
		var bad []json.RawMessage
		for key, values := range map[string][]string{
			"depth":            {"-1", "9007199254740992", "9223372036854775807", "9223372036854775808", "1e3", "-0", "1.0", "1e400", `"5"`},
			"origin_server_ts": {"-1", "-9007199254740992", "9223372036854775807", "1e3", "0.5", `"5"`},
			"content": {
				`{"n":1.5}`, `{"n":1e3}`, `{"n":-0}`, `{"n":123456789012345678901234567890}`, `{"body":"\ud800"}`, `{"\u0000":1}`,
				`{"a":1,"a":2}`, `{"x":` + deep + `}`, `{"body":"\u0000"}`,
			},
		} {
			for _, value := range values {
				m := x.object()
				m[key] = "PLACE"
				b, err := json.Marshal(m)
				if err != nil {
					t.Fatal(err)
				}
				bad = append(bad, json.RawMessage(strings.Replace(string(b), `"PLACE"`, value, 1)))
			}
		}
		// A body with some of these cannot be signed at all: such a transaction may be refused as a whole.
		for i, raw := range bad {
			a, err := x.sut.TryDo("PUT", far.Path("/_matrix/federation/v1/send", fmt.Sprint("numbers", i)), fields{"pdus": []json.RawMessage{raw}})
			if err == nil && a.Status >= 500 {
				t.Errorf("version %s: %.200s: got %d %s", roomVersion, raw, a.Status, a.Body)
			}
		}
		x.holds("numbers")
	}
}

// TestSiegeTypes: a wrong type in every field, signed as if it were right.
func TestSiegeTypes(t *testing.T) {
	for _, roomVersion := range []string{"2", "11", "12"} {
		x := newSiege(t, roomVersion)
		values := []any{
			nil, true, 7, -7, "", "x", "$", "@", "!:",
			[]any{},
			[]any{[]any{}},
			[]any{1},
			[]any{nil},
			[]any{"x", "x"},
			map[string]any{},
			map[string]any{"a": 1},
			map[string]any{"x": map[string]any{"ed25519:1": 5}},
			strings.Repeat("y", 300),
		}
		var bad []json.RawMessage
		for _, key := range []string{
			"type", "room_id", "sender", "state_key", "content", "depth", "origin_server_ts", "prev_events", "auth_events", "unsigned", "redacts",
			"event_id", "origin", "hashes", "signatures",
		} {
			for _, value := range values {
				m := x.object()
				m[key] = value
				if key == "hashes" || key == "signatures" {
					b, err := json.Marshal(m)
					if err != nil {
						t.Fatal(err)
					}
					bad = append(bad, b)
					continue
				}
				bad = append(bad, x.forge(m))
			}
		}
		for _, value := range values {
			for typ, field := range map[string]string{"m.room.member": "membership", "m.room.power_levels": "users", "m.room.join_rules": "join_rule", "m.room.create": "room_version"} {
				m := x.object()
				m["type"], m["state_key"], m["content"] = typ, "", map[string]any{field: value}
				if typ == "m.room.member" {
					m["state_key"] = x.mallory
				}
				bad = append(bad, x.forge(m))
			}
		}
		x.throw("types in version "+roomVersion, bad...)
	}
}

// TestSiegeContents: state events with contents of every shape, by somebody who may set them.
func TestSiegeContents(t *testing.T) {
	x := newSiege(t, "10")
	x.set(x.room.ID, "m.room.power_levels", "", fields{"users": fields{string(x.alice): 100, string(x.mallory): 100}})
	x.r.WaitPDU(func(e *event.Event) bool { return e.Type() == "m.room.power_levels" })
	types := []string{
		"m.room.name", "m.room.topic", "m.room.avatar", "m.room.canonical_alias", "m.room.history_visibility", "m.room.guest_access",
		"m.room.encryption", "m.room.pinned_events", "m.room.tombstone", "m.room.third_party_invite", "m.space.child", "m.space.parent", "m.room.policy",
	}
	shapes := []string{
		`{}`, `null`, `7`, `"x"`, `[]`, `{"name":7}`, `{"name":{"a":[]}}`, `{"topic":[]}`, `{"alias":5,"alt_aliases":"x"}`,
		`{"history_visibility":7}`, `{"guest_access":[]}`, `{"algorithm":{},"rotation_period_ms":"x"}`, `{"pinned":{"a":1}}`, `{"replacement_room":[]}`,
		`{"via":7}`, `{"via":[7,{}],"order":5}`, `{"via":"x","public_keys":7}`, `{"public_keys":[1],"key_validity_url":7}`, `{"url":{"x":1},"info":7}`,
	}
	for _, typ := range types {
		var raws []json.RawMessage
		for _, shape := range shapes {
			if !strings.HasPrefix(shape, "{") {
				continue // no event of that form can be made; TestSiegeTypes has them
			}
			e := x.room.State(x.mallory, typ, "", json.RawMessage(shape))
			raws = append(raws, e.Bytes())
		}
		x.sut.Raw("contents "+typ, nil, raws...).OK()
	}
	last := x.room.Make(x.mallory, "m.room.message", far.Text("last"))
	x.sut.Transaction(nil, last).OK()
	x.eventually("the last event is shown", func() bool { return x.sees(x.room.ID, last.ID()) })
	x.state = x.stateNow()
	x.holds("contents")
}

// TestSiegeSignatures: who has not signed, or with something else than his own key of that time, has said nothing.
func TestSiegeSignatures(t *testing.T) {
	x := newSiege(t, "11")
	made := func(signer event.Signer, change ...far.Change) *event.Event {
		x.room.SignedBy(signer)
		defer x.room.SignedBy(x.r.Signer())
		return x.room.Build(x.mallory, "m.room.message", nil, far.Text("forged"), change...)
	}
	_, other, _ := ed25519.GenerateKey(nil)
	right := x.r.Signer()
	bad := map[string]json.RawMessage{
		"another key":     made(event.Signer{Server: x.r.Name, Key: right.Key, Private: other}).Bytes(),
		"an unknown key":  made(event.Signer{Server: x.r.Name, Key: "ed25519:none", Private: other}).Bytes(),
		"another server":  without(t, made(right).Bytes(), x.r.Name),
		"of far too late": made(right, far.At(x.s.config.Now().AddDate(0, 1, 0))).Bytes(),
		"malleable":       malleable(t, made(right).Bytes(), x.r.Name, right.Key),
	}
	imposed := x.room.Build(x.carol, "m.room.message", nil, far.Text("as carol")) // signed by the attacker's key
	bad["as another's user"] = imposed.Bytes()
	var all []json.RawMessage
	for _, raw := range bad {
		all = append(all, raw)
	}
	before := len(x.messages(x.room.ID))
	x.sut.Raw("signatures", nil, all...).OK()
	x.holds("signatures")
	for _, raw := range x.messages(x.room.ID)[:len(x.messages(x.room.ID))-before] {
		if bytes.Contains(raw, []byte("forged")) || bytes.Contains(raw, []byte("as carol")) {
			t.Errorf("it is shown: %s", raw)
		}
	}
	// The content was changed on the way: the event is taken without it.
	e := x.room.Make(x.mallory, "m.room.message", far.Text("true"))
	x.sut.Raw("changed", nil, json.RawMessage(strings.Replace(string(e.Bytes()), `"body":"true"`, `"body":"lies"`, 1))).OK()
	x.eventually("the changed event is there, redacted", func() bool { return x.sees(x.room.ID, e.ID()) })
	for _, raw := range x.messages(x.room.ID) {
		if bytes.Contains(raw, []byte("lies")) {
			t.Errorf("it is shown: %s", raw)
		}
	}
	// The key is replaced: what it has signed before stays good, and it signs nothing new.
	old := x.room.Make(x.mallory, "m.room.message", far.Text("by the old key"))
	time.Sleep(5 * time.Millisecond) // the key ends after what it signed
	was := x.r.Rotate()
	late := made(was, far.At(x.s.config.Now().AddDate(0, 0, 1)))
	x.room.SignedBy(x.r.Signer())
	x.sut.Raw("rotated", nil, old.Bytes(), late.Bytes()).OK()
	x.eventually("what the old key signed is shown", func() bool { return x.sees(x.room.ID, old.ID()) })
	if x.sees(x.room.ID, late.ID()) {
		t.Error("the old key still signs")
	}
	x.holds("a new key")
}

// without is an event whose signature is said to be another server's.
func without(t *testing.T, raw []byte, server id.Server) json.RawMessage {
	t.Helper()
	return json.RawMessage(strings.Replace(string(raw), `"signatures":{"`+string(server)+`"`, `"signatures":{"nobody.example"`, 1))
}

// malleable adds the group's order to the scalar of a signature: careless verifiers take it for another good one.
func malleable(t *testing.T, raw []byte, server id.Server, key id.Key) json.RawMessage {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	keys := m["signatures"].(map[string]any)[string(server)].(map[string]any)
	sig, err := base64.RawStdEncoding.DecodeString(keys[string(key)].(string))
	if err != nil {
		t.Fatal(err)
	}
	order := []byte{0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10}
	carry := 0
	for i := range 32 {
		n := int(sig[32+i]) + int(order[i]) + carry
		sig[32+i], carry = byte(n), n>>8
	}
	keys[string(key)] = base64.RawStdEncoding.EncodeToString(sig)
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
