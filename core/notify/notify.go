// Package notify counts what a user has not read.
//
// The counts are read from the log, not kept beside it: the events after the user's receipt, judged by the user's push
// rules. What has been judged is remembered in memory with the position it was judged up to, so that a sync judges each
// event once; a restart or a change of the rules begins again at the receipt. Sending an event costs the members of its
// room nothing (docs/decisions/0006-unread-counts.md).
package notify

import (
	"hash/fnv"
	"slices"
	"strings"
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

	mu      sync.Mutex // guards tallies and held; a tally itself does not change
	tallies map[place]*tally
	held    int // events in all tallies
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
	maxHeard   = 1_000_000 // events in all tallies together, of 32 bytes each and a little more
	maxJudged  = 2000
)

type place struct {
	user id.User
	room room.NID
}

// tally is what was judged for one user in one room.
type tally struct {
	rules *pushrule.Ruleset // the rules it was judged by
	mute  uint64            // a sum of the users who were ignored then
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

// Unread counts, thread by thread, what has arrived in a room up to a position and the user has not read, but for what
// those send whom she ignores. Threads with nothing unread are left out.
func (n *Notify) Unread(tx *sqldb.Tx, user id.User, s *room.Standing, ignored map[id.User]bool, upto sqldb.Pos) (map[string]Counts, error) {
	read, err := n.read(tx, user, s)
	if err != nil {
		return nil, err
	}
	rules, err := n.People.Rules(tx, user)
	if err != nil {
		return nil, err
	}
	reader := reader{user: user, rules: rules, ignored: ignored}
	events, err := n.heard(tx, &reader, s, read.everything, upto)
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

// reader is who an event is judged for.
type reader struct {
	user    id.User
	rules   *pushrule.Ruleset
	ignored map[id.User]bool
}

// mute is a number that stands for the users who are ignored.
func (r *reader) mute() (sum uint64) {
	for user := range r.ignored {
		h := fnv.New64a()
		_, _ = h.Write([]byte(user)) // a hash does not fail
		sum += h.Sum64()
	}
	return sum
}

// heard gives the events after from that notify the user, judging those that were not judged before.
func (n *Notify) heard(tx *sqldb.Tx, r *reader, s *room.Standing, from, upto sqldb.Pos) ([]heard, error) {
	at, mute := place{r.user, s.Room}, r.mute()
	n.mu.Lock()
	t := n.tallies[at]
	n.mu.Unlock()
	if t == nil || t.rules != r.rules || t.mute != mute || t.from > from {
		t = &tally{rules: r.rules, mute: mute, from: from, upto: from}
	}
	if t.upto >= upto {
		return t.heard, nil
	}
	news, err := n.judge(tx, r, s, max(t.upto, from), upto)
	if err != nil {
		return nil, err
	}
	next := *t
	next.from, next.upto, next.heard = from, upto, news.settle(t.heard, from)
	n.keep(at, &next)
	return next.heard, nil
}

// keep remembers a tally in place of the one that was there, and forgets others when there is no room.
func (n *Notify) keep(at place, t *tally) {
	n.mu.Lock()
	defer n.mu.Unlock()
	drop := func(at place) {
		if old := n.tallies[at]; old != nil {
			n.held -= len(old.heard)
			delete(n.tallies, at)
		}
	}
	drop(at)
	for other := range n.tallies {
		if len(n.tallies) < maxTallies && n.held+len(t.heard) <= maxHeard {
			break
		}
		drop(other)
	}
	n.tallies[at] = t
	n.held += len(t.heard)
}

// verdict is what a stretch of events means to a reader.
type verdict struct {
	heard    []heard
	own      map[string]sqldb.Pos // where the reader wrote last in each thread: she has read what was there before
	redacted map[sqldb.Pos]bool   // events that are there no more
}

// settle puts what is new after what was heard before, without what is read or gone by now.
func (v *verdict) settle(before []heard, from sqldb.Pos) []heard {
	all := slices.Concat(before, v.heard)
	all = slices.DeleteFunc(all, func(e heard) bool { return e.pos <= from || e.pos <= v.own[e.thread] || v.redacted[e.pos] })
	return all[max(0, len(all)-maxJudged):]
}

// judge looks at the newest events after a position.
func (n *Notify) judge(tx *sqldb.Tx, r *reader, s *room.Standing, after, upto sqldb.Pos) (*verdict, error) {
	keep := func(*room.Stored) (room.Choice, error) { return room.Keep, nil }
	w, err := n.Rooms.Window(tx, s.Room, after, upto, maxJudged, keep)
	if err != nil {
		return nil, err
	}
	v := &verdict{own: map[string]sqldb.Pos{}, redacted: map[sqldb.Pos]bool{}}
	if len(w.Events) == 0 {
		return v, nil
	}
	program := r.rules.Compile()
	o := occasion{n: n, tx: tx, s: s}
	self := pushrule.Reader{User: r.user}
	if self.DisplayName, err = n.Rooms.DisplayName(tx, s.Event); err != nil {
		return nil, err
	}
	for _, e := range w.Events {
		if target := e.Event.Redacts(); target != "" && e.Event.Type() == "m.room.redaction" {
			gone, err := n.Rooms.ByID(tx, target)
			if err != nil {
				return nil, err
			}
			if gone != nil && gone.RedactedBy != 0 {
				v.redacted[gone.Pos] = true
			}
		}
		if r.ignored[e.Event.Sender()] || e.RedactedBy != 0 {
			continue
		}
		thread, err := n.threadOf(tx, e)
		if err != nil {
			return nil, err
		}
		if e.Event.Sender() == r.user {
			v.own[thread] = e.Pos
			continue
		}
		occasion, err := o.of(e)
		if err != nil {
			return nil, err
		}
		var key *string
		if k, ok := e.Event.StateKey(); ok {
			key = &k
		}
		flat := pushrule.Flatten(e.Event.Type(), e.Event.Sender(), e.Event.Room(), key, e.Event.Content())
		if a := program.Evaluate(flat, occasion, self); a.Notify {
			v.heard = append(v.heard, heard{pos: e.Pos, thread: thread, highlight: a.Highlight})
		}
	}
	return v, nil
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
		return strings.Clone(target) // not the whole event with it
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
