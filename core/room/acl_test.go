package room_test

import (
	"strings"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// The order of the rules, what counts as a match, and what becomes of a list that is not one.
func TestDenied(t *testing.T) {
	const open = `"allow":["*"]`
	tests := []struct {
		name, content string
		denied        []id.Server
		allowed       []id.Server
	}{
		{"allows all", `{` + open + `}`, nil, []id.Server{"remote.example", "10.0.0.1", "[::1]:8448"}},
		{"nobody by default", `{}`, []id.Server{"remote.example"}, nil},
		{
			"denied before allowed", `{` + open + `,"deny":["evil.example","*.evil.example"]}`,
			[]id.Server{"evil.example", "evil.example:8448", "a.b.evil.example", "EVIL.example"},
			[]id.Server{"notevil.example", "evil.example.org"},
		},
		{"case of the pattern", `{` + open + `,"deny":["Evil.EXAMPLE"]}`, []id.Server{"evil.example"}, nil},
		{
			"some", `{"allow":["good.example","?.example"]}`,
			[]id.Server{"bad.example", "ab.example"},
			[]id.Server{"good.example", "a.example:443"},
		},
		{
			"no literals", `{` + open + `,"allow_ip_literals":false}`,
			[]id.Server{"10.0.0.1", "10.0.0.1:80", "[::1]", "[::1]:8448"},
			[]id.Server{"remote.example"},
		},
		{"literals by default", `{` + open + `,"allow_ip_literals":"false"}`, nil, []id.Server{"10.0.0.1"}},
		{"a pattern with the port", `{` + open + `,"deny":["evil.example:8448"]}`, nil, []id.Server{"evil.example:8448"}},
		{"entries of the wrong form", `{"allow":[7,null,"*"],"deny":[["evil.example"],{}]}`, nil, []id.Server{"evil.example"}},
		{"no list", `{"allow":"*"}`, []id.Server{"remote.example"}, nil},
		{"deny is no list", `{"allow":["*"],"deny":"*"}`, nil, []id.Server{"remote.example"}},
	}
	each(t, func(t *testing.T, rooms *room.Rooms) {
		made := create(t, rooms, room.CreateRequest{})
		check := func(server id.Server, want bool) {
			t.Helper()
			err := rooms.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
				places, err := rooms.Places(tx, []id.Room{made})
				if err != nil {
					return err
				}
				denied, err := rooms.Denied(tx, places[0].Room, server)
				if denied != want {
					t.Errorf("%s: denied %v, want %v", server, denied, want)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		check("remote.example", false) // no list
		for _, test := range tests {
			set(t, rooms, made, alice, "m.room.server_acl", "", test.content)
			for _, s := range test.denied {
				check(s, true)
			}
			for _, s := range test.allowed {
				check(s, false)
			}
			check("a.test", false) // this server
		}
	})
}

// A pattern of stars costs no more than its length times the name's.
func TestDeniedIsLinear(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		made := create(t, rooms, room.CreateRequest{})
		evil := strings.Repeat("a*", 28_000) + "b"
		set(t, rooms, made, alice, "m.room.server_acl", "", `{"allow":["*"],"deny":["`+evil+`"]}`)
		start := time.Now()
		err := rooms.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
			places, err := rooms.Places(tx, []id.Room{made})
			if err == nil {
				_, err = rooms.Denied(tx, places[0].Room, id.Server(strings.Repeat("a", 230)))
			}
			return err
		})
		if err != nil || time.Since(start) > 20*time.Second { // milliseconds; without bound it is for ever
			t.Errorf("took %v, %v", time.Since(start), err)
		}
	})
}
