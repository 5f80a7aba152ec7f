package thread

import (
	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/id"
)

// Show is what Changed has given, in the form of clients.
func Show(changes []Subscription) *csapi.ThreadChanges {
	out := &csapi.ThreadChanges{}
	for _, s := range changes {
		if s.Subscribed {
			put(&out.Subscribed, s, csapi.ChangedSubscription{Automatic: s.Automatic, Stamp: int64(s.Pos)})
		} else {
			put(&out.Unsubscribed, s, csapi.Unsubscription{Stamp: int64(s.Pos)})
		}
	}
	return out
}

func put[V any](all *map[id.Room]map[id.Event]V, s Subscription, v V) {
	if *all == nil {
		*all = map[id.Room]map[id.Event]V{}
	}
	if (*all)[s.Room] == nil {
		(*all)[s.Room] = map[id.Event]V{}
	}
	(*all)[s.Room][s.Root] = v
}

// Before is the token for what changed before the last of these.
func Before(changes []Subscription) string {
	return room.StreamToken(changes[len(changes)-1].Pos - 1).String()
}
