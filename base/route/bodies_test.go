package route_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"freehold.example/base/route"
)

// held is a body that stops before its end until it may go on.
type held struct {
	text            string
	counted, resume chan struct{}
}

func (h *held) Read(p []byte) (int, error) {
	if h.text == "" {
		close(h.counted) // what came before has been counted
		<-h.resume
		return 0, io.EOF
	}
	n := copy(p, h.text)
	h.text = h.text[n:]
	return n, nil
}

// All bodies in memory share a budget: beyond it a request is told to come back, and what is over is given back.
func TestBodiesAreBounded(t *testing.T) {
	table, _ := newTable(t, apiRows(), func(c *route.Config[call]) { c.Bodies = 1000 })
	const at = "/v3/rooms/!r:b/state/m.x/k"
	body := func(n int) string { return `{"name":"` + strings.Repeat("x", n) + `"}` }

	in := &held{text: body(600), counted: make(chan struct{}), resume: make(chan struct{})}
	r := httptest.NewRequest(http.MethodPut, at, in)
	r.ContentLength = -1
	r.Header.Set("Authorization", "Bearer good")
	first := httptest.NewRecorder()
	done := make(chan struct{})
	go func() { defer close(done); table.ServeHTTP(first, r) }()
	<-in.counted

	w := do(table, "PUT", at, body(600), "Authorization", "Bearer good")
	if w.Code != http.StatusServiceUnavailable || errcode(t, w) != "M_LIMIT_EXCEEDED" || w.Header().Get("Retry-After") == "" {
		t.Errorf("a second body: got %d %v %s", w.Code, w.Header(), w.Body)
	}
	if w := do(table, "PUT", at, body(100), "Authorization", "Bearer good"); w.Code != http.StatusOK {
		t.Errorf("a small one: got %d %s", w.Code, w.Body)
	}
	close(in.resume)
	<-done
	if first.Code != http.StatusOK {
		t.Errorf("the first: got %d %s", first.Code, first.Body)
	}
	if w := do(table, "PUT", at, body(600), "Authorization", "Bearer good"); w.Code != http.StatusOK {
		t.Errorf("after the first: got %d %s", w.Code, w.Body)
	}
}
