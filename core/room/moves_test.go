package room_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// TestMovesOfLate: what memory says of the newest memberships, and of the servers of their rooms, is what the database says.
func TestMovesOfLate(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		dice := rand.New(rand.NewPCG(1, 2))
		users := []id.User{bob, carol, "@b1:b.test", "@b2:b.test", "@c:c.test"}
		var in []id.Room
		for range 3 {
			in = append(in, create(t, rooms, room.CreateRequest{Preset: "public_chat"}))
		}
		marks := []sqldb.Pos{rooms.DB.Committed()}
		peeked := 0
		for i := range 60 {
			u, r := users[dice.IntN(len(users))], in[dice.IntN(len(in))]
			var err error
			switch dice.IntN(3) {
			case 0:
				err = rooms.Kick(t.Context(), as(alice), r, u, "")
			case 1:
				err = rooms.Leave(t.Context(), as(u), r, "")
			default:
				err = rooms.Join(t.Context(), as(u), r, fmt.Sprint(i), nil)
			}
			_ = err // who is not in cannot leave
			if dice.IntN(30) == 0 {
				fail(t, rooms, r)
			}
			marks = append(marks, rooms.DB.Committed())
			if compareMoves(t, rooms, marks[dice.IntN(len(marks))]) {
				peeked++
			}
		}
		if peeked < 20 {
			t.Errorf("memory had all there was %d times", peeked)
		}
	})
}

// fail has a join fail when it is written, for the head that it is built on has moved.
func fail(t *testing.T, rooms *room.Rooms, in id.Room) {
	t.Helper()
	other := newRooms(t, rooms.DB)
	if _, err := other.Send(t.Context(), as(alice), in, text("moves the head"), ""); err != nil {
		t.Fatal(err)
	}
	if err := rooms.Join(t.Context(), as("@late:a.test"), in, "", nil); err != nil {
		t.Fatal(err)
	}
	if err := rooms.Leave(t.Context(), as("@late:a.test"), in, ""); err != nil {
		t.Fatal(err)
	}
}

// compareMoves says whether memory had all that there was to read.
func compareMoves(t *testing.T, rooms *room.Rooms, after sqldb.Pos) (peeked bool) {
	t.Helper()
	read := func(r *room.Rooms, do func(context.Context, func(*sqldb.Tx) error) error) (moves []room.Move, servers [][]id.Server, err error) {
		err = do(t.Context(), func(tx *sqldb.Tx) error {
			high, err := tx.High()
			if err != nil {
				return err
			}
			var end sqldb.Pos
			if moves, end, err = r.Moves(tx, after, high, 100); err == nil && end != high {
				t.Errorf("got all up to %d of %d", end, high)
			}
			for _, m := range moves {
				some, whole, err := r.ServersOf(tx, m.Room)
				if err != nil {
					return err
				}
				if servers = append(servers, some); !whole {
					t.Error("a room is not whole")
				}
			}
			return err
		})
		return moves, servers, err
	}
	want, of, err := read(newRooms(t, rooms.DB), rooms.DB.Read)
	if err != nil {
		t.Fatal(err)
	}
	moves, servers, err := read(rooms, rooms.DB.Peek)
	if peeked = err == nil; errors.Is(err, sqldb.ErrPeek) {
		moves, servers, err = read(rooms, rooms.DB.Read) // as follow does
	}
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(want, moves) {
		t.Errorf("after %d: %s", after, cmp.Diff(want, moves))
	}
	if diff := cmp.Diff(of, servers); diff != "" {
		t.Errorf("after %d: %s", after, diff)
	}
	return peeked
}
