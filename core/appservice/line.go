package appservice

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"freehold.example/base/dial"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/fault"
)

// Line is the way to all application services.
type Line struct {
	client *http.Client
	now    func() time.Time
}

const (
	sendTime  = 2 * time.Minute // a bridge may be busy with a transaction for long
	pingTime  = 30 * time.Second
	maxAnswer = 256 << 10
	perHost   = maxAsked + 8 // connections: what is asked, pings, and the transactions of a few services at one address
)

// NewLine declares at the door why it is used.
func NewLine(door *dial.Door, now func() time.Time) (*Line, error) {
	way, err := door.Declare(dial.Reason{
		Name: "appservice", Target: "application services that the operator has registered", Setting: "appservices_dir",
		Stops: "bridges and bots do not hear of what is said; they are told when they are back", Reach: dial.Everywhere,
	})
	if err != nil {
		return nil, err
	}
	client := way.Client(dial.HTTP{Total: sendTime, Stall: sendTime, MaxBody: maxAnswer, PerHost: perHost})
	return &Line{client: client, now: now}, nil
}

// request is one request to a service.
type request struct {
	method string
	path   []string // its segments below the service's address
	legacy []string // the same before paths had versions; nil where there was none
	query  url.Values
	body   []byte
}

// call makes a request. A service that does not know the path is asked by the older one ("Legacy routes").
func (l *Line) call(ctx context.Context, s *Service, r request) (status int, answer []byte, err error) {
	status, answer, err = l.do(ctx, s, r, r.path)
	if err == nil && r.legacy != nil && unrecognized(status, answer) {
		return l.do(ctx, s, r, r.legacy)
	}
	return status, answer, err
}

// do makes a request by the token that the service knows this server by.
func (l *Line) do(ctx context.Context, s *Service, r request, path []string) (status int, answer []byte, err error) {
	escaped := make([]string, len(path))
	for i, segment := range path {
		escaped[i] = url.PathEscape(segment)
	}
	to := s.URL.JoinPath(escaped...)
	to.RawQuery = r.query.Encode()
	req, err := http.NewRequestWithContext(ctx, r.method, to.String(), bytes.NewReader(r.body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+s.hsToken)
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := l.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// unrecognized says whether an answer is that of a server which does not know the path. One that names another error does.
func unrecognized(status int, answer []byte) bool {
	if status != http.StatusNotFound && status != http.StatusMethodNotAllowed && status != http.StatusNotImplemented {
		return false
	}
	var e struct {
		Code string `json:"errcode"`
	}
	return json.Unmarshal(answer, &e) != nil || e.Code == "" || e.Code == string(fault.Unrecognized)
}

// Ping asks whether a service can be reached, and how long it took (Application Service API, "Pinging"). txn is handed on.
// Errors: M_URL_NOT_SET, M_BAD_STATUS, M_CONNECTION_FAILED, M_CONNECTION_TIMEOUT.
func (l *Line) Ping(ctx context.Context, s *Service, txn string) (time.Duration, error) {
	if s.URL == nil {
		return 0, fault.New(fault.URLNotSet, "The registration of this application service has no url")
	}
	question := map[string]string{}
	if txn != "" {
		question["transaction_id"] = txn
	}
	body, err := canon.Marshal(question)
	if err != nil {
		return 0, err
	}
	limited, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	began := l.now()
	status, answer, err := l.call(limited, s, request{method: http.MethodPost, path: app("ping"), body: body})
	took := l.now().Sub(began)
	switch {
	case err == nil && status == http.StatusOK:
		return took, nil
	case err == nil:
		return 0, fault.Newf(fault.BadStatus, "The application service answered the ping with %d", status).
			With("status", status).With("body", string(answer))
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case slow(err):
		return 0, fault.New(fault.ConnectionTimeout, "The application service did not answer in time").Because(err)
	}
	return 0, fault.New(fault.ConnectionFailed, "The application service cannot be reached").Because(err)
}

// app is a path of the version that all are of.
func app(segments ...string) []string { return append([]string{"_matrix", "app", "v1"}, segments...) }

// slow says whether a request came to nothing because there was no answer in time.
func slow(err error) bool {
	var late net.Error
	return errors.As(err, &late) && late.Timeout() || errors.Is(err, dial.ErrStalled)
}
