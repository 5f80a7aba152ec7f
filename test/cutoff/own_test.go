package cutoff

import (
	"bytes"
	"context"
	"fmt"
	"image"
	encoder "image/png"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// own is what people do with each other at the house, and what its operator does, when nobody else is there.
var own = []step{
	{"the server says that it serves", func(t *testing.T, s *story) {
		if a := s.bob.get(t, "/health"); a.str("status") != "ok" {
			t.Errorf("got %s", a)
		}
		s.bob.get(t, "/_matrix/client/versions")
	}},
	{"ask for what is beyond the cut", func(t *testing.T, s *story) {
		if !s.last {
			t.Skip("every day of a cut is alike in this, and it takes its time")
		}
		s.ask(t)
	}},
	{"whoever was signed in still is", func(t *testing.T, s *story) {
		for _, p := range []*person{s.alice, s.bob, s.tablet} {
			s.renew(t, p)
			if a := p.get(t, v3+"/account/whoami"); a.str("user_id") != p.id {
				t.Errorf("got %s", a)
			}
			p.get(t, v3+"/sync?timeout=0&since="+url.QueryEscape(p.since))
		}
	}},
	{"sign up by invitation", func(t *testing.T, s *story) {
		p := s.house.person(t, "new"+s.stage)
		p.begin(t)
		p.join(t, s.old)
		p.say(t, s.old, "I am new "+s.stage)
	}},
	{"sign in and out", func(t *testing.T, s *story) {
		p := *s.bob
		p.signIn(t)
		p.begin(t)
		p.post(t, v3+"/logout", obj{})
		if a := p.do(t, "GET", v3+"/account/whoami", nil); a.status != http.StatusUnauthorized {
			t.Errorf("got %s", a)
		}
	}},
	{"change the password", func(t *testing.T, s *story) {
		fresh := "another secret of " + s.stage
		s.bob.confirmed(t, "POST", v3+"/account/password", obj{"new_password": fresh, "logout_devices": false})
		s.bob.password, s.tablet.password = fresh, fresh
		p := *s.bob
		p.signIn(t)
		p.post(t, v3+"/logout", obj{})
	}},
	{"publish keys of a device", func(t *testing.T, s *story) {
		for _, p := range []*person{s.alice, s.bob, s.tablet} {
			p.publishKeys(t)
		}
		if !s.alice.knows(t, s.bob) || !s.alice.knows(t, s.tablet) {
			t.Error("alice does not see bob's devices")
		}
	}},
	{"cross-signing", func(t *testing.T, s *story) {
		p := s.house.person(t, "signs"+s.stage)
		p.publishKeys(t)
		master, self := keyOf("master"+p.id), keyOf("self"+p.id)
		key := func(k string, usage string) obj {
			return obj{"user_id": p.id, "usage": list{usage}, "keys": obj{"ed25519:" + k: k}}
		}
		p.confirmed(t, "POST", v3+"/keys/device_signing/upload", obj{
			"master_key":       key(public(master), "master"),
			"self_signing_key": signed(key(public(self), "self_signing"), master, p.id, public(master)),
		})
		if !s.alice.post(t, v3+"/keys/query", obj{"device_keys": obj{p.id: list{}}}).has(public(self)) {
			t.Error("alice does not see it")
		}
	}},
	{"claim a one-time key", func(t *testing.T, s *story) {
		a := s.alice.post(t, v3+"/keys/claim", obj{"one_time_keys": obj{s.bob.id: obj{s.bob.device: "signed_curve25519"}}})
		if !a.has("signed_curve25519:") {
			t.Errorf("got %s", a)
		}
	}},
	{"verify a device", func(t *testing.T, s *story) { verify(t, s.bob, s.tablet) }},
	{"talk in an old room", func(t *testing.T, s *story) {
		s.bob.begin(t)
		s.alice.say(t, s.old, "good morning "+s.stage)
		s.bob.until(t, "good morning "+s.stage)
	}},
	{"an open app is told at once", func(t *testing.T, s *story) {
		s.bob.begin(t)
		told := make(chan *answer, 1)
		go func() {
			a, err := s.bob.try(t.Context(), "GET", v3+"/sync?timeout=30000&since="+url.QueryEscape(s.bob.since), nil)
			if err == nil {
				told <- a
			}
		}()
		time.Sleep(200 * time.Millisecond) // it waits now
		began := time.Now()
		s.alice.say(t, s.old, "wake up "+s.stage)
		select {
		case a := <-told:
			if !a.has("wake up "+s.stage) || time.Since(began) > 5*time.Second {
				t.Errorf("after %s: got %s", time.Since(began), a)
			}
		case <-time.After(20 * time.Second):
			t.Error("it was not told")
		}
	}},
	{"a phone that cannot be pushed to keeps nobody waiting", func(t *testing.T, s *story) {
		began := time.Now()
		s.alice.say(t, s.old, "ring "+s.stage)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %s", took)
		}
		if a := s.bob.get(t, v3+"/pushers"); !a.has(gateway) {
			t.Errorf("the pusher is gone: %s", a)
		}
	}},
	{"talk in a new room", func(t *testing.T, s *story) {
		room := s.alice.room(t, obj{"preset": "private_chat", "invite": list{s.bob.id}, "name": "new " + s.stage})
		s.bob.until(t, "new "+s.stage)
		s.bob.join(t, room)
		s.bob.say(t, room, "I am here")
		s.alice.until(t, "I am here")
	}},
	{"talk in an encrypted room", func(t *testing.T, s *story) {
		s.bob.begin(t)
		s.alice.toDevice(t, s.bob, "m.room.encrypted", obj{"algorithm": "m.olm.v1.curve25519-aes-sha2", "ciphertext": "session " + s.stage})
		s.alice.send(t, s.coded, "m.room.encrypted", obj{"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "coded " + s.stage, "session_id": s.stage})
		s.bob.until(t, "session "+s.stage, "coded "+s.stage)
	}},
	{"edit react reply and take back", func(t *testing.T, s *story) {
		e := s.alice.say(t, s.old, "a mistake "+s.stage)
		s.alice.send(t, s.old, "m.room.message", obj{"msgtype": "m.text", "body": "* right", "m.new_content": obj{"msgtype": "m.text", "body": "right " + s.stage}, "m.relates_to": obj{"rel_type": "m.replace", "event_id": e}})
		s.bob.send(t, s.old, "m.reaction", obj{"m.relates_to": obj{"rel_type": "m.annotation", "event_id": e, "key": "+1"}})
		s.bob.send(t, s.old, "m.room.message", obj{"msgtype": "m.text", "body": "in a thread", "m.relates_to": obj{"rel_type": "m.thread", "event_id": e}})
		if a := s.bob.get(t, path(v1+"/rooms", s.old, "relations", e)); !a.has("+1") || !a.has("in a thread") {
			t.Errorf("relations: got %s", a)
		}
		if a := s.bob.get(t, path(v1+"/rooms", s.old, "threads")); !a.has("a mistake") && !a.has("right "+s.stage) {
			t.Errorf("threads: got %s", a)
		}
		s.alice.put(t, path(v3+"/rooms", s.old, "redact", e, txn()), obj{})
		if a := s.bob.get(t, path(v3+"/rooms", s.old, "event", e)); a.has("a mistake") {
			t.Errorf("redacted: got %s", a)
		}
	}},
	{"receipts and typing", func(t *testing.T, s *story) {
		s.alice.begin(t)
		e := s.alice.say(t, s.old, "read me "+s.stage)
		s.bob.post(t, path(v3+"/rooms", s.old, "receipt", "m.read", e), obj{})
		s.bob.put(t, path(v3+"/rooms", s.old, "typing", s.bob.id), obj{"typing": true, "timeout": 5000})
		s.alice.until(t, "m.receipt", "m.typing")
	}},
	{"presence and names", func(t *testing.T, s *story) {
		s.bob.put(t, path(v3+"/presence", s.bob.id, "status"), obj{"presence": "online", "status_msg": s.stage})
		s.alice.get(t, path(v3+"/presence", s.bob.id, "status"))
		s.bob.put(t, path(v3+"/profile", s.bob.id, "displayname"), obj{"displayname": "Bob of " + s.stage})
		if a := s.alice.get(t, path(v3+"/profile", s.bob.id)); !a.has("Bob of " + s.stage) {
			t.Errorf("got %s", a)
		}
	}},
	{"read what was written long ago", func(t *testing.T, s *story) {
		from := ""
		for range 200 {
			a := s.bob.get(t, path(v3+"/rooms", s.old, "messages")+"?dir=b&limit=50"+from)
			if a.has("pomegranate") {
				return
			}
			if a.str("end") == "" {
				break
			}
			from = "&from=" + url.QueryEscape(a.str("end"))
		}
		t.Error("it is not there")
	}},
	{"search", func(t *testing.T, s *story) {
		s.alice.say(t, s.old, "quince of "+s.stage)
		for _, word := range []string{"pomegranate", "quince"} {
			eventually(t, "found "+word, func() bool {
				a := s.bob.post(t, v3+"/search", obj{"search_categories": obj{"room_events": obj{"search_term": word}}})
				return a.has(word) && (word == "pomegranate" || a.has(s.stage))
			})
		}
		if a := s.alice.post(t, v3+"/user_directory/search", obj{"search_term": "bob"}); !a.has(s.bob.id) {
			t.Errorf("people: got %s", a)
		}
	}},
	{"upload and look at a picture", func(t *testing.T, s *story) {
		at := s.alice.upload(t, png(t, 300, 200+s.n))
		s.alice.send(t, s.old, "m.room.message", obj{"msgtype": "m.image", "body": "p.png", "url": "mxc://" + at})
		s.bob.get(t, v1+"/media/download/"+at)
		if a := s.bob.get(t, v1+"/media/thumbnail/"+at+"?width=32&height=32&method=scale"); !strings.HasPrefix(a.header.Get("Content-Type"), "image/") {
			t.Errorf("thumbnail: got %s", a)
		}
	}},
	{"look at an old picture", func(t *testing.T, s *story) {
		s.bob.get(t, v1+"/media/download/"+s.picture)
		s.bob.get(t, v1+"/media/thumbnail/"+s.picture+"?width=64&height=64&method=crop")
	}},
	{"look at a picture of elsewhere that was seen before", func(t *testing.T, s *story) {
		s.alice.get(t, v1+"/media/download/"+s.landscape)
	}},
	{"settings of an account", func(t *testing.T, s *story) {
		at := path(v3+"/user", s.bob.id, "account_data", "org.example.note")
		s.bob.put(t, at, obj{"v": s.stage})
		if a := s.bob.get(t, at); a.str("v") != s.stage {
			t.Errorf("got %s", a)
		}
		s.bob.put(t, path(v3+"/pushrules/global/content", "word"+s.stage), obj{"pattern": "word", "actions": list{"notify"}})
		s.bob.put(t, path(v3+"/user", s.bob.id, "rooms", s.old, "tags", "m.favourite"), obj{"order": 0.5})
	}},
	{"a name for a room", func(t *testing.T, s *story) {
		alias := "#" + s.stage + ":" + s.house.name
		s.alice.put(t, path(v3+"/directory/room", alias), obj{"room_id": s.old})
		if a := s.bob.get(t, path(v3+"/directory/room", alias)); a.str("room_id") != s.old {
			t.Errorf("got %s", a)
		}
		s.alice.put(t, path(v3+"/directory/list/room", s.old), obj{"visibility": "public"})
		if a := s.bob.post(t, v3+"/publicRooms", obj{"filter": obj{"generic_search_term": "old friends"}}); !a.has(s.old) {
			t.Errorf("got %s", a)
		}
	}},
	{"a space", func(t *testing.T, s *story) {
		space := s.alice.room(t, obj{"preset": "public_chat", "creation_content": obj{"type": "m.space"}})
		s.alice.put(t, path(v3+"/rooms", space, "state", "m.space.child", s.old), obj{"via": list{s.house.name}})
		if a := s.bob.get(t, path(v1+"/rooms", space, "hierarchy")); !a.has("old friends") {
			t.Errorf("got %s", a)
		}
	}},
	{"a backup of keys", func(t *testing.T, s *story) {
		version := s.bob.post(t, v3+"/room_keys/version", obj{"algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": obj{"public_key": "x"}}).str("version")
		at := path(v3+"/room_keys/keys", s.coded, s.stage) + "?version=" + version
		s.bob.put(t, at, obj{"first_message_index": 0, "forwarded_count": 0, "is_verified": true, "session_data": obj{"ciphertext": s.stage}})
		if a := s.tablet.get(t, at); !a.has(s.stage) {
			t.Errorf("got %s", a)
		}
	}},
	{"sliding sync", func(t *testing.T, s *story) {
		a := s.bob.post(t, unstable+"/org.matrix.simplified_msc3575/sync?timeout=0", obj{"conn_id": s.stage, "lists": obj{"all": obj{
			"ranges": list{list{0, 20}}, "timeline_limit": 1, "required_state": list{list{"m.room.name", ""}},
		}}})
		if !a.has(s.old) {
			t.Errorf("got %s", a)
		}
	}},
	{"a message that is sent later", func(t *testing.T, s *story) {
		s.bob.begin(t)
		s.alice.put(t, path(v3+"/rooms", s.old, "send", "m.room.message", txn())+"?org.matrix.msc4140.delay=500", obj{"msgtype": "m.text", "body": "late " + s.stage})
		s.bob.until(t, "late "+s.stage)
	}},
	{"a room that moves on", func(t *testing.T, s *story) {
		room := s.alice.room(t, obj{"preset": "public_chat", "room_version": "11", "name": "moving " + s.stage})
		next := s.alice.post(t, path(v3+"/rooms", room, "upgrade"), obj{"new_version": "12"}).str("replacement_room")
		s.bob.join(t, next)
		s.bob.say(t, next, "moved")
	}},
	{"report administer and remove", func(t *testing.T, s *story) {
		e := s.alice.say(t, s.old, "bad words")
		s.bob.post(t, path(v3+"/rooms", s.old, "report", e), obj{"reason": "bad " + s.stage})
		const admin = "/_synapse/admin"
		if a := s.alice.get(t, admin+"/v1/event_reports?dir=b&limit=1"); !a.has("bad " + s.stage) {
			t.Errorf("reports: got %s", a)
		}
		if a := s.alice.get(t, admin+"/v2/users?limit=100"); !a.has(s.bob.id) {
			t.Errorf("users: got %s", a)
		}
		s.alice.get(t, admin+"/v1/rooms?limit=10")
		s.alice.get(t, admin+"/v1/federation/destinations")
		s.alice.post(t, admin+"/v1/registration_tokens/new", obj{"uses_allowed": 1})
		p := s.house.person(t, "leaves"+s.stage)
		s.alice.post(t, path(admin+"/v1/deactivate", p.id), obj{"erase": true})
		if a := p.do(t, "GET", v3+"/account/whoami", nil); a.status != http.StatusUnauthorized {
			t.Errorf("got %s", a)
		}
	}},
	{"the operator's commands", func(t *testing.T, s *story) {
		if out := s.house.command(t, "user", "list"); !strings.Contains(out, s.bob.id) {
			t.Errorf("got %s", out)
		}
	}},
	{"back up", func(t *testing.T, s *story) {
		s.backup = filepath.Join(filepath.Dir(s.house.dir), "backup-"+s.stage+".tar")
		s.house.command(t, "backup", "--to", s.backup)
		if info, err := os.Stat(s.backup); err != nil || info.Size() == 0 {
			t.Errorf("got %v, %v", info, err)
		}
	}},
	{"write to who is beyond the cut", func(t *testing.T, s *story) {
		text := "to the city " + s.stage
		s.waiting = append(s.waiting, text)
		began := time.Now()
		s.alice.say(t, s.between, text)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %s", took)
		}
	}},
	{"be told that it cannot be had", func(t *testing.T, s *story) {
		if s.answers == nil {
			t.Skip("nothing was asked for")
		}
		for range cap(s.answers) {
			if wrong := <-s.answers; wrong != "" {
				t.Error(wrong)
			}
		}
		s.answers = nil
		if !s.alice.knows(t, s.dave) { // since before
			t.Error("dave's keys are forgotten")
		}
	}},
	{"see that the server is cut off", func(t *testing.T, s *story) {
		if !s.last {
			t.Skip("it takes some seconds until it is certain")
		}
		if a := s.bob.get(t, "/_matrix/client/versions"); !a.has(`"org.freehold.reachability":true`) {
			t.Errorf("it is not advertised: %s", a)
		}
		eventually(t, "the app says so", func() bool {
			a := s.bob.get(t, reachability)
			outside, _ := a.json["outside"].(obj)
			return outside["state"] == "cut_off" && a.has(`"server_name":"`+s.city.name+`","state":"silent"`)
		})
		a := s.bob.get(t, "/health")
		if a.str("status") != "ok" || !strings.Contains(a.str("detail"), "cut off since "+s.today()) || !strings.Contains(a.str("detail"), "serving locally") {
			t.Errorf("health: got %s", a)
		}
	}},
	{"restart", func(t *testing.T, s *story) {
		s.house.stop(t)
		s.house.start(t)
		s.bob.begin(t)
		s.alice.say(t, s.old, "after a restart "+s.stage)
		s.bob.until(t, "after a restart "+s.stage)
	}},
	{"restart the machine", func(t *testing.T, s *story) {
		s.alice.say(t, s.old, "just before the power cut "+s.stage)
		s.house.kill(t)
		s.house.start(t)
		if got := s.bob.texts(t, s.old, 1); len(got) != 1 || got[0] != "just before the power cut "+s.stage {
			t.Errorf("got %q", got)
		}
	}},
	{"upgrade the program from a file", func(t *testing.T, s *story) {
		b, err := os.ReadFile(s.house.binary)
		if err != nil {
			t.Fatal(err)
		}
		next := filepath.Join(filepath.Dir(s.house.dir), "freehold-"+s.stage)
		if err := os.WriteFile(next, b, 0o755); err != nil {
			t.Fatal(err)
		}
		s.house.stop(t)
		s.house.binary = next
		s.house.start(t)
		s.bob.begin(t)
		s.alice.say(t, s.old, "with the new program "+s.stage)
		s.bob.until(t, "with the new program "+s.stage)
	}},
	{"restore", func(t *testing.T, s *story) {
		s.house.stop(t)
		was := s.house.dir
		s.house.dir = filepath.Join(filepath.Dir(was), "restored-"+s.stage)
		defer func() { // life goes on where it was
			s.house.stop(t)
			s.house.dir = was
			s.house.start(t)
		}()
		s.house.command(t, "restore", s.backup)
		s.house.start(t)
		if a := s.bob.get(t, path(v3+"/rooms", s.old, "messages")+"?dir=b&limit=100"); !a.has("quince of " + s.stage) {
			t.Errorf("got %s", a)
		}
		s.bob.get(t, v1+"/media/download/"+s.picture)
	}},
}

// today is the date by the clock of the house.
func (s *story) today() string { return time.Now().Add(s.house.offset).UTC().Format(time.DateOnly) }

const reachability = unstable + "/org.freehold.reachability"

// ask asks for what is elsewhere: where the budget says that this stops it fails, and says so in time. What was wrong about that is
// told to s.answers.
func (s *story) ask(t *testing.T) {
	t.Helper()
	s.renew(t, s.alice)
	who := *s.alice // whose token may change meanwhile
	questions := []struct {
		lines        []string
		method, path string
		body         any
	}{
		{[]string{"federation"}, "POST", path(v3+"/join", "#somewhere:"+s.city.name), obj{}},
		{[]string{"federation"}, "GET", path(v3+"/profile", s.dave.id), nil},
		{[]string{"federation"}, "POST", v3 + "/publicRooms?server=" + s.city.name, obj{}},
		{[]string{"remote_media", "files"}, "GET", v1 + "/media/download/" + s.city.name + "/unseen", nil}, // wherever the city keeps it
		{[]string{"names"}, "GET", path(v3+"/profile", "@who:"+stranger), nil},
	}
	s.answers = make(chan string, len(questions))
	for _, q := range questions {
		stops := true
		for _, name := range q.lines {
			stops = stops && s.stops(name)
		}
		s.mu.Lock()
		s.asked[q.method+" "+q.path] = stops
		s.mu.Unlock()
		for _, name := range q.lines {
			s.seen[name] = s.seen[name] || stops
		}
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			began := time.Now()
			a, err := who.try(ctx, q.method, q.path, q.body)
			took := time.Since(began)
			switch refused := err == nil && a.status >= 400 && a.str("errcode") != ""; {
			case stops && (!refused || took > 20*time.Second), !stops && (err != nil || a.status != http.StatusOK):
				s.answers <- fmt.Sprintf("%s %s: got %v, %v after %s; the budget says that it stops: %v", q.method, q.path, a, err, took, stops)
			default:
				s.answers <- ""
			}
		}()
	}
}

// renew gets a new token where the old one has run out.
func (s *story) renew(t testing.TB, p *person) {
	t.Helper()
	a := p.do(t, "GET", v3+"/account/whoami", nil)
	if a.status == http.StatusOK {
		return
	}
	if soft, _ := a.json["soft_logout"].(bool); !soft {
		t.Fatalf("%s: got %s", p.id, a)
	}
	a = p.ok(t, "POST", v3+"/refresh", obj{"refresh_token": p.refresh})
	p.token, p.refresh = a.str("access_token"), a.str("refresh_token")
}

// verify has two devices verify each other with messages, as apps do.
func verify(t *testing.T, a, b *person) {
	t.Helper()
	a.begin(t)
	b.begin(t)
	id := txn()
	a.toDevice(t, b, "m.key.verification.request", obj{"transaction_id": id, "from_device": a.device, "methods": list{"m.sas.v1"}, "timestamp": time.Now().UnixMilli()})
	b.until(t, "m.key.verification.request", id)
	b.toDevice(t, a, "m.key.verification.ready", obj{"transaction_id": id, "from_device": b.device, "methods": list{"m.sas.v1"}})
	a.until(t, "m.key.verification.ready")
	for _, x := range []struct {
		from, to *person
		kind     string
	}{{a, b, "start"}, {b, a, "accept"}, {a, b, "key"}, {b, a, "key"}, {a, b, "mac"}, {b, a, "mac"}, {a, b, "done"}, {b, a, "done"}} {
		kind := "m.key.verification." + x.kind
		x.from.toDevice(t, x.to, kind, obj{"transaction_id": id, "v": fmt.Sprint(id, x.kind, x.from.device)})
		x.to.until(t, kind, fmt.Sprint(id, x.kind, x.from.device))
	}
}

func png(t testing.TB, width, height int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := encoder.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// upload gives server/id.
func (p *person) upload(t testing.TB, content []byte) string {
	t.Helper()
	return strings.TrimPrefix(p.post(t, "/_matrix/media/v3/upload?filename=p.png", content).str("content_uri"), "mxc://")
}
