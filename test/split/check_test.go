package split

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"freehold.example/base/bus"
	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// view is what a server that has stopped holds of one room.
type view struct {
	name     id.Server
	in       bool // its user is joined
	partial  bool // members are missing yet
	state    map[authrule.StateKey]id.Event
	members  map[id.User]string
	timeline map[id.Event]*event.Event
	came     map[id.Event]int          // where in the order in which those came
	aside    map[id.Event]room.Verdict // of events that others have in the timeline
	beside   map[id.Event]*event.Event // ... and those, and what any event here refers to
}

type nobody struct{}

func (nobody) MemberProfile(context.Context, id.User) (string, string, error) { return "", "", nil }

// stopped is what a server that has stopped left behind, with a room engine that reads it.
type stopped struct {
	db    *sqldb.DB
	rooms *room.Rooms
}

// look opens what a server left behind. The caller closes it.
func (x *node) look(ctx context.Context) (left stopped, err error) {
	if left.db, err = sqldb.Open(ctx, sqldb.Config{Dir: x.dir, ReadOnly: true, ReadConns: 1}); err != nil {
		return left, err
	}
	left.rooms, err = room.New(room.Config{
		DB: left.db, Bus: new(bus.Local), Profiles: nobody{}, Server: x.name, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Signer: event.Signer{Server: x.name, Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))},
	})
	return left, err
}

// views reads what all servers hold of all rooms of a history.
func (r *run) views(ctx context.Context) (all map[id.Room][]*view, err error) {
	lefts := make([]stopped, len(r.all))
	for i, x := range r.all {
		lefts[i], err = x.look(ctx)
		if db := lefts[i].db; db != nil {
			defer func() { err = errors.Join(err, db.Close()) }()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", x.name, err)
		}
	}
	all = map[id.Room][]*view{}
	shown := map[id.Room]map[id.Event]bool{} // by any server
	for i, x := range r.all {
		err := lefts[i].db.Read(ctx, func(tx *sqldb.Tx) error {
			byNID := map[room.NID]*view{}
			for _, in := range r.rooms {
				v, nid, err := x.view(tx, lefts[i].rooms, in)
				if err != nil {
					return err
				}
				all[in] = append(all[in], v)
				if nid != 0 {
					byNID[nid] = v
				}
			}
			events, _, more, err := lefts[i].rooms.Stream(tx, 0, 100_000)
			if err != nil || more {
				return fmt.Errorf("the stream has more than it may: %w", err)
			}
			for _, s := range events {
				v := byNID[s.Room]
				if v == nil {
					continue
				}
				v.timeline[s.Event.ID()], v.came[s.Event.ID()] = s.Event, len(v.came)
				in := s.Event.Room()
				if shown[in] == nil {
					shown[in] = map[id.Event]bool{}
				}
				shown[in][s.Event.ID()] = true
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", x.name, err)
		}
	}
	for i, x := range r.all {
		err := lefts[i].db.Read(ctx, func(tx *sqldb.Tx) error {
			for in, events := range shown {
				if err := all[in][i].lookUp(tx, lefts[i].rooms, events); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", x.name, err)
		}
	}
	return all, nil
}

// lookUp finds the events that others show and this server does not, and whatever any of them refers to.
func (v *view) lookUp(tx *sqldb.Tx, rooms *room.Rooms, shown map[id.Event]bool) error {
	todo := slices.Collect(maps.Keys(shown))
	for e := range maps.Values(v.timeline) {
		todo = append(append(todo, e.Prev()...), e.Auth()...)
	}
	for ; len(todo) > 0; todo = todo[1:] {
		name := todo[0]
		if v.timeline[name] != nil || v.aside[name] != "" || v.beside[name] != nil {
			continue
		}
		s, err := rooms.ByID(tx, name)
		if err != nil {
			return err
		}
		if s == nil {
			continue
		}
		v.aside[name], v.beside[name] = s.Aside, s.Event
		todo = append(append(slices.Clone(todo), s.Event.Prev()...), s.Event.Auth()...)
	}
	return nil
}

// view reads what a server holds of a room, but for the timeline. The number is 0 when it holds nothing.
func (x *node) view(tx *sqldb.Tx, rooms *room.Rooms, in id.Room) (*view, room.NID, error) {
	v := &view{
		name: x.name, state: map[authrule.StateKey]id.Event{}, members: map[id.User]string{},
		timeline: map[id.Event]*event.Event{}, came: map[id.Event]int{}, aside: map[id.Event]room.Verdict{}, beside: map[id.Event]*event.Event{},
	}
	now, err := rooms.Current(tx, in)
	if err != nil || len(now) == 0 {
		return v, 0, err
	}
	if _, v.partial, err = rooms.Partial(tx, now[0].Room); err != nil {
		return nil, 0, err
	}
	state, err := rooms.StateEvents(tx, now[0].State)
	if err != nil {
		return nil, 0, err
	}
	for _, s := range state {
		key, _ := s.Event.StateKey()
		v.state[authrule.StateKey{Type: s.Event.Type(), Key: key}] = s.Event.ID()
		if m := s.Membership(); m != "" {
			v.members[id.User(key)] = m
		}
	}
	v.in = v.members[x.user] == "join"
	return v, now[0].Room, nil
}

// check compares what the servers hold, once all have stopped, and gives what is wrong.
func (r *run) check() (faults []string) {
	wrong := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	all, err := r.views(context.Background())
	if err != nil {
		return []string{err.Error()}
	}
	for _, in := range r.rooms {
		r.checkRoom(in, all[in], wrong)
	}
	for n, to := range r.told {
		if times := r.got[n]; times != 1 {
			wrong("the message %s to the device of %s came %d times", n, r.all[to].user, times)
		}
	}
	for n, times := range r.got {
		if times > 1 {
			wrong("the message %s to a device came %d times", n, times)
		}
	}
	for _, x := range r.all {
		for _, line := range x.troubles() {
			wrong("the log of %s: %s", x.name, line)
		}
	}
	slices.Sort(faults)
	return slices.Compact(faults)
}

func (r *run) checkRoom(in id.Room, all []*view, wrong func(string, ...any)) {
	for _, v := range all {
		v.forgetUnsent(all)
	}
	var here []*view
	shown := map[id.Event]*event.Event{}      // by whoever is in the room
	everything := map[id.Event]*event.Event{} // that anybody knows of
	for _, v := range all {
		maps.Copy(everything, v.beside)
		maps.Copy(everything, v.timeline)
		if v.in && !v.reset(all) { // an invitation whose answer was lost is in the timeline of the invited's server alone
			maps.Copy(shown, v.timeline)
			here = append(here, v)
		}
	}
	said := map[id.Event]*event.Event{} // and acknowledged
	for _, s := range r.sent {
		if s.room != in {
			continue
		}
		if said[s.event] = all[s.by].timeline[s.event]; said[s.event] == nil {
			wrong("%s: %s has lost its own event %s", in, all[s.by].name, s.event)
			delete(said, s.event)
		}
	}
	for _, s := range r.asked {
		if s.room == in && !slices.ContainsFunc(slices.Collect(maps.Values(all[s.by].timeline)), func(e *event.Event) bool {
			return e.Sender() == r.all[s.by].user && invites(e, r.all[s.whom].user)
		}) {
			wrong("%s: %s has lost its invitation of %s", in, all[s.by].name, r.all[s.whom].user)
		}
	}
	if !slices.ContainsFunc(all, func(v *view) bool { return v.in }) {
		return
	}
	g, err := solve(everything)
	if err != nil {
		wrong("%s cannot be judged: %v", in, err)
		return
	}
	left := map[id.Server]map[id.Event]bool{}
	for _, v := range all {
		left[v.name] = g.left(v)
		if !v.in {
			continue
		}
		g.check(in, v, left[v.name], wrong)
		if v.partial {
			wrong("%s: %s still lacks members", in, v.name)
		}
	}
	for _, v := range here {
		for _, key := range keysOf(here[0].state, v.state) {
			if a, b := here[0].state[key], v.state[key]; a != b {
				wrong("%s: the state %s/%s is %s on %s and %s on %s", in, key.Type, key.Key, describe(everything, a), here[0].name, describe(everything, b), v.name)
			}
		}
		join := v.timeline[v.state[authrule.StateKey{Type: "m.room.member", Key: "@u:" + string(v.name)}]]
		if join == nil {
			wrong("%s: %s does not show how it joined", in, v.name)
			continue
		}
		entrances := append(g.entrances(v), join)
		before := ancestors(everything, entrances...)
		for _, w := range all { // what its own server has left behind was for those that were in the room, and stayed
			for name := range left[w.name] {
				if e := w.timeline[name]; e.Sender().Server() == w.name && (!g.concerns(e, v) || slices.ContainsFunc(entrances, w.after(e, everything))) {
					before[name] = true
				}
			}
		}
		for name, e := range shown {
			if v.timeline[name] == nil && !before[name] && v.aside[name] != room.SoftFailed {
				wrong("%s: %s does not have %s (%q there)", in, v.name, describe(everything, e.ID()), v.aside[name])
			}
		}
		for name, e := range said { // whoever was kicked meanwhile, and does not know it
			if v.timeline[name] == nil && v.aside[name] == "" && ancestors(everything, e)[join.ID()] {
				wrong("%s: %s has never heard of %s", in, v.name, describe(everything, name))
			}
		}
	}
}

// reset says whether another server in the room has lost what this one's user is to it: not by a leave or a ban, but in state resolution, which
// before room version 12 can allow neither a join nor the ban that ended it ("state reset", MSC4297).
// What the user says is soft failed there, so that no event brings the two together again, and both are right: graph.check holds each of them
// to what the specification makes of its own events.
func (v *view) reset(all []*view) bool {
	key := authrule.StateKey{Type: "m.room.member", Key: "@u:" + string(v.name)}
	join := v.timeline[v.state[key]]
	return join != nil && join.Version().StateRes == version.V2 && slices.ContainsFunc(all, func(w *view) bool {
		_, has := w.state[key]
		return w.in && !has && (w.timeline[join.ID()] != nil || w.beside[join.ID()] != nil)
	})
}

// forgetUnsent leaves out the invitations of a server's user that the inviter's server never put into the room, as it was killed or cut off
// before it had them back, signed. "Once the event has been signed by both the inviting homeserver and the invited homeserver, it can be
// sent to all of the servers in the room by the inviting homeserver" (https://spec.matrix.org/v1.19/server-server-api/#inviting-to-a-room): by nobody
// else, so such an invitation is the user's alone, and no part of the room, though she may join it without.
func (v *view) forgetUnsent(all []*view) {
	for name, e := range v.timeline {
		by := e.Sender().Server()
		if by != v.name && invites(e, id.User("@u:"+string(v.name))) && !slices.ContainsFunc(all, func(w *view) bool {
			return w != v && (w.timeline[name] != nil || w.beside[name] != nil)
		}) {
			delete(v.timeline, name)
		}
	}
}

func invites(e *event.Event, user id.User) bool {
	return e.IsState("m.room.member", string(user)) && membership(e) == "invite"
}

func membership(e *event.Event) string { return (&room.Stored{Event: e}).Membership() }

func keysOf(maps ...map[authrule.StateKey]id.Event) (keys []authrule.StateKey) {
	seen := map[authrule.StateKey]bool{}
	for _, m := range maps {
		for k := range m {
			if !seen[k] {
				seen[k] = true
				keys = append(keys, k)
			}
		}
	}
	return keys
}

// ancestors are the events that came before any of some in the room's graph.
func ancestors(all map[id.Event]*event.Event, of ...*event.Event) map[id.Event]bool {
	seen := map[id.Event]bool{}
	for todo := slices.Clone(of); len(todo) > 0; {
		e := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, name := range e.Prev() {
			if p := all[name]; p != nil && !seen[name] {
				seen[name] = true
				todo = append(todo, p)
			}
		}
	}
	return seen
}

func describe(all map[id.Event]*event.Event, name id.Event) string {
	e := all[name]
	if e == nil {
		return fmt.Sprintf("%q", name)
	}
	key, _ := e.StateKey()
	return fmt.Sprintf("%s (%s %s by %s, %s)", name, e.Type(), key, e.Sender(), e.Content())
}
