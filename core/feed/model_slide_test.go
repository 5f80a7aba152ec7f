package feed_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"freehold.example/core/ephemeral"
	"freehold.example/core/feed"
	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// The model for sliding sync: clients that look through windows of their lists, change them, name rooms, lose answers and
// are cut off by restarts. Whenever such a client looks at everything it must have what the log says (model_test.go), and the
// counts that /sync gives.

// slider is a client with sliding sync.
type slider struct {
	client
	stable bool
	pos    string
	inbox  string // the token of its to-device messages
	facts  map[id.Room]*facts
}

// facts is what a client is told of a room beside its events.
type facts struct {
	Name                             string
	Heroes                           []id.User
	Joined, Invited, Notices, Shouts int
}

// slideStep asks once, for anything or, with all, for everything.
func (s *slider) slideStep(all bool) {
	s.t.Helper()
	r := s.r
	q := feed.Slide{
		Caller: room.Caller{User: s.user, Device: s.device}, Connection: "model", Pos: s.pos, Stable: s.stable, SetPresence: "offline",
		Extensions: feed.Extensions{E2EE: true, ToDevice: &feed.ToDevice{Since: s.inbox}, AccountData: s.scope(all), Receipts: s.scope(all), Typing: s.scope(all)},
	}
	if !all && r.IntN(30) == 0 {
		q.Pos = ""
	}
	s.lists(&q, all)
	if r.IntN(4) == 0 { // the answer is lost
		lost, err := slideAnswer(s.t.Context(), s.feed, q)
		again, err2 := slideAnswer(s.t.Context(), s.feed, q)
		if err == nil && err2 == nil && q.Pos != "" {
			lost.Pos, again.Pos = "", ""
			if d := gocmp.Diff(plain(s.t, lost), plain(s.t, again)); d != "" {
				s.t.Errorf("a repeated pos %s of %s (-first +second):\n%s", q.Pos, s.user, d)
			}
		}
		s.steps = append(s.steps, fmt.Sprintf("%s slides from %q in vain", s.user, q.Pos))
	}
	out, err := slideAnswer(s.t.Context(), s.feed, q)
	if fault.Is(err, fault.UnknownPos) {
		s.steps = append(s.steps, fmt.Sprintf("%s has to begin anew", s.user))
		q.Pos = ""
		out, err = slideAnswer(s.t.Context(), s.feed, q)
	}
	s.ok(err)
	raw, err := json.Marshal(map[string]any{"lists": q.Lists, "rooms": q.Rooms})
	s.ok(err)
	s.steps = append(s.steps, fmt.Sprintf("%s slides, all %v, %s: to %s", s.user, all, raw, out.Pos))
	if q.Pos == "" {
		s.rooms, s.facts = map[id.Room]*known{}, map[id.Room]*facts{}
		s.beginAnew()
	}
	for in, r := range out.Rooms {
		s.takeSlid(in, r)
	}
	s.takeExtensions(out)
	s.pos = out.Pos
}

func (s *slider) beginAnew() {
	s.follows = s.shares()
	s.rest.data, s.rest.marks, s.rest.typing = map[dataKey]string{}, map[id.Room]map[mark]id.Event{}, map[id.Room][]id.User{}
	s.rest.uploads = maps.Clone(s.uploads)
}

func (s *slider) scope(all bool) *feed.Scope {
	switch n := s.r.IntN(10); {
	case all || n < 6:
		return &feed.Scope{}
	case n == 6:
		return nil
	case n == 7:
		return &feed.Scope{Lists: []string{"b"}}
	case n == 8:
		return &feed.Scope{Lists: []string{}}
	}
	return &feed.Scope{Lists: []string{"a"}, Rooms: s.all[:3]}
}

// lists fills in what the client looks at.
func (s *slider) lists(q *feed.Slide, all bool) {
	r := s.r
	everything := feed.Wanted{Timeline: 1 + r.IntN(5), State: []feed.Pattern{everyState}, LazyMembers: s.lazy, Heroes: true}
	if all {
		q.Lists = map[string]*feed.List{"all": {Wanted: everything}}
		return
	}
	wanted := func() feed.Wanted {
		w := everything
		w.Timeline = r.IntN(6)
		switch r.IntN(4) {
		case 0:
			w.State = []feed.Pattern{{Type: "m.room.topic"}, {Type: "org.test", Key: "a"}, {Type: "m.room.member", Key: string(s.user)}}
		case 1:
			w.State = []feed.Pattern{{Type: "org.test", AnyKey: true}}
		}
		return w
	}
	q.Lists = map[string]*feed.List{}
	for _, name := range []string{"a", "b"} {
		if r.IntN(4) == 0 {
			continue
		}
		l := &feed.List{Wanted: wanted()}
		for range r.IntN(3) {
			from := r.IntN(12)
			l.Ranges = append(l.Ranges, [2]int{from, from + r.IntN(8)})
		}
		invited := r.IntN(2) == 0
		if r.IntN(4) == 0 {
			l.Filter.Invited = &invited
		}
		q.Lists[name] = l
	}
	q.Rooms = map[id.Room]*feed.Wanted{}
	for range r.IntN(3) {
		w := wanted()
		q.Rooms[s.all[r.IntN(len(s.all))]] = &w
	}
}

// takeSlid takes in what is told of a room.
func (s *slider) takeSlid(in id.Room, r *csapi.SlidingRoom) {
	s.t.Helper()
	stripped := slices.Concat(r.InviteState, r.StrippedState)
	state, timeline := s.read(r.RequiredState), s.read(slices.Concat(r.Timeline, r.TimelineEvents))
	membership := r.Membership
	if !s.stable {
		membership = s.membershipIn(r, s.rooms[in])
	}
	if membership == "ban" {
		membership = "leave"
	}
	if membership == "invite" || membership == "knock" {
		if len(stripped) == 0 || len(state)+len(timeline) > 0 {
			s.t.Errorf("%s: %s: an invitation with %d stripped events, %d and %d", in, s.user, len(stripped), len(state), len(timeline))
		}
		s.rooms[in] = &known{membership: membership}
		return
	}
	k, f := s.rooms[in], s.facts[in]
	if r.Initial || k == nil || k.state == nil {
		if !r.Initial && membership == "join" {
			s.t.Errorf("%s: %s has not known it, and it is not initial", in, s.user)
		}
		k, f = &known{state: map[string]id.Event{}}, &facts{}
		s.rooms[in], s.facts[in] = k, f
	}
	k.membership = membership
	if s.lazy && r.Limited { // which members changed in the gap the client cannot know
		maps.DeleteFunc(k.state, func(key string, _ id.Event) bool { return strings.HasPrefix(key, "m.room.member|") })
	}
	for _, e := range state {
		k.state[e.Type+"|"+*e.StateKey] = e.ID
	}
	s.takeTimeline(in, k, r, timeline)
	if r.Name != nil {
		f.Name = ""
		if string(r.Name) != "null" {
			s.parse(r.Name, &f.Name)
			f.Heroes = nil
		}
	}
	if r.Heroes != nil {
		f.Heroes = nil
	}
	for _, h := range r.Heroes {
		f.Heroes = append(f.Heroes, h.User)
	}
	for _, n := range []struct{ from, to *int }{{r.Joined, &f.Joined}, {r.Invited, &f.Invited}, {r.Notifications, &f.Notices}, {r.Highlights, &f.Shouts}} {
		if n.from != nil {
			*n.to = *n.from
		}
	}
}

// membershipIn is the user's membership as a client without the field finds it.
func (s *slider) membershipIn(r *csapi.SlidingRoom, k *known) string {
	s.t.Helper()
	membership := ""
	if k != nil && !r.Initial {
		membership = k.membership
	}
	for _, raw := range slices.Concat(r.InviteState, r.RequiredState, r.Timeline) {
		var e logged
		s.parse(raw, &e)
		if e.Type == "m.room.member" && e.StateKey != nil && *e.StateKey == string(s.user) {
			membership = e.Content.Membership
		}
	}
	if membership == "" {
		membership = "join" // nothing of hers was asked for
	}
	return membership
}

func (s *slider) takeTimeline(in id.Room, k *known, r *csapi.SlidingRoom, timeline []shown) {
	s.t.Helper()
	events := make([]id.Event, len(timeline))
	for i, e := range timeline {
		if events[i] = e.ID; e.StateKey == nil && s.ignores[s.user][e.Sender] {
			s.t.Errorf("%s: %s is told what %s says, whom she ignores", in, s.user, e.Sender)
		}
		if member := "m.room.member|" + string(e.Sender); s.lazy && k.membership == "join" && k.state[member] == "" {
			s.t.Errorf("%s: %s is not told who %s is", in, s.user, e.Sender)
		}
	}
	switch expanded := r.Expanded || r.UnstableExpanded; {
	case r.Initial || expanded:
		before := k.timeline
		k.timeline = append(s.fill(in, r.PrevBatch, ""), events...)
		if expanded && len(before) > 0 && !slices.Contains(k.timeline, before[len(before)-1]) && !s.everIgnoredIn(in, before[len(before)-1]) {
			s.t.Errorf("%s: %s is shown an expanded timeline without %s", in, s.user, before[len(before)-1])
		}
	case r.Limited:
		all := append(s.fill(in, r.PrevBatch, ""), events...)
		k.timeline = all
	default:
		k.timeline = append(k.timeline, events...)
	}
}

func (s *slider) everIgnoredIn(in id.Room, event id.Event) bool {
	for _, e := range s.log(in) {
		if e.ID == event {
			return s.everIgnored(s.user, e.Sender)
		}
	}
	return false
}

// takeExtensions takes in the rest.
func (s *slider) takeExtensions(out *csapi.SlidingResponse) {
	s.t.Helper()
	x := &out.Extensions
	if d := x.E2EE.DeviceLists; d != nil {
		for _, u := range d.Changed {
			s.follows[u], s.rest.uploads[u] = true, s.uploads[u]
		}
		for _, u := range d.Left {
			delete(s.follows, u)
		}
	}
	s.inbox = x.ToDevice.NextBatch
	for _, raw := range x.ToDevice.Events {
		var e struct{ Content struct{ N int } }
		s.parse(raw, &e)
		s.rest.messages = append(s.rest.messages, e.Content.N)
	}
	data := func(in id.Room, events []json.RawMessage) {
		for _, raw := range events {
			var e plainEvent
			s.parse(raw, &e)
			s.rest.data[dataKey{in, e.Type}] = string(e.Content)
		}
	}
	if x.AccountData != nil {
		data("", x.AccountData.Global)
		for in, events := range x.AccountData.Rooms {
			data(in, events)
		}
	}
	for _, part := range []*csapi.SlidingEvents{x.Receipts, x.Typing} {
		if part == nil {
			continue
		}
		for in, raw := range part.Rooms {
			s.takeRoomRest(in, &csapi.JoinedRoom{Ephemeral: csapi.Events{Events: []json.RawMessage{raw}}}, false)
		}
	}
}

// slideCheck compares what the client has with the truth, after it has looked at everything.
func (s *slider) slideCheck() {
	s.t.Helper()
	s.follows[s.user] = true
	if d := gocmp.Diff(s.shares(), s.follows); d != "" {
		s.t.Errorf("%s follows the devices of (-want +got):\n%s", s.user, d)
	}
	for in, k := range s.rooms { // those she has left herself are told once, to who has known them, and as it wanted them then
		truth := truthOf(s.log(in), s.user)
		if k.membership == "leave" && !truth.stays {
			delete(s.rooms, in)
		} else if k.membership == "leave" && (truth.own.Sender == s.user || s.forgot[s.user][in]) {
			k.state = map[string]id.Event{}
			for key, e := range truth.state {
				k.state[key] = e.ID
			}
		}
	}
	for _, in := range s.all {
		if want := truthOf(s.log(in), s.user); s.rooms[in] == nil && want.membership != "join" && want.membership != "none" {
			sentAway := want.own.Sender != s.user && want.stays && !s.forgot[s.user][in]
			if want.membership == "knock" || want.membership == "invite" && !s.everIgnored(s.user, want.own.Sender) || sentAway {
				s.t.Errorf("%s: %s has %s and is not told", in, s.user, want.membership)
			}
		}
	}
	s.checkSlidRooms()
	s.checkData()
	s.checkOwnReceipts()
	s.checkTyping()
	s.checkUploads()
	s.checkMessages()
	s.checkFacts()
	s.report()
}

// checkSlidRooms is checkRooms without the rooms that need not be told.
func (s *slider) checkSlidRooms() {
	s.t.Helper()
	all := s.all
	defer func() { s.all = all }()
	var told []id.Room
	for _, in := range all {
		if s.rooms[in] != nil {
			told = append(told, in)
		} else if truthOf(s.log(in), s.user).membership == "join" {
			s.t.Errorf("%s: %s is in it and is not told", in, s.user)
		}
	}
	s.all = told
	s.checkRooms()
}

// checkOwnReceipts compares the user's own receipts, and that of others' none is out of date: of a room that is new to the
// client only those on what it is shown are told.
func (s *slider) checkOwnReceipts() {
	s.t.Helper()
	for in, k := range s.rooms {
		if k == nil || k.membership != "join" {
			continue
		}
		for at, want := range s.marks[in] {
			got := s.rest.marks[in][at]
			if s.merged[at] || s.everIgnored(s.user, at.user) || at.user != s.user && (at.typ == ephemeral.ReadPrivate || got == "") {
				continue
			}
			if got != want {
				s.t.Errorf("%s: %s has receipt %v at %q, want %q", in, s.user, at, got, want)
			}
		}
	}
}

// checkFacts compares with what /sync says.
func (s *slider) checkFacts() {
	s.t.Helper()
	out := s.ask(feed.Request{Caller: room.Caller{User: s.user, Device: "PLAIN"}, SetPresence: "offline", Filter: s.filter(`{"room":{"timeline":{"limit":0}}}`)})
	for in, j := range out.Rooms.Join {
		want := &facts{Heroes: j.Summary.Heroes, Joined: j.Summary.Joined, Invited: j.Summary.Invited, Notices: j.Unread.Notifications, Shouts: j.Unread.Highlights}
		for _, raw := range j.State.Events {
			var e struct {
				Type    string
				Content struct{ Name string }
			}
			if s.parse(raw, &e); e.Type == "m.room.name" {
				want.Name = e.Content.Name
			}
		}
		got := s.facts[in]
		if s.stable && got != nil { // without threads
			want.Notices, want.Shouts, got.Notices, got.Shouts = 0, 0, 0, 0
		}
		if d := gocmp.Diff(want, got); d != "" {
			s.t.Errorf("%s: %s is told (-/sync +sliding sync):\n%s", in, s.user, d)
		}
	}
}

// TestModelSlide runs the model for sliding sync, as TestModel does.
func TestModelSlide(t *testing.T) {
	for seed := range seeds() {
		each(t, func(t *testing.T, w *world) { modelSlideRun(t, w, seed, 300, limits{}) })
	}
}

// TestModelSlideSmall is TestModelSlide with next to no memory.
func TestModelSlideSmall(t *testing.T) {
	for seed := range seeds() {
		eachSmall(t, func(t *testing.T, w *world) {
			modelSlideRun(t, w, seed, 200, limits{tailBytes: 6000, rows: 12})
		})
	}
}

func modelSlideRun(t *testing.T, w *world, seed uint64, steps int, l limits) {
	t.Logf("seed %d", seed)
	m := newModel(w, seed, 10, 20)
	var sliders []*slider
	for i := range 8 {
		s := &slider{client: client{model: m, user: m.users[i%5], device: id.Device(fmt.Sprint(i))}, stable: i%2 == 1}
		s.stateAfter, s.lazy, s.threads = true, i%3 == 2, false
		s.rest.messages = []int{}
		s.rooms, s.facts = map[id.Room]*known{}, map[id.Room]*facts{}
		s.beginAnew()
		sliders = append(sliders, s)
	}
	for range steps {
		did := m.act()
		if m.r.IntN(60) == 0 {
			did = "a restart"
			w.ephemeral.Close()
			w.open(l)
		}
		for _, s := range sliders {
			s.steps = append(s.steps, did)
			switch m.r.IntN(20) {
			case 0, 1:
				s.slideStep(false)
				s.report()
			case 2:
				for range 5 { // what she has read changes the counts, and may be all that has happened
					if in := m.all[m.r.IntN(len(m.all))]; m.read(in, s.user) == nil {
						s.steps = append(s.steps, fmt.Sprintf("%s: %s reads", in, s.user))
					}
				}
				s.slideStep(true)
				s.slideCheck()
			}
		}
	}
	peeked, read := w.feed.Looks()
	t.Logf("%d looks from memory, %d from the database", peeked, read)
}
