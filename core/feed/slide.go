package feed

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"freehold.example/base/park"
	"freehold.example/base/sqldb"
	"freehold.example/core/ephemeral"
	"freehold.example/core/person"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Slide is one request of sliding sync (MSC4186): what is new in the rooms that the client looks at, which are those in a
// window of one of its lists and those it names. Unlike Request it belongs to a connection, of which the server remembers
// what it has shown (connection.go, docs/decisions/0011-sliding-sync.md).
//
// The rooms and events are rendered by what renders them for /sync: look.
type Slide struct {
	Caller      room.Caller
	Connection  string // conn_id: which of the device's connections
	Pos         string // "" begins a connection
	Lists       map[string]*List
	Rooms       map[id.Room]*Wanted // room_subscriptions
	Extensions  Extensions
	Stable      bool   // the answer has the names of /v4/sync
	SetPresence string // "" for online
	Timeout     time.Duration

	// Allowed is as in Request.
	Allowed func(ctx context.Context) error
}

// List is the user's rooms, the one with the latest activity first, as far as they pass a filter. The client is shown those
// in the ranges.
type List struct {
	Wanted
	Ranges [][2]int // first and last index; nil for all
	Filter ListFilter
}

// ListFilter says which rooms are in a list. What is nil lets all pass.
type ListFilter struct {
	Direct, Encrypted, Invited *bool
	Spaces                     []id.Room // rooms in one of these, as far as the user is in them herself
	Types, NotTypes            []string  // "" for rooms of no type
	Tags, NotTags              []string
	Name                       string // is part of the room's name, in letters of either case
}

// Extensions says what besides rooms the client asks for. What is nil it does not.
type Extensions struct {
	ToDevice                      *ToDevice
	E2EE                          bool
	AccountData, Receipts, Typing *Scope
	Threads                       *Threads
	TypingName                    string // under which typing is asked for, and answered
}

// ToDevice asks for to-device messages. They have a token of their own, so that of several connections of a device one can
// collect them.
type ToDevice struct {
	Since string
	Limit int // 0 for the usual one
}

// Scope is the rooms that an extension is for: of those in lists with these names, and of those named. nil stands for all.
type Scope struct {
	Lists []string
	Rooms []id.Room
}

// The bounds of one request, besides those of Request.
const (
	MaxLists      = 100
	MaxNamedRooms = 1000 // room_subscriptions
)

var errUnknownPos = fault.New(fault.UnknownPos, "That connection is not known any more; begin anew without pos").WithStatus(400)

// Slide answers with what is new, waiting up to the timeout while there is nothing. Errors: M_UNKNOWN_POS, after which the
// client begins a new connection; M_INVALID_PARAM. An error after the first part leaves the answer incomplete, and then
// the client has not got any further.
func (f *Feed) Slide(ctx context.Context, q Slide, to Sink) error {
	at, err := parseSlidePos(q.Pos)
	if err != nil {
		return err
	}
	if _, lost := f.DB.Lost(at.token.pos); lost {
		return errUnknownPos
	}
	inbox, err := f.collected(ctx, &q)
	if err != nil {
		return err
	}
	gone := f.Ephemeral.Seen(ctx, q.Caller.User, q.Caller.Device, cmp.Or(q.SetPresence, ephemeral.Online), q.Timeout)
	wait := park.Begin(ctx, f.Bus.Sleep("u:"+string(q.Caller.User)), min(q.Timeout, MaxWait), gone)
	defer wait.End()
	leave := func() {}
	if known, lately := f.connections.knows(&q, at, f.Now()); known && !lately && !park.Came(ctx) { // as in Sync
		if leave, err = f.admission.enter(ctx); err != nil {
			return err
		}
		defer leave()
		to = leaving{to, leave}
	}
	turn, err := f.connections.begin(&q, at)
	if err != nil {
		return err
	}
	defer f.connections.end(turn)
	for last := wait.Over() || at.token.initial(); ; {
		l, err := f.slide(ctx, &q, turn, inbox, to)
		if err != nil {
			return err
		}
		if l.parts || l.news || last {
			// The connection is there before the client can come back to it.
			if err := f.connections.keep(turn, l); err != nil {
				return err
			}
			if l.parts {
				_, err = to.Write(l.b)
				return err
			}
			return to.Whole(l.b)
		}
		leave()
		if last, err = wait.Sleep(ctx); err != nil {
			return err
		}
		if q.Allowed != nil {
			if err := q.Allowed(ctx); err != nil {
				return err
			}
		}
	}
}

// collected reads how far the device says that it has its to-device messages, and removes them up to there.
func (f *Feed) collected(ctx context.Context, q *Slide) (sqldb.Pos, error) {
	t := q.Extensions.ToDevice
	if t == nil || t.Since == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(t.Since, 10, 64)
	if err != nil || n < 0 {
		return 0, fault.New(fault.InvalidParam, "extensions.to_device.since is not a token that this server gives out")
	}
	inbox := sqldb.Pos(n)
	if inbox == 0 || inbox > f.DB.Committed() { // it is of another life, and says nothing
		return 0, nil
	}
	if err := f.Inbox.Ack(ctx, q.Caller.User, q.Caller.Device, inbox); err != nil && ctx.Err() == nil {
		f.Log.WarnContext(ctx, "messages that a device has received are still kept", "cause", err) // as in Sync
	}
	return inbox, nil
}

// slideLook is one reading of what is new for a connection.
type slideLook struct {
	look
	ask   *Slide
	turn  *turn
	inbox sqldb.Pos
	ctx   context.Context // for the log

	since   *stage // what the client has
	view    *overview
	counts  map[string]int // of the lists
	visible []*inView      // the rooms to be shown, in the order of the answer
	changes map[room.NID]shown
	data    []person.Datum // of the account and its rooms, that changed
	recount bool           // what is unread is judged otherwise than before
}

// slide is look for a connection.
func (f *Feed) slide(ctx context.Context, q *Slide, t *turn, inbox sqldb.Pos, to Sink) (l *slideLook, err error) {
	err = f.through(!t.base.token.initial(), func(read reading) error {
		l = f.newSlideLook(ctx, q, t, inbox, to)
		return read(ctx, l.all)
	})
	return l, err
}

func (f *Feed) newSlideLook(ctx context.Context, q *Slide, t *turn, inbox sqldb.Pos, to Sink) *slideLook {
	return &slideLook{
		look: look{
			f: f, q: &Request{Caller: q.Caller, Filter: f.everything, StateAfter: true}, user: q.Caller.User, since: t.base.token,
			serial: f.Ephemeral.Serial(), fresh: map[room.NID]bool{}, members: map[room.NID]room.NID{},
			page: page{out: to, b: make([]byte, 0, 1536)},
		},
		ask: q, turn: t, inbox: inbox, ctx: ctx, since: t.base, counts: map[string]int{}, changes: map[room.NID]shown{},
	}
}

// all reads and writes the whole answer.
func (l *slideLook) all(tx *sqldb.Tx) (err error) {
	l.tx = tx
	if l.upto, err = tx.High(); err != nil {
		return err
	}
	switch pos := l.since.token.pos; {
	case pos > l.upto && tx.Peeking():
		return sqldb.ErrPeek // as in lookIn
	case pos > l.upto:
		return errUnknownPos
	}
	l.look.since = l.since.token.settle(l.upto, l.serial)
	for _, part := range []func() error{l.findData, l.findRooms, l.head, l.rooms, l.extensions} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// findData reads what changed of the account data, and what the user's rooms are as a list.
func (l *slideLook) findData() (err error) {
	if l.ignored, err = l.f.People.Ignored(l.tx, l.user); err != nil {
		return err
	}
	if from := l.since.token.pos; from != 0 {
		if l.data, err = l.f.People.AccountData(l.tx, l.user, from, l.upto); err != nil {
			return err
		}
		l.recount = slices.ContainsFunc(l.data, func(d person.Datum) bool {
			return d.Room == "" && (d.Type == "m.push_rules" || d.Type == "m.ignored_user_list")
		})
		var all bool
		if l.receipts, all, err = l.f.Ephemeral.ReceiptRooms(l.tx, from, l.upto, manyReceipts); err != nil {
			return err
		}
		if !all {
			l.receipts = nil
		}
	}
	l.view, err = l.f.overview(l.tx, l.user, l.upto)
	return err
}

// token is where the answer leaves the client.
func (l *slideLook) token() token { return token{pos: l.upto, serial: l.serial} }
