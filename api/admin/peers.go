package admin

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"freehold.example/core/outbox"
	"freehold.example/core/peer"
	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Other servers: what is known of each, what is still to be sent to it, and trying it now. Synapse's form has less of it.
// https://element-hq.github.io/synapse/latest/usage/administration/admin_api/federation.html
func peerRows[C any](t *table[C]) {
	const theirs, ours = "/_synapse/admin/v1/federation/destinations", "/_freehold/admin/v1/federation/servers"
	a := t.api
	looks(t, theirs, a.destinations)
	looks(t, theirs+"/{serverName}", a.destination)
	looks(t, theirs+"/{serverName}/rooms", a.destinationRooms)
	does(t, http.MethodPost, theirs+"/{serverName}/reset_connection", a.resetConnection)
	looks(t, ours, a.servers)
	looks(t, ours+"/{serverName}", a.server)
	does(t, http.MethodPost, ours+"/{serverName}/try", a.tryServer)
}

// Server is what is known of another homeserver. Times are in milliseconds since 1970, and null for never.
type Server struct {
	Name        id.Server `json:"server_name"`
	State       string    `json:"state"`                  // idle, sending, catching up, waiting, or silent: it was reached before and is not now
	Place       string    `json:"place,omitempty"`        // host and port
	How         string    `json:"found_by,omitempty"`     // how that was learnt
	Found       *int64    `json:"found_ts"`               // when
	Address     string    `json:"last_address,omitempty"` // at which it last answered
	Certificate string    `json:"certificate,omitempty"`  // who stands for its certificate, when it is no authority
	LastOK      *int64    `json:"last_success_ts"`        // within the hour; the last start is remembered no better
	LastFailed  *int64    `json:"last_failure_ts"`        // when it began to fail
	LastError   string    `json:"last_error,omitempty"`   // in plain words
	Silent      *int64    `json:"silent_since_ts"`        // null while it is reached
	Failures    int       `json:"failures"`               // in a row
	Next        *int64    `json:"next_try_ts"`            // null for whenever there is something to send
	Queue       Queue     `json:"queue"`
}

// Queue is what is still to be sent to a server.
type Queue struct {
	Events   int   `json:"events"`   // the latest
	Rooms    int   `json:"rooms"`    // in which it lacks more than that
	Messages int64 `json:"messages"` // that are no events: to devices, device lists
}

// others gathers what is known of all other servers, by name. Errors are those of the database.
func (a *API) others(ctx context.Context) ([]*Server, error) {
	const atOnce = 1000
	all := map[id.Server]*Server{}
	for after := id.Server(""); ; {
		page, err := a.Peers.Book(ctx, after, atOnce)
		if err != nil {
			return nil, err
		}
		for _, e := range page {
			all[e.Server] = shownPeer(e)
			after = e.Server
		}
		if len(page) < atOnce {
			break
		}
	}
	queues, err := a.Queues(ctx)
	if err != nil {
		return nil, err
	}
	for _, q := range queues {
		s := all[q.Server]
		if s == nil {
			s = &Server{Name: q.Server}
			all[q.Server] = s
		}
		s.add(q)
	}
	return slices.SortedFunc(maps.Values(all), func(x, y *Server) int { return cmp.Compare(x.Name, y.Name) }), nil
}

func shownPeer(e peer.Entry) *Server {
	s := &Server{
		Name: e.Server, State: string(outbox.Idle), Place: e.Route.Place(), How: e.Route.How, Found: ms(e.Found), Address: e.Route.Last, Certificate: e.Trust,
		LastOK: ms(e.LastOK), LastFailed: ms(e.LastFailed), LastError: e.LastError, Silent: ms(e.Silent), Failures: e.Failures, Next: ms(e.Next),
	}
	if s.Silent != nil {
		s.State = "silent"
	}
	return s
}

// add is what package outbox knows of the same server.
func (s *Server) add(q outbox.Destination) {
	s.Queue = Queue{Events: q.Events, Rooms: q.Rooms, Messages: q.Messages}
	if s.State != "silent" {
		s.State = string(q.State)
	}
	s.LastOK = latest(s.LastOK, ms(q.LastOK))
	if q.LastError != "" {
		if s.LastError == "" {
			s.LastError = q.LastError
		}
		s.LastFailed, s.Next = latest(s.LastFailed, ms(q.LastFailed)), latest(s.Next, ms(q.Next))
	}
}

func ms(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	n := t.UnixMilli()
	return &n
}

func latest(x, y *int64) *int64 {
	if x == nil || y != nil && *y > *x {
		return y
	}
	return x
}

// ServersRequest is GET /_freehold/admin/v1/federation/servers.
type ServersRequest struct {
	Pages
	Name  string `query:"name" json:"-"`  // part of it
	State string `query:"state" json:"-"` // only those
}

// ServersResponse is a page of other servers.
type ServersResponse struct {
	Servers []*Server `json:"servers"`
	Next    *int      `json:"next_token,omitempty"`
	Total   int       `json:"total"`
}

func (a *API) servers(ctx context.Context, r *ServersRequest) (*ServersResponse, error) {
	limit, err := r.check("server_name", "last_success_ts", "last_failure_ts", "queue")
	if err != nil {
		return nil, err
	}
	all, err := a.others(ctx)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(s *Server) bool {
		return !strings.Contains(string(s.Name), r.Name) || r.State != "" && s.State != r.State
	})
	r.sort(all, map[string]func(*Server) int64{
		"last_success_ts": func(s *Server) int64 { return or0(s.LastOK) },
		"last_failure_ts": func(s *Server) int64 { return or0(s.LastFailed) },
		"queue":           func(s *Server) int64 { return int64(s.Queue.Events+s.Queue.Rooms) + s.Queue.Messages },
	})
	page := all[min(r.From, len(all)):min(r.From+limit, len(all))]
	return &ServersResponse{Servers: append([]*Server{}, page...), Next: next(r.From, len(page), len(all)), Total: len(all)}, nil
}

// nextText is next for lists of which Synapse gives it as a string.
func nextText(from, shown, total int) *string {
	n := next(from, shown, total)
	if n == nil {
		return nil
	}
	text := strconv.Itoa(*n)
	return &text
}

func or0(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

// sort orders what is in the order of the names by something else, if that is asked for.
func (p *Pages) sort(all []*Server, by map[string]func(*Server) int64) {
	if value := by[p.Order]; value != nil {
		slices.SortStableFunc(all, func(x, y *Server) int { return cmp.Compare(value(x), value(y)) })
	}
	if p.Dir == "b" {
		slices.Reverse(all)
	}
}

// ServerRequest names another server.
type ServerRequest struct {
	Name id.Server `path:"serverName" json:"-"`
}

func (r *ServerRequest) deed() (string, any) { return string(r.Name), nil }

func (a *API) server(ctx context.Context, r *ServerRequest) (*Server, error) {
	all, err := a.others(ctx)
	if err != nil {
		return nil, err
	}
	i, found := slices.BinarySearchFunc(all, r.Name, func(s *Server, n id.Server) int { return cmp.Compare(s.Name, n) })
	if !found {
		return nil, fault.New(fault.NotFound, "This server has had nothing to do with that one")
	}
	return all[i], nil
}

// TryResponse is what came of trying to reach a server, step by step; the last step is the one that failed, if one did.
type TryResponse struct {
	OK    bool        `json:"ok"`
	Steps []peer.Step `json:"steps"`
}

func (a *API) tryServer(ctx context.Context, _ By, r *ServerRequest) (*TryResponse, error) {
	a.again(r.Name)
	steps := a.Peers.Examine(ctx, r.Name)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ok := steps[len(steps)-1].OK
	if ok {
		a.again(r.Name)
	}
	return &TryResponse{OK: ok, Steps: steps}, nil
}

// again has what waits for a server sent now.
func (a *API) again(server id.Server) {
	a.Peers.Again(server)
	a.Wake(server)
}

// Destination is another server in Synapse's form.
type Destination struct {
	Name     id.Server `json:"destination"`
	RetryAt  int64     `json:"retry_last_ts"`  // when it last failed; 0 while it does not
	Interval int64     `json:"retry_interval"` // milliseconds from then to the next attempt
	Failed   *int64    `json:"failure_ts"`     // when it began to fail
	Stream   *int64    `json:"last_successful_stream_ordering"`
}

func shownDestination(s *Server) *Destination {
	d := &Destination{Name: s.Name}
	if s.LastError == "" && s.Silent == nil {
		return d
	}
	d.Failed, d.RetryAt = s.LastFailed, or0(s.LastFailed)
	d.Interval = max(or0(s.Next)-d.RetryAt, 0)
	return d
}

// DestinationsRequest is GET /_synapse/admin/v1/federation/destinations.
type DestinationsRequest struct {
	Pages
	Name string `query:"destination" json:"-"` // part of it
}

// DestinationsResponse is a page of other servers.
type DestinationsResponse struct {
	Destinations []*Destination `json:"destinations"`
	Next         *string        `json:"next_token,omitempty"`
	Total        int            `json:"total"`
}

func (a *API) destinations(ctx context.Context, r *DestinationsRequest) (*DestinationsResponse, error) {
	limit, err := r.check("destination", "retry_last_ts", "retry_interval", "failure_ts", "last_successful_stream_ordering")
	if err != nil {
		return nil, err
	}
	all, err := a.others(ctx)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(s *Server) bool { return !strings.Contains(string(s.Name), r.Name) })
	r.sort(all, map[string]func(*Server) int64{
		"retry_last_ts":  func(s *Server) int64 { return shownDestination(s).RetryAt },
		"retry_interval": func(s *Server) int64 { return shownDestination(s).Interval },
		"failure_ts":     func(s *Server) int64 { return or0(shownDestination(s).Failed) },
	})
	out := &DestinationsResponse{Destinations: []*Destination{}, Total: len(all)}
	page := all[min(r.From, len(all)):min(r.From+limit, len(all))]
	for _, s := range page {
		out.Destinations = append(out.Destinations, shownDestination(s))
	}
	out.Next = nextText(r.From, len(page), len(all))
	return out, nil
}

func (a *API) destination(ctx context.Context, r *ServerRequest) (*Destination, error) {
	s, err := a.server(ctx, r)
	if err != nil {
		return nil, err
	}
	return shownDestination(s), nil
}

// DestinationRoomsRequest is GET /_synapse/admin/v1/federation/destinations/{destination}/rooms.
type DestinationRoomsRequest struct {
	Name id.Server `path:"serverName" json:"-"`
	Pages
}

// DestinationRoom is a room that is shared with another server.
type DestinationRoom struct {
	Room   id.Room `json:"room_id"`
	Stream int64   `json:"stream_ordering"` // always 0: here a position is nothing that can be shown
}

// DestinationRoomsResponse is a page of them.
type DestinationRoomsResponse struct {
	Rooms []DestinationRoom `json:"rooms"`
	Next  *string           `json:"next_token,omitempty"`
	Total int               `json:"total"`
}

func (a *API) destinationRooms(ctx context.Context, r *DestinationRoomsRequest) (*DestinationRoomsResponse, error) {
	limit, err := r.check("room_id")
	if err != nil {
		return nil, err
	}
	if _, err := a.server(ctx, &ServerRequest{Name: r.Name}); err != nil {
		return nil, err
	}
	all := []DestinationRoom{}
	err = a.Rooms.EachShared(ctx, func(in room.Shared) error {
		if slices.Contains(in.Servers, r.Name) {
			all = append(all, DestinationRoom{Room: in.Room})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if r.Dir == "b" {
		slices.Reverse(all)
	}
	page := all[min(r.From, len(all)):min(r.From+limit, len(all))]
	return &DestinationRoomsResponse{Rooms: page, Next: nextText(r.From, len(page), len(all)), Total: len(all)}, nil
}

// resetConnection has a server tried now, without waiting for what comes of it.
func (a *API) resetConnection(ctx context.Context, _ By, r *ServerRequest) (*csapi.Empty, error) {
	if _, err := a.server(ctx, r); err != nil {
		return nil, err
	}
	a.again(r.Name)
	return nil, nil
}
