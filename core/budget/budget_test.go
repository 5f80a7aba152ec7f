package budget_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"freehold.example/base/dial"
	"freehold.example/core/budget"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func line(t *testing.T, b *budget.Budget, name string) budget.Line {
	t.Helper()
	l, ok := b.Line(name)
	if !ok {
		t.Fatalf("there is no line %s", name)
	}
	return l
}

func federated(change func(*budget.Facts)) *budget.Budget {
	f := &budget.Facts{
		Server: "here.example", Accounts: 9, Federation: true, SharedRooms: 4, SharedUsers: 6,
		Peers: []budget.Peer{
			{Server: "near.example", Rooms: 3, Users: 5, Met: now, Address: true, Keys: true, KeysUntil: now.Add(time.Hour), Pinned: true, Certificate: now.Add(-time.Hour)},
			{Server: "far.example", Rooms: 1, Users: 2, Met: now, Address: true, Keys: true, KeysUntil: now.Add(-30 * 24 * time.Hour), Certificate: now.Add(6*24*time.Hour + time.Minute)},
		},
	}
	if change != nil {
		change(f)
	}
	return budget.Compute(f, nil, now)
}

func TestLines(t *testing.T) {
	for _, tt := range []struct {
		about  string
		change func(*budget.Facts)
		name   string
		when   budget.When
		left   time.Duration
		users  int
		rooms  int
		peers  int
	}{
		{"peers stop at once", nil, "federation", budget.Now, 0, 6, 4, 2},
		{"no federation", func(f *budget.Facts) { f.Federation = false }, "federation", budget.Never, 0, 0, 0, 0},
		{"nobody elsewhere", func(f *budget.Facts) { f.Peers, f.SharedRooms, f.SharedUsers = nil, 0, 0 }, "federation", budget.Never, 0, 0, 0, 0},
		{"the certificate of who publishes no hash", nil, "authorities", budget.Later, 6*24*time.Hour + time.Minute, 2, 1, 1},
		{"one that has ended", func(f *budget.Facts) { f.Peers[1].Certificate = now.Add(-1) }, "authorities", budget.Now, 0, 2, 1, 1},
		{"one that was not seen", func(f *budget.Facts) { f.Peers[1].Certificate = time.Time{} }, "authorities", budget.Unknown, 0, 2, 1, 1},
		{"keys for all", func(f *budget.Facts) { f.Peers[1].Pinned = true }, "authorities", budget.Never, 0, 0, 0, 0},
		{"keys are used past their time", nil, "keys", budget.Never, 0, 0, 0, 0},
		{"keys that were never had", func(f *budget.Facts) { f.Peers[1].Keys = false }, "keys", budget.Now, 0, 2, 1, 1},
		{"addresses are remembered", nil, "names", budget.Now, 0, 0, 0, 0},
		{"an address is not", func(f *budget.Facts) { f.Peers[0].Address = false }, "names", budget.Now, 0, 5, 3, 1},
		{
			"own certificate", func(f *budget.Facts) {
				f.Certificate = budget.Certificate{Listens: true, Until: now.Add(48 * time.Hour)}
			}, "own_certificate", budget.Later, 48 * time.Hour, 6, 4, 1,
		},
		{
			"made here", func(f *budget.Facts) {
				f.Certificate = budget.Certificate{Listens: true, Own: true, Until: now.Add(48 * time.Hour)}
			}, "own_certificate", budget.Never, 0, 0, 0, 0,
		},
		{
			"gateways", func(f *budget.Facts) {
				f.Gateways = []budget.Gateway{{Host: "push.example", Users: 3, Pushers: 4}, {Host: "10.0.0.1", Inside: true, Users: 1, Pushers: 1}}
			}, "push", budget.Now, 0, 3, 0, 0,
		},
		{"no clock was measured", nil, "time", budget.Never, 0, 0, 0, 0},
		{"a clock", func(f *budget.Facts) { f.Drift = &budget.Drift{PPM: -100, Measured: now} }, "time", budget.Later, 10_000 * 24 * time.Hour, 0, 0, 0},
		{"a good clock", func(f *budget.Facts) { f.Drift = &budget.Drift{PPM: 1, Measured: now} }, "time", budget.Never, 0, 0, 0, 0},
		{"a database elsewhere", func(f *budget.Facts) { f.Database = "db.example:5432" }, "database", budget.Now, 0, 9, 0, 0},
		{"a file", nil, "database", budget.Never, 0, 0, 0, 0},
		{"updates", nil, "updates", budget.Never, 0, 0, 0, 0},
		{"providers", nil, "identity", budget.Never, 0, 0, 0, 0},
		{"calls", func(f *budget.Facts) { f.TURN = []string{"turn:turn.example"} }, "turn", budget.Now, 0, 9, 0, 0},
	} {
		l := line(t, federated(tt.change), tt.name)
		if l.When != tt.when || l.Left != tt.left || l.Users != tt.users || l.Rooms != tt.rooms || l.Peers != tt.peers {
			t.Errorf("%s: %s is %s after %v for %d users, %d rooms, %d servers; want %s, %v, %d, %d, %d",
				tt.about, tt.name, l.When, l.Left, l.Users, l.Rooms, l.Peers, tt.when, tt.left, tt.users, tt.rooms, tt.peers)
		}
	}
}

// A reason at the door that nobody here has heard of has a line by its own words; one that is known has the door's counts.
func TestDeclared(t *testing.T) {
	b := budget.Compute(&budget.Facts{Federation: true, Peers: []budget.Peer{{Server: "x.example"}}}, []dial.Dependency{
		{Reason: dial.Reason{Name: "federation", Target: "servers", Stops: "talk", Peers: true}, Attempts: 7, Refused: 1, Failed: 2, LastOK: now},
		{Reason: dial.Reason{Name: "weather", Target: "a weather station", Stops: "the forecast", Whom: "sailors"}},
		{Reason: dial.Reason{Name: "almanac", Target: "an almanac", Stops: "the tides", Grace: 72 * time.Hour}},
		{Reason: dial.Reason{Name: "mirror", Target: "itself", Stops: "vanity", Reach: dial.Itself}},
	}, now)
	if l := line(t, b, "federation"); !l.Dialed || !l.Peer || l.Attempts != 7 || l.Failed != 3 || !l.LastOK.Equal(now) || l.Stops != "talk" {
		t.Errorf("got %+v", l)
	}
	if l := line(t, b, "weather"); l.Kind != budget.Other || l.When != budget.Now || l.What != "a weather station" || l.Stops != "the forecast" || l.Whom != "sailors" {
		t.Errorf("got %+v", l)
	}
	if l := line(t, b, "almanac"); l.When != budget.Later || l.Left != 72*time.Hour {
		t.Errorf("got %+v", l)
	}
	if l := line(t, b, "mirror"); l.When != budget.Never {
		t.Errorf("got %+v", l)
	}
}

func TestView(t *testing.T) {
	b := federated(func(f *budget.Facts) {
		for range 60 {
			f.Peers = append(f.Peers, budget.Peer{Server: "x.example", Met: now, Keys: true, Address: true, Pinned: true})
		}
	})
	v := b.View()
	text := v.String()
	for _, want := range []string{"\nNOW\n", "IN 6 DAYS", "\nNEVER\n", "6 users here in 4 rooms with 62 other servers", "and 57 more", "far.example: in 6 days, 2 users in 1 room", "NOT IN USE HERE"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var back budget.View
	if err := json.Unmarshal(data, &back); err != nil || back.String() != text {
		t.Errorf("a budget that was sent reads differently: %v", err)
	}
	for name, want := range map[string]float64{"federation": 0, "authorities": 518460, "updates": math.Inf(1)} {
		if l := line(t, b, name); l.Seconds() != want {
			t.Errorf("%s: got %v, want %v", name, l.Seconds(), want)
		}
	}
}
