package notify

import (
	"fmt"
	"slices"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// A sieve that cannot hold a room's events forgets the oldest, and does not look at them again.
func TestSieveIsBounded(t *testing.T) {
	v, _ := version.Lookup("11")
	log := make([]*room.Stored, 0, 3*maxSieved)
	for i := range 3 * maxSieved {
		user, typ, content, key := id.User(fmt.Sprintf("@u%d:a", i)), "m.room.member", `{"membership":"join"}`, ""
		if i%4 == 0 {
			typ, content = "m.room.message", `{"body":"hello"}`
		} else {
			key = fmt.Sprintf(`"state_key":%q,`, user)
		}
		e, err := event.Parse(v, fmt.Appendf(nil, `{"auth_events":[],"content":%s,"depth":1,"hashes":{"sha256":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},"origin_server_ts":1,"prev_events":[],`+
			`"room_id":"!r:a","sender":%q,%s"signatures":{},"type":%q}`, content, user, key, typ))
		if err != nil {
			t.Fatal(err)
		}
		log = append(log, &room.Stored{Event: e, Pos: sqldb.Pos(i + 1), NID: room.NID(i + 1)})
	}
	looked := 0
	each := func(after, upto sqldb.Pos, see func(*room.Stored)) (sqldb.Pos, error) {
		n := 0
		for _, e := range slices.Backward(log) {
			if e.Pos <= after {
				break
			}
			if e.Pos > upto {
				continue
			}
			if n++; n > maxSieved {
				return e.Pos, nil
			}
			looked++
			see(e)
		}
		return after, nil
	}
	s := &sieve{quiet: map[id.User]sqldb.Pos{}}
	for _, upto := range []int{maxSieved + 500, maxSieved + 501, 2 * maxSieved, 3 * maxSieved} {
		for range 3 {
			nids, _, ok, err := s.marks(0, sqldb.Pos(upto), "@nobody:a", each)
			if err != nil || !ok || len(nids) != maxJudged || !slices.IsSorted(nids) || int(nids[maxJudged-1]) != (upto-1)/4*4+1 {
				t.Fatalf("up to %d: got %d marks, %v, %v", upto, len(nids), ok, err)
			}
			if len(s.loud)+len(s.quiet) > maxSieved {
				t.Fatalf("it holds %d", len(s.loud)+len(s.quiet))
			}
		}
	}
	if looked > 4*maxSieved {
		t.Errorf("%d events were looked at for %d", looked, len(log))
	}
	if _, own, ok, _ := s.marks(0, 3*maxSieved, id.User(fmt.Sprintf("@u%d:a", 3*maxSieved-1)), each); !ok || own != 3*maxSieved {
		t.Errorf("own: got %d %v", own, ok)
	}
	if _, _, ok, _ := s.marks(0, 3*maxSieved-1, id.User(fmt.Sprintf("@u%d:a", 3*maxSieved-1)), each); ok {
		t.Error("what she sent before is not known, and yet it is said")
	}
}
