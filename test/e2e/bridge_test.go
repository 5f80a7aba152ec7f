package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold.example/test/address"
	"github.com/rs/zerolog"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/appservice"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// bridge is an application service as mautrix-go's bridges are: a bot, ghosts, and what it is told by transactions.
type bridge struct {
	t   *testing.T
	ctx context.Context
	h   *house

	registration *appservice.Registration
	state        appservice.StateStore // what a bridge has on its disk
	keys         crypto.Store
	device       id.DeviceID

	as   *appservice.AppService // of the process that runs now
	olm  *crypto.OlmMachine     // nil until it encrypts
	stop func()                 // ends the process

	mu      sync.Mutex // guards all below
	answers answering
	tries   int
	taken   map[string]bool // transactions
	told    []eventID       // events of the transactions that it took, each once
	heard   []*event.Event  // what it has handled, decrypted where there is a key
}

// answering is how a bridge answers transactions.
type answering int

const (
	accepts  answering = iota
	refuses            // 502, as its proxy would
	vanishes           // takes it, and breaks the connection before the answer
)

const domain = "house.example"

// HasBridge registers a bridge and restarts the server with it.
func (h *house) HasBridge() *bridge {
	h.t.Helper()
	listener, err := net.Listen("tcp", address.For(h.t))
	if err != nil {
		h.t.Fatal(err)
	}
	no := false
	r := appservice.CreateRegistration()
	r.ID, r.URL, r.SenderLocalpart, r.RateLimited = "chat", "http://"+listener.Addr().String(), "chatbot", &no
	r.EphemeralEvents, r.SoruEphemeralEvents, r.MSC3202, r.MSC4190 = true, true, true, true
	r.Namespaces.UserIDs = appservice.NamespaceList{
		{Regex: `^@chatbot:house\.example$`, Exclusive: true}, {Regex: `^@chat_.*:house\.example$`, Exclusive: true},
	}
	dir := h.t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "services"), 0o700), r.Save(filepath.Join(dir, "services", "chat.yaml"))); err != nil {
		h.t.Fatal(err)
	}
	h.Stop()
	h.Set("FREEHOLD_APPSERVICES_DIR=" + filepath.Join(dir, "services"))
	h.Start()
	b := &bridge{
		t: h.t, ctx: context.Background(), h: h, registration: r, taken: map[string]bool{},
		state: mautrix.NewMemoryStateStore().(appservice.StateStore), keys: crypto.NewMemoryStore(nil),
	}
	b.begins(listener)
	h.t.Cleanup(func() { b.stop() })
	return b
}

// begins starts the bridge's process.
func (b *bridge) begins(listener net.Listener) {
	b.t.Helper()
	as, err := appservice.CreateFull(appservice.CreateOpts{
		Registration: b.registration, HomeserverDomain: domain, HomeserverURL: b.h.URL, StateStore: b.state,
	})
	b.must("begin", err)
	as.Log = zerolog.Nop()
	as.HTTPClient.Transport = &http.Transport{}
	b.as = as
	process := appservice.NewEventProcessor(as)
	process.ExecMode = appservice.Sync
	for _, t := range []event.Type{event.EventMessage, event.EphemeralEventTyping, event.EphemeralEventReceipt, event.StateMember} {
		process.On(t, b.hears)
	}
	process.On(event.EventEncrypted, func(ctx context.Context, e *event.Event) { b.hears(ctx, b.opens(e)) })
	if b.device != "" {
		b.Encrypts()
		b.olm.AddAppserviceListener(process)
	}
	process.Start(b.ctx)
	server := &http.Server{Handler: watch.Handler(b), ReadHeaderTimeout: patience}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // it ends with Close
	}()
	b.stop = func() {
		_ = server.Close() // there is nothing to do about it
		<-done
		process.Stop()
		as.HTTPClient.CloseIdleConnections()
	}
}

// GoesDown ends the bridge's process, ComesBack starts it again at the same address.
func (b *bridge) GoesDown() { b.stop() }

func (b *bridge) ComesBack() {
	b.t.Helper()
	listener, err := net.Listen("tcp", strings.TrimPrefix(b.registration.URL, "http://"))
	b.must("come back", err)
	b.begins(listener)
}

// Encrypts gives the bot a device without a login, or the one that it has, and publishes its keys.
func (b *bridge) Encrypts() {
	b.t.Helper()
	client := b.as.BotClient()
	b.must("make a device", client.CreateDeviceMSC4190(b.ctx, b.device, "the bridge"))
	fresh := b.device == ""
	b.device = client.DeviceID
	b.olm = crypto.NewOlmMachine(client, &b.as.Log, b.keys, b.state.(crypto.StateStore))
	b.must("load its keys", b.olm.Load(b.ctx))
	if fresh {
		b.must("publish keys", b.olm.ShareKeys(b.ctx, 0))
		b.GoesDown() // its process is one that listens for messages to devices from its beginning
		b.ComesBack()
	}
}

func (b *bridge) must(what string, err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatalf("the bridge: %s: %v", what, err)
	}
}

// Answers says how it answers transactions from now on.
func (b *bridge) Answers(how answering) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers = how
}

// ServeHTTP writes down what the bridge is told, and hands it on to mautrix-go.
func (b *bridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, txn, is := strings.Cut(r.URL.Path, "/transactions/")
	if !is {
		b.as.Router.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	b.mu.Lock()
	b.tries++
	how := b.answers
	b.mu.Unlock()
	if how == refuses {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	answer := httptest.NewRecorder()
	b.as.Router.ServeHTTP(answer, r)
	if answer.Code == http.StatusOK {
		b.took(txn, body)
	}
	if how == vanishes {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

func (b *bridge) took(txn string, body []byte) {
	var t struct {
		Events []struct {
			ID eventID `json:"event_id"`
		}
	}
	if err := json.Unmarshal(body, &t); err != nil {
		b.t.Errorf("transaction %s: %v", txn, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.taken[txn] {
		return
	}
	b.taken[txn] = true
	for _, e := range t.Events {
		if slices.Contains(b.told, e.ID) {
			b.t.Errorf("the bridge is told twice of %s", e.ID)
		}
		b.told = append(b.told, e.ID)
	}
}

// hears is what the bridge does with what it is told: it goes where it is invited.
func (b *bridge) hears(ctx context.Context, e *event.Event) {
	if e.Type == event.StateMember && e.GetStateKey() == string(b.as.BotMXID()) && e.Content.AsMember().Membership == event.MembershipInvite {
		if _, err := b.as.BotIntent().JoinRoomByID(ctx, e.RoomID); err != nil {
			b.t.Errorf("the bot does not get in: %v", err)
		}
	}
	if e.Type == event.StateMember && b.olm != nil {
		b.olm.HandleMemberEvent(ctx, e)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heard = append(b.heard, e)
}

// opens decrypts an event. Messages to devices are handled beside those to rooms, and so it waits for the key.
func (b *bridge) opens(e *event.Event) *event.Event {
	plain, err := b.olm.DecryptMegolmEvent(b.ctx, e)
	if errors.Is(err, crypto.ErrNoSessionFound) {
		c := e.Content.AsEncrypted()
		b.olm.WaitForSession(b.ctx, e.RoomID, c.SenderKey, c.SessionID, patience)
		plain, err = b.olm.DecryptMegolmEvent(b.ctx, e)
	}
	if err != nil {
		b.t.Errorf("the bridge cannot read %s: %v", e.ID, err)
		return e
	}
	return plain
}

// until waits until something is so.
func (b *bridge) until(what string, so func() bool) {
	b.t.Helper()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		b.mu.Lock()
		ok := so()
		b.mu.Unlock()
		if ok {
			return
		}
		if time.Since(began) > patience {
			b.t.Fatalf("the bridge waited %v and does not see %s; it was told %d times, of %v", patience, what, b.tries, b.told)
		}
	}
}

// Hears waits for something that match picks.
func (b *bridge) Hears(what string, match func(*event.Event) bool) *event.Event {
	b.t.Helper()
	var found *event.Event
	b.until(what, func() bool {
		if i := slices.IndexFunc(b.heard, match); i >= 0 {
			found = b.heard[i]
		}
		return found != nil
	})
	return found
}

// HearsText waits for a message that it can read.
func (b *bridge) HearsText(text string) *event.Event {
	b.t.Helper()
	return b.Hears("the message "+text, isText(text))
}

// IsTried waits until the server has tried to tell the bridge something once more.
func (b *bridge) IsTried() {
	b.t.Helper()
	before := -1
	b.until("a try", func() bool {
		if before < 0 {
			before = b.tries
		}
		return b.tries > before
	})
}

// Heard checks that the bridge was told of all these events, and of those in this order.
func (b *bridge) Heard(want []eventID) {
	b.t.Helper()
	b.until("the last event", func() bool { return slices.Contains(b.told, want[len(want)-1]) })
	b.mu.Lock()
	defer b.mu.Unlock()
	var got []eventID
	for _, e := range b.told {
		if slices.Contains(want, e) {
			got = append(got, e)
		}
	}
	if !slices.Equal(got, want) {
		b.t.Errorf("the bridge was told of %v, want %v", got, want)
	}
}

// Ghost is a user of the bridge, which is made when it is first needed.
func (b *bridge) Ghost(name string) *ghost {
	b.t.Helper()
	return &ghost{b, b.as.Intent(id.NewUserID("chat_"+name, domain)), name}
}

// ghost is a user of the bridge, or its bot.
type ghost struct {
	b      *bridge
	intent *appservice.IntentAPI
	name   string
}

func (b *bridge) Bot() *ghost { return &ghost{b, b.as.BotIntent(), "the bot"} }

func (g *ghost) id() userID      { return g.intent.UserID }
func (g *ghost) at() id.DeviceID { return g.intent.DeviceID }
func (g *ghost) called() string  { return g.name }

// Says sends a text as the ghost; Seals does, encrypted for everybody in the room, as the bot's device.
func (g *ghost) Says(room roomID, text string) {
	g.b.t.Helper()
	_, err := g.intent.SendText(g.b.ctx, room, text)
	g.b.must(g.name+" says something", err)
}

func (b *bridge) Seals(room roomID, text string) {
	b.t.Helper()
	content := &event.MessageEventContent{MsgType: event.MsgText, Body: text}
	sealed, err := b.olm.EncryptMegolmEvent(b.ctx, room, event.EventMessage, content)
	if errors.Is(err, crypto.ErrNoGroupSession) || errors.Is(err, crypto.ErrSessionExpired) || errors.Is(err, crypto.ErrSessionNotShared) {
		members, err := b.as.BotClient().JoinedMembers(b.ctx, room)
		b.must("look who is there", err)
		var users []userID
		for user := range members.Joined {
			users = append(users, user)
		}
		b.must("share the room key", b.olm.ShareGroupSession(b.ctx, room, users))
		sealed, err = b.olm.EncryptMegolmEvent(b.ctx, room, event.EventMessage, content)
		b.must("encrypt", err)
	}
	_, err = b.as.BotClient().SendMessageEvent(b.ctx, room, event.EventEncrypted, sealed)
	b.must("send", err)
}

func number(i int) string { return "number " + strconv.Itoa(i) }
