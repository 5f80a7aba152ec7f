package cutoff

import (
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"freehold.example/test/harness"
)

// story is three servers that have met. People live at the house; the farm is on the same side of the cut, the city on the other.
type story struct {
	w                 world
	house, farm, city *site

	alice, bob   *person // of the house; alice is its administrator
	carol, erin  *person // of the farm; erin is its administrator
	dave         *person // of the city
	tablet       *person // a second device of bob's
	old, between string  // rooms of the house, and of all three
	coded        string  // an encrypted room of the house
	farms        string  // a room of the farm that nobody of the house is in at first
	picture      string  // server/id of media of the house
	landscape    string  // of the farm's, seen once here
	backup       string  // file
	stage        string  // which the names of this stage have in them
	n            int     // of the stage
	last         bool
	waiting      []string    // what the city is to hear in the end
	answers      chan string // what was wrong with the answers to what somebody asked for
	promise
}

// step is one thing that people or operators do.
type step struct {
	name string
	do   func(t *testing.T, s *story)
}

// TestLifeGoesOn: the steps of daily life, with everything outside gone, and with time going by.
func TestLifeGoesOn(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel() // it waits, most of the time
	if os.Getenv("FH_CUTOFF") == "memory" {
		t.Skip("FH_CUTOFF=memory")
	}
	w, err := newSpaces()
	if err != nil {
		t.Skipf("no network namespaces here (%v; they take root on Linux, /dev/net/tun and ip): only the network in memory is tried", err)
	}
	lifeGoesOn(t, w, 0, 8*day, 30*day, 100*day)
}

// TestLifeGoesOnInMemory: the same where the servers, and the network, are of this process, so that the race detector sees them.
func TestLifeGoesOnInMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()
	lifeGoesOn(t, newMemory(), 0, 100*day)
}

// lifeGoesOn has time go by after the cut, in stages.
func lifeGoesOn(t *testing.T, w world, stages ...time.Duration) {
	s := begin(t, w)
	for n, offset := range stages {
		s.n, s.stage, s.last = n, fmt.Sprint("day", int(offset/day)), n == len(stages)-1
		t.Run(s.stage, func(t *testing.T) {
			s.restart(t, offset)
			clear(s.seen)
			for _, part := range []struct {
				name  string
				state cut
				steps []step
			}{{"alone", alone, own}, {"island", island, shared}} {
				s.w.cut(part.state, s.told())
				if part.state == alone { // since the house was started
					s.foreseen(t)
				} else {
					s.begins(t)
				}
				for _, x := range part.steps {
					t.Run(part.name+"/"+strings.ReplaceAll(x.name, " ", "_"), func(t *testing.T) {
						defer s.logs(t)
						x.do(t, s)
						s.rested(t, x)
					})
				}
				s.explain(t, part.name)
			}
			if s.last {
				s.complete(t)
			}
		})
	}
	t.Run("relayed", func(t *testing.T) { relayed(t, s) })
	t.Run("healed", func(t *testing.T) { healed(t, s) })
}

// told is whether who sends something into the cut hears that it gets nowhere: cuts are of both kinds.
func (s *story) told() bool { return s.n > 0 && !s.last }

func portOf(s *site) (n uint16) {
	_, _ = fmt.Sscan(s.port, &n)
	return n
}

// gateway is where pushes would go; nobody has ever met the stranger.
const (
	gateway  = "push.gateway.example"
	stranger = "stranger.example"
)

// begin starts three servers and has their people meet.
func begin(t *testing.T, w world) *story {
	t.Helper()
	binary, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	ca, err := newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	s := &story{w: w}
	dir := t.TempDir()
	t.Cleanup(s.w.end) // before the directory goes, in which the servers write
	caFile := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(caFile, ca.pem, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		at   **site
		site site
	}{
		{&s.house, site{name: "house.example", addr: netip.MustParseAddr("45.11.0.2"), port: "8448"}},
		{&s.farm, site{name: "farm.test", addr: netip.MustParseAddr("10.20.0.2"), port: "8449", srv: true}},
		{&s.city, site{name: "city.example", addr: netip.MustParseAddr("45.33.0.3"), port: "8448"}},
	} {
		one := x.site
		one.w, one.binary, one.dir, one.log = s.w, binary, filepath.Join(dir, one.name), filepath.Join(dir, one.name+".log")
		one.env = []string{"FREEHOLD_TLS_CA=" + caFile, "FREEHOLD_INSIDE_NETWORKS=10.20.0.0/16,192.168.0.0/16"}
		if err := os.Mkdir(one.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if one.name != "farm.test" { // which has a certificate of its own making
			certificate, err := ca.certify(dir, one.name)
			if err != nil {
				t.Fatal(err)
			}
			for i := range certificate { // each has its own
				key, file, _ := strings.Cut(certificate[i], "=")
				to := filepath.Join(dir, one.name+filepath.Ext(file))
				if err := os.Rename(file, to); err != nil {
					t.Fatal(err)
				}
				one.env = append(one.env, key+"="+to)
			}
		}
		*x.at = &one
		if err := s.w.begin(&one); err != nil {
			t.Fatal(err)
		}
	}
	s.w.cut(whole, false)
	for _, x := range []*site{s.house, s.farm, s.city} {
		x.start(t)
	}
	s.meet(t)
	return s
}

// meet is what there was before the cut.
func (s *story) meet(t *testing.T) {
	t.Helper()
	s.alice, s.erin = s.house.administrator(t, "alice"), s.farm.administrator(t, "erin")
	s.bob, s.carol, s.dave = s.house.person(t, "bob"), s.farm.person(t, "carol"), s.city.person(t, "dave")
	tablet := *s.bob
	s.tablet = &tablet
	s.tablet.signIn(t)

	s.old = s.alice.room(t, obj{"preset": "public_chat", "name": "old friends"})
	s.bob.join(t, s.old)
	s.alice.say(t, s.old, "before the cut: pomegranate")
	s.coded = s.alice.room(t, obj{"preset": "private_chat", "invite": list{s.bob.id}, "initial_state": list{
		obj{"type": "m.room.encryption", "state_key": "", "content": obj{"algorithm": "m.megolm.v1.aes-sha2"}},
	}})
	s.bob.join(t, s.coded)
	s.between = s.alice.room(t, obj{"preset": "public_chat", "name": "between us", "initial_state": list{
		obj{"type": "m.room.encryption", "state_key": "", "content": obj{"algorithm": "m.megolm.v1.aes-sha2"}},
	}})
	s.bob.join(t, s.between)
	s.carol.join(t, s.between, s.house.name)
	s.dave.join(t, s.between, s.house.name)
	s.farms = s.carol.room(t, obj{"preset": "public_chat", "name": "the barn"})
	for _, p := range []*person{s.alice, s.bob, s.tablet, s.carol, s.dave} {
		p.publishKeys(t)
		p.begin(t)
	}
	for _, p := range []*person{s.carol, s.dave} {
		text := "hello of " + p.id
		p.say(t, s.between, text)
		s.alice.until(t, text)
		eventually(t, "their keys are known", func() bool { return s.alice.knows(t, p) })
	}
	s.alice.say(t, s.between, "hello of alice")
	s.carol.until(t, "hello of alice")
	s.dave.until(t, "hello of alice", "hello of "+s.carol.id)

	s.picture = s.alice.upload(t, png(t, 200, 100))
	s.landscape = s.carol.upload(t, png(t, 120, 80))
	s.bob.get(t, v1+"/media/download/"+s.landscape)
	s.bob.post(t, v3+"/pushers/set", obj{
		"kind": "http", "app_id": "app", "pushkey": "key", "app_display_name": "App", "device_display_name": "phone", "lang": "en",
		"data": obj{"url": "https://" + gateway + "/_matrix/push/v1/notify"},
	})
	s.promised(t)
}

// restart has both servers of the island start at another time, with the network gone.
func (s *story) restart(t *testing.T, offset time.Duration) {
	t.Helper()
	s.w.cut(alone, s.told())
	for _, x := range []*site{s.house, s.farm, s.city} {
		x.stop(t)
	}
	s.forget()
	for _, x := range []*site{s.house, s.farm} {
		x.offset = offset
		x.start(t)
	}
}

// logs shows how the logs of all end, where something has failed.
func (s *story) logs(t *testing.T) {
	if t.Failed() {
		for _, x := range []*site{s.house, s.farm, s.city} {
			t.Logf("the log of %s ends with\n%s", x.name, tail(x.log, 2500))
		}
	}
}

// relayed: the farm reaches the city again, and the house does not. What is said in the city comes to the house by the farm, long
// after the house could last ask the city for its keys.
func relayed(t *testing.T, s *story) {
	defer s.logs(t)
	s.city.offset = s.house.offset
	s.city.start(t)
	for _, p := range []*person{s.alice, s.carol, s.dave} {
		s.renew(t, p)
	}
	s.w.cut(chain, s.told())
	s.begins(t)
	s.alice.begin(t)
	s.carol.begin(t)
	s.dave.say(t, s.between, "from the city, to be handed on")
	s.carol.until(t, "from the city, to be handed on")
	s.carol.say(t, s.between, "did you hear that?")
	s.alice.until(t, "did you hear that?")
	eventually(t, "it was handed on", func() bool {
		return strings.Contains(strings.Join(s.alice.texts(t, s.between, 50), "\n"), "from the city, to be handed on")
	})
	s.explain(t, "relayed")
}

// healed is the end: the city is there again, and what was said on either side of the cut comes to the other.
func healed(t *testing.T, s *story) {
	defer s.logs(t)
	known := s.bob.get(t, reachability).str("version")
	told := make(chan *answer, 1)
	go func() {
		a, err := s.bob.try(t.Context(), "GET", reachability+"?timeout=30000&since="+known, nil)
		if err == nil {
			told <- a
		}
	}()
	s.dave.say(t, s.between, "meanwhile in the city")
	s.w.cut(whole, false)
	began := time.Now()
	s.alice.until(t, "meanwhile in the city")
	s.carol.until(t, "meanwhile in the city")
	eventually(t, "what was said during the cut has come", func() bool {
		got := strings.Join(s.dave.texts(t, s.between, 200), "\n")
		for _, text := range s.waiting {
			if !strings.Contains(got, text) {
				return false
			}
		}
		return true
	})
	select {
	case a := <-told:
		if a.status != http.StatusOK || a.str("version") == known {
			t.Errorf("an app that waited to hear how it stands got %s", a)
		}
	case <-time.After(patience):
		t.Error("an app that waited to hear how it stands was not told")
	}
	eventually(t, "everybody is reached again", func() bool {
		a := s.bob.get(t, reachability)
		outside, _ := a.json["outside"].(obj)
		return outside["state"] == "reached" && !a.has(`"state":"silent"`) && !a.has(`"state":"healing"`)
	})
	if a := s.bob.get(t, "/health"); a.str("detail") != "" {
		t.Errorf("health: got %s", a)
	}
	t.Logf("whole again after %s", time.Since(began).Round(time.Millisecond))
}
