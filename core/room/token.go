package room

import (
	"fmt"
	"strconv"
	"strings"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
)

// Token is a place in a room's history that a client can page from. Clients get it as opaque text, in one of two forms:
//
//	s<pos>[_...]                  a moment of the stream: what /sync gives. Backwards from it lies what had arrived by
//	                              then, forwards what came later, each in topological order.
//	t<depth>_<pos>[_<dir><pos>]   the gap after an event in topological order; dir b or f with a position carries on a
//	                              walk that began at a moment of the stream.
//
// What follows the first number of the first form belongs to other streams and is skipped here.
type Token struct {
	stream bool
	moment sqldb.Pos // of the stream; in the second form the bound of the walk
	walk   byte      // 'b', 'f' or 0
	depth  int64
	pos    sqldb.Pos
}

// StreamToken is the token for a moment of the stream.
func StreamToken(at sqldb.Pos) Token { return Token{stream: true, moment: at} }

// Moment is the moment of the stream that a token of the first form names.
func (t Token) Moment() sqldb.Pos { return t.moment }

func (t Token) String() string {
	if t.stream {
		return "s" + strconv.FormatInt(int64(t.moment), 10)
	}
	s := fmt.Sprintf("t%d_%d", t.depth, t.pos)
	if t.walk != 0 {
		s += fmt.Sprintf("_%c%d", t.walk, t.moment)
	}
	return s
}

// ParseOptionalToken reads a token that need not be there: nil for "". Errors: M_INVALID_PARAM.
func ParseOptionalToken(s string) (*Token, error) {
	if s == "" {
		return nil, nil
	}
	t, err := ParseToken(s)
	return &t, err
}

// ParseToken reads a token. Errors: M_INVALID_PARAM.
func ParseToken(s string) (Token, error) {
	bad := fault.New(fault.InvalidParam, "That is not a token this server gives out")
	if len(s) < 2 || len(s) > 200 {
		return Token{}, bad
	}
	fields := strings.Split(s[1:], "_")
	numbers := make([]int64, 2)
	for i := range min(len(fields), 2) {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil || n < 0 && (s[0] != 't' || i == 0) { // positions in the past are negative
			if s[0] == 's' && i == 1 {
				break
			}
			return Token{}, bad
		}
		numbers[i] = n
	}
	switch {
	case s[0] == 's':
		return StreamToken(sqldb.Pos(numbers[0])), nil
	case s[0] == 't' && len(fields) >= 2 && len(fields) <= 3:
		t := Token{depth: numbers[0], pos: sqldb.Pos(numbers[1])}
		if len(fields) == 3 {
			walk := fields[2]
			if len(walk) < 2 || walk[0] != 'b' && walk[0] != 'f' {
				return Token{}, bad
			}
			n, err := strconv.ParseInt(walk[1:], 10, 64)
			if err != nil || n < 0 {
				return Token{}, bad
			}
			t.walk, t.moment = walk[0], sqldb.Pos(n)
		}
		return t, nil
	}
	return Token{}, bad
}
