package conformance

import (
	"slices"
	"testing"

	"freehold.example/test/remote"
)

// TestJoinAfterUnknownEvents: a join that follows what this server has not heard of yet is taken, once that was fetched from a
// server of the room.
func TestJoinAfterUnknownEvents(t *testing.T) {
	v, r2 := newVisit(t, "11"), remote.New(t)
	at2, carol := v.s.meet(r2), r2.User("carol")
	for range 3 {
		v.say("not sent")
	}
	last := v.say("the last")
	_, a := at2.Member("join", v.room.ID, carol, remote.After(last))
	a.OK()
	v.shows(last)
	v.alice.soon(v.since, "carol", func(a *answer) bool {
		return slices.ContainsFunc(a.timeline(v.id()).list(), func(e value) bool { return e.str("state_key") == string(carol) })
	})

	// What nobody has is not waited for.
	lost := v.loose("lost")
	_, a = at2.Member("join", v.room.ID, r2.User("dave"), remote.After(lost))
	a.Want(404, "M_NOT_FOUND")
	if got := v.alice.state(v.id(), "m.room.member", string(r2.User("dave"))); got.status != 404 {
		t.Errorf("dave is %s", got.raw)
	}
}
