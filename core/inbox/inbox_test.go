package inbox

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const (
	alice id.User = "@alice:here"
	bob   id.User = "@bob:here"
)

type world struct {
	*Inbox
	devices map[id.User]map[id.Device]string
	now     time.Time

	mu    sync.Mutex
	woken []string
}

func each(t *testing.T, fn func(t *testing.T, w *world)) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		w := &world{
			devices: map[id.User]map[id.Device]string{alice: {"A1": "", "A2": ""}, bob: {"B1": "", "B2": "", "B3": ""}},
			now:     time.UnixMilli(1_700_000_000_000),
		}
		w.Inbox = New(Config{
			DB: db, Server: "here", Now: func() time.Time { return w.now },
			Wake: func(topics ...string) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.woken = append(w.woken, topics...)
			},
			Devices: func(_ *sqldb.Tx, u id.User) (map[id.Device]string, error) { return w.devices[u], nil },
		})
		fn(t, w)
	})
}

type sent = map[id.User]map[id.Device]json.RawMessage

func one(user id.User, device id.Device, content string) sent {
	return sent{user: {device: json.RawMessage(content)}}
}

func from(txn string) Sender { return Sender{alice, "A1", txn} }

func (w *world) send(t *testing.T, txn string, m sent) {
	t.Helper()
	if err := w.Send(t.Context(), from(txn), "m.test", m); err != nil {
		t.Fatal(err)
	}
}

// since is Since with the events joined by spaces.
func (w *world) since(t *testing.T, user id.User, device id.Device, since sqldb.Pos, limit int) (string, sqldb.Pos) {
	t.Helper()
	var events []string
	var next sqldb.Pos
	err := w.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
		messages, n, err := w.Since(tx, user, device, since, tx.Pos(), limit)
		events, next = nil, n
		for _, m := range messages {
			events = append(events, string(m.Event))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(events, " "), next
}

// waiting is the contents that wait for a device.
func (w *world) waiting(t *testing.T, user id.User, device id.Device) string {
	t.Helper()
	s, _ := w.since(t, user, device, 0, 1000)
	return strings.NewReplacer(`{"content":`, "", `,"sender":"@alice:here","type":"m.test"}`, "").Replace(s)
}

// sent is what inbox_sent holds.
func (w *world) sent(t *testing.T) string {
	t.Helper()
	var out []string
	err := w.DB.Read(t.Context(), func(tx *sqldb.Tx) (err error) {
		out, err = sqldb.All(tx, func(row sqldb.Scanner) (string, error) {
			var sender string
			var m, b int
			err := row.Scan(&sender, &m, &b)
			return fmt.Sprintf("%s:%d/%d", sender, m, b), err
		}, `SELECT sender, messages, bytes FROM inbox_sent ORDER BY sender`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, " ")
}

func (w *world) sizes(t *testing.T) string {
	t.Helper()
	var out []string
	err := w.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
		out = nil
		rows, err := tx.Query(`SELECT device_id, sender, messages, bytes FROM inbox_size ORDER BY device_id, sender`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var device, sender string
			var m, b int
			if err := rows.Scan(&device, &sender, &m, &b); err != nil {
				return err
			}
			out = append(out, fmt.Sprintf("%s/%s:%d/%d", device, sender, m, b))
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, " ")
}

func TestSend(t *testing.T) { // B245
	each(t, func(t *testing.T, w *world) {
		w.send(t, "1", sent{
			alice:        {"A2": json.RawMessage(` {"a": [1.50, "<é>"]} `), "A9": json.RawMessage(`{}`)},
			bob:          {"B1": json.RawMessage(`{"b":1}`)},
			"@zoe:there": {"Z1": json.RawMessage(`{}`)},
			"@nobody:here": {
				"*": json.RawMessage(`{}`),
			},
		})
		got, next := w.since(t, alice, "A2", 0, 10)
		var event struct {
			Sender, Type string
			Content      map[string]any
		}
		if err := json.Unmarshal([]byte(got), &event); err != nil {
			t.Fatalf("%s: %v", got, err)
		}
		if event.Sender != string(alice) || event.Type != "m.test" || fmt.Sprint(event.Content) != "map[a:[1.5 <é>]]" {
			t.Errorf("got %s", got)
		}
		if next != w.DB.Committed() {
			t.Errorf("next: got %d, want %d", next, w.DB.Committed())
		}
		if got, want := w.waiting(t, bob, "B1"), `{"b":1}`; got != want {
			t.Errorf("bob got %s, want %s", got, want)
		}
		if got := w.waiting(t, bob, "B2"); got != "" {
			t.Errorf("a device that was not named got %s", got)
		}
		slices.Sort(w.woken)
		if got, want := strings.Join(w.woken, " "), "u:@alice:here u:@bob:here"; got != want {
			t.Errorf("woken: got %q, want %q", got, want)
		}
	})
}

func TestSendEverything(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.send(t, "1", sent{bob: {"*": json.RawMessage(`{"all":1}`), "B2": json.RawMessage(`{"two":2}`)}})
		for device, want := range map[id.Device]string{"B1": `{"all":1}`, "B2": `{"two":2}`, "B3": `{"all":1}`} {
			if got := w.waiting(t, bob, device); got != want {
				t.Errorf("%s: got %s, want %s", device, got, want)
			}
		}
	})
}

func TestSendOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const txns, tries = 10, 4
		var all sync.WaitGroup
		for range tries {
			all.Go(func() {
				for i := range txns {
					m := one(bob, "*", fmt.Sprintf(`{"n":%d}`, i))
					if err := w.Send(t.Context(), from(fmt.Sprint(i)), "m.test", m); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		for _, device := range []id.Device{"B1", "B2", "B3"} {
			got := strings.Fields(w.waiting(t, bob, device))
			slices.Sort(got)
			if n := len(got); n != txns || len(slices.Compact(got)) != txns {
				t.Errorf("%s got %d messages, want %d different ones", device, n, txns)
			}
		}
		before := w.waiting(t, bob, "B1")
		w.woken = nil
		w.now = w.now.Add(txnAge - time.Minute)
		w.send(t, "3", one(bob, "B1", `{"n":3}`))
		if got := w.waiting(t, bob, "B1"); got != before || w.woken != nil {
			t.Errorf("a repeated transaction did something: %s, woke %v", got, w.woken)
		}
		for _, other := range []Sender{{alice, "A2", "3"}, {bob, "A1", "3"}} { // not the same transaction
			if err := w.Send(t.Context(), other, "m.test", one(bob, "B1", `{}`)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Send(t.Context(), from("3"), "m.other", one(bob, "B1", `{}`)); err != nil {
			t.Fatal(err)
		}
		events, _ := w.since(t, bob, "B1", 0, 100)
		if got, want := strings.Count(events, `"content"`), txns+3; got != want {
			t.Errorf("got %d messages, want %d", got, want)
		}
	})
}

func TestSendRefused(t *testing.T) {
	many := make(map[id.Device]json.RawMessage)
	for i := range MaxRecipients + 1 {
		many[id.Device(fmt.Sprint(i))] = json.RawMessage(`{}`)
	}
	tests := []struct {
		name, typ, txn string
		m              sent
		want           fault.Code
	}{
		{"a string", "m.test", "1", one(bob, "B1", `"x"`), fault.BadJSON},
		{"null", "m.test", "1", one(bob, "B1", `null`), fault.BadJSON},
		{"nothing", "m.test", "1", one(bob, "B1", ``), fault.BadJSON},
		{"large", "m.test", "1", one(bob, "B1", `{"x":"`+strings.Repeat("x", MaxContent)+`"}`), fault.TooLarge},
		{"many", "m.test", "1", sent{bob: many}, fault.TooLarge},
		{"no type", "", "1", one(bob, "B1", `{}`), fault.InvalidParam},
		{"long type", strings.Repeat("x", 256), "1", one(bob, "B1", `{}`), fault.InvalidParam},
		{"long transaction id", "m.test", strings.Repeat("x", 256), one(bob, "B1", `{}`), fault.InvalidParam},
	}
	each(t, func(t *testing.T, w *world) {
		for _, tt := range tests {
			if err := w.Send(t.Context(), from(tt.txn), tt.typ, tt.m); !fault.Is(err, tt.want) {
				t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
			}
		}
		for i := range MaxRecipients + 1 {
			w.devices[bob][id.Device(fmt.Sprint(i))] = ""
		}
		if err := w.Send(t.Context(), from("1"), "m.test", one(bob, "*", `{}`)); !fault.Is(err, fault.TooLarge) {
			t.Errorf("too many devices by *: got %v, want %s", err, fault.TooLarge)
		}
		for i := 600; i <= MaxRecipients; i++ {
			delete(w.devices[bob], id.Device(fmt.Sprint(i)))
		}
		large := `{"x":"` + strings.Repeat("x", MaxContent-10) + `"}` // 600 of them would be more than MaxRequest
		if err := w.Send(t.Context(), from("1"), "m.test", one(bob, "*", large)); !fault.Is(err, fault.TooLarge) {
			t.Errorf("too many bytes by *: got %v, want %s", err, fault.TooLarge)
		}
		if got := w.sizes(t); got != "" {
			t.Errorf("refused messages were counted: %s", got)
		}
		w.send(t, "1", one(bob, "B1", `{}`)) // the refused transactions were not done
		if got := w.waiting(t, bob, "B1"); got != "{}" {
			t.Errorf("got %s, want {}", got)
		}
	})
}

func TestSinceAndAck(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for i := range 5 {
			w.send(t, fmt.Sprint(i), one(bob, "*", fmt.Sprintf(`{"n":%d}`, i)))
		}
		var got []string
		var at sqldb.Pos
		for range 3 {
			page, next := w.since(t, bob, "B1", at, 2)
			again, _ := w.since(t, bob, "B1", at, 2)
			if page != again {
				t.Errorf("the same question: got %s, then %s", page, again)
			}
			got, at = append(got, page), next
			if err := w.Ack(t.Context(), bob, "B1", at); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 5 {
			if !strings.Contains(got[i/2], fmt.Sprintf(`{"n":%d}`, i)) {
				t.Errorf("page %d has no message %d: %s", i/2, i, got[i/2])
			}
		}
		if at != w.DB.Committed() && w.waiting(t, bob, "B1") != "" {
			t.Errorf("left after all pages: %s", w.waiting(t, bob, "B1"))
		}
		if n := len(strings.Fields(w.waiting(t, bob, "B2"))); n != 5 {
			t.Errorf("another device has %d messages, want 5", n)
		}
		before := w.DB.Committed()
		if err := w.Ack(t.Context(), bob, "B1", at); err != nil {
			t.Fatal(err)
		}
		if w.DB.Committed() != before {
			t.Error("an Ack with nothing to remove wrote")
		}
	})
}

func TestSizes(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.send(t, "1", one(bob, "B1", `{}`))
		size := len(`{"content":{},"sender":"@alice:here","type":"m.test"}`)
		mid := w.DB.Committed()
		w.send(t, "2", one(bob, "B1", `{}`))
		if err := w.Send(t.Context(), Sender{bob, "B2", "1"}, "m.test", one(bob, "B1", `{}`)); err != nil {
			t.Fatal(err)
		}
		if got, want := w.sizes(t), fmt.Sprintf("B1/:3/%d B1/@alice:here:2/%d B1/@bob:here:1/%d", 3*size-2, 2*size, size-2); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if err := w.Ack(t.Context(), bob, "B1", mid); err != nil {
			t.Fatal(err)
		}
		if got, want := w.sizes(t), fmt.Sprintf("B1/:2/%d B1/@alice:here:1/%d B1/@bob:here:1/%d", 2*size-2, size, size-2); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got, want := w.sent(t), fmt.Sprintf("@alice:here:1/%d @bob:here:1/%d", size, size-2); got != want {
			t.Errorf("of all devices: got %s, want %s", got, want)
		}
		if err := w.Ack(t.Context(), bob, "B1", w.DB.Committed()); err != nil {
			t.Fatal(err)
		}
		if got := w.sizes(t); got != "" {
			t.Errorf("an empty queue has sizes %s", got)
		}
		if got := w.sent(t); got != "" {
			t.Errorf("nothing waits, and yet there is %s", got)
		}
	})
}

// A sender who has filled his share is refused, and nobody else is.
func TestFull(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		err := w.DB.Write(t.Context(), func(tx *sqldb.Tx) error {
			_, err := tx.Exec(`INSERT INTO inbox_size (user_id, device_id, sender, messages, bytes) VALUES
				($1, 'B1', $2, $3, 0), ($1, 'B1', '', $3, 0), ($1, 'B2', '', 1, $4)`, bob, alice, senderMessages, deviceBytes)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		err = w.Send(t.Context(), from("1"), "m.test", sent{bob: {"B1": json.RawMessage(`{}`), "B3": json.RawMessage(`{}`)}})
		if !fault.Is(err, fault.LimitExceeded) {
			t.Errorf("share: got %v, want %s", err, fault.LimitExceeded)
		}
		if got := w.waiting(t, bob, "B3"); got != "" {
			t.Errorf("a refused request delivered %s", got)
		}
		if err := w.Send(t.Context(), Sender{bob, "B3", "1"}, "m.test", one(bob, "B1", `{}`)); err != nil {
			t.Errorf("another sender: %v", err)
		}
		if err := w.Send(t.Context(), from("1"), "m.test", one(bob, "B2", `{}`)); !fault.Is(err, fault.LimitExceeded) {
			t.Errorf("total: got %v, want %s", err, fault.LimitExceeded)
		}
	})
}

// What one sender has waiting for all devices together is bounded, whatever each of them holds.
func TestSenderIsBounded(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		size := int64(len(`{"content":{},"sender":"@alice:here","type":"m.test"}`))
		err := w.DB.Write(t.Context(), func(tx *sqldb.Tx) error {
			_, err := tx.Exec(`INSERT INTO inbox_sent (sender, messages, bytes) VALUES ($1, 1, $2)`, alice, sentBytes-2*size)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		err = w.Send(t.Context(), from("1"), "m.test", one(bob, "*", `{}`)) // three devices
		if !fault.Is(err, fault.LimitExceeded) {
			t.Errorf("got %v, want %s", err, fault.LimitExceeded)
		}
		if got := w.waiting(t, bob, "B1"); got != "" {
			t.Errorf("a refused request delivered %s", got)
		}
		w.send(t, "2", one(bob, "B1", `{}`))
		w.send(t, "3", one(bob, "B2", `{}`))
		if err := w.Send(t.Context(), from("4"), "m.test", one(bob, "B3", `{}`)); !fault.Is(err, fault.LimitExceeded) {
			t.Errorf("got %v, want %s", err, fault.LimitExceeded)
		}
		if err := w.Send(t.Context(), Sender{bob, "B3", "1"}, "m.test", one(bob, "B1", `{}`)); err != nil {
			t.Errorf("another sender: %v", err)
		}
		if err := w.Ack(t.Context(), bob, "B1", w.DB.Committed()); err != nil { // fetched: there is room again
			t.Fatal(err)
		}
		w.send(t, "5", one(bob, "B3", `{}`))
	})
}

func TestDropDevice(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.send(t, "1", one(bob, "*", `{}`))
		w.send(t, "2", one(alice, "A1", `{}`))
		drop := func(u id.User, d id.Device) {
			t.Helper()
			if err := w.DB.Write(t.Context(), func(tx *sqldb.Tx) error { return w.DropDevice(tx, u, d) }); err != nil {
				t.Fatal(err)
			}
		}
		for _, d := range []id.Device{"B1", "B2", "B3"} {
			drop(bob, d)
		}
		drop(alice, "A1")
		for _, table := range []string{"inbox", "inbox_size", "inbox_sent", "inbox_txn"} {
			var n int
			err := w.DB.Read(t.Context(), func(tx *sqldb.Tx) error { return tx.Row(`SELECT count(*) FROM ` + table).Scan(&n) })
			if err != nil || n != 0 {
				t.Errorf("%s: %d rows left, error %v", table, n, err)
			}
		}
	})
}

func TestTxnsForgotten(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.send(t, "old", sent{})
		w.now = w.now.Add(txnAge + time.Minute)
		w.send(t, "new", sent{})
		var n int
		err := w.DB.Read(t.Context(), func(tx *sqldb.Tx) error { return tx.Row(`SELECT count(*) FROM inbox_txn`).Scan(&n) })
		if err != nil || n != 1 {
			t.Errorf("%d transactions are remembered, error %v, want 1", n, err)
		}
	})
}

func BenchmarkSend(b *testing.B) {
	db := sqldbtest.SQLite(b, schema.FS)
	devices := make(map[id.Device]string)
	m := make(map[id.Device]json.RawMessage)
	for i := range 250 { // what a client sends at once to a large room
		device := id.Device(fmt.Sprint(i))
		devices[device], m[device] = "", json.RawMessage(`{"ciphertext":"`+strings.Repeat("x", 1000)+`"}`)
	}
	box := New(Config{
		DB: db, Server: "here", Now: time.Now, Wake: func(...string) {},
		Devices: func(*sqldb.Tx, id.User) (map[id.Device]string, error) { return devices, nil },
	})
	n := 0
	for b.Loop() {
		n++
		if n%100 == 0 {
			b.StopTimer()
			for device := range devices {
				if err := box.Ack(b.Context(), bob, device, db.Committed()); err != nil {
					b.Fatal(err)
				}
			}
			b.StartTimer()
		}
		if err := box.Send(b.Context(), from(fmt.Sprint(n)), "m.room.encrypted", sent{bob: m}); err != nil {
			b.Fatal(err)
		}
	}
}
