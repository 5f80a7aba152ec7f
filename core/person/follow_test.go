package person

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
	"freehold.example/matrix/pushrule"
)

func follow(t *testing.T, p *People, user id.User, from, to id.Room) {
	t.Helper()
	if err := p.DB.Write(t.Context(), func(tx *sqldb.Tx) error { return p.Follow(tx, user, from, to) }); err != nil {
		t.Fatal(err)
	}
}

// datum is what is kept, as it is; "" for nothing.
func datum(t *testing.T, p *People, user id.User, room id.Room, typ string) string {
	t.Helper()
	var content json.RawMessage
	err := p.DB.Read(t.Context(), func(tx *sqldb.Tx) (err error) {
		content, err = readDatum(tx, user, room, typ)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestFollow(t *testing.T) {
	const room2, room3 = id.Room("!2:s1"), id.Room("!3:s1")
	each(t, func(t *testing.T, p *People, _ *fewRooms) {
		follow(t, p, alice, room1, room2) // who has set nothing
		if got := datum(t, p, alice, room2, typeTag) + datum(t, p, alice, "", typeDirect); got != "" {
			t.Errorf("got %s out of nothing", got)
		}
		err := p.ChangePushRules(t.Context(), alice, func(s *pushrule.Ruleset) (*pushrule.Ruleset, error) {
			return s.Put(pushrule.Room, string(room1), "", "", []byte(`{"actions":["notify"]}`))
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.SetTag(t.Context(), alice, room1, "m.favourite", json.RawMessage(`{"order":0.5}`)); err != nil {
			t.Fatal(err)
		}
		direct := fmt.Sprintf(`{"%s":["%s"],"%s":["!other:s1"],"nonsense":5}`, bob, room1, carol)
		if err := p.SetData(t.Context(), alice, "", typeDirect, json.RawMessage(direct)); err != nil {
			t.Fatal(err)
		}
		rules, err := p.PushRules(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // once more changes nothing
			follow(t, p, alice, room1, room2)
			if got, err := p.PushRules(t.Context(), alice); err != nil || strings.Count(string(got.JSON(alice)), string(room2)) != 1 ||
				strings.Count(string(rules.JSON(alice)), string(room2)) != 0 {
				t.Errorf("got rules %s (%v)", got.JSON(alice), err)
			}
			if got := datum(t, p, alice, room2, typeTag); got != `{"tags":{"m.favourite":{"order":0.5}}}` {
				t.Errorf("got tags %s", got)
			}
			want := fmt.Sprintf(`{"%s":["%s","%s"],"%s":["!other:s1"],"nonsense":5}`, bob, room1, room2, carol)
			if got := datum(t, p, alice, "", typeDirect); got != want {
				t.Errorf("got direct chats %s, want %s", got, want)
			}
		}
		// What stands for the new room stays.
		if err := p.SetTag(t.Context(), alice, room3, "u.mine", json.RawMessage(`{}`)); err != nil {
			t.Fatal(err)
		}
		follow(t, p, alice, room1, room3)
		if got := datum(t, p, alice, room3, typeTag); got != `{"tags":{"u.mine":{}}}` {
			t.Errorf("got tags %s", got)
		}
		for _, nonsense := range []string{`[]`, `{"a":`, `5`} { // a client may have written anything
			err := p.DB.Write(t.Context(), func(tx *sqldb.Tx) error { return p.putDatum(tx, bob, "", typeDirect, json.RawMessage(nonsense)) })
			if err != nil {
				t.Fatal(err)
			}
			follow(t, p, bob, room1, room2)
			if got := datum(t, p, bob, "", typeDirect); got != nonsense {
				t.Errorf("got %s of %s", got, nonsense)
			}
		}
	})
}
