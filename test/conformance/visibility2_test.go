package conformance

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestWhoSeesWhat: history visibility times membership, at every endpoint that could show something. Four times something
// is said and a piece of state is changed, with people coming and going in between:
//
//	0   before:  gone early, gone late, banned, there
//	    gone early leaves, invited is invited, knocked knocks
//	1
//	    gone late leaves, banned is banned
//	2   a stranger joins
//	    late joins
//	3
func TestWhoSeesWhat(t *testing.T) {
	for visibility, sees := range map[string]map[string]string{
		"world_readable": {"there": "0123", "late": "0123", "gone early": "0123", "gone late": "0123", "banned": "0123", "invited": "0123", "knocked": "0123", "never": "0123"},
		"shared":         {"there": "0123", "late": "0123", "gone early": "0", "gone late": "01", "banned": "01", "invited": "", "knocked": "", "never": ""},
		"invited":        {"there": "0123", "late": "3", "gone early": "0", "gone late": "01", "banned": "01", "invited": "123", "knocked": "", "never": ""},
		"joined":         {"there": "0123", "late": "3", "gone early": "0", "gone late": "01", "banned": "01", "invited": "", "knocked": "", "never": ""},
	} {
		t.Run(visibility, func(t *testing.T) {
			s := newStage(t, visibility)
			for who, seen := range sees {
				t.Run(who, func(t *testing.T) {
					u := *s.people[who]
					u.t = t
					s.check(&u, who, seen)
				})
			}
		})
	}
}

// stage is a room in which all that has happened.
type stage struct {
	visibility string
	room       string
	people     map[string]*user
	messages   [4]string // event ids
	states     [4]string
	replies    [4]string // to the message of moment 1; of moments 2 and 3
	times      [4]int64  // of the messages
	tokens     [4]string // of who is there, after the moment
	stranger   string
}

func newStage(t *testing.T, visibility string) *stage {
	t.Helper()
	s := &stage{visibility: visibility, people: map[string]*user{}, stranger: "stranger-" + visibility}
	alice := newUser(t)
	for _, who := range []string{"there", "late", "gone early", "gone late", "banned", "invited", "knocked", "never"} {
		s.people[who] = newUser(t)
	}
	p := s.people
	s.room = alice.createRoom(obj{"initial_state": list{
		obj{"type": "m.room.history_visibility", "content": obj{"history_visibility": visibility}},
	}})
	in := func(u *user) {
		t.Helper()
		alice.invite(s.room, u)
		u.join(s.room)
	}
	say := func(moment int) {
		t.Helper()
		s.messages[moment] = alice.send(s.room, marker("message", moment))
		s.states[moment] = alice.setState(s.room, "com.example", "", obj{"is": marker("state", moment)})
		if moment > 1 {
			s.replies[moment] = alice.sendEvent(s.room, "m.room.message", obj{
				"msgtype": "m.text", "body": marker("message", moment),
				"m.relates_to": obj{"rel_type": "m.reference", "event_id": s.messages[1]},
			})
		}
		s.times[moment] = int64(alice.event(s.room, s.messages[moment]).ok().num("origin_server_ts"))
		s.tokens[moment] = p["there"].now()
	}
	for _, who := range []string{"there", "gone early", "gone late", "banned"} {
		in(p[who])
	}
	say(0)
	p["gone early"].leave(s.room)
	alice.invite(s.room, p["invited"])
	alice.setState(s.room, "m.room.join_rules", "", obj{"join_rule": "knock"})
	p["knocked"].post(path("/v3/knock", s.room), obj{}).ok()
	alice.setState(s.room, "m.room.join_rules", "", obj{"join_rule": "invite"})
	say(1)
	p["gone late"].leave(s.room)
	alice.about("ban", s.room, p["banned"]).ok()
	stranger := newUser(t)
	stranger.put(path("/v3/profile", stranger.id, "displayname"), obj{"displayname": s.stranger}).ok()
	in(stranger)
	say(2)
	in(p["late"])
	say(3)
	alias := "#see-" + strings.ToLower(strings.ReplaceAll(visibility, "_", "-")) + "-" + run + ":" + alice.server()
	alice.put(path("/v3/directory/room", alias), obj{"room_id": s.room}).ok()
	return s
}

func marker(what string, moment int) string { return fmt.Sprintf("%s-of-%d", what, moment) }

// check asks every endpoint for what the user sees. seen are the moments whose events she may be shown.
func (s *stage) check(u *user, who, seen string) {
	u.t.Helper()
	var (
		in    = who == "there" || who == "late"
		world = s.visibility == "world_readable"
		was   = map[string]string{"gone early": "0", "gone late": "1", "banned": "1"}[who] // the last state of who is gone
	)
	may := func(moment int) bool { return strings.Contains(seen, fmt.Sprint(moment)) }

	// One event, and what is around it.
	for moment := range s.messages {
		for _, event := range []string{s.messages[moment], s.states[moment]} {
			for what, a := range map[string]*answer{
				"event": u.event(s.room, event), "context": u.get(path("/v3/rooms", s.room, "context", event) + "?limit=50"),
			} {
				if may(moment) {
					a.ok()
				} else if a.status != http.StatusNotFound && a.status != http.StatusForbidden {
					u.t.Errorf("%s of moment %d: got %d", what, moment, a.status)
				}
				s.wantNoMore(a, what, seen, was)
			}
		}
	}
	s.wantNoMore(u.get(path("/v1/rooms", s.room, "relations", s.messages[1])), "relations", seen, was)
	s.wantNoMore(u.get(path("/v1/rooms", s.room, "threads")), "threads", seen, was)
	for moment := range s.messages {
		a := u.post("/v3/search", obj{"search_categories": obj{"room_events": obj{
			"search_term": fmt.Sprint("message of ", moment), "event_context": obj{"before_limit": 10, "after_limit": 10}, "include_state": true,
		}}})
		s.wantNoMore(a, "search", seen, was)
	}

	// A stretch of history.
	for _, query := range []string{"dir=b", "dir=f", "dir=b&from=" + url.QueryEscape(s.tokens[3]), "dir=f&from=" + url.QueryEscape(s.tokens[1])} {
		a := u.get(path("/v3/rooms", s.room, "messages") + "?limit=100&" + query)
		s.wantNoMore(a, "messages "+query, seen, was)
		switch {
		case seen == "" && !in && was == "":
			a.fails(403, "M_FORBIDDEN")
		case !strings.Contains(query, "from"):
			for moment := range s.messages {
				if a.ok(); may(moment) != slices.Contains(a.at("chunk").all("event_id"), s.messages[moment]) {
					u.t.Errorf("messages %s: moment %d is there: %t, want %t", query, moment, !may(moment), may(moment))
				}
			}
		}
	}
	for moment, at := range s.times {
		for _, dir := range []string{"b", "f"} {
			a := u.get(path("/v1/rooms", s.room, "timestamp_to_event") + fmt.Sprintf("?ts=%d&dir=%s", at, dir))
			if a.status == 200 {
				u.event(s.room, a.str("event_id")).ok() // she may see what it names
			} else if in || world {
				u.t.Errorf("timestamp_to_event %s %d: got %d %s", dir, moment, a.status, a.raw)
			}
		}
	}

	// The state.
	state := u.get(path("/v3/rooms", s.room, "state"))
	value := u.state(s.room, "com.example", "")
	members := u.get(path("/v3/rooms", s.room, "members"))
	switch {
	case in || world:
		if got := value.ok().str("is"); got != marker("state", 3) || state.ok().at().find("com.example").str("content", "is") != got {
			u.t.Errorf("state: got %q and %s", got, state.raw)
		}
		s.wantStranger(members.ok(), true)
	case was != "":
		if got := value.ok().str("is"); got != "state-of-"+was || state.ok().at().find("com.example").str("content", "is") != got {
			u.t.Errorf("state: got %q and %s", got, state.raw)
		}
		s.wantStranger(members.ok(), false)
	default:
		for _, a := range []*answer{state, value, members} {
			a.fails(403, "M_FORBIDDEN")
		}
	}
	for moment, at := range s.tokens {
		a := u.get(path("/v3/rooms", s.room, "members") + "?at=" + url.QueryEscape(at))
		// Before what she may see, the members are those of when she came.
		clamped := who == "late" && (s.visibility == "invited" || s.visibility == "joined")
		s.wantStranger(a, (in || world) && (moment >= 2 || clamped))
		if !in && !world && was == "" {
			a.fails(403, "M_FORBIDDEN")
		}
	}
	allowed := func(what string, a *answer, ok bool, otherwise int) {
		u.t.Helper()
		if ok {
			a.ok()
		} else if a.status != otherwise {
			u.t.Errorf("%s: got %d %s, want %d", what, a.status, a.raw, otherwise)
		}
	}
	allowed("joined_members", u.get(path("/v3/rooms", s.room, "joined_members")), in, 403)
	allowed("aliases", u.get(path("/v3/rooms", s.room, "aliases")), in || world, 403)
	allowed("room_summary", u.get(path("/v1/room_summary", s.room)), in || world || who == "invited", 404)
	allowed("hierarchy", u.tree(s.room), in || world || who == "invited", 403)
	if rooms := u.get("/v3/publicRooms").ok().at("chunk").all("room_id"); slices.Contains(rooms, s.room) {
		u.t.Errorf("a room that was not published is in the directory")
	}

	// Sync: what is in the past of who is gone is there, and nothing else.
	for what, a := range map[string]*answer{
		"initial sync":     u.sync("", obj{"room": obj{"include_leave": true, "timeline": obj{"limit": 100}}}),
		"short sync":       u.sync("", obj{"room": obj{"include_leave": true, "timeline": obj{"limit": 1}}}),
		"full state":       u.sync(s.tokens[3], obj{"room": obj{"include_leave": true}}, "full_state=true"),
		"incremental sync": u.sync(s.tokens[1], obj{"room": obj{"include_leave": true}}),
		"state after":      u.sync("", obj{"room": obj{"include_leave": true, "timeline": obj{"limit": 1}}}, "use_state_after=true"),
	} {
		if in {
			if got := a.timeline(s.room).find("com.example"); what == "initial sync" && got.missing() {
				u.t.Errorf("%s: nothing new: %v", what, a.joined(s.room))
			}
			continue
		}
		s.wantNoMore(a, what, seen, was)
		if !world {
			s.wantStranger(a, false)
		}
	}
}

// wantNoMore checks that an answer has nothing of moments that are not seen, other than the last state of who is gone.
func (s *stage) wantNoMore(a *answer, what, seen, was string) {
	a.t.Helper()
	for moment := range s.messages {
		if strings.Contains(seen, fmt.Sprint(moment)) {
			continue
		}
		raw := string(a.raw)
		if strings.Contains(raw, marker("message", moment)) || s.replies[moment] != "" && strings.Contains(raw, s.replies[moment]) {
			a.t.Errorf("%s shows a message of moment %d: %s", what, moment, raw)
		}
		if strings.Contains(raw, marker("state", moment)) && fmt.Sprint(moment) != was && seen != "3" { // who came late is shown the state of then
			a.t.Errorf("%s shows the state of moment %d: %s", what, moment, raw)
		}
	}
}

func (s *stage) wantStranger(a *answer, want bool) {
	a.t.Helper()
	if got := strings.Contains(string(a.raw), s.stranger); got != want {
		a.t.Errorf("%s: the stranger is there: %t, want %t: %s", a.asked, got, want, a.raw)
	}
}
