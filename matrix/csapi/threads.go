package csapi

import "freehold.example/matrix/id"

// ThreadSubscriptionRequest is GET and DELETE .../rooms/{roomId}/thread/{eventId}/subscription (MSC4306).
type ThreadSubscriptionRequest struct {
	Room id.Room  `path:"roomID" json:"-"`
	Root id.Event `path:"eventID" json:"-"`
}

// SubscribeThreadRequest is PUT of the same.
type SubscribeThreadRequest struct {
	Room      id.Room   `path:"roomID" json:"-"`
	Root      id.Event  `path:"eventID" json:"-"`
	Automatic *id.Event `json:"automatic"` // the event for which a client subscribes by itself; nil: the user has said so
}

// ThreadSubscription is a subscription to a thread.
type ThreadSubscription struct {
	Automatic bool `json:"automatic"`
}

// ThreadChangesRequest is GET /thread_subscriptions (MSC4308).
type ThreadChangesRequest struct {
	Dir   string `query:"dir"`   // b
	From  string `query:"from"`  // a prev_batch or an end; "": the newest first
	To    string `query:"to"`    // a pos of sliding sync
	Limit *int   `query:"limit"` // 100 when nil
}

// ThreadChanges is what changed of a user's subscriptions to threads, in sliding sync and by itself (MSC4308).
type ThreadChanges struct {
	Subscribed   map[id.Room]map[id.Event]ChangedSubscription `json:"subscribed,omitempty"`
	Unsubscribed map[id.Room]map[id.Event]Unsubscription      `json:"unsubscribed,omitempty"`
	PrevBatch    string                                       `json:"prev_batch,omitempty"` // in sliding sync: where older changes begin
	End          string                                       `json:"end,omitempty"`        // by itself: the same
}

// ChangedSubscription is a subscription that is new or has become another.
type ChangedSubscription struct {
	Automatic bool  `json:"automatic"`
	Stamp     int64 `json:"bump_stamp"` // greater than in an earlier state of the same subscription
}

// Unsubscription says that a thread is subscribed to no more.
type Unsubscription struct {
	Stamp int64 `json:"bump_stamp"`
}
