package conformance

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
)

// TestVisibilityModel: rooms in which a user comes and goes and the history visibility changes at random. What she is shown
// afterwards is what the specification's rules say of each event by itself
// (https://spec.matrix.org/v1.19/client-server-api/#room-history-visibility, "Server behaviour").
func TestVisibilityModel(t *testing.T) {
	for seed := range uint64(15) {
		m := newModel(t, seed)
		for range 25 {
			m.step()
		}
		m.check(seed)
	}
}

// model is what is known of one room and one user.
type model struct {
	t             *testing.T
	rand          *rand.Rand
	alice, viewer *user
	room          string
	visibility    string
	membership    string
	events        []modelled
}

// modelled is an event, with what held before and after it.
type modelled struct {
	id            string
	visibility    [2]string
	membership    [2]string
	own, settings bool // a member event of the user's; one that sets the visibility
}

func newModel(t *testing.T, seed uint64) *model {
	t.Helper()
	m := &model{
		t: t, rand: rand.New(rand.NewPCG(seed, 1)),
		alice: newUser(t), viewer: newUser(t), visibility: "shared", membership: "leave",
	}
	m.room = m.alice.createRoom(obj{"preset": "public_chat"})
	return m
}

func (m *model) step() {
	m.t.Helper()
	e := modelled{visibility: [2]string{m.visibility}, membership: [2]string{m.membership}}
	switch m.rand.IntN(4) {
	case 0:
		next := []string{"world_readable", "shared", "invited", "joined"}[m.rand.IntN(4)]
		if next == m.visibility {
			return
		}
		e.id, e.settings, m.visibility = m.alice.setState(m.room, "m.room.history_visibility", "", obj{"history_visibility": next}), true, next
	case 1:
		moves := map[string][]string{"leave": {"invite", "join", "ban"}, "invite": {"join", "leave", "ban"}, "join": {"leave", "kick", "ban"}, "ban": {"unban"}}
		switch move := moves[m.membership][m.rand.IntN(len(moves[m.membership]))]; move {
		case "join":
			m.viewer.join(m.room)
		case "leave":
			m.viewer.leave(m.room)
		default:
			m.alice.about(move, m.room, m.viewer).ok()
		}
		own := m.alice.get(path("/v3/rooms", m.room, "state", "m.room.member", m.viewer.id) + "?format=event").ok()
		e.id, e.own, m.membership = own.str("event_id"), true, own.str("content", "membership")
	default:
		e.id = m.alice.send(m.room, "said")
	}
	e.visibility[1], e.membership[1] = m.visibility, m.membership
	m.events = append(m.events, e)
}

// sees is the specification's five rules, and that an event which changes what they go by counts before and after itself.
func (m *model) sees(i int) bool {
	e := m.events[i]
	joinedLater := slices.ContainsFunc(m.events[i+1:], func(later modelled) bool { return later.own && later.membership[1] == "join" })
	allowed := func(visibility, membership string) bool {
		switch {
		case visibility == "world_readable", membership == "join":
			return true
		case visibility == "shared" && joinedLater:
			return true
		}
		return visibility == "invited" && membership == "invite"
	}
	if allowed(e.visibility[0], e.membership[0]) {
		return true
	}
	if e.settings && allowed(e.visibility[1], e.membership[0]) || e.own && allowed(e.visibility[0], e.membership[1]) {
		return true
	}
	// Beyond them: the end of what she had is hers to know.
	return e.own && e.membership[1] == "leave" && e.membership[0] == "invite"
}

func (m *model) check(seed uint64) {
	m.t.Helper()
	var want []string
	last := -1 // the newest of her own
	for i, e := range m.events {
		if e.own {
			last = i
		}
		sees := m.sees(i)
		if sees {
			want = append(want, e.id)
		}
		a := m.viewer.event(m.room, e.id)
		if (a.status == http.StatusOK) != sees {
			m.t.Errorf("seed %d: event %d %+v: got %d, want it seen: %t", seed, i, e, a.status, sees)
		}
	}
	known := func(id string) bool {
		return slices.ContainsFunc(m.events, func(e modelled) bool { return e.id == id })
	}
	for _, dir := range []string{"b", "f"} {
		a := m.viewer.get(path("/v3/rooms", m.room, "messages") + "?limit=100&dir=" + dir)
		if a.status != http.StatusOK {
			if m.membership == "join" || m.visibility == "world_readable" {
				a.ok()
			}
			continue
		}
		got := slices.DeleteFunc(a.at("chunk").all("event_id"), func(id string) bool { return !known(id) })
		for i, e := range m.events {
			// Who is gone is not told of what came later, be it for all the world to read then.
			must := slices.Contains(want, e.id) && (m.membership == "join" || m.membership == "invite" || m.visibility == "world_readable" || i <= last)
			if is := slices.Contains(got, e.id); is && !slices.Contains(want, e.id) || must && !is {
				m.t.Errorf("seed %d: /messages dir=%s: event %d %+v is there: %t", seed, dir, i, e, is)
			}
		}
	}
	for what, a := range map[string]*answer{
		"sync": m.viewer.sync("", obj{"room": obj{"include_leave": true, "timeline": obj{"limit": 100}}}),
	} {
		for _, timeline := range []value{a.timeline(m.room), a.left(m.room).at("timeline", "events")} {
			for _, id := range timeline.all("event_id") {
				if known(id) && !slices.Contains(want, id) {
					m.t.Errorf("seed %d: %s shows %s", seed, what, id)
				}
			}
		}
	}
}

// TestOnceReadable: what all the world could read can be had by its id also when later events cannot; B160.
func TestOnceReadable(t *testing.T) {
	alice, carol := newUser(t), newUser(t)
	room := alice.roomWith("world_readable")
	open := alice.send(room, "for all")
	alice.setState(room, "m.room.history_visibility", "", obj{"history_visibility": "joined"})
	closed := alice.send(room, "for us")
	carol.event(room, open).ok()
	carol.event(room, closed).fails(404, "M_NOT_FOUND")
	carol.get(path("/v3/rooms", room, "messages")+"?dir=b").fails(403, "M_FORBIDDEN")
	carol.get(path("/v3/rooms", room, "state")).fails(403, "M_FORBIDDEN")
}
