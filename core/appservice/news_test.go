package appservice

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/ephemeral"
	"freehold.example/core/inbox"
	"freehold.example/core/keys"
	"freehold.example/core/schema"
	"freehold.example/matrix/id"
)

// took waits until the transactions that the bridge has taken have what is looked for.
func (w *world) took(what string, found func(transaction) bool) transaction {
	w.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		all := w.taken()
		if i := slices.IndexFunc(all, found); i >= 0 {
			return all[i]
		}
		if time.Now().After(end) {
			w.t.Fatalf("the bridge was not told of %s; it has %+v", what, all)
		}
	}
}

func (w *world) taken() []transaction {
	w.bridge.mu.Lock()
	defer w.bridge.mu.Unlock()
	return slices.Clone(w.bridge.bodies)
}

func has(parts []string) func([]json.RawMessage) bool {
	return func(all []json.RawMessage) bool {
		return slices.ContainsFunc(all, func(raw json.RawMessage) bool {
			return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(string(raw), p) })
		})
	}
}

func ephemerally(parts ...string) func(transaction) bool {
	return func(t transaction) bool { return has(parts)(t.Ephemeral) && has(parts)(t.UnstableEphemeral) }
}

func (w *world) read(in id.Room, by id.User, typ, event string) {
	w.t.Helper()
	if err := w.config.Ephemeral.SetReceipts(w.t.Context(), by, in, ephemeral.Mark{Type: typ, Event: id.Event(event)}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) types(in id.Room, by id.User) {
	w.t.Helper()
	if err := w.config.Ephemeral.SetTyping(w.t.Context(), by, in, true, nil); err != nil {
		w.t.Fatal(err)
	}
}

// send sends a message to devices; each of one sender's has a number of its own.
func (w *world) send(n int, to map[id.User]map[id.Device]json.RawMessage) {
	w.t.Helper()
	if err := w.config.Inbox.Send(w.t.Context(), inbox.Sender{User: alice, Device: "A", Txn: fmt.Sprint(n)}, "m.test", to); err != nil {
		w.t.Fatal(err)
	}
}

func numbered(n int) map[id.User]map[id.Device]json.RawMessage {
	return map[id.User]map[id.Device]json.RawMessage{ghost: {"G": json.RawMessage(fmt.Sprintf(`{"n":%d}`, n))}}
}

// messages are the numbers of the messages to devices that the bridge has taken, in order.
func (w *world) messages() (all []int) {
	for _, t := range w.taken() {
		if len(t.ToDevice) != len(t.UnstableToDevice) {
			w.t.Error("the names of to_device do not have the same")
		}
		for _, raw := range t.ToDevice {
			var m struct {
				Content struct{ N int }
				User    id.User   `json:"to_user_id"`
				Device  id.Device `json:"to_device_id"`
				Sender  id.User
				Type    string
			}
			if err := json.Unmarshal(raw, &m); err != nil || m.User != ghost || m.Device != "G" || m.Sender != alice || m.Type != "m.test" {
				w.t.Errorf("got %s %v", raw, err)
			}
			all = append(all, m.Content.N)
		}
	}
	return all
}

func (w *world) waiting() (n int) {
	w.t.Helper()
	err := w.config.DB.Read(w.t.Context(), func(tx *sqldb.Tx) error {
		messages, _, err := w.config.Inbox.Since(tx, ghost, "G", 0, tx.Pos(), 1000)
		n = len(messages)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) awake() {
	for !w.config.Bus.Has(inbox.Log) {
		time.Sleep(time.Millisecond)
	}
}

// Receipts, typing and presence are told as events are: of the rooms that are the service's business, and of no other.
func TestEphemeral(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		private, shared := w.room(alice), w.room(alice)
		ghostJoins(w, shared)
		unheard, heard := w.say(private, alice, "private"), w.say(shared, alice, "shared")
		stop := w.run()
		defer stop()
		w.awake()
		w.read(private, alice, ephemeral.Read, unheard)
		w.types(private, alice)
		w.read(shared, alice, ephemeral.ReadPrivate, heard)
		w.read(shared, ghost, ephemeral.ReadPrivate, heard)
		w.read(shared, alice, ephemeral.Read, heard)
		w.types(shared, alice)
		w.took("a receipt", ephemerally(`"m.receipt"`, string(shared), heard, `"m.read"`, string(alice)))
		w.took("a private receipt of a ghost", ephemerally(`"m.read.private"`, string(ghost)))
		w.took("typing", ephemerally(`"m.typing"`, string(shared), string(alice)))
		status := "here"
		if err := w.config.Ephemeral.SetPresence(t.Context(), alice, "A", ephemeral.Online, &status); err != nil {
			t.Fatal(err)
		}
		w.took("presence", ephemerally(`"m.presence"`, string(alice), `"here"`))
		for _, txn := range w.taken() {
			for _, raw := range txn.Ephemeral {
				if strings.Contains(string(raw), string(private)) || strings.Contains(string(raw), `m.read.private":{"`+string(alice)) {
					t.Errorf("told of %s", raw)
				}
			}
		}
	})
}

// Messages to a ghost's device arrive once and in order, whatever happens to the service and this server, before what was
// said after them, and stay where they are until then.
func TestToDevice(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		shared := w.room(alice)
		ghostJoins(w, shared)
		stop := w.run()
		w.awake()
		w.bridge.answer(http.StatusBadGateway)
		w.send(0, numbered(0))
		w.tried()
		n, events := 1, []string{}
		for range 3 {
			for range 90 {
				w.send(n, numbered(n))
				n++
			}
			events = append(events, w.say(shared, alice, "after the keys"))
		}
		if got := w.waiting(); got != n {
			t.Errorf("%d messages wait, want %d: none was taken", got, n)
		}
		stop() // the server restarts
		stop = w.run()
		w.tried()
		w.bridge.answer(http.StatusOK)
		w.until(events[len(events)-1])
		for end := time.Now().Add(time.Minute); w.waiting() > 0 && time.Now().Before(end); {
			time.Sleep(time.Millisecond) // until it is noted that the last were taken
		}
		stop()
		for i, got := range w.messages() {
			if got != i {
				t.Fatalf("message %d came as number %d", got, i)
			}
		}
		if got := len(w.messages()); got != n {
			t.Errorf("got %d messages, want %d", got, n)
		}
		if got := w.waiting(); got != 0 {
			t.Errorf("%d messages wait, want none", got)
		}
		before := 1
		for _, txn := range w.taken() {
			before += len(txn.ToDevice)
			for _, e := range txn.Events {
				i := slices.IndexFunc(events, func(id string) bool { return strings.Contains(string(e), id) })
				if i >= 0 && before < (i+1)*90+1 {
					t.Errorf("event %d came after %d messages", i, before)
				}
			}
		}
		// What somebody sends to people is none of its business, and its queue counts them.
		w.send(n, map[id.User]map[id.Device]json.RawMessage{alice: {"*": json.RawMessage(`{"n":0}`)}})
		stop = w.run()
		w.until(w.say(shared, alice, "the end"))
		stop()
		if got := len(w.messages()); got != n {
			t.Errorf("got %d messages, want %d", got, n)
		}
	})
}

// A service that is to be told of messages from now on is told of those that wait already.
func TestToDeviceOfBefore(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		w.service.Ephemeral = false
		for n := range 3 {
			w.send(n, numbered(n))
		}
		stop := w.run()
		w.until(w.say(w.room(ghost), ghost, "it is told of events alone"))
		stop()
		w.service.Ephemeral = true
		w.send(3, numbered(3))
		stop = w.run()
		defer func() { stop() }()
		w.took("the last", func(t transaction) bool { return has([]string{`"n":3`})(t.ToDevice) })
		if got := w.messages(); !slices.Equal(got, []int{0, 1, 2, 3}) {
			t.Errorf("got %v", got)
		}
	})
}

// A service whose answer is no good has taken the transaction all the same, where it says so.
func TestAnswerOfAnySize(t *testing.T) {
	w := newWorld(t, sqldbtest.SQLite(t, schema.FS))
	w.bridge.body = strings.Repeat("x", 2*maxAnswer)
	stop := w.run()
	defer func() { stop() }()
	w.until(w.say(w.room(ghost), ghost, "first"))
	w.until(w.say(w.room(ghost), ghost, "second"))
	if _, tries := w.bridge.events(); len(w.taken()) != tries {
		t.Errorf("%d transactions took %d tries", len(w.taken()), tries)
	}
}

// One request to more devices than a transaction has messages is not torn apart.
func TestToManyDevices(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		many := map[id.Device]json.RawMessage{}
		for i := range 2*maxMessages + 1 {
			device := id.Device(fmt.Sprintf("D%04d", i))
			w.devices[ghost][device] = ""
			many[device] = json.RawMessage(`{}`)
		}
		w.send(1, numbered(1))
		w.send(2, map[id.User]map[id.Device]json.RawMessage{ghost: many})
		w.send(3, numbered(3))
		stop := w.run()
		defer stop()
		total := 0
		w.took("the last", func(t transaction) bool { return has([]string{`"n":3`})(t.ToDevice) })
		for _, txn := range w.taken() {
			total += len(txn.ToDevice)
		}
		if total != len(many)+2 {
			t.Errorf("got %d messages, want %d", total, len(many)+2)
		}
	})
}

// A service that wants to is told whose devices changed, whom its users met and lost, and what keys its devices have left.
func TestDeviceLists(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		w.service.Encryption = true
		shared := w.room(alice)
		stop := w.run()
		defer stop()
		w.awake()
		upload := func(user id.User, device id.Device) {
			t.Helper()
			_, err := w.config.Keys.Upload(t.Context(), user, device, keys.Upload{
				DeviceKeys: json.RawMessage(fmt.Sprintf(`{"user_id":%q,"device_id":%q,"algorithms":[],"keys":{},"signatures":{}}`, user, device)),
				OneTimeKeys: map[string]json.RawMessage{
					"signed_curve25519:1": json.RawMessage(`{"key":"a"}`), "signed_curve25519:2": json.RawMessage(`{"key":"b"}`),
				},
				FallbackKeys: map[string]json.RawMessage{"signed_curve25519:3": json.RawMessage(`{"key":"c","fallback":true}`)},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		changed := func(user id.User) func(transaction) bool {
			return func(t transaction) bool {
				return t.DeviceLists != nil && t.UnstableDeviceLists != nil && slices.Contains(t.DeviceLists.Changed, user)
			}
		}
		upload(alice, "A") // she shares no room with the service
		w.until(w.say(w.room(ghost), ghost, "later"))
		if slices.ContainsFunc(w.taken(), changed(alice)) {
			t.Error("told of the devices of somebody it shares no room with")
		}
		ghostJoins(w, shared)
		w.took("who is met", changed(alice))
		upload(ghost, "G")
		w.took("a ghost's device", changed(ghost))
		_, _, err := w.config.Keys.Claim(t.Context(), map[id.User]map[id.Device]string{ghost: {"G": "signed_curve25519"}})
		if err != nil {
			t.Fatal(err)
		}
		w.took("how many keys are left", func(t transaction) bool {
			return t.Counts[ghost]["G"]["signed_curve25519"] == 1 && t.UnstableCounts[ghost]["G"] != nil &&
				slices.Contains(t.Fallback[ghost]["G"], "signed_curve25519") && t.UnstableFallback[ghost] != nil
		})
		w.devices[alice]["B"] = ""
		upload(alice, "B")
		n := 0
		w.took("a device of somebody in the room", func(t transaction) bool {
			if changed(alice)(t) {
				n++
			}
			return n == 2
		})
		if err := w.rooms.Leave(t.Context(), as(alice), shared, ""); err != nil {
			t.Fatal(err)
		}
		w.took("who is gone", func(t transaction) bool { return t.DeviceLists != nil && slices.Contains(t.DeviceLists.Left, alice) })
	})
}
