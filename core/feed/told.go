package feed

import (
	"sync"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
)

// told remembers which member events a device that loads members lazily has been given, so that it is not given them with
// every message. It only saves bytes: what is forgotten is told again, and so is what an answer held that the client asks
// for once more, as that answer may not have arrived.
type told struct {
	mu      sync.Mutex                      // guards all below
	devices map[reader]map[room.NID]telling // bounded by maxTold
	total   int
}

// reader is a device, or one of its connections of sliding sync, each of which knows only what it was told itself.
type reader struct {
	room.Caller
	connection int64 // 0 for /sync
}

// telling is when a member event was told: in the answer that ended at this position.
type telling struct {
	room room.NID
	at   sqldb.Pos
}

// limit: members that lazily loading devices have been told, in memory | %d of some 60 bytes | any other devices are told again
const maxTold = 500_000 // member events, of all devices together

// known says whether the client has the member event, when it asks from since.
func (t *told) known(c reader, member room.NID, since sqldb.Pos) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	was, ok := t.devices[c][member]
	return ok && was.at <= since
}

// tell notes the member events that an answer held which ends at a position. It forgets what it had noted of the fresh
// rooms, which the client knows nothing of but this; all of them in an initial sync.
func (t *told) tell(c reader, at sqldb.Pos, initial bool, fresh map[room.NID]bool, members map[room.NID]room.NID) {
	if len(members) == 0 && len(fresh) == 0 && !initial {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if initial {
		t.drop(c)
	}
	device := t.devices[c]
	if len(fresh) > 0 {
		for member, was := range device {
			if fresh[was.room] {
				delete(device, member)
				t.total--
			}
		}
	}
	for other := range t.devices {
		if t.total+len(members) <= maxTold {
			break
		}
		t.drop(other)
	}
	if device = t.devices[c]; device == nil {
		device = make(map[room.NID]telling, len(members))
		t.devices[c] = device
	}
	for member, in := range members {
		if _, there := device[member]; !there {
			t.total++
		}
		device[member] = telling{in, at}
	}
}

// forget is told of a connection that is not one any more.
func (t *told) forget(c reader) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(c)
}

func (t *told) drop(c reader) {
	t.total -= len(t.devices[c])
	delete(t.devices, c)
}
