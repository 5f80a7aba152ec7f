package server

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"testing"

	"freehold.example/core/account"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
	far "freehold.example/test/remote"
)

// BenchmarkSendJoin: what a join of a room with 10,000 members and 20,000 state events is answered with, and without the
// members. Target: the latter in well under the second in which the room is to be usable.
//
//	go test ./server -run '^$' -bench SendJoin -benchtime 5x
func BenchmarkSendJoin(b *testing.B) {
	c := Defaults()
	c.DataDir, c.ListenClient, c.PasswordHashing, c.Out = b.TempDir(), "127.0.0.1:0", "fast", io.Discard
	c.ListenFederation, c.ServerName = "127.0.0.1:0", "a.example"
	c.TLSCA, c.Registration, c.RateLimits = far.CAFile(b), account.Open, false
	c.InsideNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	s, err := New(b.Context(), c)
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(b.Context()) }()
	b.Cleanup(func() { <-ended })
	alice := room.Caller{User: "@alice:a.example", Exempt: true}
	made, err := s.rooms.Create(b.Context(), alice, room.CreateRequest{Preset: "public_chat"})
	if err != nil {
		b.Fatal(err)
	}
	const members, settings = 10_000, 10_000
	work := make(chan int)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for i := range work {
				var err error
				if i < members {
					err = s.rooms.Join(b.Context(), room.Caller{User: id.NewUser(fmt.Sprint("u", i), "a.example")}, made, "", nil)
				} else {
					_, err = s.rooms.SetState(b.Context(), alice, made, "m.test", fmt.Sprint(i), fmt.Appendf(nil, `{"i":%d}`, i))
				}
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range members + settings {
		work <- i
	}
	close(work)
	wg.Wait()
	for _, query := range []string{"", "?omit_members=true"} {
		b.Run("query="+query, func(b *testing.B) {
			for i := range b.N {
				b.StopTimer()
				r := far.New(b)
				at := r.Meet("a.example", s.FederationAddr())
				robin := r.User(fmt.Sprint("robin", i))
				var template far.Template
				at.MakeMember("join", made, robin).OK().Decode(&template)
				e, err := r.Sign(template, made, robin)
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				a := at.Do("PUT", far.Path("/_matrix/federation/v2/send_join", string(made), string(e.ID()))+query, json.RawMessage(e.Bytes())).OK()
				b.ReportMetric(float64(len(a.Body)), "bytes")
			}
		})
	}
}
