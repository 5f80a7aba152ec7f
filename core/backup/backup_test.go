package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const (
	alice id.User = "@alice:here"
	bob   id.User = "@bob:here"
	algo          = "m.megolm_backup.v1"
)

var auth = json.RawMessage(`{"anything":"goes"}`)

func each(t *testing.T, fn func(t *testing.T, b *Backups)) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) { fn(t, New(db)) })
}

func create(t *testing.T, b *Backups, user id.User) string {
	t.Helper()
	v, err := b.Create(t.Context(), user, algo, auth)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func key(room id.Room, session string) Key {
	return Key{Room: room, Session: session, FirstMessageIndex: 5, ForwardedCount: 5, Data: json.RawMessage(`{"a":"` + session + `"}`)}
}

func store(t *testing.T, b *Backups, version string, keys ...Key) State {
	t.Helper()
	s, err := b.Put(t.Context(), alice, version, keys)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// list is the keys of a part of alice's backup as "room/session".
func list(t *testing.T, b *Backups, version string, room id.Room) string {
	t.Helper()
	var out []string
	err := b.Each(t.Context(), alice, version, room, func(k *Key) error {
		out = append(out, string(k.Room)+"/"+k.Session)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, " ")
}

func wantFault(t *testing.T, what string, err error, code fault.Code) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Errorf("%s: got %v, want %s", what, err, code)
	}
}

func TestVersions(t *testing.T) { // B266
	each(t, func(t *testing.T, b *Backups) {
		ctx := t.Context()
		_, err := b.Current(ctx, alice)
		wantFault(t, "no backup", err, fault.NotFound)
		one, two := create(t, b, alice), create(t, b, alice)
		if one == two || one == "" {
			t.Fatalf("got versions %q and %q", one, two)
		}
		v, err := b.Current(ctx, alice)
		if err != nil || v.Version != two || v.Algorithm != algo || string(v.AuthData) != string(auth) || v.Keys != 0 || v.ETag == "" {
			t.Errorf("current: got %+v, %v", v, err)
		}
		if err := b.Update(ctx, alice, one, algo, json.RawMessage(`{"b":1}`)); err != nil {
			t.Error(err)
		}
		if v, err := b.Version(ctx, alice, one); err != nil || string(v.AuthData) != `{"b":1}` {
			t.Errorf("updated: got %+v, %v", v, err)
		}
		wantFault(t, "another algorithm", b.Update(ctx, alice, one, "x", auth), fault.InvalidParam)
		wantFault(t, "another user's", b.Update(ctx, bob, one, algo, auth), fault.NotFound)
		if err := b.Delete(ctx, alice, two); err != nil {
			t.Error(err)
		}
		if v, err := b.Current(ctx, alice); err != nil || v.Version != one {
			t.Errorf("current after a deletion: got %+v, %v; want %s", v, err, one)
		}
		_, err = b.Version(ctx, alice, two)
		wantFault(t, "deleted", err, fault.NotFound)
		wantFault(t, "update deleted", b.Update(ctx, alice, two, algo, auth), fault.NotFound)
		if err := b.Delete(ctx, alice, two); err != nil {
			t.Errorf("deleted again: %v", err)
		}
		for _, unknown := range []string{"99", "x", "", "01", "+1", "-1", "99999999999999999999"} {
			_, err := b.Version(ctx, alice, unknown)
			wantFault(t, unknown, err, fault.NotFound)
			wantFault(t, "delete "+unknown, b.Delete(ctx, alice, unknown), fault.NotFound)
		}
		if three := create(t, b, alice); three == one || three == two {
			t.Errorf("version %s was given twice", three)
		}
	})
}

func TestCreateRefused(t *testing.T) {
	each(t, func(t *testing.T, b *Backups) {
		for _, tt := range []struct {
			algorithm, auth string
			want            fault.Code
		}{
			{"", `{}`, fault.BadJSON},
			{algo, ``, fault.BadJSON},
			{algo, `"x"`, fault.BadJSON},
			{algo, `{"x":"` + strings.Repeat("x", MaxAuthData) + `"}`, fault.TooLarge},
		} {
			_, err := b.Create(t.Context(), alice, tt.algorithm, json.RawMessage(tt.auth))
			wantFault(t, tt.algorithm+" "+tt.auth[:min(10, len(tt.auth))], err, tt.want)
		}
		for range MaxVersions {
			create(t, b, alice)
		}
		_, err := b.Create(t.Context(), alice, algo, auth)
		wantFault(t, "too many", err, fault.TooLarge)
		create(t, b, bob)
	})
}

func TestReplace(t *testing.T) { // B267-B269
	meta := func(k Key) string { return fmt.Sprintf("%v/%d/%d", k.Verified, k.FirstMessageIndex, k.ForwardedCount) }
	tests := []struct {
		name     string
		old, new Key
		replaced bool
	}{
		{"equal", Key{}, Key{}, false},
		{"verified for unverified", Key{}, Key{Verified: true, FirstMessageIndex: 9, ForwardedCount: 9}, true},
		{"unverified for verified", Key{Verified: true, FirstMessageIndex: 9, ForwardedCount: 9}, Key{}, false},
		{"higher index", Key{ForwardedCount: 9}, Key{FirstMessageIndex: 1}, false},
		{"lower index", Key{FirstMessageIndex: 1}, Key{ForwardedCount: 9}, true},
		{"more forwards", Key{}, Key{ForwardedCount: 1}, false},
		{"fewer forwards", Key{ForwardedCount: 1}, Key{}, true},
		{"verified, higher index", Key{Verified: true}, Key{Verified: true, FirstMessageIndex: 1}, false},
		{"verified, lower index", Key{Verified: true, FirstMessageIndex: 1}, Key{Verified: true}, true},
		{"verified, more forwards", Key{Verified: true}, Key{Verified: true, ForwardedCount: 1}, false},
		{"verified, fewer forwards", Key{Verified: true, ForwardedCount: 1}, Key{Verified: true}, true},
	}
	each(t, func(t *testing.T, b *Backups) {
		version := create(t, b, alice)
		for i, tt := range tests {
			tt.old.Room, tt.new.Room = "!nowhere:else", "!nowhere:else" // B270
			tt.old.Session, tt.new.Session = fmt.Sprint(i), fmt.Sprint(i)
			tt.old.Data, tt.new.Data = json.RawMessage(`{"old":1}`), json.RawMessage(`{"new":1}`)
			first := store(t, b, version, tt.old)
			second := store(t, b, version, tt.new)
			got, err := b.Get(t.Context(), alice, version, tt.old.Room, tt.old.Session)
			if err != nil {
				t.Fatal(err)
			}
			want := tt.old
			if tt.replaced {
				want = tt.new
			}
			if meta(*got) != meta(want) || string(got.Data) != string(want.Data) {
				t.Errorf("%s: got %s %s, want %s %s", tt.name, meta(*got), got.Data, meta(want), want.Data)
			}
			if (first.ETag != second.ETag) != tt.replaced || first.Keys != int64(i+1) || second.Keys != first.Keys {
				t.Errorf("%s: states %+v, then %+v", tt.name, first, second)
			}
		}
	})
}

func TestPutRefused(t *testing.T) {
	each(t, func(t *testing.T, b *Backups) {
		ctx, good := t.Context(), key("!r:x", "s")
		_, err := b.Put(ctx, alice, "1", []Key{good})
		wantFault(t, "no backup", err, fault.NotFound)
		old, now := create(t, b, alice), create(t, b, alice)
		for _, v := range []string{old, "99", "x"} {
			_, err := b.Put(ctx, alice, v, []Key{good})
			wantFault(t, v, err, fault.WrongRoomKeysVersion)
			if f, ok := errors.AsType[*fault.Fault](err); !ok || f.Extra["current_version"] != now || f.Status != 403 {
				t.Errorf("%s: got %+v, want current_version %s", v, err, now)
			}
		}
		edit := func(change func(k *Key)) Key { k := good; change(&k); return k }
		for name, tt := range map[string]struct {
			key  Key
			want fault.Code
		}{
			"no session":      {edit(func(k *Key) { k.Session = "" }), fault.InvalidParam},
			"long session":    {edit(func(k *Key) { k.Session = strings.Repeat("x", 256) }), fault.InvalidParam},
			"not an object":   {edit(func(k *Key) { k.Data = json.RawMessage(`"x"`) }), fault.BadJSON},
			"large":           {edit(func(k *Key) { k.Data = json.RawMessage(`{"x":"` + strings.Repeat("x", MaxSessionData) + `"}`) }), fault.TooLarge},
			"negative index":  {edit(func(k *Key) { k.FirstMessageIndex = -1 }), fault.BadJSON},
			"negative number": {edit(func(k *Key) { k.ForwardedCount = -1 }), fault.BadJSON},
		} {
			_, err := b.Put(ctx, alice, now, []Key{good, tt.key})
			wantFault(t, name, err, tt.want)
		}
		_, err = b.Put(ctx, alice, now, make([]Key, MaxBatch+1))
		wantFault(t, "many", err, fault.TooLarge)
		if v, err := b.Current(ctx, alice); err != nil || v.Keys != 0 {
			t.Errorf("refused keys were stored: %+v, %v", v, err)
		}
		err = b.DB.Write(ctx, func(tx *sqldb.Tx) error {
			_, err := tx.Exec(`UPDATE backup_version SET bytes = $1`, MaxBytes)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.Put(ctx, alice, now, []Key{good})
		wantFault(t, "full", err, fault.TooLarge)
	})
}

func TestParts(t *testing.T) {
	each(t, func(t *testing.T, b *Backups) {
		ctx, version := t.Context(), create(t, b, alice)
		store(t, b, version, key("!b:x", "2"), key("!a:x", "1"), key("!b:x", "1"), key("!c", "1"), key("!\U0010FFFF:x", "\U0010FFFF"))
		const all = "!a:x/1 !b:x/1 !b:x/2 !c/1 !\U0010FFFF:x/\U0010FFFF"
		for room, want := range map[id.Room]string{"": all, "!b:x": "!b:x/1 !b:x/2", "!none:x": ""} {
			if got := list(t, b, version, room); got != want {
				t.Errorf("%q: got %q, want %q", room, got, want)
			}
		}
		_, err := b.Get(ctx, alice, version, "!a:x", "2")
		wantFault(t, "no such session", err, fault.NotFound)
		_, err = b.Get(ctx, alice, "99", "!a:x", "1")
		wantFault(t, "no such version", err, fault.NotFound)
		wantFault(t, "another user's", b.Each(ctx, bob, version, "", nil), fault.NotFound)

		etag := ""
		for _, s := range []struct {
			part Part
			left int64
			same bool
		}{
			{Part{"!b:x", "9"}, 5, false},
			{Part{"!b:x", "1"}, 4, false},
			{Part{"!b:x", "1"}, 4, true},
			{Part{Room: "!b:x"}, 3, false},
			{Part{Room: "!b:x"}, 3, true},
			{Part{}, 0, false},
		} {
			got, err := b.Remove(ctx, alice, version, s.part)
			if err != nil || got.Keys != s.left || (got.ETag == etag) != s.same {
				t.Errorf("remove %+v: got %+v (before: %s), %v; want %d keys", s.part, got, etag, err, s.left)
			}
			etag = got.ETag
		}
		if got := list(t, b, version, ""); got != "" {
			t.Errorf("left: %q", got)
		}
		var bytes int64
		err = b.DB.Read(ctx, func(tx *sqldb.Tx) error { return tx.Row(`SELECT bytes FROM backup_version`).Scan(&bytes) })
		if err != nil || bytes != 0 {
			t.Errorf("an empty backup counts %d bytes, error %v", bytes, err)
		}
		_, err = b.Remove(ctx, alice, "99", Part{})
		wantFault(t, "remove from no backup", err, fault.NotFound)
	})
}

func TestForget(t *testing.T) {
	each(t, func(t *testing.T, b *Backups) {
		one, two := create(t, b, alice), create(t, b, alice)
		theirs := create(t, b, bob)
		store(t, b, two, key("!a:x", "1"))
		if err := b.Forget(t.Context(), alice); err != nil {
			t.Fatal(err)
		}
		for _, v := range []string{one, two} {
			_, err := b.Version(t.Context(), alice, v)
			wantFault(t, v, err, fault.NotFound)
		}
		if _, err := b.Version(t.Context(), bob, theirs); err != nil {
			t.Errorf("another user's backup: %v", err)
		}
		var n int
		err := b.DB.Read(t.Context(), func(tx *sqldb.Tx) error { return tx.Row(`SELECT count(*) FROM backup_key`).Scan(&n) })
		if err != nil || n != 0 {
			t.Errorf("%d keys left, error %v", n, err)
		}
	})
}

// More keys than are read or deleted at once.
func TestLarge(t *testing.T) {
	each(t, func(t *testing.T, b *Backups) {
		version := create(t, b, alice)
		const rooms, sessions = 3, purged/2 + 7
		var keys []Key
		for r := range rooms {
			for s := range sessions {
				keys = append(keys, key(id.Room(fmt.Sprintf("!%d:x", r)), fmt.Sprint(s)))
			}
		}
		if s := store(t, b, version, keys...); s.Keys != rooms*sessions {
			t.Errorf("got %d keys, want %d", s.Keys, rooms*sessions)
		}
		seen := strings.Fields(list(t, b, version, ""))
		unique := make(map[string]bool)
		for _, k := range seen {
			unique[k] = true
		}
		if len(seen) != rooms*sessions || len(unique) != len(seen) {
			t.Errorf("read %d keys, %d different, want %d", len(seen), len(unique), rooms*sessions)
		}
		if n := len(strings.Fields(list(t, b, version, "!1:x"))); n != sessions {
			t.Errorf("one room: read %d keys, want %d", n, sessions)
		}
		if err := b.Delete(t.Context(), alice, version); err != nil {
			t.Fatal(err)
		}
		var n int
		err := b.DB.Read(t.Context(), func(tx *sqldb.Tx) error { return tx.Row(`SELECT count(*) FROM backup_key`).Scan(&n) })
		if err != nil || n != 0 {
			t.Errorf("%d keys left, error %v", n, err)
		}
	})
}
