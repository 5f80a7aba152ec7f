package feed

import (
	"encoding/json"
	"maps"
	"slices"

	"freehold.example/core/ephemeral"
	"freehold.example/core/notify"
	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/id"
	"freehold.example/matrix/inviterule"
)

// rooms goes through every room the user has or had to do with, as far as there may be news of it.
func (l *look) rooms() error {
	l.head()
	for _, of := range sections {
		listed := make([]*room.Standing, 0, len(l.standings))
		for _, s := range l.standings {
			if slices.Contains(of, s.Membership) && l.q.Filter.Room(s.RoomID) {
				listed = append(listed, s)
			}
		}
		for few := range slices.Chunk(listed, room.Prefetch) {
			if l.since.initial() && few[0].Membership == "join" {
				if err := l.prefetch(few); err != nil {
					return err
				}
			}
			for _, s := range few {
				if err := l.room(s); err != nil {
					return err
				}
			}
		}
	}
	l.end()
	return nil
}

// prefetch reads for some joined rooms at once what would take some queries for each.
func (l *look) prefetch(standings []*room.Standing) error {
	if err := l.f.Rooms.Prefetch(l.tx, standings, l.lazy()); err != nil {
		return err
	}
	rooms := make([]id.Room, len(standings))
	for i, s := range standings {
		rooms[i] = s.RoomID
	}
	found, ok, err := l.f.Ephemeral.ReceiptsIn(l.tx, rooms, l.upto, l.user)
	if err != nil || !ok {
		return err
	}
	l.ahead = make(map[id.Room][]ephemeral.Receipt, len(rooms))
	for _, in := range rooms {
		l.ahead[in] = found[in]
	}
	return nil
}

// sections are the memberships of which a member of rooms tells, in the order in which they are written.
var sections = [][]string{{"join"}, {"invite"}, {"knock"}, {"leave", "ban"}}

// findStandings reads the rooms to look at: all, or those with news of any kind when that is known.
func (l *look) findStandings() (err error) {
	if l.since.initial() {
		l.standings, err = l.f.Rooms.Standings(l.tx, l.user)
		return err
	}
	receipts, all, err := l.f.Ephemeral.ReceiptRooms(l.tx, l.since.pos, l.upto, manyReceipts)
	if err != nil {
		return err
	}
	if !all || l.q.FullState {
		l.standings, err = l.f.Rooms.Standings(l.tx, l.user)
		return err
	}
	l.receipts = receipts
	others := l.f.Ephemeral.TypingRooms(l.since.serial)
	others = slices.AppendSeq(others, maps.Keys(l.receipts))
	others = slices.AppendSeq(others, maps.Keys(l.data))
	l.standings, err = l.f.Rooms.ChangedStandings(l.tx, l.user, l.since.pos, others)
	return err
}

func (l *look) room(s *room.Standing) error {
	changed := s.Pos > l.since.pos // the user's own membership, since the token
	switch s.Membership {
	case "join":
		return l.joined(s, changed)
	case "invite", "knock":
		if (changed || l.q.FullState) && !l.ignored[s.Sender] {
			return l.outside(s)
		}
	case "leave", "ban":
		return l.left(s, changed)
	}
	return nil
}

// outside is a room that the user is invited to or has knocked on.
func (l *look) outside(s *room.Standing) error {
	state, err := l.f.Rooms.Stripped(l.tx, s, l.user)
	if err != nil {
		return err
	}
	if s.Membership == "invite" {
		if verdict, err := l.f.People.Invited(l.tx, l.user, s.Sender); verdict != inviterule.Allow || err != nil {
			return err
		}
		return l.putOutside("invite", "invite_state", s.RoomID, state)
	}
	return l.putOutside("knock", "knock_state", s.RoomID, state)
}

// joined is a room that the user is in.
func (l *look) joined(s *room.Standing, changed bool) error {
	fresh := l.since.initial() // the client knows nothing of the room
	if !l.lazy() && s.Whole > 0 {
		// Who wants to know of all members is told of the room when they are known.
		if s.Whole > l.upto {
			return nil
		}
		fresh = fresh || s.Whole > l.since.pos
	}
	fresh = fresh || s.Mended > l.since.pos && s.Mended <= l.upto // what was taken back is told by telling all of it anew
	if changed && !fresh {
		was, err := l.f.Rooms.MembershipAt(l.tx, s.Event, l.since.pos)
		if err != nil {
			return err
		}
		fresh = was != "join"
	}
	serial := l.since.serial
	if fresh {
		serial = 0
	}
	typists, typing := l.f.Ephemeral.TypingSince(s.RoomID, serial)
	receipts := fresh || l.receipts == nil || l.receipts[s.RoomID]
	if !fresh && !l.q.FullState && s.Head <= l.since.pos && !typing && !receipts && len(l.data[s.RoomID]) == 0 {
		return nil
	}
	v, err := l.f.Rooms.ViewerOf(l.tx, s, l.user)
	if err != nil {
		return err
	}
	out := &csapi.JoinedRoom{}
	h, err := l.history(v, s, fresh, l.upto)
	if err != nil {
		return err
	}
	out.Timeline = h.timeline
	if out.Summary, err = l.summary(s, h); err != nil {
		return err
	}
	if out.Ephemeral.Events, err = l.ephemeral(s, fresh, receipts, typing, typists); err != nil {
		return err
	}
	if out.AccountData.Events, err = l.roomData(s, fresh); err != nil {
		return err
	}
	if !fresh && !l.q.FullState && !out.Timeline.Limited && len(out.Timeline.Events)+len(h.state)+len(h.bulk)+len(out.Ephemeral.Events)+len(out.AccountData.Events) == 0 {
		return nil
	}
	if err := l.unread(s, out); err != nil {
		return err
	}
	return l.putJoined(s.RoomID, out, h)
}

// none is an empty list that is written as one.
var none = []json.RawMessage{}

// summary counts the members, and names some where the room has no name of its own.
func (l *look) summary(s *room.Standing, h *history) (*csapi.RoomSummary, error) {
	if !h.members {
		return nil, nil
	}
	joined, invited, err := l.f.Rooms.Counts(l.tx, s.Room, s.State)
	if err != nil {
		return nil, err
	}
	out := &csapi.RoomSummary{Joined: joined, Invited: invited}
	for _, typ := range []string{"m.room.name", "m.room.canonical_alias"} {
		e, err := l.f.Rooms.StateEvent(l.tx, h.now, typ, "")
		if err != nil {
			return nil, err
		}
		if e != nil && room.Named(e) {
			return out, nil
		}
	}
	out.Heroes, err = l.f.Rooms.Heroes(l.tx, s.Room, s.State, l.user)
	return out, err
}

func (l *look) roomData(s *room.Standing, fresh bool) ([]json.RawMessage, error) {
	data := l.data[s.RoomID]
	if fresh && !l.since.initial() {
		var err error
		if data, err = l.f.People.RoomAccountData(l.tx, l.user, s.RoomID, l.upto); err != nil {
			return nil, err
		}
	}
	events := none
	for _, d := range data {
		if l.q.Filter.RoomAccountData.Event(d.Type, l.user, s.RoomID, d.Content) {
			events = append(events, dataEvent(d))
		}
	}
	return events, nil
}

func (l *look) unread(s *room.Standing, out *csapi.JoinedRoom) error {
	counts, err := l.f.Notify.Unread(l.tx, l.user, s, l.ignored, l.upto)
	if err != nil {
		return err
	}
	if !l.q.Filter.Timeline.UnreadThreadNotifications {
		for _, c := range counts {
			out.Unread.Notifications += c.Notifications
			out.Unread.Highlights += c.Highlights
		}
		return nil
	}
	for thread, c := range counts {
		if thread == notify.Main {
			out.Unread = csapi.Unread(c)
			continue
		}
		if out.UnreadThreads == nil {
			out.UnreadThreads = map[id.Event]*csapi.Unread{}
		}
		u := csapi.Unread(c)
		out.UnreadThreads[id.Event(thread)] = &u
	}
	return nil
}
