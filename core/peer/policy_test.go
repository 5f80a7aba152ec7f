package peer

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/fault"
)

func TestSignEvent(t *testing.T) {
	p := peers(t, sqldbtest.SQLite(t, schema.FS), clockAt(time.UnixMilli(1e12)), noRecords)
	r := newRemote(t, p)
	r.set(`{"` + string(r.name) + `":{"ed25519:policy_server":"c2ln"},"other":{"ed25519:policy_server":"bm8"}}`)
	got, err := p.SignEvent(t.Context(), r.name, []byte(`{"type":"m.room.message"}`))
	if err != nil || got != "c2ln" {
		t.Errorf("got %q, %v", got, err)
	}
	if r.seen.URL.Path != "/_matrix/policy/v1/sign" || r.seen.Method != http.MethodPost || string(r.body) != `{"type":"m.room.message"}` ||
		!strings.HasPrefix(r.seen.Header.Get("Authorization"), "X-Matrix ") {
		t.Errorf("it was asked %s %s with %s", r.seen.Method, r.seen.URL, r.body)
	}
	r.set(`{}`)
	if got, err := p.SignEvent(t.Context(), r.name, []byte(`{}`)); got != "" || err != nil {
		t.Errorf("no signature: got %q, %v", got, err)
	}
	r.answer(http.StatusBadRequest)
	_, err = p.SignEvent(t.Context(), r.name, []byte(`{}`))
	if f, ok := errors.AsType[*fault.Fault](err); !ok || f.Code != fault.Forbidden || f.Text != "no" || f.Status != http.StatusBadRequest {
		t.Errorf("refused: got %v", err)
	}
	for _, status := range []int{http.StatusInternalServerError, http.StatusFound} {
		r.answer(status)
		if _, err = p.SignEvent(t.Context(), r.name, []byte(`{}`)); !fault.Is(err, fault.ConnectionFailed) {
			t.Errorf("%d: got %v", status, err)
		}
	}
}
