// Package notify counts what a user has not read.
//
// The counts are read from the log, not kept beside it: the events after the user's receipt, judged by the user's push
// rules. What has been judged is remembered in memory with the position it was judged up to, so that a sync judges each
// event once; a restart or a change of the rules begins again at the receipt. Sending an event costs the members of its
// room nothing (docs/decisions/0006-unread-counts.md).
package notify

import (
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"sync"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/core/ephemeral"
	"freehold.example/core/person"
	"freehold.example/core/room"
	"freehold.example/core/thread"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
	"freehold.example/matrix/pushrule"
)

// Config is what notify reads from. All fields are needed.
type Config struct {
	Rooms     *room.Rooms
	People    *person.People
	Ephemeral *ephemeral.Ephemeral
	Threads   *thread.Threads
}

// Notify counts for the users of one server. Its methods may be called from any goroutine.
type Notify struct {
	Config

	mu      sync.Mutex       // guards tallies and held; a tally itself does not change
	tallies map[place]*tally // bounded by maxTallies and maxHeard
	held    int              // events in all tallies

	sieves sieves
}

// New makes a Notify.
func New(c Config) *Notify { return &Notify{Config: c, tallies: map[place]*tally{}} }

// Forget throws away what was counted in a room: some of its events are gone.
func (n *Notify) Forget(room room.NID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for at, t := range n.tallies {
		if at.room == room {
			n.held -= t.size()
			delete(n.tallies, at)
		}
	}
}

// Main is the thread of everything that is in no thread; other threads go by the event id of their root.
const Main = ephemeral.MainThread

// Counts is what a user has not read of a thread.
type Counts struct {
	Notifications int
	Highlights    int
}

// The bounds of what is remembered, and of one look back: a user who has not read for longer is told maxJudged.
const (
	// limit: places whose unread messages were counted, in memory | %d of at most 1 KiB | any others are counted again
	maxTallies = 50_000
	// limit: unread messages in those places | %d of some 50 bytes | places are forgotten
	maxHeard  = 1_000_000 // events in all tallies together, of 32 bytes each and a little more
	maxJudged = 2000
)

type place struct {
	user id.User
	room room.NID
}

// tally is what was judged for one user in one room.
type tally struct {
	rules *pushrule.Ruleset // the rules it was judged by
	mute  uint64            // a sum of the users who were ignored then
	stamp sqldb.Pos         // the last change of the subscriptions to threads that it knew, if they make a difference
	from  sqldb.Pos         // events after this one ...
	upto  sqldb.Pos         // ... up to this one were judged
	heard []heard           // those that notify, oldest first
	late  []heard           // and the newest of them, so that one more does not copy them all
	read  marks             // how far the user had read
	count map[string]Counts // what was unread then, thread by thread; it is shared and does not change
}

// maxLate is how many are kept apart.
const maxLate = 64

func (t *tally) size() int { return len(t.heard) + len(t.late) }

// heard is an event that notifies the user.
type heard struct {
	pos       sqldb.Pos
	thread    string
	highlight bool
}

// Unread counts, thread by thread, what has arrived in a room up to a position and the user has not read, but for what
// those send whom she ignores. Threads with nothing unread are left out. The
// map is shared and must not be changed.
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
	if rules.Threads() {
		if reader.stamp, err = n.Threads.Newest(tx, user); err != nil {
			return nil, err
		}
	}
	return n.tally(tx, &reader, s, read, upto)
}

// add counts those of the events that are not read.
func (m *marks) add(counts map[string]Counts, events []heard) {
	for _, e := range events {
		if e.pos <= m.everything || e.pos <= m.threads[e.thread] {
			continue
		}
		c := counts[e.thread]
		c.Notifications++
		if e.highlight {
			c.Highlights++
		}
		counts[e.thread] = c
	}
}

func (m *marks) equal(other *marks) bool {
	return m.everything == other.everything && maps.Equal(m.threads, other.threads)
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
	stamp   sqldb.Pos // of the last change of her subscriptions to threads; 0 where they make no difference
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

// tally counts what is unread, judging the events that were not judged before.
func (n *Notify) tally(tx *sqldb.Tx, r *reader, s *room.Standing, read marks, upto sqldb.Pos) (map[string]Counts, error) {
	at, mute, from := place{r.user, s.Room}, r.mute(), read.everything
	n.mu.Lock()
	t := n.tallies[at]
	n.mu.Unlock()
	if t == nil || t.rules != r.rules || t.mute != mute || t.stamp != r.stamp || t.from > from {
		t = &tally{rules: r.rules, mute: mute, stamp: r.stamp, from: from, upto: from}
	}
	same := t.count != nil && t.read.equal(&read)
	if same && t.upto >= upto {
		return t.count, nil
	}
	news := &verdict{}
	if t.upto < upto {
		var err error
		if news, err = n.judge(tx, r, s, max(t.upto, from), upto, t.count == nil); err != nil {
			return nil, err
		}
	}
	next := *t
	next.from, next.upto, next.read = from, max(t.upto, upto), read
	if same && len(news.own)+len(news.redacted) == 0 && t.size()+len(news.heard) <= maxJudged {
		next.count = maps.Clone(t.count)
		read.add(next.count, news.heard)
		if next.late = slices.Concat(t.late, news.heard); len(next.late) > maxLate {
			next.heard, next.late = slices.Concat(t.heard, next.late), nil
		}
	} else {
		next.heard, next.late = news.settle(slices.Concat(t.heard, t.late), from), nil
		next.count = map[string]Counts{}
		read.add(next.count, next.heard)
	}
	n.keep(at, &next)
	return next.count, nil
}

// keep remembers a tally in place of the one that was there, and forgets others when there is no room.
func (n *Notify) keep(at place, t *tally) {
	n.mu.Lock()
	defer n.mu.Unlock()
	drop := func(at place) {
		if old := n.tallies[at]; old != nil {
			n.held -= old.size()
			delete(n.tallies, at)
		}
	}
	drop(at)
	for other := range n.tallies {
		if len(n.tallies) < maxTallies && n.held+t.size() <= maxHeard {
			break
		}
		drop(other)
	}
	n.tallies[at] = t
	n.held += t.size()
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

// unjudged reads the newest events after a position, oldest first. Those that can notify nobody may be left out; own is where
// the reader sent the newest such. first says that the reader was never counted in this room.
func (n *Notify) unjudged(tx *sqldb.Tx, r *reader, s *room.Standing, after, upto sqldb.Pos, first bool) (events []*room.Stored, own sqldb.Pos, err error) {
	if first && r.rules.Compile() == pushrule.Default() {
		members, _, err := n.Rooms.Counts(tx, s.Room, s.State)
		if err != nil {
			return nil, 0, err
		}
		if members >= crowded {
			events, own, ok, err := n.sift(tx, s.Room, r.user, after, upto)
			if ok || err != nil {
				return events, own, err
			}
		}
	}
	keep := func(*room.Stored) (room.Choice, error) { return room.Keep, nil }
	w, err := n.Rooms.Window(tx, s.Room, after, upto, maxJudged, keep)
	if err != nil {
		return nil, 0, err
	}
	return w.Events, 0, nil
}

// judge looks at the newest events after a position.
func (n *Notify) judge(tx *sqldb.Tx, r *reader, s *room.Standing, after, upto sqldb.Pos, first bool) (*verdict, error) {
	events, own, err := n.unjudged(tx, r, s, after, upto, first)
	if err != nil {
		return nil, err
	}
	v := &verdict{own: map[string]sqldb.Pos{}, redacted: map[sqldb.Pos]bool{}}
	if own > 0 {
		v.own[Main] = own
	}
	if len(events) == 0 {
		return v, nil
	}
	program := r.rules.Compile()
	o := occasion{n: n, tx: tx, room: s.Room, now: s.State}
	self := pushrule.Reader{User: r.user}
	if self.DisplayName, err = n.Rooms.DisplayName(tx, s.Event); err != nil {
		return nil, err
	}
	for _, e := range events {
		if target := e.Event.Redacts(); target != "" && e.Event.Type() == "m.room.redaction" {
			gone, err := n.Rooms.Shown(tx, target)
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
			v.own[thread] = max(v.own[thread], e.Pos)
			continue
		}
		occasion, err := o.of(e)
		if err != nil {
			return nil, err
		}
		if occasion.Thread = thread != Main; occasion.Thread && r.rules.Threads() {
			if self.Subscribed, err = n.Threads.Subscribed(tx, r.user, s.RoomID, id.Event(thread)); err != nil {
				return nil, err
			}
		}
		flat := flatten(e)
		if a := program.Evaluate(flat, occasion, self); a.Notify {
			v.heard = append(v.heard, heard{pos: e.Pos, thread: thread, highlight: a.Highlight})
		}
	}
	return v, nil
}

// flatten takes an event apart for the rules.
func flatten(e *room.Stored) *pushrule.Event {
	var key *string
	if k, ok := e.Event.StateKey(); ok {
		key = &k
	}
	return pushrule.Flatten(e.Event.Type(), e.Event.Sender(), e.Event.Room(), key, e.Event.Content())
}

// occasion reads what the rules want to know of the room, once for each state it was in.
type occasion struct {
	n       *Notify
	tx      *sqldb.Tx
	room    room.NID
	now     pmap.Root // the room's newest state; the zero root as long as it is not known
	members int
	levels  *room.Levels
	root    pmap.Root // that the levels are of
}

func (o *occasion) of(e *room.Stored) (pushrule.Occasion, error) {
	if o.members == 0 {
		var err error
		if o.now == (pmap.Root{}) {
			if o.now, err = o.n.Rooms.RootNow(o.tx, o.room); err != nil {
				return pushrule.Occasion{}, err
			}
		}
		if o.members, _, err = o.n.Rooms.Counts(o.tx, o.room, o.now); err != nil {
			return pushrule.Occasion{}, err
		}
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
	other, err := n.Rooms.Shown(tx, id.Event(target))
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
