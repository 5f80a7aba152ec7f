package oracle

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// eventCase is an event as bytes that came from another server.
type eventCase struct {
	version  *version.Version
	raw      []byte
	tree     *tree // what raw was written from; nil once bytes were damaged
	mutation string
	parsed   **tree
}

func (c *eventCase) String() string {
	text := string(c.raw)
	if len(text) > 4000 {
		text = text[:2000] + " ... " + text[len(text)-500:]
	}
	return fmt.Sprintf("room version %s, mutation %q, %d bytes: %q", c.version.ID, c.mutation, len(c.raw), text)
}

var servers = []id.Server{"a.example", "b.example", "c.example:8448"}

const keyID = "ed25519:one"

// keyOf is the signing key of a server. Everybody knows everybody's.
func keyOf(server id.Server) ed25519.PrivateKey {
	sum := sha256.Sum256([]byte(server))
	return ed25519.NewKeyFromSeed(sum[:])
}

func publicKeyOf(server id.Server) ed25519.PublicKey {
	return keyOf(server).Public().(ed25519.PublicKey)
}

func signerOf(server id.Server) event.Signer {
	return event.Signer{Server: server, Key: keyID, Private: keyOf(server)}
}

func (d *dice) user() id.User {
	return id.NewUser(pick(d, "alice", "bob", "carol", "Dave", "ä/b", ""), pick(d, servers...))
}

func (d *dice) hash() string {
	var sum [32]byte
	for i := range sum {
		sum[i] = byte(d.Uint32())
	}
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (d *dice) eventID(v *version.Version) id.Event {
	switch v.EventID {
	case version.IDGiven:
		return id.Event("$" + d.word() + ":" + string(pick(d, servers...)))
	case version.IDBase64:
		return id.Event("$" + strings.NewReplacer("-", "+", "_", "/").Replace(d.hash()))
	default:
		return id.Event("$" + d.hash())
	}
}

func (d *dice) room(v *version.Version) id.Room {
	if v.RoomIDIsCreateHash {
		return id.Room("!" + d.hash())
	}
	return id.Room("!" + d.word() + ":" + string(pick(d, servers...)))
}

func (d *dice) eventIDs(v *version.Version, most int) []id.Event {
	ids := make([]id.Event, d.IntN(most+1))
	for i := range ids {
		ids[i] = d.eventID(v)
	}
	return ids
}

// draft is an event as an honest server makes it.
func (d *dice) draft(v *version.Version) event.Draft {
	dr := event.Draft{
		Type:   pick(d, "m.room.message", "m.room.member", "m.room.member", "m.room.create", "m.room.power_levels", "m.room.join_rules", "m.room.history_visibility", "m.room.aliases", "m.room.redaction", "m.room.third_party_invite", "m.room.topic", d.text()),
		Sender: d.user(), Room: d.room(v), Prev: d.eventIDs(v, 3), Auth: d.eventIDs(v, 4),
		Depth: d.Int64N(1000), Timestamp: d.Int64N(1 << 50), Hashes: make(map[id.Event][32]byte),
	}
	dr.Type = strings.ReplaceAll(dr.Type, "\x00", "")
	switch {
	case dr.Type == "m.room.member":
		dr.StateKey = new(string(d.user()))
	case strings.HasPrefix(dr.Type, "m.room.") && dr.Type != "m.room.message" && dr.Type != "m.room.redaction":
		dr.StateKey = new("")
	case d.oneIn(3):
		dr.StateKey = new(d.text())
	}
	if dr.Type == "m.room.create" && v.RoomIDIsCreateHash {
		dr.Room = ""
	}
	if dr.Type == "m.room.redaction" {
		dr.Redacts = d.eventID(v)
	}
	if v.HashedReferences {
		dr.ID = d.eventID(v)
		for _, e := range slices.Concat(dr.Prev, dr.Auth) {
			dr.Hashes[e] = sha256.Sum256([]byte(e))
		}
	}
	dr.Content = d.content(dr.Type).bytes()
	return dr
}

// contentKeys are the keys that mean something to one room version or another.
var contentKeys = map[string][]string{
	"m.room.member":             {"membership", "displayname", "join_authorised_via_users_server", "third_party_invite", "avatar_url", "reason"},
	"m.room.create":             {"creator", "room_version", "m.federate", "additional_creators", "predecessor", "type"},
	"m.room.power_levels":       {"ban", "events", "events_default", "invite", "kick", "notifications", "redact", "state_default", "users", "users_default"},
	"m.room.join_rules":         {"join_rule", "allow"},
	"m.room.history_visibility": {"history_visibility"},
	"m.room.aliases":            {"aliases"},
	"m.room.redaction":          {"redacts", "reason"},
	"m.room.message":            {"msgtype", "body"},
}

func (d *dice) content(typ string) *tree {
	c := object()
	for _, key := range contentKeys[typ] {
		if d.oneIn(4) {
			continue
		}
		c.set(key, d.member(key))
	}
	for range d.IntN(3) {
		c.set(d.key(), d.value(2))
	}
	return c
}

// member is the value of a key of content, nearly always of the kind it has.
func (d *dice) member(key string) *tree {
	if d.oneIn(12) {
		return d.value(2)
	}
	switch key {
	case "membership":
		return str(pick(d, "join", "invite", "leave", "ban", "knock"))
	case "creator", "join_authorised_via_users_server":
		return str(string(d.user()))
	case "m.federate":
		return raw(pick(d, "true", "false"))
	case "third_party_invite":
		t := object()
		t.set("display_name", str(d.text()))
		if !d.oneIn(4) {
			t.set("signed", object().set("mxid", str(string(d.user()))).set("token", str(d.word())).set("signatures", object()))
		}
		return t
	case "additional_creators", "aliases":
		return list(str(string(d.user())))
	case "allow":
		return list(object().set("type", str("m.room_membership")).set("room_id", str("!x:a")))
	case "users":
		return object().set(string(d.user()), number(d.integer())).set(string(d.user()), number(d.integer()))
	case "events", "notifications":
		return object().set(d.key(), number(d.integer())).set("room", number(d.integer()))
	case "ban", "events_default", "invite", "kick", "redact", "state_default", "users_default":
		return number(d.integer())
	case "predecessor":
		return d.value(2)
	}
	return str(d.text())
}

var allVersions = version.All()

// newEventCase makes an event and, most of the time, something wrong with it.
func newEventCase(d *dice) *eventCase {
	c := &eventCase{version: pick(d, allVersions...)}
	dr := d.draft(c.version)
	e, err := event.Build(c.version, dr, signerOf(dr.Sender.Server()))
	if err != nil {
		panic(fmt.Sprintf("%v: %+v", err, dr)) // all drafts are good
	}
	c.tree = parseTree(e.Bytes())
	if d.oneIn(4) {
		c.mutation = "none"
		c.raw = e.Bytes()
		return c
	}
	if d.oneIn(4) {
		c.mutation = "style"
	} else {
		m := pick(d, mutations...)
		c.mutation = m.name
		if c.mutate(d, m) && d.oneIn(4) {
			m := pick(d, mutations...)
			c.mutation += ", " + m.name
			c.mutate(d, m)
		}
	}
	c.raw = c.tree.styled(d)
	if d.oneIn(12) {
		c.damage(d)
	}
	return c
}

// got is what the bytes are as JSON, nil where they are none.
func (c *eventCase) got() *tree {
	if c.parsed == nil {
		c.parsed = new(parseTree(c.raw))
	}
	return *c.parsed
}

// mutate changes the event and mostly hashes and signs it anew, as a server would that makes such events.
func (c *eventCase) mutate(d *dice, m mutation) bool {
	m.do(d, c.version, c.tree)
	if m.late || d.oneIn(5) {
		return false
	}
	c.mutation += " hashed"
	return c.seal(d)
}

// seal hashes and signs the event, if ours can.
func (c *eventCase) seal(d *dice) bool {
	bare := c.tree.clone()
	for _, key := range []string{"hashes", "signatures", "unsigned", "age_ts", "outlier", "destinations"} {
		bare.remove(key)
	}
	text, err := canon.Canonical(bare.bytes(), canon.Lenient)
	if err != nil {
		return false
	}
	sum := sha256.Sum256(text)
	c.tree.set("hashes", object().set("sha256", str(base64.RawStdEncoding.EncodeToString(sum[:]))))
	signed := c.tree.clone().set("signatures", object())
	e, err := event.Parse(c.version, signed.bytes())
	if err != nil {
		return true
	}
	if e, err = e.Sign(signerOf(e.Sender().Server())); err != nil {
		return true
	}
	if signed, err := canon.Canonical(e.Bytes(), canon.Lenient); err == nil {
		c.tree.set("signatures", parseTree(canon.Get(signed, "signatures")))
	}
	return true
}

// damage changes single bytes.
func (c *eventCase) damage(d *dice) {
	c.mutation += ", bytes"
	c.tree = nil
	for range 1 + d.IntN(3) {
		at := d.IntN(len(c.raw))
		switch d.IntN(4) {
		case 0:
			c.raw[at] = byte(d.Uint32())
		case 1:
			c.raw = slices.Insert(c.raw, at, pick(d, []byte(`{}[]",:\0-e. u`)...))
		case 2:
			c.raw = slices.Delete(c.raw, at, at+1)
		case 3:
			c.raw = append(c.raw[:at:at], c.raw[min(len(c.raw), at+d.IntN(20)):]...)
		}
		if len(c.raw) == 0 {
			c.raw = []byte("{")
		}
	}
}

// mutation is one way in which an event can be wrong, or odd.
type mutation struct {
	name string
	late bool // about hashes or signatures: these are not made anew
	do   func(d *dice, v *version.Version, t *tree)
}

var eventKeys = []string{"auth_events", "content", "depth", "event_id", "hashes", "origin_server_ts", "prev_events", "redacts", "room_id", "sender", "signatures", "state_key", "type", "unsigned"}

var mutations = []mutation{
	{"odd field", false, func(d *dice, _ *version.Version, t *tree) { t.set(pick(d, eventKeys...), d.odd()) }},
	{"field removed", false, func(d *dice, _ *version.Version, t *tree) { t.remove(pick(d, eventKeys...)) }},
	{"field added", false, func(d *dice, _ *version.Version, t *tree) {
		key := pick(d, "origin", "prev_state", "membership", "unsigned", "age_ts", "outlier", "destinations", "event_id", "redacts", "state_key", "custom", d.key())
		t.set(key, d.value(2))
	}},
	{"content replaced", false, func(d *dice, _ *version.Version, t *tree) {
		typ := t.get("type")
		if typ == nil || t.get("content") == nil || t.get("content").kind != '{' {
			return
		}
		if keys := contentKeys[typ.text]; len(keys) > 0 {
			t.get("content").set(pick(d, keys...), d.odd())
		}
	}},
	{"number in content", false, func(d *dice, _ *version.Version, t *tree) {
		if c := t.get("content"); c != nil && c.kind == '{' {
			c.set(pick(d, "n", "ban", "body"), d.oddNumber())
		}
	}},
	{"number in users", false, func(d *dice, _ *version.Version, t *tree) {
		t.set("type", str("m.room.power_levels")).set("content", object().set("users", object().set("@alice:a", d.oddNumber())))
	}},
	{"key twice", false, func(d *dice, _ *version.Version, t *tree) {
		where := pick(d, t, t.get("content"))
		if where == nil || where.kind != '{' || len(where.keys) == 0 {
			return
		}
		i := d.IntN(len(where.keys))
		where.add(where.keys[i], pick(d, where.items[i], d.value(1)))
	}},
	{"odd text", false, func(d *dice, _ *version.Version, t *tree) {
		if c := t.get("content"); c != nil && c.kind == '{' {
			c.set("body", str(pick(d, "\xff", "a\xc3", "\xed\xa0\x80", "\x00", "\u2028<>&", strings.Repeat("x", 100))))
		}
	}},
	{"surrogates", false, func(d *dice, _ *version.Version, t *tree) {
		if c := t.get("content"); c != nil && c.kind == '{' {
			c.set("body", raw(pick(d, `"\ud800"`, `"\ud83d\ude00"`, `"\ude00\ud83d"`, `"\ud800x"`, `"\uD83D\uDE00"`, `"\u00e4\/"`, `"\u0000"`, `"\u007f"`)))
		}
	}},
	{"long field", false, func(d *dice, _ *version.Version, t *tree) {
		n := pick(d, 254, 255, 256, 300)
		fill := func(prefix, letter, suffix string) *tree {
			return str(prefix + strings.Repeat(letter, (n-len(prefix)-len(suffix))/len(letter)) + suffix)
		}
		letter := pick(d, "x", "ä")
		switch d.IntN(4) {
		case 0:
			t.set("type", fill("", letter, ""))
		case 1:
			t.set("state_key", fill("", letter, ""))
		case 2:
			t.set("sender", fill("@", letter, ":a.example"))
		case 3:
			t.set("room_id", fill("!", letter, ":a.example"))
		}
	}},
	{"many references", false, func(d *dice, v *version.Version, t *tree) {
		key := pick(d, "prev_events", "auth_events")
		refs := list()
		for range pick(d, 10, 11, 20, 21) {
			ref := str(string(d.eventID(v)))
			if v.HashedReferences {
				ref = list(ref, object().set("sha256", str(d.hash())))
			}
			refs.items = append(refs.items, ref)
		}
		t.set(key, refs)
	}},
	{"odd reference", false, func(d *dice, v *version.Version, t *tree) {
		ref := d.odd()
		if v.HashedReferences && !d.oneIn(3) {
			ref = list(str(string(d.eventID(v))), pick(d, object(), d.odd(), object().set("sha256", d.odd())))
		}
		t.set(pick(d, "prev_events", "auth_events"), list(ref))
	}},
	{"large", false, func(d *dice, _ *version.Version, t *tree) {
		if c := t.get("content"); c != nil && c.kind == '{' {
			c.remove("body")
			c.set("body", str(strings.Repeat("x", max(0, event.MaxSize-len(t.bytes())-9+d.IntN(40)-20))))
		}
	}},
	{"deep", false, func(d *dice, _ *version.Version, t *tree) {
		n := pick(d, 50, 500, 520, 5000)
		if c := t.get("content"); c != nil && c.kind == '{' {
			c.set("deep", raw(strings.Repeat("[", n)+strings.Repeat("]", n)))
		}
	}},
	{"hash", true, func(d *dice, _ *version.Version, t *tree) {
		h := t.get("hashes").get("sha256")
		switch d.IntN(8) {
		case 0:
			t.set("hashes", object())
		case 1:
			t.set("hashes", object().set("sha256", str(d.hash())))
		case 2:
			t.set("hashes", object().set("sha256", d.odd()))
		case 3:
			t.remove("hashes")
		case 4:
			t.get("hashes").add("md5", d.value(1))
		case 5:
			if h != nil {
				h.text += "="
			}
		case 6:
			if h != nil {
				h.text = strings.NewReplacer("+", "-", "/", "_").Replace(h.text)
			}
		case 7:
			t.set("hashes", object().set("sha256", str("")))
		}
	}},
	{"signature", true, func(d *dice, _ *version.Version, t *tree) {
		s := t.get("signatures")
		var of *tree
		if s != nil && s.kind == '{' && len(s.items) > 0 {
			of = s.items[0]
		}
		if of == nil || of.kind != '{' || len(of.items) == 0 {
			return
		}
		switch d.IntN(8) {
		case 0:
			of.items[0] = d.odd()
		case 1:
			of.add("ed25519:two", pick(d, str(d.hash()), of.items[0]))
		case 2:
			of.add("curve:x", str("x"))
		case 3:
			s.add("other.example", d.odd())
		case 4:
			of.items[0].text += "=="
		case 5:
			of.items[0].text = strings.NewReplacer("+", "-", "/", "_").Replace(of.items[0].text)
		case 6:
			s.items[0] = object()
		case 7:
			of.items[0] = str(base64.RawStdEncoding.EncodeToString(make([]byte, 64)))
		}
	}},
	{"changed after hashing", true, func(d *dice, _ *version.Version, t *tree) {
		if c := t.get("content"); c != nil && c.kind == '{' {
			c.set("changed", d.value(1))
		}
	}},
	{"changed after signing", true, func(d *dice, _ *version.Version, t *tree) { t.set("depth", number(12345)) }},
}
