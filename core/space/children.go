package space

import (
	"bytes"
	"cmp"
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/id"
)

// child is a link from a space to a room below it: an m.space.child event.
type child struct {
	room      id.Room
	order     string // "" for none that is valid
	suggested bool
	link      csapi.ChildLink
}

// known is the children of a space in the state that it had then.
type known struct {
	now      room.Current
	children []child
	bytes    int
}

const (
	// limit: children of spaces in memory | %b | all are forgotten
	maxKnownBytes = 16 << 20 // of children that are remembered
	maxLinkBytes  = 1 << 20  // of one space's; what comes after is left out
)

// childrenOf lists the children of a space in the specification's order.
func (s *Spaces) childrenOf(tx *sqldb.Tx, now room.Current) ([]child, error) {
	s.mu.Lock()
	k, ok := s.children[now.RoomID]
	s.mu.Unlock()
	if ok && k.now == now {
		return k.children, nil
	}
	events, err := s.Rooms.Settings(tx, now.State)
	if err != nil {
		return nil, err
	}
	k = known{now: now, bytes: 300}
	for _, e := range events {
		if c, ok := childOf(e); ok {
			k.children = append(k.children, c)
		}
	}
	slices.SortFunc(k.children, compare)
	for i, c := range k.children {
		if k.bytes += len(c.link.Content) + 200; k.bytes > maxLinkBytes {
			k.children = k.children[:i:i]
			break
		}
	}
	s.remember(now.RoomID, k)
	return k.children, nil
}

func (s *Spaces) remember(space id.Room, k known) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes += k.bytes - s.children[space].bytes; s.bytes > maxKnownBytes {
		clear(s.children)
		s.bytes = k.bytes
	}
	s.children[space] = k
}

// childOf reads a link. It is none without a list of servers, which is how a child is taken out of a space.
func childOf(e *room.Stored) (c child, ok bool) {
	key, isState := e.Event.StateKey()
	if !isState || e.Event.Type() != "m.space.child" {
		return c, false
	}
	return childIn(csapi.ChildLink{
		Type: e.Event.Type(), StateKey: key, Content: e.Event.Content(), Sender: e.Event.Sender(), Timestamp: e.Event.Timestamp(),
	})
}

// childIn reads a link whose content is canonical.
func childIn(link csapi.ChildLink) (c child, ok bool) {
	via := canon.OpenArray(canon.Get(link.Content, "via"))
	if _, ok := via.Next(); !ok {
		return c, false
	}
	to, err := id.ParseRoom(link.StateKey)
	if err != nil {
		return c, false
	}
	c = child{room: to, suggested: bytes.Equal(canon.Get(link.Content, "suggested"), []byte("true")), link: link}
	if order, _ := canon.String(canon.Get(link.Content, "order")); validOrder(order) {
		c.order = order
	}
	return c, true
}

// validOrder: at most 50 characters from space to tilde (m.space.child).
func validOrder(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= 50
}

// compare puts children in order: https://spec.matrix.org/v1.19/client-server-api/#ordering-of-children-within-a-space
func compare(a, b child) int {
	if (a.order == "") != (b.order == "") {
		if a.order == "" {
			return 1
		}
		return -1
	}
	return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.link.Timestamp, b.link.Timestamp), cmp.Compare(a.room, b.room))
}
