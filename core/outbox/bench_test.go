package outbox_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/peer"
	"freehold.example/core/schema"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/xmatrix"
)

// cpu is the processor time that this process has used, in nanoseconds.
func cpu() int64 {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		return 0
	}
	return use.Utime.Nano() + use.Stime.Nano()
}

// wire is the other servers behind HTTP/1.1 in memory, one connection each, every request signed as core/peer signs it. What
// it does not have is TLS, which costs a connection and not a transaction.
type wire struct {
	signer event.Signer
	taken  atomic.Int64
	http   http.Client
}

func newWire() *wire {
	w := &wire{signer: event.Signer{Server: "a.test", Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}}
	lines := &pipes{in: make(chan net.Conn)}
	far := http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(rw, `{"pdus":{}}`)
		w.taken.Add(1)
	})}
	go func() { _ = far.Serve(lines) }()
	w.http.Transport = &http.Transport{DialContext: lines.dial, MaxIdleConnsPerHost: 2}
	return w
}

func (w *wire) Next(id.Server) time.Time { return time.Time{} }

func (w *wire) Ask(ctx context.Context, q peer.Question, out any) error {
	r, err := request(ctx, w.signer, q)
	if err != nil {
		return err
	}
	resp, err := w.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(out)
}

// request makes the signed request as core/peer does.
func request(ctx context.Context, signer event.Signer, q peer.Question) (*http.Request, error) {
	content, err := json.Marshal(q.Content)
	if err != nil {
		return nil, err
	}
	header, err := xmatrix.Request{Method: q.Method, URI: q.Path, Destination: q.Server, Content: content}.Sign(signer)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, q.Method, "http://"+string(q.Server)+q.Path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", header)
	return r, nil
}

// pipes is a listener in memory.
type pipes struct{ in chan net.Conn }

func (p *pipes) Accept() (net.Conn, error) { return <-p.in, nil }
func (p *pipes) Close() error              { return nil }
func (p *pipes) Addr() net.Addr            { return &net.IPAddr{} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	p.in <- far
	return near, nil
}

// BenchmarkThousandServers is one event in a room on 1,000 servers. The figure is the processor time of all of it, the far sides
// too: the send, the sorting, the transactions and their answers.
func BenchmarkThousandServers(b *testing.B) {
	const n = 1000
	w := newWorld(b, sqldbtest.SQLite(b, schema.FS))
	in := w.create()
	w.stop()
	for i := range n {
		w.join(in, id.User(fmt.Sprintf("@u:s%d.test", i)))
	}
	err := w.db.Write(b.Context(), func(tx *sqldb.Tx) error { // as if there had been no outbox when they came
		_, err := tx.Exec(`UPDATE outbox_cursor SET pos = 0`)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	far := newWire()
	w.line = far
	w.start()
	b.Cleanup(func() { w.stop() })
	w.say(in, alice, "hello") // so that there are connections
	w.await("the first", func() bool { return far.taken.Load() >= n })
	w.await("that it is idle", func() bool { return w.quiet("s0.test") })
	var used int64
	for b.Loop() {
		before, began := far.taken.Load(), cpu()
		w.say(in, alice, "hello")
		w.await("all", func() bool { return far.taken.Load() == before+n })
		used += cpu() - began
	}
	b.ReportMetric(float64(used)/float64(b.N)/1e6, "cpu-ms/event")
}
