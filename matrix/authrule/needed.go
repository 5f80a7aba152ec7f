package authrule

import (
	"fmt"
	"slices"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// Needed is the auth events selection (Server-Server API, "Auth events selection"): which entries of the room's state an
// event with this content, any JSON, must have among its auth_events, as far as the state has them. There are no duplicates. In a version whose room
// id names the create event, that one is not among them.
func Needed(v *version.Version, typ string, sender id.User, stateKey *string, content []byte) []StateKey {
	if typ == typeCreate {
		return nil
	}
	keys := make([]StateKey, 0, 6)
	if !v.RoomIDIsCreateHash {
		keys = append(keys, StateKey{typeCreate, ""})
	}
	keys = append(keys, StateKey{typePower, ""}, StateKey{typeMember, string(sender)})
	if typ != typeMember {
		return keys
	}
	add := func(key StateKey) {
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	if stateKey != nil {
		add(StateKey{typeMember, *stateKey})
	}
	if canonical, err := canon.Canonical(content, canon.Lenient); err == nil {
		content = canonical
	}
	m := ParseMember(content)
	if m.Membership == Join || m.Membership == Invite || m.Membership == Knock {
		add(StateKey{typeJoinRules, ""})
	}
	if m.Membership == Invite && m.ThirdParty != nil && m.ThirdParty.hasToken {
		add(StateKey{typeThirdParty, m.ThirdParty.Token})
	}
	if m.Membership == Join && v.RestrictedJoin && m.Authoriser != "" {
		add(StateKey{typeMember, string(m.Authoriser)})
	}
	return keys
}

// NeededFor is Needed for an event that exists.
func NeededFor(e *event.Event) []StateKey {
	var stateKey *string
	if key, isState := e.StateKey(); isState {
		stateKey = &key
	}
	return Needed(e.Version(), e.Type(), e.Sender(), stateKey, e.Content())
}

// CheckAuthEvents is the rules on the event's auth_events: nil, or a *Refused. authEvents are the events that e.Auth
// names, in any order, others among them being passed over; rejected has those of them, and in versions whose room id
// names it the create event, that were themselves rejected. An auth event that is not given is an error of another kind:
// it has to be fetched before the event can be judged.
func CheckAuthEvents(e *event.Event, authEvents []*event.Event, rejected map[id.Event]bool) error {
	if e.Type() == typeCreate {
		return nil // rule 1 decides about it alone
	}
	v, n := e.Version(), numbersOf(e.Version())
	if v.RoomIDIsCreateHash && (len(e.Room()) < 2 || rejected[id.Event("$"+e.Room()[1:])]) {
		return refuse(n.room, "", "the create event of %s was rejected", e.Room())
	}
	names := e.Auth()
	cited := make([]*event.Event, 0, len(names))
	keys := make([]StateKey, 0, len(names))
	for _, name := range names {
		i := slices.IndexFunc(authEvents, func(a *event.Event) bool { return a.ID() == name })
		if i < 0 {
			return fmt.Errorf("auth event %s of %s is missing", name, e.ID())
		}
		auth := authEvents[i]
		cited = append(cited, auth)
		key, isState := auth.StateKey()
		if !isState {
			continue // refused below: it cannot be among those needed
		}
		if slices.Contains(keys, StateKey{auth.Type(), key}) {
			return refuse(n.auth, ".1", "two auth events are %s with state key %q", auth.Type(), key)
		}
		keys = append(keys, StateKey{auth.Type(), key})
	}
	needed := NeededFor(e)
	for _, auth := range cited {
		key, isState := auth.StateKey()
		if !isState || !slices.Contains(needed, StateKey{auth.Type(), key}) {
			return refuse(n.auth, ".2", "auth event %s of type %s is not among those selected", auth.ID(), auth.Type())
		}
	}
	for _, auth := range cited {
		if rejected[auth.ID()] {
			return refuse(n.auth, ".3", "auth event %s was rejected", auth.ID())
		}
	}
	if !v.RoomIDIsCreateHash && !slices.Contains(keys, StateKey{typeCreate, ""}) {
		return refuse(n.auth, ".4", "there is no create event among the auth events")
	}
	for _, auth := range cited {
		if auth.Room() != e.Room() {
			return refuse(n.authRoom, "", "auth event %s is of room %s", auth.ID(), auth.Room())
		}
	}
	return nil
}
