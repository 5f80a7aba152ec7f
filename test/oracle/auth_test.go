package oracle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// authCase is an event, and a state that is to allow it or not.
type authCase struct {
	version *version.Version
	event   *event.Event
	state   []*node         // whose events are the state
	s       *authrule.State // what ours makes of it

	rejected map[id.Event]bool // of TestAuthEvents
}

func (c *authCase) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "event: %s\nstate:\n", describe(c.event))
	for _, n := range c.state {
		fmt.Fprintf(&b, "  %s%s\n", describe(n.event), map[bool]string{true: " REJECTED"}[c.rejected[n.event.ID()]])
	}
	return b.String()
}

// TestAuth compares whether random events are allowed by the state of random rooms.
func TestAuth(t *testing.T) {
	run(t, "auth", 1000, func(d *dice) (all []*difference) {
		for _, c := range newAuthCases(d) {
			all = append(all, compareAuth(c)...)
		}
		return all
	})
}

// perRoom is how many events are tried in a room's state: to make the room is most of the work.
const perRoom = 4

// newAuthCases makes a room, lets some things happen in it, and then tries one more of several.
func newAuthCases(d *dice) (all []*authCase) {
	v := pick(d, allVersions...)
	r := newRoom(d, v)
	at := r.nodes[len(r.nodes)-1]
	for range d.IntN(20) {
		if next := r.send(at, r.any(at)); !next.rejected {
			at = next
		}
	}
	for len(all) < perRoom {
		if c := r.authCase(at); c != nil {
			all = append(all, c)
		}
	}
	return all
}

func (r *room) authCase(at *node) *authCase {
	d, v := r.d, r.version
	if d.oneIn(3) {
		at = r.mixed(at)
	}
	dr := r.any(at)
	for _, s := range r.stateEvents(at.state) { // who knocked comes in
		if authrule.ParseMember(s.Content()).Membership == authrule.Knock && d.oneIn(10) {
			user, _ := s.StateKey()
			dr = event.Draft{Type: "m.room.member", StateKey: &user, Sender: id.User(user), Content: []byte(`{"membership":"join"}`)}
			break
		}
	}
	switch d.IntN(30) {
	case 0:
		r.create(&dr)
		at = &node{event: at.event}
	case 1: // the first thing after the create event, again
		at = r.nodes[0]
		dr = event.Draft{Type: "m.room.member", Sender: pick(d, r.users[0], r.users[1]), Content: []byte(`{"membership":"join"}`)}
		dr.StateKey = new(string(pick(d, r.users[0], r.users[1])))
	}
	if dr.Type == "m.room.create" {
		r.complete(&dr, nil)
		if d.oneIn(10) {
			dr.Prev = []id.Event{r.nodes[0].event.ID()}
			dr.Hashes = map[id.Event][32]byte{r.nodes[0].event.ID(): {}}
		}
	} else {
		r.complete(&dr, at.state, at)
	}
	e, err := r.build(dr)
	if err != nil {
		return nil // content that the room version does not have
	}
	c := &authCase{version: v, event: e}
	for _, s := range r.stateEvents(at.state) {
		c.state = append(c.state, r.byID[s.ID()])
	}
	return c
}

// mixed is the node with a state that has older events here and there: not one that the room ever had.
func (r *room) mixed(at *node) *node {
	mixed := *at
	mixed.state = maps.Clone(at.state)
	for _, n := range r.nodes {
		key := keyOfState(n.event)
		if _, isState := n.event.StateKey(); isState && !n.rejected && mixed.state[key] != "" && r.d.oneIn(3) {
			mixed.state[key] = n.event.ID()
		}
	}
	return &mixed
}

// create makes another create event.
func (r *room) create(dr *event.Draft) {
	d := r.d
	*dr = event.Draft{Type: "m.room.create", StateKey: new(""), Sender: r.user()}
	content := object().set("creator", str(string(dr.Sender))).set("room_version", str(r.version.ID))
	switch d.IntN(6) {
	case 0:
		content.remove("creator")
	case 1:
		content.set("room_version", pick(d, str("no such"), raw("1"), str("1"), str("12")))
	case 2:
		content.remove("room_version")
	case 3:
		content.set("additional_creators", pick(d, list(str("@x:y")), list(str("x")), raw("null"), str("@x:y"), list(raw("1")), list()))
	case 4:
		content.set("creator", pick(d, raw("null"), raw("1"), str("x")))
	}
	dr.Content = content.bytes()
}

// TestAuthEvents compares whether random events are allowed by the auth events that they name: the right ones or others,
// of other rooms, rejected, twice, or missing. gomatrixserverlib leaves these rules to its callers.
func TestAuthEvents(t *testing.T) {
	run(t, "auth events", 300, func(d *dice) (all []*difference) {
		v := allVersions[2+d.IntN(len(allVersions)-2)] // mautrix has no rules for versions 1 and 2
		r := newRoom(d, v)
		at := r.nodes[len(r.nodes)-1]
		for range d.IntN(12) {
			if next := r.send(at, r.any(at)); !next.rejected {
				at = next
			}
		}
		other := newRoom(d, v)
		for range perRoom {
			if d := compareAuthEvents(r, other, at); d != nil {
				all = append(all, d)
			}
		}
		return all
	})
}

func compareAuthEvents(r, other *room, at *node) *difference {
	d := r.d
	dr := r.any(at)
	r.complete(&dr, at.state, at)
	known := slices.Concat(r.nodes, other.nodes)
	if len(dr.Auth) > 0 && !d.oneIn(4) {
		i := d.IntN(len(dr.Auth))
		switch d.IntN(5) {
		case 0:
			dr.Auth = append(dr.Auth, pick(d, known...).event.ID())
		case 1:
			dr.Auth = append(dr.Auth, dr.Auth[i])
		case 2:
			dr.Auth = slices.Delete(dr.Auth, i, i+1)
		case 3:
			dr.Auth[i] = pick(d, known...).event.ID()
		case 4: // another of the same kind, mostly
			is := keyOfState(r.events[dr.Auth[i]])
			for _, n := range known {
				if n.event.IsState(is.Type, is.Key) && d.oneIn(2) {
					dr.Auth[i] = n.event.ID()
				}
			}
		}
	}
	e, err := r.build(dr)
	if err != nil {
		return nil
	}
	c := &authCase{version: r.version, event: e, rejected: make(map[id.Event]bool)}
	var events []*event.Event
	for _, n := range known {
		if slices.Contains(e.Auth(), n.event.ID()) {
			c.state = append(c.state, n)
			events = append(events, n.event)
		}
		if n.rejected || d.oneIn(200) {
			c.rejected[n.event.ID()] = true
		}
	}
	ours := authrule.CheckAuthEvents(e, events, c.rejected)
	if ours == nil {
		if r.version.RoomIDIsCreateHash {
			events = append(events, r.nodes[0].event)
		}
		c.s, _ = authrule.Gather(r.version, events)
		ours = ourAuth(r.version, e, events)
	}
	_, m := theirs(e)
	theirs := mautrixAuthEvents(r.version, m, known, c.rejected)
	seen.count("auth events: all")
	seen.count("auth events: allowed %v", ours == nil)
	if (ours == nil) == (theirs == "allowed") {
		return nil
	}
	return &difference{kind: "auth", lib: mautrix, what: "verdict by auth events", version: r.version, ours: allowed(ours), theirs: theirs, auth: c}
}

// verified are the servers whose signatures on the event are right.
func verified(e *event.Event) (all []id.Server) {
	for server := range e.Signatures() {
		if e.Verify(server, keyID, publicKeyOf(server)) == nil {
			all = append(all, server)
		}
	}
	return all
}

// ourAuth is what ours says about an event in a state.
func ourAuth(v *version.Version, e *event.Event, state []*event.Event) error {
	var needed []*event.Event
	keys := authrule.NeededFor(e)
	for _, s := range state {
		if key, _ := s.StateKey(); s.Type() == "m.room.create" || slices.Contains(keys, authrule.StateKey{Type: s.Type(), Key: key}) {
			needed = append(needed, s)
		}
	}
	s, err := authrule.Gather(v, needed)
	if err != nil {
		return err
	}
	return authrule.Check(e, s, verified(e)...)
}

func compareAuth(c *authCase) (all []*difference) {
	events := make([]*event.Event, len(c.state))
	for i, n := range c.state {
		events[i] = n.event
	}
	c.s, _ = authrule.Gather(c.version, events)
	ours := allowed(ourAuth(c.version, c.event, events))
	membership := ""
	if c.event.Type() == "m.room.member" {
		membership = " " + string(authrule.ParseMember(c.event.Content()).Membership)
	}
	seen.count("auth: all")
	seen.count("auth: %s%s, allowed %v", c.event.Type(), membership, ours == "allowed")
	differ := func(lib, theirs string) {
		if (ours == "allowed") != (theirs == "allowed") {
			all = append(all, &difference{kind: "auth", lib: lib, what: "verdict", version: c.version, ours: ours, theirs: theirs, auth: c})
		}
	}
	g, m := theirs(c.event)
	differ(gmsl, gmslAuth(g, c.state))
	if m != nil {
		differ(mautrix, mautrixAuth(c.version, m, c.state))
	}
	return all
}

func allowed(err error) string {
	if err == nil {
		return "allowed"
	}
	return err.Error()
}
