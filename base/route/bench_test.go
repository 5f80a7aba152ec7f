package route_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"freehold.example/base/limit"
	"freehold.example/base/route"
)

// What a request costs besides its endpoint, with limits, metrics and a log record. Target: under 5 us.
func BenchmarkRequest(b *testing.B) {
	m, err := route.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	table, _ := newTable(b, apiRows(), func(c *route.Config[call]) {
		c.Metrics = m
		c.Log = slog.New(slog.NewJSONHandler(io.Discard, nil))
		c.Limits = limit.New(limit.Config{Rates: map[limit.Name]limit.Rate{}}, time.Now)
	})
	for _, bench := range []struct{ name, method, target, body string }{
		{"get", "GET", "/v3/versions", ""},
		{"query", "GET", "/v3/rooms/!r:b/state/m.room.member/@a:b?limit=10&from=s1", ""},
		{"body", "PUT", "/v3/rooms/!r:b/state/m.room.member/@a:b", `{"name":"n","count":12}`},
		{"raw", "PUT", "/v3/send/1", `{"msgtype":"m.text","body":"hello"}`},
	} {
		b.Run(bench.name, func(b *testing.B) {
			r := httptest.NewRequest(bench.method, bench.target, nil)
			r.Header.Set("Authorization", "Bearer good")
			body := strings.NewReader(bench.body)
			w := discard{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.h)
				if bench.body != "" {
					body.Reset(bench.body)
					r.Body, r.ContentLength = io.NopCloser(body), int64(len(bench.body))
				}
				table.ServeHTTP(w, r)
			}
		})
	}
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}
