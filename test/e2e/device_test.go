package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

type (
	roomID  = id.RoomID
	eventID = id.EventID
	userID  = id.UserID
)

// patience is how long a device waits for what it should see.
const patience = 30 * time.Second

// retryAfter is how long a device that retries waits before it asks a server again that did not answer.
const retryAfter = 50 * time.Millisecond

// device is one client of one person, with its own keys.
type device struct {
	t      testing.TB
	ctx    context.Context
	name   string
	client *mautrix.Client
	olm    *crypto.OlmMachine
	state  mautrix.StateStore
	log    bytes.Buffer // what mautrix warns of

	since       string // where the next sync begins
	rooms       map[roomID]*room
	accountData map[string]*event.Event
	counts      mautrix.OTKCount // of one-time keys on the server, as the last sync said
}

// room is what a device knows of a room, from sync alone.
type room struct {
	membership event.Membership
	timeline   []*event.Event // decrypted where there is a key
	seen       map[eventID]bool
	state      map[event.Type]map[string]*event.Event
	gaps       []gap
	typing     []userID
	receipts   map[userID]eventID
	unread     int
	highlights int
	data       map[string]*event.Event
}

// gap is where a timeline did not bring everything: the token to page back from, and the event before which that belongs.
type gap struct {
	from   string
	before eventID
}

func (d *device) prepare() {
	d.client.Client = &http.Client{Timeout: patience, Transport: &http.Transport{}}
	d.client.Log = zerolog.New(&d.log).Level(zerolog.WarnLevel)
	d.client.IgnoreRateLimit = true
	d.accountData = map[string]*event.Event{}
	d.t.Cleanup(func() {
		d.client.Client.CloseIdleConnections()
		if d.t.Failed() && d.log.Len() > 0 {
			d.t.Logf("%s's client warned:\n%s", d.name, d.log.String())
		}
	})
}

// signedIn is the moment a device has its token: it makes its keys and publishes them, and
// learns of the user's other devices.
func (d *device) signedIn(user userID, name id.DeviceID, token string) {
	d.t.Helper()
	d.client.UserID, d.client.DeviceID, d.client.AccessToken = user, name, token
	d.state = mautrix.NewMemoryStateStore()
	d.client.StateStore = d.state
	d.olm = crypto.NewOlmMachine(d.client, &d.client.Log, crypto.NewMemoryStore(nil), d.state.(crypto.StateStore))
	d.must("make keys", d.olm.Load(d.ctx))
	d.must("publish keys", d.olm.ShareKeys(d.ctx, 0))
	_, err := d.olm.FetchKeys(d.ctx, []userID{user}, true)
	d.must("look for the user's other devices", err)
}

// Retries makes the device one that asks again, for as long as its person has patience, when the server is not there.
func (d *device) Retries() {
	d.client.DefaultHTTPRetries = int(patience / retryAfter)
	d.client.DefaultHTTPBackoff, d.client.MaxHTTPBackoff = retryAfter, retryAfter
}

func (d *device) id() userID      { return d.client.UserID }
func (d *device) at() id.DeviceID { return d.client.DeviceID }
func (d *device) called() string  { return d.name }

func (d *device) must(what string, err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatalf("%s: %s: %v", d.name, what, err)
	}
}

// refused checks that a request failed with this Matrix error code.
func (d *device) refused(what string, err error, want mautrix.RespError) {
	d.t.Helper()
	if resp, ok := asRespError(err); !ok || resp.ErrCode != want.ErrCode {
		d.t.Errorf("%s: %s: got %v, want %s", d.name, what, err, want.ErrCode)
	}
}

// sync asks once for news, waiting up to wait for some.
func (d *device) sync(wait time.Duration) {
	d.t.Helper()
	for began := time.Now(); ; time.Sleep(retryAfter) {
		resp, err := d.client.FullSyncRequest(d.ctx, mautrix.ReqSync{Timeout: int(wait.Milliseconds()), Since: d.since})
		if _, refused := asRespError(err); err != nil && !refused && d.client.DefaultHTTPRetries > 0 && time.Since(began) < patience {
			continue // nobody is there
		}
		d.must("sync since "+d.since, err)
		d.take(resp)
		return
	}
}

// take takes a sync response in, as a client does: keys and to-device messages first, then rooms.
func (d *device) take(resp *mautrix.RespSync) {
	d.t.Helper()
	d.olm.ProcessSyncResponse(d.ctx, resp, d.since)
	for _, e := range resp.ToDevice.Events {
		d.client.Syncer.(*mautrix.DefaultSyncer).Dispatch(d.ctx, e) // to what else has asked for it
	}
	d.counts = resp.DeviceOTKCount
	for _, e := range resp.AccountData.Events {
		d.accountData[e.Type.Type] = e
	}
	for id, r := range resp.Rooms.Invite {
		d.enter(id, event.MembershipInvite)
		d.takeState(id, r.State.Events)
	}
	for id, r := range resp.Rooms.Join {
		known := d.enter(id, event.MembershipJoin)
		d.takeState(id, r.State.Events)
		d.takeTimeline(id, r.Timeline)
		for _, e := range r.Ephemeral.Events {
			d.takeEphemeral(id, e)
		}
		for _, e := range r.AccountData.Events {
			known.data[e.Type.Type] = e
		}
		if n := r.UnreadNotifications; n != nil {
			known.unread, known.highlights = n.NotificationCount, n.HighlightCount
		}
	}
	for id, r := range resp.Rooms.Leave {
		d.enter(id, event.MembershipLeave)
		d.takeState(id, r.State.Events)
		d.takeTimeline(id, r.Timeline)
	}
	d.since = resp.NextBatch
}

// enter finds the device's room and notes what the user is in it.
func (d *device) enter(id roomID, now event.Membership) *room {
	r := d.rooms[id]
	if r == nil || r.membership == event.MembershipInvite && now == event.MembershipJoin {
		r = &room{
			seen: map[eventID]bool{}, state: map[event.Type]map[string]*event.Event{},
			receipts: map[userID]eventID{}, data: map[string]*event.Event{},
		}
		d.rooms[id] = r
	}
	r.membership = now
	return r
}

func (d *device) takeState(id roomID, events []*event.Event) {
	for _, e := range events {
		e.RoomID = id
		e.Type.Class = event.StateEventType
		_ = e.Content.ParseRaw(e.Type) // an unknown type stays raw
		r := d.rooms[id]
		if r.state[e.Type] == nil {
			r.state[e.Type] = map[string]*event.Event{}
		}
		r.state[e.Type][e.GetStateKey()] = e
		d.client.StateStoreSyncHandler(d.ctx, e)
		if e.Type == event.StateMember {
			d.olm.HandleMemberEvent(d.ctx, e)
		}
	}
}

func (d *device) takeTimeline(id roomID, t mautrix.SyncTimeline) {
	d.t.Helper()
	r := d.rooms[id]
	if t.Limited && len(t.Events) > 0 {
		r.gaps = append(r.gaps, gap{t.PrevBatch, t.Events[0].ID})
	}
	for _, e := range t.Events {
		e.RoomID = id
		if r.seen[e.ID] {
			d.t.Errorf("%s is given event %s (%s) twice", d.name, e.ID, e.Type.Type)
			continue
		}
		r.seen[e.ID] = true
		if e.StateKey != nil {
			d.takeState(id, []*event.Event{e})
		} else {
			e.Type.Class = event.MessageEventType
			_ = e.Content.ParseRaw(e.Type)
		}
		r.timeline = append(r.timeline, d.open(e))
	}
}

// open decrypts an event if it is encrypted and the key is there.
func (d *device) open(e *event.Event) *event.Event {
	if e.Type != event.EventEncrypted {
		return e
	}
	plain, err := d.olm.DecryptMegolmEvent(d.ctx, e)
	if err != nil {
		return e
	}
	return plain
}

func (d *device) takeEphemeral(id roomID, e *event.Event) {
	e.RoomID = id
	e.Type.Class = event.EphemeralEventType
	_ = e.Content.ParseRaw(e.Type)
	r := d.rooms[id]
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
func (d *device) until(what string, so func() bool) {
	d.t.Helper()
	began := time.Now()
	for !so() {
		if time.Since(began) > patience {
			d.t.Fatalf("%s waited %v and does not see %s\n%s", d.name, patience, what, d.describe())
		}
		d.sync(2 * time.Second)
	}
}

// describe lists what the device knows, for a failed story.
func (d *device) describe() string {
	var b bytes.Buffer
	for id, r := range d.rooms {
		fmt.Fprintf(&b, "in %s (%s, gaps %v, unread %d/%d, typing %v, receipts %v):\n", id, r.membership, r.gaps, r.unread,
			r.highlights, r.typing, r.receipts)
		for _, e := range r.timeline {
			fmt.Fprintf(&b, "  %s %s %s: %s\n", e.ID, e.Sender, e.Type.Type, e.Content.VeryRaw)
		}
	}
	return b.String()
}

// members are the users a message must be encrypted for.
func (d *device) members(id roomID) []userID {
	var users []userID
	for user, e := range d.rooms[id].state[event.StateMember] {
		if m := e.Content.AsMember().Membership; m == event.MembershipJoin || m == event.MembershipInvite {
			users = append(users, userID(user))
		}
	}
	slices.Sort(users)
	return users
}
