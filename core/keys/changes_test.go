package keys

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

func TestWindow(t *testing.T) { // B271-B280
	users := func(names string) []id.User {
		var out []id.User
		for n := range strings.FieldsSeq(names) {
			out = append(out, id.User(n))
		}
		return out
	}
	tests := []struct {
		name                  string
		updated, met, parted  string
		shares, changed, left string
	}{
		{name: "nothing"},
		{name: "keys", updated: "bob me", shares: "bob", changed: "bob me"},
		{name: "a join", met: "bob", shares: "bob", changed: "bob"},
		{name: "my join", met: "bob me", shares: "bob", changed: "bob me"},
		{name: "a leave", parted: "bob", left: "bob"},
		{name: "a leave of one room of two", parted: "bob", shares: "bob"},
		{name: "my leave", parted: "bob carol me", shares: "carol", left: "bob"},
		{name: "keys, then a leave", parted: "bob", left: "bob"},
		{name: "a join, then a leave", met: "bob", parted: "bob", left: "bob"},
		{name: "a leave, then a join", met: "bob", parted: "bob", shares: "bob", changed: "bob"},
		{name: "keys and a leave of one room of two", updated: "bob", parted: "bob", shares: "bob", changed: "bob"},
		{name: "twice", updated: "bob bob", met: "bob bob carol carol", parted: "dan dan", shares: "bob carol", changed: "bob carol", left: "dan"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := Window{
				Watcher: "me", Updated: users(tt.updated), Met: users(tt.met), Parted: users(tt.parted),
				Shares: func(u id.User) (bool, error) { return slices.Contains(users(tt.shares), u), nil },
			}
			changed, left, err := w.Lists()
			if err != nil || !slices.Equal(changed, users(tt.changed)) || !slices.Equal(left, users(tt.left)) {
				t.Errorf("got changed %v, left %v, error %v; want %q and %q", changed, left, err, tt.changed, tt.left)
			}
		})
	}
	bad := errors.New("bad")
	w := Window{Met: []id.User{"bob"}, Shares: func(id.User) (bool, error) { return false, bad }}
	if _, _, err := w.Lists(); !errors.Is(err, bad) {
		t.Errorf("got error %v, want that of Shares", err)
	}
}

// Many changed users are looked up at once; the answer is the same.
func TestChangedMany(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		err := w.db.Write(t.Context(), func(tx *sqldb.Tx) error {
			for i := range 3 * askOneByOne {
				if err := w.change(tx, id.User(fmt.Sprintf("@u%d:here", i)), "D", everybody); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		w.meet([]id.User{bob, "@u3:here", "@u30:here"}, []id.User{"@u4:here"})
		if got, want := w.changed(t, bob, 0), "u3 u30"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// The newest change comes first (B278), and nothing outside of the window.
func TestChangedWindow(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var at []sqldb.Pos
		for _, u := range []id.User{alice, bob, away} {
			err := w.db.Write(t.Context(), func(tx *sqldb.Tx) error {
				return w.change(tx, u, "D", everybody)
			})
			if err != nil {
				t.Fatal(err)
			}
			at = append(at, w.db.Committed())
		}
		for _, tt := range []struct {
			since, upto sqldb.Pos
			want        []id.User
		}{
			{0, at[2], []id.User{away, bob, alice}},
			{at[0], at[1], []id.User{bob}},
			{at[2], at[2], nil},
			{at[1], at[0], nil},
		} {
			var got []id.User
			err := w.db.Read(t.Context(), func(tx *sqldb.Tx) (err error) {
				got, err = w.Changed(tx, alice, tt.since, tt.upto)
				return err
			})
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("from %d to %d: got %v, error %v, want %v", tt.since, tt.upto, got, err, tt.want)
			}
		}
	})
}
