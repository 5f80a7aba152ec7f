package filter

import (
	"freehold.example/matrix/canon"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Part is one event filter or room event filter: the filter of /messages and /context, and each of those in a Filter.
// The zero value lets everything through.
type Part struct {
	LazyLoadMembers           bool // membership events only of the senders that are shown
	IncludeRedundantMembers   bool // with LazyLoadMembers: also those the client has been sent before
	UnreadThreadNotifications bool // unread counts for each thread on its own

	// The events shown must have a relation to them by one of these senders, or of one of these types. The zero value is
	// no condition. Event knows nothing of this: it takes a look at other events.
	RelatedBySenders  []id.User
	RelatedByRelTypes []string

	limit               *int64 // nil when not given
	types, notTypes     patterns
	senders, notSenders set[id.User]
	rooms, notRooms     set[id.Room]
	rels, notRels       set[string] // MSC3874
	containsURL         *bool
}

// ParsePart reads a room event filter, as /messages and /context take it. Errors are faults as for Parse.
func ParsePart(raw []byte) (*Part, error) {
	object, err := open(raw)
	if err != nil {
		return nil, err
	}
	p := new(Part)
	if err := p.parse("", object); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Part) parse(at string, object []byte) error {
	return members(object, at, func(at, key string, value []byte) error {
		switch key {
		case "limit":
			n, ok := canon.Integer(value)
			if !ok || n < 0 {
				return wrong(at, "a positive integer")
			}
			p.limit = &n // 0, which the specification does not allow, asks for no events at all (B219)
		case "types":
			return p.types.parse(at, value)
		case "not_types":
			return p.notTypes.parse(at, value)
		case "senders":
			return p.senders.parse(at, value, id.ParseUser)
		case "not_senders":
			return p.notSenders.parse(at, value, id.ParseUser)
		case "rooms":
			return p.rooms.parse(at, value, id.ParseRoom)
		case "not_rooms":
			return p.notRooms.parse(at, value, id.ParseRoom)
		case "contains_url":
			if string(value) == "null" {
				return nil
			}
			p.containsURL = new(bool)
			return flag(at, value, p.containsURL)
		case "lazy_load_members":
			return flag(at, value, &p.LazyLoadMembers)
		case "include_redundant_members":
			return flag(at, value, &p.IncludeRedundantMembers)
		case "unread_thread_notifications":
			return flag(at, value, &p.UnreadThreadNotifications)
		case "related_by_senders":
			return elements(value, at, func(s string) error {
				u, err := id.ParseUser(s)
				p.RelatedBySenders = append(p.RelatedBySenders, u)
				return entry(at, err)
			})
		case "related_by_rel_types":
			return elements(value, at, func(s string) error {
				p.RelatedByRelTypes = append(p.RelatedByRelTypes, s)
				return nil
			})
		case "rel_types", "org.matrix.msc3874.rel_types":
			return p.rels.parse(at, value, anyString)
		case "not_rel_types", "org.matrix.msc3874.not_rel_types":
			return p.notRels.parse(at, value, anyString)
		}
		return nil
	})
}

// Limit is how many events to return: what the filter says or else usual, and never more than most.
func (p *Part) Limit(usual, most int) int {
	if p.limit == nil {
		return min(usual, most)
	}
	return int(min(*p.limit, int64(most)))
}

// Event says whether an event is shown. room is "" for what belongs to no room, sender is "" for what has none; a list
// of senders then lets nothing through. content is the canonical content.
func (p *Part) Event(typ string, sender id.User, room id.Room, content []byte) bool {
	return p.Type(typ) && p.Sender(sender) && p.Room(room) && p.content(content)
}

// Type says whether events of this type are shown.
func (p *Part) Type(typ string) bool { return p.types.lets(typ) && !p.notTypes.match(typ) }

// Sender says whether events of this sender are shown.
func (p *Part) Sender(u id.User) bool { return p.senders.lets(u) && !p.notSenders.has(u) }

// Room says whether events of this room are shown.
func (p *Part) Room(r id.Room) bool {
	return r == "" || p.rooms.lets(r) && !p.notRooms.has(r)
}

func (p *Part) content(content []byte) bool {
	if p.containsURL != nil && (canon.Get(content, "url") != nil) != *p.containsURL {
		return false
	}
	if !p.rels.given && !p.notRels.given {
		return true
	}
	rel, related := canon.String(canon.Get(canon.Get(content, "m.relates_to"), "rel_type"))
	if !related {
		return !p.rels.given
	}
	return p.rels.lets(rel) && !p.notRels.has(rel)
}

// Everything says that no event is held back, so that they need not be asked for one by one.
func (p *Part) Everything() bool {
	return !p.types.given && !p.notTypes.some() && !p.senders.given && len(p.notSenders.of) == 0 && !p.rooms.given &&
		len(p.notRooms.of) == 0 && !p.rels.given && len(p.notRels.of) == 0 && p.containsURL == nil &&
		p.RelatedBySenders == nil && p.RelatedByRelTypes == nil
}

// Nothing says that every event is held back, so that none need be looked for.
func (p *Part) Nothing() bool {
	return p.types.given && !p.types.some() || p.senders.given && len(p.senders.of) == 0 ||
		p.rooms.given && len(p.rooms.of) == 0 || p.rels.given && len(p.rels.of) == 0 || p.notTypes.all()
}

// set is a list of values to match exactly.
type set[T ~string] struct {
	given bool
	of    map[T]struct{}
}

func (s *set[T]) parse(at string, value []byte, parse func(string) (T, error)) error {
	*s = set[T]{given: true, of: map[T]struct{}{}}
	return elements(value, at, func(v string) error {
		t, err := parse(v)
		s.of[t] = struct{}{}
		return entry(at, err)
	})
}

// lets says whether a list of what is wanted lets v through.
func (s *set[T]) lets(v T) bool { return !s.given || s.has(v) }

func (s *set[T]) has(v T) bool { _, ok := s.of[v]; return ok }

func anyString(s string) (string, error) { return s, nil }

// entry says which list has an entry that is malformed.
func entry(at string, err error) error {
	if err != nil {
		return fault.Newf(fault.BadJSON, "In the filter, %s has an entry that is none: %v", at, err)
	}
	return nil
}
