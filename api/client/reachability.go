package client

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"freehold.example/base/limit"
	"freehold.example/base/park"
	"freehold.example/base/route"
	"freehold.example/core/feed"
	"freehold.example/core/reach"
	"freehold.example/matrix/id"
)

// Which side of a cut the server is on, for the apps of its users (docs/standing-alone.md): an extension of our own, which
// /versions names.
func (a *API) reachabilityRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/client/unstable/org.freehold.reachability", Auth: route.User, Limit: limit.Sync, Waits: true, Serve: route.Streamed(a.reachability)},
	}
}

// ReachabilityRequest asks how it stands.
type ReachabilityRequest struct {
	Since   string `query:"since"`   // the version that is known: the answer comes when it is another
	Timeout int64  `query:"timeout"` // milliseconds to wait for that
}

// ReachabilityResponse says it. Times are in milliseconds since 1970, and missing for never.
type ReachabilityResponse struct {
	Version string            `json:"version"` // another when a state is another, or a healing has got on
	Outside ReachableOutside  `json:"outside"`
	Servers []ReachableServer `json:"servers"` // of the user's rooms, those first that are not reached
	More    int               `json:"more,omitempty"`
}

// ReachableOutside is how it stands with the outside.
type ReachableOutside struct {
	State     reach.State `json:"state"` // reached, cut_off or unknown
	Since     int64       `json:"since_ts,omitempty"`
	Last      int64       `json:"last_contact_ts,omitempty"`
	Rehearsal bool        `json:"rehearsal,omitempty"` // the operator rehearses a cut
}

// ReachableServer is how it stands with another server.
type ReachableServer struct {
	Name    id.Server         `json:"server_name"`
	State   reach.State       `json:"state"` // reached, silent, healing or unknown
	Since   int64             `json:"since_ts,omitempty"`
	Last    int64             `json:"last_contact_ts,omitempty"`
	Waiting *ReachableWaiting `json:"waiting,omitempty"` // what waits to be sent to it
	Healing *ReachableHealing `json:"healing,omitempty"`
}

// ReachableWaiting is a queue.
type ReachableWaiting struct {
	Events   int   `json:"events"`
	Rooms    int   `json:"rooms"` // in which it lacks more than those
	Messages int64 `json:"messages"`
}

// ReachableHealing is how far a server has been told what it has missed.
type ReachableHealing struct {
	Left int `json:"rooms_left"`
	Of   int `json:"rooms"`
}

func (a *API) reachability(ctx context.Context, c *Call, r *ReachabilityRequest, to *route.Parts) error {
	timeout := time.Duration(min(max(r.Timeout, 0), feed.MaxWait.Milliseconds())) * time.Millisecond
	wait := park.Begin(ctx, a.Bus.Sleep(reach.Topic), timeout)
	defer wait.End()
	for last := r.Since == "" || wait.Over(); ; {
		v, err := a.Reach.Of(ctx, c.Session.User)
		if err != nil {
			return err
		}
		resp := reachabilityOf(v)
		if last || resp.Version != r.Since {
			answer, err := json.Marshal(resp)
			if err != nil {
				return err
			}
			return to.Whole(answer)
		}
		if last, err = wait.Sleep(ctx); err != nil {
			return err
		}
		if err := a.Accounts.Still(ctx, c.Session); err != nil {
			return err
		}
	}
}

// reachabilityOf is the answer. The version does not change with the times and numbers that change all the while.
func reachabilityOf(v *reach.View) *ReachabilityResponse {
	ms := func(t time.Time) int64 {
		if t.IsZero() {
			return 0
		}
		return t.UnixMilli()
	}
	resp := &ReachabilityResponse{
		Outside: ReachableOutside{State: v.Outside.State, Since: ms(v.Outside.Since), Rehearsal: v.Outside.Rehearsal},
		Servers: make([]ReachableServer, len(v.Servers)), More: v.More,
	}
	for i, s := range v.Servers {
		one := ReachableServer{Name: s.Server, State: s.State, Since: ms(s.Since)}
		if s.State == reach.Healing {
			one.Healing = &ReachableHealing{Left: s.Rooms, Of: s.OfRooms}
		}
		resp.Servers[i] = one
	}
	stable, _ := json.Marshal(resp) // of strings and numbers
	sum := sha256.Sum256(stable)
	resp.Version = base64.RawURLEncoding.EncodeToString(sum[:12])
	resp.Outside.Last = ms(v.Outside.Heard)
	for i, s := range v.Servers {
		resp.Servers[i].Last = ms(s.Last)
		if s.Events > 0 || s.Rooms > 0 || s.Others > 0 {
			resp.Servers[i].Waiting = &ReachableWaiting{Events: s.Events, Rooms: s.Rooms, Messages: s.Others}
		}
	}
	return resp
}
