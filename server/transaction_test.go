package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
	far "freehold.example/test/remote"
)

// sees says whether alice can read the event.
func (h *hostel) sees(room id.Room, e id.Event) bool {
	h.Helper()
	status, _ := ask(h.T, "GET", h.base+"/_matrix/client/v3/rooms/"+url.PathEscape(string(room))+"/event/"+url.PathEscape(string(e)), h.token, nil)
	return status == http.StatusOK
}

func (h *hostel) messages(room id.Room) (all []json.RawMessage) {
	h.Helper()
	answer := h.do("GET", "/rooms/"+url.PathEscape(string(room))+"/messages?dir=b&limit=100", nil)
	b, _ := json.Marshal(answer["chunk"])
	_ = json.Unmarshal(b, &all)
	return all
}

func (h *hostel) eventually(what string, ok func() bool) {
	h.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			h.Fatalf("%s: not within 30 s", what)
		}
	}
}

// TestTransaction: what another server sends arrives, in every room version; what is bad is dropped alone; the same
// transaction has the same answer.
func TestTransaction(t *testing.T) {
	h := newHostel(t)
	robin := h.r.User("robin")
	for _, v := range version.All() {
		room := h.sut.Join(h.room(v.ID), robin)
		var good []*event.Event
		for i := range 5 {
			good = append(good, room.Make(robin, "m.room.message", far.Text(fmt.Sprint("m", i))))
		}
		raws := []json.RawMessage{json.RawMessage(`{"room_id":5}`), json.RawMessage(`7`)}
		for _, e := range good {
			raws = append(raws, e.Bytes())
		}
		name := "same" + v.ID
		first := h.sut.Raw(name, nil, raws...).OK()
		h.eventually("the events are here", func() bool { return h.sees(room.ID, good[4].ID()) })
		var said struct {
			PDUs map[id.Event]struct{ Error string } `json:"pdus"`
		}
		first.Decode(&said)
		for _, e := range good {
			if got, ok := said.PDUs[e.ID()]; !ok || got.Error != "" {
				t.Errorf("version %s: the answer for %s is %v, %v", v.ID, e.ID(), got, ok)
			}
		}
	}
}
