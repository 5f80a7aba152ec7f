package route

import (
	"net/http/httptest"
	"testing"
)

func TestRemote(t *testing.T) {
	for _, c := range []struct {
		peer      string
		forwarded []string
		want      string
	}{
		{"192.0.2.1:99", nil, "192.0.2.1"},
		{"192.0.2.1:99", []string{"203.0.113.9"}, "192.0.2.1"},
		{"127.0.0.1:99", nil, "127.0.0.1"},
		{"127.0.0.1:99", []string{"203.0.113.9"}, "203.0.113.9"},
		{"127.0.0.1:99", []string{"10.0.0.1, 203.0.113.9"}, "203.0.113.9"},
		{"127.0.0.1:99", []string{"10.0.0.1", "203.0.113.9"}, "203.0.113.9"},
		{"[::1]:99", []string{"2001:db8::7"}, "2001:db8::7"},
		{"[::ffff:192.0.2.1]:99", nil, "192.0.2.1"},
		{"127.0.0.1:99", []string{"nonsense"}, "127.0.0.1"},
		{"@", nil, "invalid IP"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		for _, f := range c.forwarded {
			r.Header.Add("X-Forwarded-For", f)
		}
		if got := Remote(r).String(); got != c.want {
			t.Errorf("%s %q: got %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
}
