package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/test/remote"
)

// 38 Room version 12: state resolution 2.1.

// TestB525: what a member of a high level did in a fork counts after what a creator did, as a creator's power comes before any
// number.
func TestB525(t *testing.T) {
	v := newVisit(t, "12")
	v.alice.setState(v.id(), "m.room.power_levels", "", obj{"users": obj{string(v.robin): 9007199254740991}})
	before := v.ended(v.alice.send(v.id(), "before"))
	theirs := v.room.State(v.robin, "m.room.join_rules", "", obj{"join_rule": "knock"}, remote.After(before))
	v.ended(v.alice.setState(v.id(), "m.room.join_rules", "", obj{"join_rule": "invite"}))
	v.at.Transaction(nil, theirs).OK()
	v.shows(theirs)
	if got := v.alice.state(v.id(), "m.room.join_rules", "").ok().str("join_rule"); got != "knock" {
		t.Errorf("the rule is %s, want robin's", got)
	}
}

// claims has R tell, of the state before any of its events, an old event in the place of the true one. It is asked for
// missing events, states and events, and of the first gives only a few.
func (v *visit) claims(old *event.Event, chain []*event.Event) (asked func() []string) {
	key, _ := old.StateKey()
	truth := v.room.Now(old.Type(), key)
	swap := func(w http.ResponseWriter, q *http.Request, next http.Handler) {
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, q)
		var answer struct {
			IDs     []id.Event        `json:"pdu_ids,omitempty"`
			AuthIDs []id.Event        `json:"auth_chain_ids,omitempty"`
			Events  []json.RawMessage `json:"pdus,omitempty"`
			Auth    []json.RawMessage `json:"auth_chain,omitempty"`
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
			v.Errorf("%s: %v in %s", q.URL, err, rec.Body)
		}
		for i, e := range answer.IDs {
			if e == truth.ID() {
				answer.IDs[i] = old.ID()
			}
		}
		for i, raw := range answer.Events {
			if string(raw) == string(truth.Bytes()) {
				answer.Events[i] = old.Bytes()
			}
		}
		body, err := json.Marshal(answer)
		if err != nil {
			v.Error(err)
		}
		remote.Say(rec.Code, string(body))(w, q, next)
	}
	v.r.Hook(stateIDPath, swap)
	v.r.Hook(statePath, swap)
	v.asked(missingPath, func(question) (int, any) { return 200, obj{"events": rawsOf(chain[len(chain)-11 : len(chain)-1]...)} })
	all := v.asked("/_matrix/federation/v1/", nil)
	return func() (paths []string) {
		for _, q := range all() {
			paths = append(paths, strings.Split(strings.TrimPrefix(q.Path, "/_matrix/federation/v1/"), "/")[0])
		}
		slices.Sort(paths)
		return slices.Compact(paths)
	}
}

// gap makes 250 messages of robin's and one more, which it sends.
func (v *visit) gap(old *event.Event) (last *event.Event, asked func() []string) {
	v.Helper()
	var chain []*event.Event
	for i := range 251 {
		chain = append(chain, v.say(fmt.Sprint("m", i)))
	}
	asked = v.claims(old, chain)
	last = chain[250]
	v.at.Transaction(nil, last).OK()
	v.alice.soonWith("", timelineLimit(5), "R's newest event", func(a *answer) bool {
		return slices.Contains(a.timeline(v.id()).all("event_id"), string(last.ID()))
	})
	return last, asked
}

func (v *visit) onlyAsked(asked func() []string) {
	v.Helper()
	for _, p := range asked() {
		if !slices.Contains([]string{"get_missing_events", "state_ids", "state", "event", "send"}, p) {
			v.Errorf("B528: R was asked for %s", p)
		}
	}
}

// TestB526B528: an old join rule in a state that is told does not come back, though who set the new one has left.
func TestB526B528(t *testing.T) {
	v := newVisit(t, "12")
	carol := v.s.newUser(t)
	carol.join(v.id())
	v.alice.setState(v.id(), "m.room.power_levels", "", obj{"users": obj{carol.id: 50}})
	v.ended(v.alice.sendEvent(v.id(), "m.test", obj{}))
	old := v.room.Now("m.room.join_rules", "")
	rule := carol.setState(v.id(), "m.room.join_rules", "", obj{"join_rule": "invite"})
	carol.leave(v.id())
	v.ended(v.alice.send(v.id(), "carol has left"))
	_, asked := v.gap(old)
	now := v.alice.get(path("/v3/rooms", v.id(), "state")).ok().find("m.room.join_rules", "")
	if now.str("event_id") != rule {
		t.Errorf("the join rule is %s, want %s", now, rule)
	}
	v.onlyAsked(asked)
}

// TestB527B528: an old event of power levels in a state that is told does not come back, though who set the newest has his
// power by one in between.
func TestB527B528(t *testing.T) {
	v := newVisit(t, "12")
	bob := v.s.newUser(t)
	bob.join(v.id())
	old := v.room.Now("m.room.power_levels", "")
	v.alice.setState(v.id(), "m.room.power_levels", "", obj{"users": obj{bob.id: 100}})
	third := bob.setState(v.id(), "m.room.power_levels", "", obj{"users": obj{bob.id: 100}, "invite": 30})
	v.ended(v.alice.send(v.id(), "bob has his power"))
	_, asked := v.gap(old)
	now := v.alice.get(path("/v3/rooms", v.id(), "state")).ok().find("m.room.power_levels", "")
	if now.str("event_id") != third {
		t.Errorf("the power levels are %s, want %s", now, third)
	}
	v.onlyAsked(asked)
}
