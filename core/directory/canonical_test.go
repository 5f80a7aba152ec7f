package directory

import (
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

func setCanonical(t *testing.T, d *Directory, in id.Room, content string) {
	t.Helper()
	if err := d.CheckCanonical(t.Context(), in, []byte(content)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Rooms.SetState(t.Context(), as(alice).Caller, in, canonical, "", []byte(content)); err != nil {
		t.Fatal(err)
	}
}

func wantCanonical(t *testing.T, d *Directory, in id.Room, want string) {
	t.Helper()
	var got string
	err := d.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
		e, err := d.canonicalNow(tx, in)
		if err == nil && e != nil {
			got = string(e.Event.Content())
		}
		return err
	})
	if got != want || err != nil {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
}

func TestCheckCanonical(t *testing.T) {
	each(t, func(t *testing.T, d *Directory) {
		in, other := makeRoom(t, d, room.CreateRequest{}), makeRoom(t, d, room.CreateRequest{})
		put(t, d, alice, "#a:s1", in)
		put(t, d, alice, "#b:s1", in)
		put(t, d, alice, "#other:s1", other)
		for _, c := range []struct {
			content string
			want    fault.Code
		}{
			{`{}`, ""},
			{`{"alias":"#a:s1"}`, ""},
			{`{"alias":null}`, ""},
			{`{"alias":""}`, ""},
			{`{"alias":"#a:s1","alt_aliases":["#b:s1","#a:s1"]}`, ""}, // B315
			{`{"alt_aliases":["#b:s1"]}`, ""},
			{`{"alias":"#none:s1"}`, fault.BadAlias}, // B316
			{`{"alias":"#other:s1"}`, fault.BadAlias},
			{`{"alias":"#a:elsewhere"}`, fault.BadAlias},
			{`{"alias":"#a:s1","alt_aliases":["#other:s1"]}`, fault.BadAlias},
			{`{"alias":"%x:s1"}`, fault.InvalidParam}, // B317
			{`{"alias":"#a:s1","alt_aliases":["%x:s1"]}`, fault.InvalidParam},
			{`{"alias":7}`, fault.BadJSON},
			{`{"alt_aliases":"#a:s1"}`, fault.BadJSON},
			{`[]`, fault.BadJSON},
		} {
			err := d.CheckCanonical(t.Context(), in, []byte(c.content))
			if c.want == "" && err != nil || c.want != "" && !fault.Is(err, c.want) {
				t.Errorf("%s: got %v, want %q", c.content, err, c.want)
			}
		}
	})
}

func TestDeletedAliasIsWithdrawn(t *testing.T) {
	each(t, func(t *testing.T, d *Directory) {
		in := makeRoom(t, d, room.CreateRequest{})
		join(t, d, in, bob)
		put(t, d, alice, "#a:s1", in)
		put(t, d, bob, "#b:s1", in)
		setCanonical(t, d, in, `{"alias":"#a:s1","alt_aliases":["#b:s1"],"org.example":1}`)
		wantFault(t, d.Delete(t.Context(), as(bob), "#b:s1"), "") // B310: the alias is his, the state is not
		wantCanonical(t, d, in, `{"alias":"#a:s1","alt_aliases":["#b:s1"],"org.example":1}`)
		setCanonical(t, d, in, `{"alias":"#a:s1","alt_aliases":["#b:s1"]}`) // what stands already may stay
		put(t, d, bob, "#b:s1", in)
		wantFault(t, d.Delete(t.Context(), as(alice), "#b:s1"), "")
		wantCanonical(t, d, in, `{"alias":"#a:s1"}`)
		wantFault(t, d.Delete(t.Context(), as(alice), "#a:s1"), "") // B312
		wantCanonical(t, d, in, `{}`)
	})
}
