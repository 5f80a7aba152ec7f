package remote

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/xmatrix"
)

// Subject is a server under test, as a remote sees it. Its certificate is not looked at.
type Subject struct {
	Name id.Server
	Addr string // host:port of its federation listener

	r      *Server
	client *http.Client

	mu   sync.Mutex
	keys map[id.Key]ed25519.PublicKey
}

// Meet makes a server under test known: by which name, and at which address it is found. Whoever is met gets the events of
// the rooms that its users are in.
func (s *Server) Meet(name id.Server, addr string) *Subject {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: name.Host()}, MaxIdleConnsPerHost: 16,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		},
	}
	s.t.Cleanup(transport.CloseIdleConnections)
	x := &Subject{
		Name: name, Addr: addr, r: s, keys: map[id.Key]ed25519.PublicKey{},
		client: &http.Client{Transport: transport, Timeout: time.Minute},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.others[name] = x
	return x
}

// Answer is what a server under test says.
type Answer struct {
	Status int
	Body   []byte

	t     testing.TB
	asked string
}

// OK fails the test unless the status is 200.
func (a *Answer) OK() *Answer {
	a.t.Helper()
	return a.Want(http.StatusOK, "")
}

// Want fails the test unless the answer has the status, and the error code, if one is named.
func (a *Answer) Want(status int, code string) *Answer {
	a.t.Helper()
	if a.Status != status || code != "" && a.Code() != code {
		a.t.Fatalf("%s: got %d %s, want %d %s", a.asked, a.Status, a.Body, status, code)
	}
	return a
}

// Code is the errcode of the answer.
func (a *Answer) Code() string {
	var e struct {
		Code string `json:"errcode"`
	}
	_ = json.Unmarshal(a.Body, &e) // what is no error has none
	return e.Code
}

// Decode reads the answer into v.
func (a *Answer) Decode(v any) {
	a.t.Helper()
	if err := json.Unmarshal(a.Body, v); err != nil {
		a.t.Fatalf("%s: %v in %s", a.asked, err, a.Body)
	}
}

// Do asks the server under test something, signed. body is nil for none, []byte or json.RawMessage as it is, and otherwise
// written as JSON. change may spoil the request once it has been signed.
func (x *Subject) Do(method, path string, body any, change ...func(*http.Request)) *Answer {
	x.r.t.Helper()
	a, err := x.TryDo(method, path, body, change...)
	if err != nil {
		x.r.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// TryDo is Do for any goroutine, and where the server under test may be away.
func (x *Subject) TryDo(method, path string, body any, change ...func(*http.Request)) (*Answer, error) {
	signed := xmatrix.Request{Method: method, URI: path, Destination: x.Name}
	switch b := body.(type) {
	case nil:
	case []byte:
		signed.Content = b
	case json.RawMessage:
		signed.Content = b
	default:
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		signed.Content = text
	}
	header, err := signed.Sign(x.r.Signer())
	if err != nil {
		return nil, err
	}
	q, err := http.NewRequestWithContext(context.Background(), method, "https://"+string(x.Name)+path, bytes.NewReader(signed.Content))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Authorization", header)
	if body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	for _, f := range change {
		f(q)
	}
	resp, err := x.client.Do(q)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	a := &Answer{Status: resp.StatusCode, t: x.r.t, asked: method + " " + path}
	a.Body, err = io.ReadAll(resp.Body)
	return a, err
}

// Path is a path with its segments escaped: Path("/_matrix/federation/v1/event", id).
func Path[S ~string](prefix string, segments ...S) string {
	var out strings.Builder
	out.WriteString(prefix)
	for _, s := range segments {
		out.WriteString("/" + url.PathEscape(string(s)))
	}
	return out.String()
}

// key is a public key of the server under test, which it is asked for.
func (x *Subject) key(key id.Key) (ed25519.PublicKey, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if public := x.keys[key]; public != nil {
		return public, nil
	}
	a, err := x.TryDo("GET", "/_matrix/key/v2/server", nil)
	if err != nil {
		return nil, err
	}
	type published struct {
		Key string `json:"key"`
	}
	var keys struct {
		Verify map[id.Key]published `json:"verify_keys"`
		Old    map[id.Key]published `json:"old_verify_keys"`
	}
	if err := json.Unmarshal(a.Body, &keys); err != nil {
		return nil, err
	}
	for _, of := range []map[id.Key]published{keys.Verify, keys.Old} {
		for k, p := range of {
			if public, err := base64.RawStdEncoding.DecodeString(p.Key); err == nil && len(public) == ed25519.PublicKeySize {
				x.keys[k] = public
			}
		}
	}
	if x.keys[key] == nil {
		return nil, fmt.Errorf("%s publishes no key %s", x.Name, key)
	}
	return x.keys[key], nil
}

// EDU is what is told beside the events.
type EDU struct {
	Type    string          `json:"edu_type"`
	Content json.RawMessage `json:"content"`
}

// MakeEDU is an EDU with a content that is written as JSON.
func MakeEDU(typ string, content any) EDU {
	b, err := json.Marshal(content)
	if err != nil {
		panic(err) // a test's own literal
	}
	return EDU{Type: typ, Content: b}
}

// Transaction sends events and EDUs to the server under test.
func (x *Subject) Transaction(edus []EDU, events ...*event.Event) *Answer {
	x.r.t.Helper()
	var raw []json.RawMessage
	for _, e := range events {
		raw = append(raw, e.Bytes())
	}
	return x.Raw(x.r.txn(), edus, raw...)
}

// Raw is Transaction under an id of the caller's, with events as any bytes.
func (x *Subject) Raw(txn string, edus []EDU, events ...json.RawMessage) *Answer {
	x.r.t.Helper()
	return x.Do("PUT", Path("/_matrix/federation/v1/send", txn), transaction(x.r.Name, edus, events))
}

func transaction(origin id.Server, edus []EDU, events []json.RawMessage) map[string]any {
	if events == nil {
		events = []json.RawMessage{}
	}
	body := map[string]any{"origin": origin, "origin_server_ts": time.Now().UnixMilli(), "pdus": events}
	if len(edus) > 0 {
		body["edus"] = edus
	}
	return body
}

// txn is a name for a transaction.
func (s *Server) txn() string { return fmt.Sprintf("r%d", s.names.Add(1)) }

// Accept sends events and fails the test unless the server under test took the transaction and refused none of them.
func (x *Subject) Accept(events ...*event.Event) {
	x.r.t.Helper()
	for len(events) > 0 {
		n := min(len(events), 50)
		x.Transaction(nil, events[:n]...).accepted()
		events = events[n:]
	}
}

func (a *Answer) accepted() {
	a.t.Helper()
	var said struct {
		PDUs map[id.Event]struct {
			Error string `json:"error"`
		} `json:"pdus"`
	}
	a.OK().Decode(&said)
	for e, result := range said.PDUs {
		if result.Error != "" {
			a.t.Fatalf("%s was refused: %s", e, result.Error)
		}
	}
}
