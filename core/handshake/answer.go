package handshake

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"freehold.example/core/room"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// sendJoinResponse is the answer to send_join (https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv2send_joinroomideventid).
type sendJoinResponse struct {
	event   json.RawMessage // as it came back
	state   []*event.Event
	auth    []*event.Event
	omitted bool // members
	servers []id.Server
}

func (a *sendJoinResponse) read(v *version.Version, in id.Room) func(io.Reader) error {
	return (&incoming{
		version: v, room: in,
		lists: map[string]*[]*event.Event{"state": &a.state, "auth_chain": &a.auth},
		rest:  map[string]any{"event": &a.event, "members_omitted": &a.omitted, "servers_in_room": &a.servers},
	}).read
}

// maxRoomServers bounds the servers of a room that are kept while its members are fetched.
const maxRoomServers = 1000

// badAnswer says that what a server told of a room cannot be used.
func badAnswer(why string, args ...any) error {
	return fmt.Errorf("the answer to the join cannot be used: "+why, args...)
}

// adoption makes of the answer what becomes of the room here.
func (h *Handshakes) adoption(ctx context.Context, via id.Server, t *template, join *event.Event, answer *sendJoinResponse) (*room.Adoption, error) {
	a := &room.Adoption{Version: t.version, Room: join.Room()}
	var err error
	if a.Join, err = h.countersigned(ctx, via, t, join, answer.event); err != nil {
		return nil, err
	}
	told, err := h.sound(ctx, via, answer.state, answer.auth)
	if err != nil {
		return nil, err
	}
	a.State, a.Auth = told[0], told[1]
	if err := checkState(t.version, join, a.State); err != nil {
		return nil, err
	}
	if answer.omitted {
		a.Partial = []id.Server{via}
		for _, s := range answer.servers[:min(len(answer.servers), maxRoomServers)] {
			if _, err := id.ParseServer(string(s)); err == nil && s != h.Signer.Server && s != via {
				a.Partial = append(a.Partial, s)
			}
		}
	}
	return a, nil
}

// countersigned is this server's join as the other one took it into the room: with the signature of the server in whose name
// a restricted join is allowed. Nothing else is taken from what comes back.
func (h *Handshakes) countersigned(ctx context.Context, via id.Server, t *template, join *event.Event, back []byte) (room.Incoming, error) {
	in := room.Incoming{Event: join}
	if t.authoriser == "" {
		return in, nil
	}
	var said struct {
		Signatures map[id.Server]map[id.Key]string `json:"signatures"`
	}
	if len(back) == 0 || json.Unmarshal(back, &said) != nil {
		return in, badAnswer("the join does not come back from the server that allows it")
	}
	by := t.authoriser.Server()
	for _, key := range firstKeys(said.Signatures[by]) {
		signed, err := join.WithSignature(by, key, said.Signatures[by][key])
		if err != nil {
			return in, badAnswer("%w", err)
		}
		if v := h.Peers.VerifyEvents(ctx, via, []*event.Event{signed}); v[0].Err == nil {
			return room.Incoming{Event: signed, SignedBy: v[0].By}, nil
		}
	}
	return in, badAnswer("the server that allows the join has not signed it")
}

// maxKeys is how many signatures of one server are tried.
const maxKeys = 5

func firstKeys(signatures map[id.Key]string) []id.Key {
	keys := make([]id.Key, 0, len(signatures))
	for key := range signatures {
		if _, err := id.ParseKey(string(key)); err == nil {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys[:min(len(keys), maxKeys)]
}

// sound takes lists of events that a server tells of a room's state and gives those of them that can be used: signed by whom they
// should be, each once, and with all their auth events among them. The rest is left out.
func (h *Handshakes) sound(ctx context.Context, via id.Server, lists ...[]*event.Event) ([][]room.Incoming, error) {
	var events []*event.Event
	have := map[id.Event]bool{}
	place := map[id.Event]int{} // in which of the lists
	for i, list := range lists {
		for _, e := range list {
			if _, state := e.StateKey(); state && !have[e.ID()] {
				have[e.ID()], place[e.ID()] = true, i
				events = append(events, e)
			}
		}
	}
	signed, err := h.signed(ctx, via, events)
	if err != nil {
		return nil, err
	}
	out := make([][]room.Incoming, len(lists))
	for _, e := range rooted(events, signed, nil) {
		i := place[e.ID()]
		out[i] = append(out[i], signed[e.ID()])
	}
	return out, nil
}

// further is sound for events of whatever kind of a room that is here: their auth events are among them, or here.
func (h *Handshakes) further(ctx context.Context, via id.Server, events []*event.Event) (out []room.Incoming, err error) {
	slices.SortFunc(events, func(a, b *event.Event) int { return strings.Compare(string(a.ID()), string(b.ID())) })
	events = slices.CompactFunc(events, func(a, b *event.Event) bool { return a.ID() == b.ID() })
	if events, err = h.unknown(ctx, events); err != nil {
		return nil, err
	}
	signed, err := h.signed(ctx, via, events)
	if err != nil {
		return nil, err
	}
	here := map[id.Event]bool{}
	var roots []id.Event
	for _, e := range events {
		for _, a := range e.Auth() {
			if _, among := signed[a]; !among && !here[a] {
				here[a] = true
				roots = append(roots, a)
			}
		}
	}
	missing, err := h.missing(ctx, roots)
	if err != nil {
		return nil, err
	}
	for _, name := range missing {
		delete(here, name)
	}
	for _, e := range rooted(events, signed, here) {
		out = append(out, signed[e.ID()])
	}
	return out, nil
}

// unknown are those of the events that are not here: the signatures of others need not be looked at again.
func (h *Handshakes) unknown(ctx context.Context, events []*event.Event) ([]*event.Event, error) {
	names := make([]id.Event, len(events))
	for i, e := range events {
		names[i] = e.ID()
	}
	missing, err := h.missing(ctx, names)
	if err != nil {
		return nil, err
	}
	wanted := make(map[id.Event]bool, len(missing))
	for _, name := range missing {
		wanted[name] = true
	}
	return slices.DeleteFunc(events, func(e *event.Event) bool { return !wanted[e.ID()] }), nil
}

// parsed are those of the events that can be read and are of the room.
func parsed(v *version.Version, in id.Room, list []json.RawMessage) (events []*event.Event) {
	for _, raw := range list {
		if e, err := event.Parse(v, raw); err == nil && e.Room() == in {
			events = append(events, e)
		}
	}
	return events
}

// signed are those of the events that are signed by whom they should be.
func (h *Handshakes) signed(ctx context.Context, via id.Server, events []*event.Event) (map[id.Event]room.Incoming, error) {
	verified := h.Peers.VerifyEvents(ctx, via, events)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	signed := make(map[id.Event]room.Incoming, len(events))
	for i, e := range events {
		if verified[i].Err == nil {
			signed[e.ID()] = room.Incoming{Event: e, SignedBy: verified[i].By}
		}
	}
	return signed, nil
}

// rooted orders events so that each comes after its auth events, and leaves out those of which some are neither among them nor
// here, or that refer to each other in a circle.
func rooted(events []*event.Event, among map[id.Event]room.Incoming, here map[id.Event]bool) []*event.Event {
	waits := make(map[id.Event]int, len(events))
	next := map[id.Event][]*event.Event{}
	var ready, out []*event.Event
	for _, e := range events {
		if _, ok := among[e.ID()]; !ok {
			continue
		}
		needs := slices.DeleteFunc(slices.Clone(e.Auth()), func(a id.Event) bool { return here[a] })
		slices.Sort(needs)
		needs = slices.Compact(needs)
		waits[e.ID()] = len(needs)
		for _, a := range needs {
			next[a] = append(next[a], e)
		}
		if len(needs) == 0 {
			ready = append(ready, e)
		}
	}
	for len(ready) > 0 {
		e := ready[0]
		ready = ready[1:]
		out = append(out, e)
		for _, later := range next[e.ID()] {
			if waits[later.ID()]--; waits[later.ID()] == 0 {
				ready = append(ready, later)
			}
		}
	}
	return out
}

// checkState says whether what was told can be the state of the room: it begins with the create event that the room's id and
// version call for, has no two events in one place, and allows the join.
func checkState(v *version.Version, join *event.Event, state []room.Incoming) error {
	seen := make(map[authrule.StateKey]bool, len(state))
	var create *event.Event
	for _, in := range state {
		key, _ := in.Event.StateKey()
		k := authrule.StateKey{Type: in.Event.Type(), Key: key}
		if seen[k] {
			return badAnswer("the state has two events of type %.100q with the key %.100q", k.Type, k.Key)
		}
		seen[k] = true
		if k.Type == "m.room.create" && k.Key == "" {
			create = in.Event
		}
	}
	if create == nil {
		return badAnswer("the state has no create event")
	}
	if got := versionIn(create); got != v.ID {
		return badAnswer("the room has version %.100q, and not %s as the template said", got, v.ID)
	}
	if v.RoomIDIsCreateHash && "!"+string(create.ID())[1:] != string(join.Room()) {
		return badAnswer("the create event is that of another room")
	}
	if err := authrule.Check(create, new(authrule.State)); err != nil {
		return badAnswer("the create event: %w", err)
	}
	return nil
}

// versionIn is the room version that a create event names, 1 where it names none.
func versionIn(create *event.Event) string {
	var content struct {
		Version *string `json:"room_version"`
	}
	if json.Unmarshal(create.Content(), &content) != nil || content.Version == nil {
		return "1"
	}
	return *content.Version
}
