package inbox

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

func edu(sender id.User, messageID, messages string) json.RawMessage {
	return fmt.Appendf(nil, `{"sender":%q,"type":"m.test","message_id":%q,"messages":%s}`, sender, messageID, messages)
}

// What another server sends is delivered once, to the devices that there are.
func TestReceive(t *testing.T) { // B246
	each(t, func(t *testing.T, w *world) {
		first := edu("@zoe:there", "1", `{"@bob:here":{"*":{"n":1},"B2":{"n":2}},"@nobody:here":{"X":{}},"@x:there":{"X":{}}}`)
		for range 3 {
			if err := w.Receive(t.Context(), "there", first); err != nil {
				t.Fatal(err)
			}
			w.now = w.now.Add(24 * time.Hour)
		}
		want := map[id.Device]int{"B1": 1, "B2": 2, "B3": 1}
		for device, n := range want {
			got, _ := w.since(t, bob, device, 0, 10)
			if got != fmt.Sprintf(`{"content":{"n":%d},"sender":"@zoe:there","type":"m.test"}`, n) {
				t.Errorf("%s has %s", device, got)
			}
		}
		// The same id of another server is another message.
		if err := w.Receive(t.Context(), "elsewhere", edu("@zoe:elsewhere", "1", `{"@bob:here":{"B1":{}}}`)); err != nil {
			t.Fatal(err)
		}
		if got, _ := w.since(t, bob, "B1", 0, 10); strings.Count(got, "sender") != 2 {
			t.Errorf("B1 has %s", got)
		}
		if got := w.sent(t); !strings.HasPrefix(got, "elsewhere:1/") || !strings.Contains(got, " there:3/") {
			t.Errorf("counted %s", got)
		}
		for device := range want {
			if err := w.Ack(t.Context(), bob, device, w.DB.Committed()); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.sent(t) + w.sizes(t); got != "" {
			t.Errorf("left behind: %s", got)
		}
	})
}

func TestReceiveRefuses(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ok := `{"@bob:here":{"B1":{}}}`
		for _, c := range []struct {
			content json.RawMessage
			code    fault.Code
		}{
			{[]byte(`[]`), fault.BadJSON},
			{[]byte(`{"messages":[]}`), fault.BadJSON},
			{edu("zoe", "1", ok), fault.BadJSON},
			{edu("@zoe:elsewhere", "1", ok), fault.Forbidden},
			{edu(bob, "1", ok), fault.Forbidden},
			{edu("@zoe:there", "", ok), fault.InvalidParam},
			{edu("@zoe:there", strings.Repeat("x", 256), ok), fault.InvalidParam},
			{[]byte(`{"sender":"@zoe:there","message_id":"1","messages":` + ok + `}`), fault.InvalidParam},
			{edu("@zoe:there", "1", `{"@bob:here":{"B1":7}}`), fault.BadJSON},
			{edu("@zoe:there", "1", `{"@bob:here":{"B1":{"x":"`+strings.Repeat("x", MaxContent)+`"}}}`), fault.TooLarge},
		} {
			if err := w.Receive(t.Context(), "there", c.content); !fault.Is(err, c.code) {
				t.Errorf("%.100s: got %v, want %s", c.content, err, c.code)
			}
		}
		if got := w.waiting(t, bob, "B1"); got != "" {
			t.Errorf("delivered %s", got)
		}
	})
}

// A device that has no room for more is left out, the others get theirs.
func TestReceiveFull(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		err := w.DB.Write(t.Context(), func(tx *sqldb.Tx) error {
			_, err := tx.Exec(`INSERT INTO inbox_size (user_id, device_id, sender, messages, bytes) VALUES
				($1, 'B1', 'there', $2, 0), ($1, 'B1', '', $2, 0), ($1, 'B2', '', 1, $3)`, bob, serverMessages, deviceBytes)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Receive(t.Context(), "there", edu("@zoe:there", "1", `{"@bob:here":{"*":{}}}`)); err != nil {
			t.Fatal(err)
		}
		for _, d := range []id.Device{"B1", "B2", "B3"} {
			if got, _ := w.since(t, bob, d, 0, 10); (got != "") != (d == "B3") {
				t.Errorf("%s has %q", d, got)
			}
		}
		if got := w.sent(t); !strings.HasPrefix(got, "there:1/") {
			t.Errorf("counted %s", got)
		}
	})
}

// What is for others goes to each server once, in parts of a moderate size, and a repeated request sends nothing.
func TestPassOn(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		type queued struct {
			server  id.Server
			content direct
		}
		var all []queued
		w.Queue = func(_ *sqldb.Tx, servers []id.Server, typ, key string, content []byte) error {
			var d direct
			if err := json.Unmarshal(content, &d); err != nil || len(servers) != 1 || typ != ToDevice || key != "" {
				t.Errorf("queued %v %q %q: %v", servers, typ, key, err)
			}
			all = append(all, queued{servers[0], d})
			return nil
		}
		large := fmt.Sprintf(`{"x":%q}`, strings.Repeat("x", 40<<10))
		m := sent{
			"@a:there": {"*": json.RawMessage(`{"n":1}`), "A": json.RawMessage(large)}, "@b:there": {"B": json.RawMessage(large)},
			"@c:other": {"C": json.RawMessage(`{"n":2}`)}, bob: {"B1": json.RawMessage(`{"n":3}`)}, "nobody": {"X": json.RawMessage(`{}`)},
		}
		for range 2 {
			w.send(t, "1", m)
		}
		rehearsed := make(map[string]bool)
		var got []string
		for _, q := range all {
			if rehearsed[q.content.MessageID] {
				continue
			}
			rehearsed[q.content.MessageID] = true
			var to []string
			for user, devices := range q.content.Messages {
				for device := range devices {
					to = append(to, fmt.Sprint(user, "/", device))
				}
			}
			got = append(got, fmt.Sprint(q.server, " ", len(to)))
			if q.content.Sender != alice || q.content.Type != "m.test" || len(q.content.MessageID) > 32 {
				t.Errorf("sent %+v", q.content)
			}
		}
		if want := "other 1, there 2, there 1"; strings.Join(got, ", ") != want {
			t.Errorf("sent %v, want %s", got, want)
		}
		if got := w.waiting(t, bob, "B1"); got != `{"n":3}` {
			t.Errorf("bob has %s", got)
		}
	})
}
