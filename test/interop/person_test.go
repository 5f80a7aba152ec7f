package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
	"maunium.net/go/mautrix/synapseadmin"
)

// patience is how long a person waits for what comes from the other server.
const patience = time.Minute

// person is somebody with one device.
type person struct {
	t      *testing.T
	ctx    context.Context
	at     *server
	name   string
	client *mautrix.Client
	olm    *crypto.OlmMachine // nil for who has no keys
	log    bytes.Buffer       // what mautrix warns of

	since    string // where the next sync begins
	rooms    map[id.RoomID]*room
	presence map[id.UserID]event.Presence
	parcels  []float64 // the numbers of parcels to this device
}

// parcel is a message to a device.
var parcel = event.Type{Type: "example.parcel", Class: event.ToDeviceEventType}

// room is what a person's device knows of a room, from sync alone.
type room struct {
	membership event.Membership
	timeline   []*event.Event // decrypted where there is a key
	state      map[event.Type]map[string]*event.Event
	typing     []id.UserID
	receipts   map[id.UserID]id.EventID
}

// people counts everybody who ever came, so that every story has people of its own.
var people atomic.Int64

// Person makes an account, and signs in with a device that does not encrypt.
func (s *server) Person(t *testing.T, name string) *person {
	t.Helper()
	p := s.device(t, name)
	user := fmt.Sprintf("%s-%d", name, people.Add(1))
	admin := synapseadmin.Client{Client: p.client}
	resp, err := admin.SharedSecretRegister(p.ctx, secret, synapseadmin.ReqSharedSecretRegister{Username: user, Password: password(user)})
	p.must("register", err)
	p.client.UserID, p.client.DeviceID, p.client.AccessToken = resp.UserID, resp.DeviceID, resp.AccessToken
	return p
}

// PersonWithKeys is a person whose device encrypts.
func (s *server) PersonWithKeys(t *testing.T, name string) *person {
	t.Helper()
	p := s.Person(t, name)
	p.makesKeys()
	return p
}

// NewDevice signs a further device of the same user in, one that encrypts.
func (p *person) NewDevice() *person {
	p.t.Helper()
	d := p.at.device(p.t, p.name+"'s next")
	resp, err := d.client.Login(d.ctx, &mautrix.ReqLogin{
		Type:       mautrix.AuthTypePassword,
		Identifier: mautrix.UserIdentifier{Type: mautrix.IdentifierTypeUser, User: p.id().String()},
		Password:   password(p.id().Localpart()),

		InitialDeviceDisplayName: d.name,
	})
	d.must("sign in", err)
	d.client.UserID, d.client.DeviceID, d.client.AccessToken = resp.UserID, resp.DeviceID, resp.AccessToken
	d.makesKeys()
	return d
}

func password(user string) string { return "the password of " + user }

func (s *server) device(t *testing.T, name string) *person {
	t.Helper()
	client, err := mautrix.NewClient(s.URL, "", "")
	if err != nil {
		t.Fatal(err)
	}
	p := &person{
		t: t, ctx: t.Context(), at: s, name: name + " at " + s.Kind, client: client,
		rooms: map[id.RoomID]*room{}, presence: map[id.UserID]event.Presence{},
	}
	client.Client = &http.Client{Timeout: patience + 15*time.Second, Transport: &http.Transport{}}
	client.Log = zerolog.New(&p.log).Level(zerolog.WarnLevel)
	client.StateStore = mautrix.NewMemoryStateStore()
	t.Cleanup(func() {
		client.Client.CloseIdleConnections()
		if t.Failed() && p.log.Len() > 0 {
			t.Logf("the client of %s warned:\n%s", p.name, p.log.String())
		}
	})
	return p
}

// makesKeys gives the device keys, and publishes them.
func (p *person) makesKeys() {
	p.t.Helper()
	p.olm = crypto.NewOlmMachine(p.client, &p.client.Log, crypto.NewMemoryStore(nil), p.client.StateStore.(crypto.StateStore))
	p.must("make keys", p.olm.Load(p.ctx))
	p.must("publish keys", p.olm.ShareKeys(p.ctx, 0))
}

func (p *person) id() id.UserID { return p.client.UserID }

func (p *person) must(what string, err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%s: %s: %v", p.name, what, err)
	}
}

// refused checks that a request failed with a Matrix error and this status; servers differ in the code.
func (p *person) refused(what string, err error, want int) {
	p.t.Helper()
	var got mautrix.HTTPError
	if !errors.As(err, &got) || got.RespError == nil || got.Response.StatusCode != want {
		p.t.Errorf("%s: %s: got %v, want %d", p.name, what, err, want)
	}
}

// wanted is the filter of every sync: long timelines, so that stories need not scroll back.
const wanted = `{"room":{"timeline":{"limit":200}}}`

// sync asks once for news, waiting up to wait for some.
func (p *person) sync(wait time.Duration) {
	p.t.Helper()
	resp, err := p.client.FullSyncRequest(p.ctx, mautrix.ReqSync{Timeout: int(wait.Milliseconds()), Since: p.since, FilterID: wanted})
	p.must("sync since "+p.since, err)
	p.take(resp)
}

// take takes a sync response in, as a client does: keys and to-device messages first, then rooms.
func (p *person) take(resp *mautrix.RespSync) {
	if p.olm != nil {
		p.olm.ProcessSyncResponse(p.ctx, resp, p.since)
	}
	for _, e := range resp.ToDevice.Events {
		if number, ok := e.Content.Raw["number"].(float64); ok && e.Type.Type == parcel.Type {
			p.parcels = append(p.parcels, number)
		}
	}
	for _, e := range resp.Presence.Events {
		e.Type.Class = event.EphemeralEventType
		_ = e.Content.ParseRaw(e.Type)
		p.presence[e.Sender] = e.Content.AsPresence().Presence
	}
	for id, r := range resp.Rooms.Invite {
		p.enter(id, event.MembershipInvite, r.State.Events)
	}
	for id, r := range resp.Rooms.Knock {
		p.enter(id, event.MembershipKnock, r.State.Events)
	}
	for id, r := range resp.Rooms.Join {
		p.takeTimeline(id, p.enter(id, event.MembershipJoin, r.State.Events), r.Timeline.Events)
		for _, e := range r.Ephemeral.Events {
			p.takeEphemeral(id, e)
		}
	}
	for id, r := range resp.Rooms.Leave {
		p.takeTimeline(id, p.enter(id, event.MembershipLeave, r.State.Events), r.Timeline.Events)
	}
	p.since = resp.NextBatch
}

// enter finds the device's room, notes what the user is in it, and takes state.
func (p *person) enter(id id.RoomID, now event.Membership, state []*event.Event) *room {
	r := p.rooms[id]
	if r == nil || r.membership != event.MembershipJoin && now == event.MembershipJoin {
		r = newRoom() // what was told before came with an invitation
		p.rooms[id] = r
	}
	r.membership = now
	for _, e := range state {
		p.takeState(id, r, e)
	}
	return r
}

func newRoom() *room {
	return &room{state: map[event.Type]map[string]*event.Event{}, receipts: map[id.UserID]id.EventID{}}
}

func (p *person) takeState(id id.RoomID, r *room, e *event.Event) {
	e.RoomID = id
	e.Type.Class = event.StateEventType
	_ = e.Content.ParseRaw(e.Type) // an unknown type stays raw
	if r.state[e.Type] == nil {
		r.state[e.Type] = map[string]*event.Event{}
	}
	r.state[e.Type][e.GetStateKey()] = e
	p.client.StateStoreSyncHandler(p.ctx, e)
	if p.olm != nil && e.Type == event.StateMember {
		p.olm.HandleMemberEvent(p.ctx, e)
	}
}

func (p *person) takeTimeline(id id.RoomID, r *room, events []*event.Event) {
	for _, e := range events {
		e.RoomID = id
		if e.StateKey != nil {
			p.takeState(id, r, e)
		} else {
			e.Type.Class = event.MessageEventType
			_ = e.Content.ParseRaw(e.Type)
		}
		for _, have := range r.timeline {
			if have.ID == e.ID {
				p.t.Errorf("%s is given event %s (%s) twice", p.name, e.ID, e.Type.Type)
			}
		}
		r.timeline = append(r.timeline, e)
	}
}

func (p *person) takeEphemeral(room id.RoomID, e *event.Event) {
	e.RoomID = room
	e.Type.Class = event.EphemeralEventType
	_ = e.Content.ParseRaw(e.Type)
	r := p.rooms[room]
	switch e.Type {
	case event.EphemeralEventTyping:
		r.typing = e.Content.AsTyping().UserIDs
	case event.EphemeralEventReceipt:
		for at, kinds := range *e.Content.AsReceipt() {
			for _, users := range kinds {
				for user := range users {
					r.receipts[user] = at
				}
			}
		}
	}
}

// until syncs until something is so, and fails the story if that takes longer than a person would wait.
func (p *person) until(what string, so func() bool) {
	p.t.Helper()
	began := time.Now()
	for !so() {
		if time.Since(began) > patience {
			p.t.Fatalf("%s waited %v and does not see %s\n%s", p.name, patience, what, p.describe())
		}
		p.sync(time.Second)
	}
}

// describe lists what the device knows, for a failed story.
func (p *person) describe() string {
	var b strings.Builder
	for id, r := range p.rooms {
		fmt.Fprintf(&b, "in %s (%s, typing %v, receipts %v):\n", id, r.membership, r.typing, r.receipts)
		for _, e := range r.timeline {
			fmt.Fprintf(&b, "  %s %s %s %s\n", e.ID, e.Sender, e.Type.Type, e.Content.VeryRaw)
		}
	}
	return b.String()
}
