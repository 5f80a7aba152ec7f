package account

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
)

func TestConfirm(t *testing.T) {
	db := sqldbtest.SQLite(t, schema.FS)
	a, c := open(t, db, Config{})
	register(t, a, "alice")
	register(t, a, "bob")
	type params struct{ X string }
	op := func(name string, stages ...string) Operation {
		return Operation{User: "@alice:s1", Name: name, Params: params{"x"}, Flows: [][]string{stages}}
	}
	password := func(session, user, password string) *csapi.Auth {
		return &csapi.Auth{Type: StagePassword, Session: session, Identifier: &csapi.Identifier{Type: "m.id.user", User: user}, Password: password}
	}
	try := func(op Operation, auth *csapi.Auth) *fault.Fault {
		t.Helper()
		_, err := a.Confirm(context.Background(), op, auth)
		if err == nil {
			return nil
		}
		f, ok := errors.AsType[*fault.Fault](err)
		if !ok {
			t.Fatalf("got %v, want a fault", err)
		}
		return f
	}
	one := op("DELETE /devices/A", StagePassword)

	f := try(one, nil)
	if f == nil || f.Status != 401 || f.Code != "" || f.Extra["flows"] == nil || f.Extra["params"] == nil || f.Extra["session"] == "" {
		t.Fatalf("got %+v, want a challenge without an error code", f)
	}
	session := f.Extra["session"].(string)
	f = try(one, password(session, "alice", "wrong"))
	if f == nil || f.Status != 401 || f.Code != fault.Forbidden || f.Extra["session"] != session {
		t.Errorf("got %+v, want the same session with M_FORBIDDEN", f)
	}
	f = try(one, password(session, "bob", "secret bob"))
	if f == nil || f.Status != 403 || f.Code != fault.Forbidden {
		t.Errorf("got %+v, want 403", f)
	}
	f = try(op("DELETE /devices/B", StagePassword), password(session, "alice", "secret alice"))
	if f == nil || f.Status != 403 {
		t.Errorf("got %+v, want the session of another operation refused", f)
	}
	if f = try(one, password(session, "@alice:s1", "secret alice")); f != nil {
		t.Errorf("got %+v, want the operation allowed", f)
	}
	if f = try(one, &csapi.Auth{Session: session}); f == nil || f.Status != 401 || f.Extra["session"] == session {
		t.Errorf("got %+v, want a session to be good for one operation", f)
	}
	if f = try(one, password("", "alice", "secret alice")); f != nil {
		t.Errorf("got %+v, want one shot without a session to do", f)
	}
	if f = try(one, password("", "alice", "wrong")); f == nil || f.Code != fault.Forbidden || f.Extra["session"] == "" {
		t.Errorf("got %+v, want a session with the failure", f)
	}
	if f = try(one, &csapi.Auth{Type: StageDummy}); f == nil || f.Status != 401 || f.Code != fault.Unrecognized {
		t.Errorf("got %+v, want a stage that was not offered refused", f)
	}

	two := op("POST /two", StagePassword, StageDummy)
	if f = try(two, &csapi.Auth{Type: StageDummy}); f == nil || f.Extra["completed"] != nil {
		t.Errorf("got %+v, want the stages to be taken in order", f)
	}
	f = try(two, password("", "alice", "secret alice"))
	if f == nil || f.Code != "" || len(f.Extra["completed"].([]string)) != 1 {
		t.Fatalf("got %+v, want one stage completed", f)
	}
	session = f.Extra["session"].(string)
	if f = try(two, password(session, "alice", "wrong")); f == nil || f.Code != "" {
		t.Errorf("got %+v, want a completed stage not to be tried again", f)
	}
	changed := two
	changed.Params = params{"y"}
	if f = try(changed, &csapi.Auth{Type: StageDummy, Session: session}); f == nil || f.Status != 403 {
		t.Errorf("got %+v, want changed parameters refused", f)
	}
	if f = try(two, &csapi.Auth{Type: StageDummy, Session: session}); f != nil {
		t.Errorf("got %+v, want the operation allowed", f)
	}

	f = try(two, password("", "alice", "secret alice"))
	c.add(confirmFor)
	if f = try(two, &csapi.Auth{Type: StageDummy, Session: f.Extra["session"].(string)}); f == nil {
		t.Error("want an expired session to be forgotten")
	}
}

// What is kept of a request that waits for its confirmation are keyed hashes: no password, in no form that can be guessed at
// without the memory of this process.
func TestConfirmationsHoldNoPassword(t *testing.T) {
	a, _ := open(t, sqldbtest.SQLite(t, schema.FS), Config{})
	register(t, a, "alice")
	secrets := []string{"new secret", "secret alice", "wrong secret"}
	op := Operation{
		User: "@alice:s1", Name: "POST /account/password", Flows: [][]string{{StagePassword, StageDummy}},
		Params: csapi.PasswordRequest{NewPassword: secrets[0]},
	}
	for _, p := range secrets[1:] {
		_, err := a.Confirm(t.Context(), op, &csapi.Auth{Type: StagePassword, User: "alice", Password: p})
		if err == nil {
			t.Fatal("a stage was skipped")
		}
	}
	if len(a.confirm.byID) != 2 {
		t.Fatalf("got %d sessions, want 2", len(a.confirm.byID))
	}
	for _, e := range a.confirm.byID {
		kept := fmt.Sprintf("%+v", *e.Value.(*confirmation))
		for _, p := range secrets {
			digest := sha256.Sum256([]byte(p))
			if strings.Contains(kept, p) || strings.Contains(kept, fmt.Sprint(digest)) {
				t.Errorf("%q is in %s", p, kept)
			}
		}
	}
}

func TestConfirmationsAreBounded(t *testing.T) {
	c := newConfirmations(time.Now)
	user := c.save(confirmation{})
	var last string
	for range confirmMax + 10 {
		last = c.save(confirmation{stranger: true})
	}
	if len(c.byID) != confirmMax+1 || c.queues[1].Len() != confirmMax {
		t.Errorf("got %d sessions, want %d", len(c.byID), confirmMax+1)
	}
	for _, id := range []string{user, last} {
		if _, ok := c.find(id); !ok {
			t.Error("want a user's session and the newest to be there")
		}
	}
}

// Many requests may take the stages of one session at the same time.
func TestConfirmConcurrently(t *testing.T) {
	a, _ := open(t, sqldbtest.SQLite(t, schema.FS), Config{})
	register(t, a, "alice")
	op := Operation{User: "@alice:s1", Name: "POST /x", Flows: [][]string{{StagePassword}}}
	_, err := a.Confirm(t.Context(), op, nil)
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok {
		t.Fatalf("got %v, want a fault with a session", err)
	}
	session := f.Extra["session"].(string)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			right := &csapi.Auth{Type: StagePassword, Session: session, User: "alice", Password: "secret alice"}
			if _, err := a.Confirm(t.Context(), op, right); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			wrong := &csapi.Auth{Type: StagePassword, Session: session, User: "alice", Password: "wrong"}
			_, err := a.Confirm(t.Context(), op, wrong)
			wantFault(t, err, fault.Forbidden)
		})
	}
	wg.Wait()
}
