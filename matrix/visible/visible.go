// Package visible says who may see an event: the rules of m.room.history_visibility for users and for servers
// (Client-Server API, "Room History Visibility").
//
// What counts is the room's state at the event, not the room's current state. Whether an event may be shown at all (rejected,
// soft-failed, from an ignored user) is not the business of this package.
package visible

import (
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// History is a room's history visibility.
type History string

// The history visibilities. Any other value counts as Shared, as does a room that has not set one.
const (
	WorldReadable History = "world_readable"
	Shared        History = "shared"
	Invited       History = "invited"
	Joined        History = "joined"
)

// ParseHistory is the history visibility that the content, canonical JSON, of an m.room.history_visibility event sets.
// Without content it is that of a room which has none set.
func ParseHistory(content []byte) History {
	s, _ := canon.String(canon.Get(content, "history_visibility"))
	switch h := History(s); h {
	case WorldReadable, Invited, Joined:
		return h
	default:
		return Shared
	}
}

// Allowed is the rule itself: whether a user may see an event that was sent while the history visibility was h and her
// membership was m. joinedLater says that she joined at any point after the event was sent, though she may have left since.
func Allowed(h History, m authrule.Membership, joinedLater bool) bool {
	switch {
	case h == WorldReadable, m == authrule.Join:
		return true
	case h == Invited:
		return m == authrule.Invite
	case h == Joined:
		return false
	}
	return joinedLater
}

// ToUser says whether the user may see the event, by what held just before it: the history visibility, and her membership
// (authrule.Leave if she had none). An event that changes one of the two may be seen by what held before or by what held
// after it. Besides, she always sees her own invitation, knock or membership end: her client would keep the room for ever.
func ToUser(user id.User, e *event.Event, h History, m authrule.Membership, joinedLater bool) bool {
	if Allowed(h, m, joinedLater) {
		return true
	}
	if e.IsState("m.room.history_visibility", "") {
		return Allowed(ParseHistory(e.Content()), m, joinedLater)
	}
	if e.IsState("m.room.member", string(user)) {
		after := authrule.ParseMember(e.Content()).Membership
		if after == authrule.Leave {
			return m == authrule.Invite || m == authrule.Join || m == authrule.Knock
		}
		return Allowed(h, after, joinedLater)
	}
	return false
}

// ToServer says whether a server that takes part in the room may be given the event whole, by the history visibility just
// before it and by how far in the room any of its users was then or by the event itself: Join before Invite before
// anything else. Where it may not, the event is given redacted: other events may refer to it.
func ToServer(server id.Server, e *event.Event, h History, best authrule.Membership) bool {
	if e.Sender().Server() == server {
		return true // it wrote the event
	}
	// A server in the room has, or had, users who joined: to them all shared history is open.
	if Allowed(h, best, true) {
		return true
	}
	return e.IsState("m.room.history_visibility", "") && Allowed(ParseHistory(e.Content()), best, true)
}
