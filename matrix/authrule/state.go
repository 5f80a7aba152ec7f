package authrule

import (
	"fmt"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// StateKey is what one entry of a room's state is found by.
type StateKey struct{ Type, Key string }

// State is the part of a room's state that the rules look at, parsed. A nil field or a missing entry means that the
// state has no such event. The values are shared and must not be changed once they are in a State.
//
// A caller that keeps a room's state in memory fills it from there; Gather makes it from events.
type State struct {
	Create     *Create
	Power      *PowerLevels
	JoinRules  *JoinRules
	Members    map[id.User]*Member
	ThirdParty map[string]*ThirdParty // by token, their state key
}

// Gather makes a State from state events; those that the rules do not look at are passed over, and of two with the same
// type and key the later one counts. It fails on an event that could not have been allowed in this room version.
func Gather(v *version.Version, events []*event.Event) (*State, error) {
	s := new(State)
	for _, e := range events {
		if err := s.Add(v, e); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Add puts a state event into the state in place of the one with its type and key, if the rules look at such events. An
// event that could not have been allowed is an error and leaves the state as it was.
func (s *State) Add(v *version.Version, e *event.Event) error {
	key, isState := e.StateKey()
	if !isState {
		return nil
	}
	switch typ := e.Type(); {
	case typ == typeCreate && key == "":
		create, err := ParseCreate(e)
		if err != nil {
			return fmt.Errorf("create event %s: %w", e.ID(), err)
		}
		s.Create = create
	case typ == typePower && key == "":
		power, err := ParsePowerLevels(v, e.Content())
		if err != nil {
			return fmt.Errorf("power levels %s: %w", e.ID(), err)
		}
		s.Power = power
	case typ == typeJoinRules && key == "":
		s.JoinRules = ParseJoinRules(e.Content())
	case typ == typeMember:
		if s.Members == nil {
			s.Members = make(map[id.User]*Member)
		}
		s.Members[id.User(key)] = ParseMember(e.Content())
	case typ == typeThirdParty:
		if s.ThirdParty == nil {
			s.ThirdParty = make(map[string]*ThirdParty)
		}
		s.ThirdParty[key] = ParseThirdParty(e.Sender(), e.Content())
	}
	return nil
}

// Membership is the user's membership: Leave for one that the room has no event for.
func (s *State) Membership(u id.User) Membership {
	if m := s.Members[u]; m != nil {
		return m.Membership
	}
	return Leave
}

// Level is the user's power level. It is CreatorLevel for a room's creators where the version gives them one; without
// power levels the creator has 100 in other versions, and everybody else 0 (m.room.power_levels).
func (s *State) Level(u id.User) Level {
	if s.Create != nil && s.Create.Privileged(u) {
		return CreatorLevel
	}
	if s.Power == nil && s.Create != nil && u == s.Create.Creator {
		return 100
	}
	return s.Power.User(u)
}

// joinRule is the room's join rule: invite where none is set.
func (s *State) joinRule() string {
	if s.JoinRules == nil {
		return RuleInvite
	}
	return s.JoinRules.Rule
}
