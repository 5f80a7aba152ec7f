package room_test

import (
	"testing"

	"freehold.example/core/room"
)

func FuzzParseToken(f *testing.F) {
	for _, s := range []string{"s12", "s12_34_56", "t3_4", "t3_4_b5", "t3_4_f5", "s", "t1", "s-1", "t1_2_x3", "s99999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		token, err := room.ParseToken(s)
		if err != nil {
			return
		}
		again, err := room.ParseToken(token.String())
		if err != nil || again != token {
			t.Errorf("%q: got %v, %v; want %v", s, again, err, token)
		}
	})
}
