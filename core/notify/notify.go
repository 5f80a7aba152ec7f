// Package notify counts what a user has not read.
//
// The counts are read from the log, not kept beside it: the events after the user's receipt, judged by the user's push
// rules. What has been judged is remembered in memory with the position it was judged up to, so that a sync judges each
// event once; a restart or a change of the rules begins again at the receipt. Sending an event costs the members of its
// room nothing (docs/decisions/0006-unread-counts.md).
package notify

import (
	"sync"

	"freehold.example/base/sqldb"
	"freehold.example/core/ephemeral"
	"freehold.example/core/person"
	"freehold.example/core/room"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
	"freehold.example/matrix/pushrule"
)

// Config is what notify reads from. All fields are needed.
type Config struct {
	Rooms     *room.Rooms
	People    *person.People
	Ephemeral *ephemeral.Ephemeral
}

// Notify counts for the users of one server. Its methods may be called from any goroutine.
type Notify struct {
	Config

	mu      sync.Mutex // guards tallies and what is in them
	tallies map[place]*tally
}

// New makes a Notify.
func New(c Config) *Notify { return &Notify{Config: c, tallies: map[place]*tally{}} }

// Main is the thread of everything that is in no thread; other threads go by the event id of their root.
const Main = ephemeral.MainThread

// Counts is what a user has not read of a thread.
type Counts struct {
	Notifications int
	Highlights    int
}

// The bounds of what is remembered, and of one look back: a user who has not read for longer is told maxJudged.
const (
	maxTallies = 50_000
	maxJudged  = 2000
)

type place struct {
	user id.User
	room room.NID
}

// tally is what was judged for one user in one room.
type tally struct {
	rules *pushrule.Ruleset // the rules it was judged by
	from  sqldb.Pos         // events after this one ...
	upto  sqldb.Pos         // ... up to this one were judged
	heard []heard           // those that notify, oldest first
}

// heard is an event that notifies the user.
type heard struct {
	pos       sqldb.Pos
	thread    string
	highlight bool
}

// Unread counts, thread by thread, what has arrived in a room up to a position and the user has not read. Threads with
// nothing unread are left out.
func (n *Notify) Unread(tx *sqldb.Tx, user id.User, s *room.Standing, upto sqldb.Pos) (map[string]Counts, error) {
	read, err := n.read(tx, user, s)
	if err != nil {
		return nil, err
	}
	rules, err := n.People.Rules(tx, user)
	if err != nil {
		return nil, err
	}
	events, err := n.heard(tx, user, s, rules, read.everything, upto)
	if err != nil {
		return nil, err
	}
	counts := map[string]Counts{}
	for _, e := range events {
		if e.pos <= read.everything || e.pos <= read.threads[e.thread] {
			continue
		}
		c := counts[e.thread]
		c.Notifications++
		if e.highlight {
			c.Highlights++
		}
		counts[e.thread] = c
	}
	return counts, nil
}

// marks is how far a user has read: everything, and each thread.
type marks struct {
	everything sqldb.Pos
	threads    map[string]sqldb.Pos
}

// read finds how far the user has read: by receipts, and not before the join.
func (n *Notify) read(tx *sqldb.Tx, user id.User, s *room.Standing) (marks, error) {
	m := marks{threads: map[string]sqldb.Pos{}}
	var err error
	if m.everything, err = n.Rooms.JoinedSince(tx, s.Event); err != nil {
		return m, err
	}
	receipts, err := n.Ephemeral.Own(tx, user, s.RoomID)
	if err != nil {
		return m, err
	}
	for _, r := range receipts {
		if r.Thread == "" {
			m.everything = max(m.everything, r.EventPos)
			continue
		}
		m.threads[r.Thread] = max(m.threads[r.Thread], r.EventPos)
	}
	return m, nil
}

// heard gives the events after from that notify the user, judging those that were not judged before.
func (n *Notify) heard(tx *sqldb.Tx, user id.User, s *room.Standing, rules *pushrule.Ruleset, from, upto sqldb.Pos) ([]heard, error) {
	at := place{user, s.Room}
	n.mu.Lock()
	t := n.tallies[at]
	n.mu.Unlock()
	if t == nil || t.rules != rules || t.from > from {
		t = &tally{rules: rules, from: from, upto: from}
	}
	if t.upto >= upto {
		return t.heard, nil
	}
	fresh, own, err := n.judge(tx, user, s, rules, max(t.upto, from), upto)
	if err != nil {
		return nil, err
	}
	// Writing oneself says that one has read what was there before, in that thread.
	kept := make([]heard, 0, len(t.heard)+len(fresh))
	for _, e := range append(t.heard[:len(t.heard):len(t.heard)], fresh...) {
		if e.pos > from && e.pos > own[e.thread] {
			kept = append(kept, e)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for old := range n.tallies {
		if len(n.tallies) < maxTallies {
			break
		}
		delete(n.tallies, old)
	}
	n.tallies[at] = &tally{rules: rules, from: from, upto: upto, heard: kept}
	return kept, nil
}

// judge looks at the newest events after a position. own is where the user wrote last in each thread.
func (n *Notify) judge(tx *sqldb.Tx, user id.User, s *room.Standing, rules *pushrule.Ruleset, after, upto sqldb.Pos) (
	out []heard, own map[string]sqldb.Pos, err error,
) {
	w, err := n.Rooms.Window(tx, s.Room, after, upto, maxJudged, func(*room.Stored) (room.Choice, error) { return room.Keep, nil })
	if err != nil {
		return nil, nil, err
	}
	own = map[string]sqldb.Pos{}
	if len(w.Events) == 0 {
		return nil, own, nil
	}
	program := rules.Compile()
	o := occasion{n: n, tx: tx, s: s}
	reader := pushrule.Reader{User: user}
	if reader.DisplayName, err = n.Rooms.DisplayName(tx, s.Event); err != nil {
		return nil, nil, err
	}
	for _, e := range w.Events {
		thread, err := n.threadOf(tx, e)
		if err != nil {
			return nil, nil, err
		}
		if e.Event.Sender() == user {
			own[thread] = e.Pos
			continue
		}
		occasion, err := o.of(e)
		if err != nil {
			return nil, nil, err
		}
		var key *string
		if k, ok := e.Event.StateKey(); ok {
			key = &k
		}
		flat := pushrule.Flatten(e.Event.Type(), e.Event.Sender(), e.Event.Room(), key, e.Event.Content())
		if r := program.Evaluate(flat, occasion, reader); r.Notify {
			out = append(out, heard{pos: e.Pos, thread: thread, highlight: r.Highlight})
		}
	}
	return out, own, nil
}

// occasion reads what the rules want to know of the room, once for each state it was in.
type occasion struct {
	n       *Notify
	tx      *sqldb.Tx
	s       *room.Standing
	members int
	levels  *room.Levels
	root    [16]byte
}

func (o *occasion) of(e *room.Stored) (pushrule.Occasion, error) {
	if o.members == 0 {
		joined, _, err := o.n.Rooms.Counts(o.tx, o.s.Room)
		if err != nil {
			return pushrule.Occasion{}, err
		}
		o.members = joined
	}
	if o.levels == nil || o.root != e.State {
		levels, err := o.n.Rooms.LevelsAt(o.tx, e.State)
		if err != nil {
			return pushrule.Occasion{}, err
		}
		o.levels, o.root = levels, e.State
	}
	return pushrule.Occasion{
		Members:     o.members,
		SenderLevel: int64(o.levels.User(e.Event.Sender())),
		Levels:      map[string]int64{"room": int64(o.levels.Notification("room"))},
	}, nil
}

// threadOf finds the thread an event is in: by its own relation, or by that of the event it refers to
// (Client-Server API, "Threading").
func (n *Notify) threadOf(tx *sqldb.Tx, e *room.Stored) (string, error) {
	relation, target := relationOf(e)
	if relation == "m.thread" || target == "" {
		return threadOr(relation, target), nil
	}
	other, err := n.Rooms.ByID(tx, id.Event(target))
	if err != nil || other == nil || other.Room != e.Room {
		return Main, err
	}
	return threadOr(relationOf(other)), nil
}

func threadOr(relation, target string) string {
	if relation == "m.thread" && target != "" {
		return target
	}
	return Main
}

func relationOf(e *room.Stored) (relation, target string) {
	relates := canon.Get(e.Event.Content(), "m.relates_to")
	if len(relates) == 0 || relates[0] != '{' {
		return "", ""
	}
	relation, _ = canon.String(canon.Get(relates, "rel_type"))
	target, _ = canon.String(canon.Get(relates, "event_id"))
	return relation, target
}
