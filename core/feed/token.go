package feed

import (
	"fmt"
	"strconv"
	"strings"

	"freehold.example/base/sqldb"
	"freehold.example/core/ephemeral"
	"freehold.example/matrix/fault"
)

// token is how far a client has read each stream: s<pos>_<serial>_<inbox>. The first number alone is a place in every
// room's history (room.Token); a stream that is added is one more number at the end, and a token without it, such as a
// prev_batch, begins that stream anew.
type token struct {
	pos    sqldb.Pos        // events, account data, receipts, device lists
	serial ephemeral.Serial // typing and presence
	inbox  sqldb.Pos        // to-device messages: behind pos when there were more than one answer takes

	// lost is set for a token of a life of this server that a restore has ended (docs/backup.md). Its client has seen what
	// never happened here, so it is told everything anew, as without a token, but of the timelines only what it cannot have
	// seen: clients take an event that they know for the end of a gap. What both lives have in common ends at shared, and
	// this one begins at begins.
	lost           bool
	shared, begins sqldb.Pos
}

func (t token) initial() bool { return t.pos == 0 }

func (t token) String() string { return fmt.Sprintf("s%d_%d_%d", t.pos, t.serial, t.inbox) }

// lose makes t one of a life that is lost. What the device has of its queue it has had in both lives.
func (t token) lose(shared, begins sqldb.Pos) token {
	return token{inbox: t.inbox, lost: true, shared: shared, begins: begins}
}

// settle brings a token from a future that did not come to pass back to now: of a database that was put back by other means
// than a restore, or of a server whose clock was set back.
func (t token) settle(high sqldb.Pos, serial ephemeral.Serial) token {
	if t.pos > high {
		t = t.lose(0, high)
	}
	if t.serial > serial {
		t.serial = 0
	}
	if t.inbox > high {
		t.inbox = 0
	}
	return t
}

func parseToken(s string) (token, error) {
	var t token
	if s == "" {
		return t, nil
	}
	bad := fault.New(fault.InvalidParam, "That is not a token this server gives out; sync without one")
	if s[0] != 's' || len(s) > 100 {
		return t, bad
	}
	fields := strings.Split(s[1:], "_")
	numbers := make([]int64, max(3, len(fields)))
	for i, field := range fields {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil || n < 0 {
			return t, bad
		}
		numbers[i] = n
	}
	t.pos, t.serial, t.inbox = sqldb.Pos(numbers[0]), ephemeral.Serial(numbers[1]), sqldb.Pos(numbers[2])
	return t, nil
}
